"""Events as they go over the wire: long texts cut to their head, everything fit for JSON.

Guarantees, for whatever an event holds:
- ``json.dumps(…, allow_nan=False)`` takes it, and UTF-8 can encode it: a number that isn't one
  becomes None, half of a surrogate pair becomes U+FFFD (one character for one, so that positions
  stay what they are);
- of a long text no more than the head is copied, whatever its length;
- what was cut is said: ``cut`` holds the full length by the field's name.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import MISSING, fields
from math import isfinite
from typing import Any

from ..protocol import Event, Logged

HEAD = 1_000  # characters of a text; the rest is asked for
CODE = 200_000  # of code: a person edits it
ITEMS, DEPTH = 100, 6  # of lists and dicts
_INT = 1 << 63

_HALVES = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Give a text that UTF-8 can encode, as long as it was."""
    if text.isascii():
        return text
    return _HALVES.sub("\ufffd", text)


def slim(logged: Logged) -> tuple[dict[str, Any], int]:
    """Give a logged event as data for a front end, and about how many characters it has as JSON."""
    event = logged.event
    data: dict[str, Any] = {"type": event.type}
    cut: dict[str, int] = {}
    size = 80
    for name, default in _defaults(type(event)):
        value = getattr(event, name)
        if value is default or value == default:
            continue
        size += len(name) + 6
        if type(value) is str:
            most = CODE if name == "code" else HEAD
            if len(value) > most:
                cut[name] = len(value)
                value = value[:most]
            data[name] = clean_text(value)
            size += len(value)
        elif type(value) in (bool, int, float):
            data[name] = number(value)
            size += 12
        else:
            data[name], more = capped(value)
            size += more
            if isinstance(value, list | tuple | dict) and len(value) > ITEMS:
                cut[name] = len(value)
    slimmed: dict[str, Any] = {"seq": logged.seq, "time": logged.time, "event": data}
    if cut:
        slimmed["cut"] = cut
    return slimmed, size


_FIELDS: dict[type[Event], tuple[tuple[str, Any], ...]] = {}


def _defaults(cls: type[Event]) -> tuple[tuple[str, Any], ...]:
    """Give the names of an event's fields and what they are by default."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(
            (f.name, f.default_factory() if f.default_factory is not MISSING else f.default)
            for f in fields(cls)
        )
    return known


def packed(data: Any) -> bytes:
    """Give JSON by gzip: a long run's events are some thirtieth of what they were."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False)
    return gzip.compress(text.encode(), compresslevel=3, mtime=0)


def number(value: bool | int | float) -> bool | int | float | None:
    """Give a number as JSON has it; None for one that JSON, or a browser, hasn't."""
    if type(value) is float:
        return value if isfinite(value) else None
    return value if -_INT < value < _INT else None


def capped(value: Any, depth: int = 0) -> tuple[Any, int]:
    """Give any value as JSON-able data of bounded size, and about how many characters that is."""
    if value is None:
        return None, 4
    if isinstance(value, str):
        return clean_text(value[:HEAD]), min(len(value), HEAD) + 2
    if isinstance(value, bool | int | float):
        return number(value), 12
    if depth < DEPTH and isinstance(value, list | tuple):
        pairs = [capped(item, depth + 1) for item in value[:ITEMS]]
        return [item for item, _ in pairs], sum(size for _, size in pairs) + len(pairs) + 2
    if depth < DEPTH and isinstance(value, dict):
        kept: dict[str, Any] = {}
        size = 2
        for key in list(value)[:ITEMS]:
            name = clean_text(str(key)[:HEAD]) if isinstance(key, str | int) else "…"
            kept[name], more = capped(value[key], depth + 1)
            size += len(name) + more + 4
        return kept, size
    return f"<{type(value).__name__}>", 30
