"""What a provider's HTTP answers mean, in one sentence each, without the key in it."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ..errors import ProviderError

_WINDOW = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|too many (?:input )?tokens|"
    r"prompt is too long|input is too long|exceeds? the (?:available|model'?s?) context|"
    r"max_model_len|string too long",
    re.I,
)
_KEYLIKE = re.compile(r"\b(?:sk|pk|key|gsk|xai|hf|or)[-_][A-Za-z0-9_\-*.]{8,}")
_HTML = re.compile(rb"^\s*(?:<!doctype|<html|<head|<\?xml|<h\d)", re.I)
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.I | re.S)
_SHOWN = 300


def looks_like_html(body: bytes) -> bool:
    """Say whether a body is a page for people."""
    return bool(_HTML.match(body[:200]))


def clean(text: str, key: str | None = None) -> str:
    """Make a provider's words fit for one line: short, without keys and line ends."""
    if key:
        text = text.replace(key, "…")
    text = _KEYLIKE.sub("…", " ".join(text.split()))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds a provider asks to wait: ``Retry-After`` in seconds or as a date."""
    milli = headers.get("retry-after-ms")
    value = headers.get("Retry-After") or headers.get("retry-after")
    try:
        if milli:
            return max(0.0, float(milli) / 1000)
        if value is None:
            return None
        return max(0.0, float(value))
    except ValueError:
        pass  # a date
    try:
        when = email.utils.parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def error_message(body: bytes) -> tuple[str, str]:
    """Find what an error body says, and its code: OpenAI's shape and the others in use."""
    if looks_like_html(body):
        return html_text(body), ""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body[:2000].decode("utf-8", "replace"), ""
    if isinstance(data, list) and data:
        data = data[0]
    if isinstance(data, dict):
        inner = data.get("error", data)
        if isinstance(inner, str):
            return inner, ""
        if isinstance(inner, dict):
            said = inner.get("message") or inner.get("detail") or inner.get("error") or ""
            code = inner.get("code") or inner.get("type") or ""
            return said if isinstance(said, str) else json.dumps(said), str(code)
    return json.dumps(data)[:2000], ""


def html_text(body: bytes) -> str:
    """Give the words of a page."""
    return _TAGS.sub(" ", body[:20_000].decode("utf-8", "replace"))


def page_error(body: bytes, where: str) -> ProviderError:
    """Give the error for a page in the place of a completion."""
    words = clean(html_text(body))[:120]
    return ProviderError(
        f"{where} answered a web page instead of a completion ({words!r}): check api_base.",
        status=200,
        retryable=True,
        kind="server",
    )


def from_status(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    where: str,
    model: str,
    key: str | None = None,
) -> ProviderError:
    """Give the error for an HTTP answer that isn't 200."""
    said, code = error_message(body)
    said = clean(said, key)
    words = f": {said}" if said else ""
    low = f"{said} {code}".lower()

    def make(text: str, kind: str, again: bool = False) -> ProviderError:
        wait = retry_after(headers) if again else None
        return ProviderError(text, status=status, retry_after=wait, retryable=again, kind=kind)

    if status == 429:
        if "insufficient_quota" in low or "billing" in low:
            return make(f"{where} says the account has no credit left{words}", "refused")
        return make(f"{where} asks for fewer calls (429){words}", "rate", True)
    if status in (401, 403):
        hint = "no key was sent" if not key else "check the key"
        return make(f"{where} refused the key ({status}; {hint}){words}", "auth")
    if status == 402:
        return make(f"{where} wants to be paid first (402){words}", "refused")
    if status in (400, 413, 422) and (_WINDOW.search(low) or status == 413):
        return make(f"The prompt is longer than the window of {model}{words}", "window")
    if (
        status in (400, 404)
        and "model" in low
        and re.search(
            r"not[ _]found|not exist|unknown|no such|invalid model|not a valid|unsupported_model",
            low,
        )
    ):
        return make(f"{where} has no model {model!r}{words}", "model")
    if status in (404, 405):
        return make(
            f"{where} has no chat completions there ({status}): does api_base end in /v1?{words}",
            "other",
        )
    if status in (408, 504):
        return make(f"{where} took too long ({status}){words}", "timeout", True)
    if status in (409, 425) or (status >= 500 and status not in (501, 505)):
        return make(f"{where} failed ({status}){words}", "server", True)
    if 300 <= status < 400:
        target = clean(headers.get("Location", "?"))
        return make(f"{where} points elsewhere ({status}, to {target}): set api_base.", "other")
    return make(f"{where} refused the request ({status}){words}", "refused")
