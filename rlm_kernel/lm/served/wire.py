"""What goes between a kernel and its gateway process, as JSON-able data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ... import errors
from ...errors import ConfigError, ModelError, ProviderError
from ...protocol import CallRequest, Constraint, ModelInfo, Reply, Usage
from ...protocol.events import usage_from_dict, usage_to_dict
from ...protocol.frames import refuse_items

MOST_HEAD = 1 << 20  # bytes of a question
MOST_BODY = 64 << 20  # bytes of a request
MOST_MESSAGES = 100_000  # of a request
TOO_BIG = f"A request of more than {MOST_BODY >> 20} MiB isn't sent: split it."
#: What questions hold, beside the form that ``support`` is asked about.
PLAIN = frozenset({
    "op", "id", "model", "api_base", "direct", "run", "call", "key", "again", "stream", "name",
    "value",
})  # fmt: skip


def request_to(request: CallRequest) -> bytes:
    """Give a request as bytes; lone surrogates survive."""
    data = {
        "messages": [[m["role"], m["content"]] for m in request.messages],
        "model": request.model, "max_tokens": request.max_tokens,
        "temperature": request.temperature, "stop": list(request.stop),
        "timeout": request.timeout,
        "constraint": None if request.constraint is None else constraint_to(request.constraint),
    }  # fmt: skip
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def request_from(data: bytes) -> CallRequest:
    """Rebuild a request.

    Raises:
        ValueError, TypeError, KeyError: it isn't one.
        ReplError: it has too many items.
    """
    refuse_items(data)
    d = json.loads(data)
    if len(d["messages"]) > MOST_MESSAGES:
        raise ValueError(f"a request has no more than {MOST_MESSAGES:,} messages")
    messages = tuple({"role": str(role), "content": str(text)} for role, text in d["messages"])
    return CallRequest(
        messages,  # type: ignore[arg-type]
        str(d["model"]),
        constraint=None if d["constraint"] is None else constraint_from(d["constraint"]),
        max_tokens=None if d["max_tokens"] is None else int(d["max_tokens"]),
        temperature=None if d["temperature"] is None else float(d["temperature"]),
        stop=tuple(map(str, d["stop"])),
        timeout=None if d["timeout"] is None else float(d["timeout"]),
    )


def constraint_to(c: Constraint) -> dict[str, Any]:
    """Give a constraint."""
    return {"schema": c.schema, "choices": c.choices, "grammar": c.grammar}


def constraint_from(d: Mapping[str, Any]) -> Constraint:
    """Rebuild a constraint."""
    choices = d["choices"]
    return Constraint(d["schema"], None if choices is None else tuple(choices), d["grammar"])


def reply_to(reply: Reply) -> dict[str, Any]:
    """Give a reply; its value is made anew from the text, where it is wanted."""
    return {
        "text": reply.text, "model": reply.model, "finish": reply.finish,
        "usage": usage_to_dict(reply.usage), "first_token": reply.first_token,
    }  # fmt: skip


def reply_from(d: Mapping[str, Any]) -> Reply:
    """Rebuild a reply."""
    return Reply(
        str(d["text"]), str(d["model"]), usage_from_dict(d["usage"]), str(d["finish"]),
        first_token=d.get("first_token"),
    )  # fmt: skip


def info_to(info: ModelInfo) -> dict[str, Any]:
    """Give what is known of a model."""
    return asdict(info)


def info_from(d: Mapping[str, Any]) -> ModelInfo:
    """Rebuild what is known of a model."""
    return ModelInfo(**d)


def error_to(error: BaseException) -> dict[str, Any]:
    """Give an error: its class, its sentence, and what a provider's carries."""
    data: dict[str, Any] = {"class": type(error).__name__, "text": str(error)[:20_000]}
    if isinstance(error, ProviderError):
        data |= {"status": error.status, "retry_after": error.retry_after, "kind": error.kind,
                 "retryable": error.retryable, "lost": error.lost}  # fmt: skip
        if error.usage is not None:
            data["usage"] = usage_to_dict(error.usage)
    return data


def error_from(d: Mapping[str, Any]) -> BaseException:
    """Rebuild an error."""
    name, text = str(d["class"]), str(d["text"])
    if name == "ProviderError":
        usage: Usage | None = usage_from_dict(d["usage"]) if d.get("usage") else None
        return ProviderError(
            text, status=d["status"], retry_after=d["retry_after"], retryable=d["retryable"],
            kind=d["kind"], usage=usage, lost=bool(d.get("lost")),
        )  # fmt: skip
    if name == "ConfigError":
        return ConfigError(text)
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, ModelError):
        return kind(text)
    return ModelError(f"{name}: {text}")
