"""Every provider that litellm knows, through ``litellm.acompletion`` on the engine's loop.

litellm takes seconds to import, and reaches for the network, the user's ``.env`` and the terminal
unless told otherwise before: so it is imported late, on a worker thread, with all of that off.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from typing import Any

from ..errors import ConfigError, ProviderError
from ..protocol import CallRequest, Constraint, ModelInfo, OnText, Reply
from . import pricing, structured
from ._completion import Completion
from ._http_errors import clean, retry_after
from .openai_direct import MAX_BODY
from .structured import Support

_import_lock = threading.Lock()

# By class name, so that nothing is imported to compare with; the first that fits counts.
_KINDS: tuple[tuple[str, str, bool], ...] = (
    ("ContextWindowExceededError", "window", False),
    ("ContentPolicyViolationError", "refused", False),
    ("AuthenticationError", "auth", False),
    ("PermissionDeniedError", "auth", False),
    ("NotFoundError", "model", False),
    ("RateLimitError", "rate", True),
    ("Timeout", "timeout", True),
    ("APIConnectionError", "connect", True),
    ("ServiceUnavailableError", "server", True),
    ("BadGatewayError", "server", True),
    ("InternalServerError", "server", True),
    ("JSONSchemaValidationError", "malformed", True),
    ("APIResponseValidationError", "malformed", True),
    ("BadRequestError", "refused", False),
    ("APIError", "server", True),
)


def load_litellm() -> Any:
    """Import litellm, quiet and offline. Blocks for seconds the first time."""
    with _import_lock:
        # Without these its import fetches a price map and reads a .env into the environment.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        try:
            litellm: Any = importlib.import_module("litellm")
        except ImportError as error:
            msg = f"litellm can't be imported ({error}): pip install litellm."
            raise ConfigError(msg) from error
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        litellm.drop_params = True
        litellm.set_verbose = False
        return litellm


class LiteLLMProvider:
    """Models by litellm's names.

    Args:
        api_base: the provider's address where it isn't the usual one.
        api_key: its key; by default litellm finds the provider's own in the environment.
        extra: more arguments of ``acompletion``, such as ``mock_response``.
    """

    concurrency = 64  # its CPU per call leaves no room for more

    def __init__(self, api_base: str | None = None, api_key: str | None = None, **extra: Any):
        self.api_base = api_base
        self._api_key = api_key
        self._extra = extra

    def __repr__(self) -> str:
        return f"LiteLLMProvider({self.api_base!r}, {self._extra!r})"

    def info(self, model: str) -> ModelInfo:
        """Say what the price map knows."""
        entry = pricing.lookup(model)
        return ModelInfo(
            name=model,
            provider=entry.provider if entry else model.partition("/")[0],
            window=entry.window if entry else None,
            max_output=entry.max_output if entry else None,
            input_price=entry.input_price if entry else None,
            output_price=entry.output_price if entry else None,
        )

    def support(self, model: str, constraint: Constraint) -> Support:
        """Say whether the provider holds replies to a form by itself."""
        entry = pricing.lookup(model)
        schema = constraint.grammar is None and entry is not None and entry.supports_schema
        return "yes" if schema else "no"

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Ask for one completion."""
        litellm = await asyncio.to_thread(load_litellm)
        arguments = self._arguments(request)
        got = Completion(where=f"litellm ({request.model})")
        try:
            if on_text is None:
                answer = await litellm.acompletion(**arguments)
                got.take(answer.model_dump(), "message")
                if not answer.choices:
                    got.problem = "no choices"
            else:
                chunks = await litellm.acompletion(
                    **arguments, stream=True, stream_options={"include_usage": True}
                )
                size = 0
                async for chunk in chunks:
                    if piece := got.take(chunk.model_dump(), "delta"):
                        on_text(piece)
                    size += len(piece) + 1
                    if size > MAX_BODY:
                        msg = f"{got.where} sent a reply of more than {MAX_BODY >> 20} MiB."
                        raise ProviderError(msg, kind="malformed", status=200)
        except ProviderError:
            raise
        except Exception as error:
            raise self._mapped(error, request.model) from error
        return got.reply(request, pricing.lookup(request.model))

    def _arguments(self, request: CallRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": request.model,
            "messages": [dict(m) for m in request.messages],
            "num_retries": 0,
            "max_retries": 0,
            **self._extra,
        }
        for name, value in (
            ("api_base", self.api_base),
            ("api_key", self._api_key),
            ("max_tokens", request.max_tokens),
            ("temperature", request.temperature),
            ("stop", list(request.stop) or None),
        ):
            if value is not None:
                arguments[name] = value
        if request.timeout is not None:
            arguments["timeout"] = request.timeout
        schema = structured.json_schema(request.constraint) if request.constraint else None
        if schema is not None:
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "reply", "schema": schema, "strict": structured.strict(schema),
                },
            }  # fmt: skip
        return arguments

    def _mapped(self, error: Exception, model: str) -> ProviderError:
        names = {cls.__name__ for cls in type(error).__mro__}
        said = clean(str(error).removeprefix("litellm."), self._api_key)
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) else None
        if "LLM Provider NOT provided" in str(error):
            return ProviderError(f"litellm knows no provider of {model!r}.", kind="model")
        kind, again = next(((k, a) for name, k, a in _KINDS if name in names), ("other", False))
        # A server that isn't there surfaces as an InternalServerError.
        if "Connection error" in str(error) or "Cannot connect" in str(error):
            kind = "connect"
        response = getattr(error, "response", None)
        wait = retry_after(getattr(response, "headers", None) or {}) if again else None
        return ProviderError(
            f"{model}: {said}", status=status, retry_after=wait, retryable=again, kind=kind
        )

    async def close(self) -> None:
        """Nothing of ours is open: litellm keeps its clients for the process."""
