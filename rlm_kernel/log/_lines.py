"""Events as lines of JSON, with long texts kept apart.

A line is pure ASCII: what UTF-8 can't say (lone surrogates) is escaped by JSON itself. Two
things JSON would change are kept apart as blobs, like long texts: a high surrogate followed by
a low one (JSON readers make one character of them), and nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from hashlib import sha256
from typing import Any

from ..protocol import PROTOCOL_VERSION, Event, Logged, event_from_dict

LONG_TEXT = 4096  # characters; longer texts become blobs
HEAD = 200  # characters of a blob that its line shows
MAGIC = "rlm-kernel"

PutBlob = Callable[[str, bytes], None]
GetText = Callable[[str], str | None]

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_dump = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_HUGE = 10**100  # numbers of events stay below
_MOST_EVENTS = 1 << 60
_NOTHING = object()
_TYPES: dict[str, tuple[type, ...]] = {
    "list": (list,), "dict": (dict,), "float": (int, float), "int": (int,), "bool": (bool,),
}  # fmt: skip

Defaults = tuple[tuple[str, Any, Callable[[], Any] | None], ...]
Checks = dict[str, tuple[tuple[type, ...], type | None]]
_known_defaults: dict[type[Event], Defaults] = {}
_known_checks: dict[type[Event], Checks] = {}


def header(created: float) -> bytes:
    """Give the first line of a log."""
    return (_dump({"v": PROTOCOL_VERSION, "log": MAGIC, "created": created}) + "\n").encode()


def encode(logged: Logged, put_blob: PutBlob | None) -> bytes:
    """Give the line of an event, newline included; its blobs are put first."""
    event = logged.event
    line: dict[str, Any] = {"seq": logged.seq, "time": logged.time, "type": event.type}
    for name, default, factory in _defaults(type(event)):
        value = getattr(event, name)
        if value == (factory() if factory else default):
            continue
        kind = type(value)
        if kind is int or kind is bool or value is None:
            line[name] = value
        elif kind is not float or math.isfinite(value):
            line[name] = _pack(value, put_blob)
    return (_dump(line) + "\n").encode("ascii")


def decode(line: Mapping[str, Any], get_text: GetText | None) -> Logged | None:
    """Rebuild an event from its parsed line; None for a type that isn't known.

    Raises:
        ValueError: the line isn't an event.
    """
    seq, time = line.get("seq"), line.get("time")
    counts = type(seq) is int and 0 <= seq < _MOST_EVENTS
    if not counts or not _fits(time, (int, float), None):
        msg = "it has no seq and time"
        raise ValueError(msg)
    data = {
        k: v if type(v) is str else _unpack(v, get_text)
        for k, v in line.items() if k not in ("seq", "time")
    }  # fmt: skip
    try:
        event = event_from_dict(data)
    except TypeError:
        msg = f"a {data.get('type')!r} without its node"
        raise ValueError(msg) from None
    if event is None:
        return None
    checks = _checks(type(event))
    for name, value in data.items():
        if name in checks and not _fits(value, *checks[name]):
            msg = f"{name!r} of {event.type!r} has the wrong type"
            raise ValueError(msg)
    return Logged(line["seq"], float(line["time"]), event)


def _fits(value: Any, check: tuple[type, ...], items: type | None) -> bool:
    if items is not None:
        return isinstance(value, list) and all(isinstance(item, items) for item in value)
    return isinstance(value, check) and (not isinstance(value, int | float) or _meant(value))


def _meant(number: float) -> bool:
    """Whether a number can be counted with and shown; NaN can't."""
    return -_HUGE < number < _HUGE


def _defaults(cls: type[Event]) -> Defaults:
    """Give the names of an event's fields with their defaults; worked out once per class."""
    known = _known_defaults.get(cls)
    if known is None:
        known = tuple(
            (
                f.name,
                _NOTHING if f.default is MISSING else f.default,
                None if f.default_factory is MISSING else f.default_factory,
            )
            for f in fields(cls)
        )
        _known_defaults[cls] = known
    return known


def _checks(cls: type[Event]) -> Checks:
    """Say which types each field and its items may have, from its annotation (``str | None``)."""
    known = _known_checks.get(cls)
    if known is None:
        known = {f.name: (_types(str(f.type)), _items(str(f.type))) for f in fields(cls)}
        _known_checks[cls] = known
    return known


def _types(annotation: str) -> tuple[type, ...]:
    kinds: tuple[type, ...] = (str,)  # also for the names of Literal types
    for start, those in _TYPES.items():
        if annotation.startswith(start):
            kinds = those
    return (*kinds, type(None)) if "None" in annotation else kinds


def _items(annotation: str) -> type | None:
    """Say which type the items of a list must have."""
    return dict if annotation.startswith("list[dict") else None


def _pack(value: Any, put_blob: PutBlob | None) -> Any:
    kind = type(value)
    if kind is str:
        if len(value) <= LONG_TEXT and (value.isascii() or not _PAIR.search(value)):
            return value
        if put_blob is None:
            return value
        data = value.encode("utf-8", "surrogatepass")
        digest = sha256(data).hexdigest()
        put_blob(digest, data)
        head = value[:HEAD]
        return {"$blob": digest, "chars": len(value), "head": _PAIR.sub("\ufffd", head)}
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int or kind is bool or value is None:
        return value
    if isinstance(value, Mapping):
        packed = {str(k): _pack(v, put_blob) for k, v in value.items()}
        return {"$dict": packed} if any(k.startswith("$") for k in packed) else packed
    if isinstance(value, list | tuple | set | frozenset):
        return [_pack(v, put_blob) for v in value]
    for plain in (str, float, int):  # subclasses: enums, numpy's float64
        if isinstance(value, plain):
            return _pack(plain.__str__(value) if plain is str else plain(value), put_blob)
    # fields are JSON-able by contract; what isn't (a tool's object in config) keeps its words
    return _pack(repr(value)[:LONG_TEXT], put_blob)


def _unpack(value: Any, get_text: GetText | None) -> Any:
    kind = type(value)
    # A float is any that a model wrote; whole numbers have no end, and are counted with.
    if (kind is float and not math.isfinite(value)) or (kind is int and not _meant(value)):
        msg = "a number in it isn't finite"
        raise ValueError(msg)
    if kind is list:
        return [_unpack(v, get_text) for v in value]
    if kind is not dict:
        return value
    if len(value) == 1 and type(value.get("$dict")) is dict:
        return {k: _unpack(v, get_text) for k, v in value["$dict"].items()}
    if "$blob" not in value:
        return {k: _unpack(v, get_text) for k, v in value.items()}
    digest, chars, head = value["$blob"], value.get("chars"), value.get("head")
    if type(digest) is not str or type(chars) is not int or type(head) is not str:
        msg = "a text kept apart isn't named well"
        raise ValueError(msg)
    text = get_text(digest) if get_text and re.fullmatch("[0-9a-f]{64}", digest) else None
    if text is None:
        return f"{head}… [{chars - len(head)} more characters were kept apart and aren't here]"
    return text
