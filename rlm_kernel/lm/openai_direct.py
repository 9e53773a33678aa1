"""The direct path to OpenAI-compatible servers: aiohttp, no SDK (which costs 20 times the CPU).

Guarantees:
- one try for each ``complete``; whatever the server answers becomes a ``Reply`` or a
  ``ProviderError`` with one sentence; cancelling closes the connection;
- the key goes to this server only, never along a redirect, and is in no message;
- a parameter that the server says it doesn't take is left out from then on (that try isn't billed).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import weakref
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ConfigError, ProviderError
from ..protocol import CallRequest, Constraint, ModelInfo, OnText, Reply
from . import pricing, structured
from ._completion import Completion, StreamReader
from ._http_errors import clean, from_status, looks_like_html, page_error
from ._late import late_import
from .loop import close_soon
from .structured import Support

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
CONNECTIONS = 256  # more in flight doesn't help
MAX_BODY = 64 << 20  # bytes of one reply

# Which provider of the price map a host is.
_HOSTS = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "api.together.xyz": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.x.ai": "xai",
    "api.cerebras.ai": "cerebras",
}
# Made once: ``json.dumps`` with options makes an encoder for each call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SHORT = 20_000  # characters of the longest message that is kept as it was sent
_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


class OpenAIProvider:
    """A server that speaks chat completions.

    Args:
        api_base: its address, ``/v1`` included.
        api_key: the key to send, or None for none.
        idle_timeout: seconds without a byte after which a stream counts as hung.
        connect_timeout: seconds to connect.
        headers: more headers for each request.
    """

    concurrency = CONNECTIONS

    def __init__(
        self,
        api_base: str = OPENAI,
        api_key: str | None = None,
        *,
        idle_timeout: float = 120.0,
        connect_timeout: float = 15.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(api_base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            msg = f'api_base={api_base!r} isn\'t an address such as "http://localhost:11434/v1".'
            raise ConfigError(msg)
        if api_key and not re.fullmatch(r"[\x21-\x7e]+", api_key):
            msg = "The API key has blanks, line ends or letters that no key has."
            raise ConfigError(msg)
        self.api_base = api_base.rstrip("/").removesuffix("/chat/completions")
        self.where = parts.netloc.rpartition("@")[2]
        self.host = parts.hostname
        self.local = self.host in _LOOPBACK
        self.owner = _HOSTS.get(self.host, "")
        self._key = api_key
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._idle = idle_timeout
        self._connect = connect_timeout
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._left_out: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.api_base!r})"

    def info(self, model: str) -> ModelInfo:
        """Say what the price map knows; a name on another host tells a window but no price."""
        entry = pricing.lookup(model, self.owner)
        priced = entry if self.owner else None
        if entry is None and not self.owner:
            entry = pricing.lookup(model)
        return ModelInfo(
            name=model,
            provider=self.owner or self.where,
            window=entry.window if entry else None,
            max_output=entry.max_output if entry else None,
            input_price=priced.input_price if priced else None,
            output_price=priced.output_price if priced else None,
            note="" if self.owner else f"the server at {self.where}",
        )

    def support(self, model: str, constraint: Constraint) -> Support:
        """Say whether the server holds replies to a form by itself."""
        if constraint.grammar is not None:
            return "no" if self.owner else "yes"
        if "response_format" in self._left_out.get(model, ()):
            return "no"
        entry = pricing.lookup(model, self.owner) if self.owner else None
        return "yes" if entry is not None and entry.supports_schema else "maybe"

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Ask for one completion."""
        left_out = self._left_out.setdefault(request.model, set())
        for _ in range(5):
            try:
                return await self._once(request, on_text, left_out)
            except ProviderError as error:
                if error.status not in (400, 422) or not _learn(
                    str(error), self._body(request, on_text is not None, left_out), left_out
                ):
                    raise
                log.info("%s: asking again without %s", self.where, sorted(left_out))
        msg = f"{self.where} takes none of the forms of the request that it was offered."
        raise ProviderError(msg, kind="refused")

    async def _once(
        self, request: CallRequest, on_text: OnText | None, left_out: set[str]
    ) -> Reply:
        await late_import("aiohttp")
        import aiohttp

        body = self._body(request, on_text is not None, left_out)
        payload = _payload(body)
        session = self._open()
        url = f"{self.api_base}/chat/completions"
        timeout = self._patient if on_text is None else self._streaming
        text = ""
        try:
            async with session.post(
                url, data=payload, allow_redirects=False, timeout=timeout
            ) as answer:
                if answer.status != 200:
                    raw = await answer.content.read(200_000)
                    raise from_status(
                        answer.status, answer.headers, raw, self.where, request.model, self._key
                    )
                if on_text is not None and "json" not in answer.content_type:
                    reader = StreamReader(self.where, on_text)
                    async for chunk in _capped(answer, self.where):
                        reader.feed(chunk)
                        text = "…"
                        if reader.ended:
                            break
                    completion = reader.completion()
                else:
                    raw = await self._read(answer)
                    completion = Completion.parse(raw, self.where, self._key)
                    if on_text is not None and completion.text:
                        on_text(completion.text)
        except aiohttp.ServerTimeoutError as error:
            connecting = getattr(aiohttp, "ConnectionTimeoutError", ())  # aiohttp 3.10
            kind = "connect" if isinstance(error, connecting) else "timeout"
            what = "can't be reached" if kind == "connect" else f"sent nothing for {self._idle:g} s"
            raise ProviderError(f"{self.where} {what}.", kind=kind, retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            what = clean(str(error.os_error.strerror or error))
            raise ProviderError(
                f"{self.where} can't be reached ({what}): is the server running?",
                kind="connect",
                retryable=True,
            ) from error
        except aiohttp.ClientPayloadError as error:
            raise ProviderError(
                f"{self.where} broke off in the middle of its reply.",
                kind="malformed",
                status=200,
                retryable=True,
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            half = " in the middle of its reply" if text else ""
            raise ProviderError(
                f"The connection to {self.where} broke{half} ({clean(str(error), self._key)}).",
                kind="malformed" if text else "connect",
                status=200 if text else None,
                retryable=True,
                lost=True,
            ) from error
        return completion.reply(
            request, pricing.lookup(request.model, self.owner) if self.owner else None
        )

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        raw = b"".join([chunk async for chunk in _capped(answer, self.where)])
        if looks_like_html(raw):
            raise page_error(raw, self.where)
        return raw

    def _body(self, request: CallRequest, stream: bool, left_out: set[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": request.model, "messages": request.messages}
        if request.max_tokens is not None:
            new_name = (self.owner == "openai") != ("limit_name" in left_out)
            body["max_completion_tokens" if new_name else "max_tokens"] = request.max_tokens
        if request.temperature is not None and "temperature" not in left_out:
            body["temperature"] = request.temperature
        if request.stop and "stop" not in left_out:
            body["stop"] = request.stop
        if request.constraint is not None:
            schema = structured.json_schema(request.constraint)
            if schema is None:
                body["grammar"] = request.constraint.grammar
            elif "response_format" not in left_out:
                body["response_format"] = {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "reply",
                        "schema": schema,
                        "strict": structured.strict(schema),
                    },
                }
        if stream:
            body["stream"] = True
            if "stream_options" not in left_out:
                body["stream_options"] = {"include_usage": True}
        if self.owner == "openrouter":
            body["usage"] = {"include": True}
        return body

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            import aiohttp

            self._patient = aiohttp.ClientTimeout(total=None, sock_connect=self._connect)
            self._streaming = aiohttp.ClientTimeout(
                total=None, sock_connect=self._connect, sock_read=self._idle
            )
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                trust_env=not self.local,
                auto_decompress=True,
            )
            self._loop = loop
            # Collected or at exit without a close(): no connection is left, nothing is printed.
            self._finalizer = weakref.finalize(self, _let_go, self._session, loop)
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if self._finalizer is not None:
            self._finalizer.detach()
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()
        elif session is not None and self._loop is not None:
            _let_go(session, self._loop)


def _payload(body: Mapping[str, Any]) -> bytes:
    """Give a request's body as it is sent."""
    rest = {name: value for name, value in body.items() if name != "messages"}
    chat = b",".join([
        (_message if len(m["content"]) <= _SHORT else _message_of)(m["role"], m["content"])
        for m in body["messages"]
    ])  # fmt: skip
    return _bytes(rest)[:-1] + b',"messages":[' + chat + b"]}"


def _message_of(role: str, content: str) -> bytes:
    return _bytes({"role": role, "content": content})


# Of a chat all but the newest message was sent at the turn before.
_message = lru_cache(maxsize=1024)(_message_of)


def _bytes(value: Any) -> bytes:
    # A lone surrogate has no UTF-8 form; the context keeps it, the wire can't.
    return _encode(value).encode("utf-8", "replace")


def _let_go(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    if not session.closed:
        close_soon(session.close(), loop)


async def _capped(answer: aiohttp.ClientResponse, where: str) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            msg = f"{where} sent a reply of more than {MAX_BODY >> 20} MiB."
            raise ProviderError(msg, kind="malformed", status=200)
        yield chunk


def _learn(said: str, body: Mapping[str, Any], left_out: set[str]) -> bool:
    """Note which parameter a refusal is about; False where it is about none that was sent."""
    low = said.lower()
    if "max_tokens" in body or "max_completion_tokens" in body:
        sent = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
        other = "max_completion_tokens" if sent == "max_tokens" else "max_tokens"
        unsupported = re.search(r"unsupported|not supported|unknown|unrecognized|extra", low)
        if "limit_name" not in left_out and sent in low and (other in low or unsupported):
            left_out.add("limit_name")
            return True
    for name, words in (
        ("response_format", ("response_format", "json_schema", "structured output")),
        ("stream_options", ("stream_options", "include_usage")),
        ("temperature", ("temperature",)),
        ("stop", ("'stop'", '"stop"', "stop parameter")),
    ):
        if name in body and name not in left_out and any(w in low for w in words):
            left_out.add(name)
            return True
    return False
