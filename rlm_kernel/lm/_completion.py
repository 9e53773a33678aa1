"""Reading what a chat-completions server sends: one JSON object, or a stream of them.

Nothing in it is trusted: fields of the wrong type are ignored or refused in words, never a crash.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ProviderError
from ..protocol import CallRequest, OnText, Reply, Usage
from ._http_errors import clean, from_status, looks_like_html, page_error
from .pricing import Entry, bill, cost_of
from .tokens import estimate, estimate_messages

_LONGEST_NAME = 200  # characters of what a server says its model is


@dataclass(slots=True)
class Completion:
    """What is used of a completion, whichever way it came."""

    pieces: list[str] = field(default_factory=list)
    model: str = ""
    finish: str = ""
    usage: Mapping[str, Any] | None = None
    thought: bool = False  # there was reasoning apart from the text
    where: str = ""
    problem: str = ""  # what else stands in the place of a text

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)

    @classmethod
    def parse(cls, raw: bytes, where: str, key: str | None = None) -> Completion:
        """Read a whole body."""
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError) as error:
            shown = clean(raw[:200].decode("utf-8", "replace"), key)[:80]
            msg = f"{where} answered something that isn't JSON ({shown!r})."
            raise _malformed(msg) from error
        if not isinstance(data, dict):
            msg = f"{where} answered JSON that isn't a completion."
            raise _malformed(msg)
        raise_inner_error(data, where, key)
        self = cls(where=where)
        self.take(data, "message")
        if not data.get("choices"):
            self.problem = "no choices"
        return self

    def take(self, data: Mapping[str, Any], field: str) -> str:
        """Take in an object (``field`` is ``message`` or ``delta``); give its piece of text."""
        if isinstance(data.get("model"), str):
            self.model = data["model"][:_LONGEST_NAME]
        if isinstance(data.get("usage"), dict):
            self.usage = data["usage"]
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ""
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]
        message = choice.get(field)
        if not isinstance(message, dict):
            return ""
        if message.get("reasoning_content") or message.get("reasoning"):
            self.thought = True
        if isinstance(message.get("refusal"), str) and message["refusal"]:
            self.problem = "refusal"
        if message.get("tool_calls"):
            self.problem = "a tool call"
        piece = _text(message.get("content"))
        if piece:
            self.pieces.append(piece)
        return piece

    def reply(self, request: CallRequest, entry: Entry | None) -> Reply:
        """Give the reply, or raise what is wrong with it, with its bill."""
        usage = self._bill(request, entry)
        text = self.text
        if text.strip() and self.problem != "refusal":
            return Reply(text, self.model or request.model, usage, self.finish or "stop")
        where = self.where
        if self.problem == "refusal" or self.finish == "content_filter":
            raise ProviderError(
                f"{where}: the model refused to answer.", kind="refused", status=200, usage=usage
            )
        if self.finish == "length":
            raise ProviderError(
                f"{request.model} used all {usage.output_tokens:,} tokens of its output for "
                "thinking and wrote no text: allow more with max_tokens=.",
                kind="other",
                status=200,
                usage=usage,
            )
        what = self.problem or "an empty text"
        raise ProviderError(
            f"{where} answered a completion with {what} instead of a text.",
            kind="malformed",
            status=200,
            retryable=True,
            usage=usage if self.usage is not None else None,
        )

    def _bill(self, request: CallRequest, entry: Entry | None) -> Usage:
        told = self.usage or {}
        tokens_in, tokens_out = (
            _count(told.get("prompt_tokens")),
            _count(told.get("completion_tokens")),
        )
        if tokens_in is None:
            tokens_in = estimate_messages(request.messages)
        if tokens_out is None:
            tokens_out = estimate(self.text)
        details = told.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        cost = _dollars(told.get("cost"))
        if cost is None and entry is not None:
            cost = cost_of(
                tokens_in, tokens_out, cached or 0,
                entry.input_price, entry.output_price, entry.cached_price,
            )  # fmt: skip
        return bill(tokens_in, tokens_out, cached or 0, cost)


class StreamReader:
    """Server-sent events into a completion; chunks may be cut anywhere."""

    def __init__(self, where: str, on_text: OnText) -> None:
        self.ended = False
        self._where = where
        self._on_text = on_text
        self._got = Completion(where=where)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []  # the pieces of the last one, which isn't whole
        self._seen = 0  # events
        self._head = b""

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if not self._seen and len(self._head) < 2000:
            self._head += chunk
        first, *lines = self._decoder.decode(chunk).split("\n")
        self._line.append(first)
        for line in lines:
            self._take("".join(self._line).rstrip("\r"))
            self._line = [line]

    def completion(self) -> Completion:
        """Give what came, or raise if it broke off."""
        self._take("".join(self._line))
        self._line = []
        if not self._seen and looks_like_html(self._head):
            raise page_error(self._head, self._where)
        if not self._seen:
            shown = clean(self._head.decode("utf-8", "replace"))[:80]
            msg = f"{self._where} sent no completion ({shown!r})."
            raise _malformed(msg)
        if not self.ended and not self._got.finish:
            msg = f"{self._where} broke off after {len(self._got.text):,} characters of its reply."
            raise _malformed(msg)
        return self._got

    def _take(self, line: str) -> None:
        if not line.startswith("data:"):
            return
        data = line[5:].strip()
        if data == "[DONE]":
            self.ended = True
            return
        if not data:
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            msg = f"{self._where} sent a piece of its reply that isn't JSON ({clean(data)[:80]!r})."
            raise _malformed(msg) from error
        if not isinstance(event, dict):
            return
        self._seen += 1
        raise_inner_error(event, self._where)
        piece = self._got.take(event, "delta")
        if piece:
            self._on_text(piece)


def raise_inner_error(data: Mapping[str, Any], where: str, key: str | None = None) -> None:
    """Raise an error that came with status 200, as routers send it."""
    inner = data.get("error")
    if not inner:
        return
    code = inner.get("code") if isinstance(inner, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    raise from_status(status, {}, json.dumps({"error": inner}).encode(), where, "the model", key)


def _malformed(message: str) -> ProviderError:
    return ProviderError(message, kind="malformed", status=200, retryable=True)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # parts, as some servers send them
        return "".join(
            p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str)
        )
    return ""


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and value >= 0 else None


def _dollars(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
