"""Cutting texts to size: the head and the tail stay, what is missing is counted."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def shortened(text: str, limit: int) -> str:
    """Give a text of about ``limit`` characters: head, how many are missing, tail."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    cut = len(text) - limit
    return f"{text[:head]} … [{cut:,} characters cut] … {text[len(text) - tail :]}"


def plain(text: str) -> str:
    """Give a text without terminal colours and other escape sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def short_repr(value: object, limit: int) -> str:
    """Give ``repr(value)`` cut to size, without building the whole of it for a long text."""
    if isinstance(value, (str, bytes)) and type(value) in (str, bytes) and len(value) > limit:
        tail = limit // 3
        head = limit - tail
        cut = len(value) - limit
        return f"{value[:head]!r} … [{cut:,} characters cut] … {value[len(value) - tail :]!r}"
    return shortened(repr(value), limit)
