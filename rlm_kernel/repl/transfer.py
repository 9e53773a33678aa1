"""Values across processes, as tagged JSON and binary parts.

Guarantees:
- what comes from a kernel is never unpickled and never run: it is data of the kinds listed here,
  or it is refused;
- text, numbers, containers come out equal and of the same type: lone surrogates, NUL, integers of
  any size, NaN, tuples, sets, dicts with any keys of these kinds;
- a part is taken once, so that a value isn't many times as large as what was sent, and keys that
  were made to collide are refused, so that it is made in a moment;
- numpy arrays go as ``.npy`` (without objects), tables as Arrow where pyarrow is there
  (``tables.py`` says how large they may be);
- a ``Text``, which stays in its file, goes as its path, and comes back from a kernel only if that
  is a file the kernel was given (``files``);
- to a kernel of our own, and only there (``copies=True``), anything else goes as a pickled copy.
"""

from __future__ import annotations

import base64
import io
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ..context.text import Text
from ..errors import ReplError
from .tables import from_arrow, to_arrow

DEEPEST = 60  # containers within containers
INLINE = 4_096  # longer texts and bytes go as binary parts
_SAFE_INT = 1 << 53
_ALIKE = 100  # keys with one hash; sets and dicts of plain data have fewer
_LONGEST_FRACTION = 10_000  # hexadecimal digits; longer ones take long to be reduced
_TAKEN = bytes([255, 0])  # by identity: what stands in the place of a part that was used


def encode(value: Any, parts: list[bytes], *, copies: bool = False) -> Any:
    """Give a value as JSON-able data; long pieces are appended to ``parts``.

    Args:
        value: the value.
        parts: takes the binary parts; give the same list to all values of a message.
        copies: whether a value of another kind may go as a pickled copy (to a kernel only).

    Raises:
        ReplError: it can't cross; the sentence names its type.
    """
    return _Encoder(parts, copies).any(value, 0)


def decode(
    data: Any,
    parts: list[bytes],
    *,
    copies: bool = False,
    files: Collection[str] = (),
) -> Any:
    """Rebuild a value.

    Args:
        data: what ``encode`` gave.
        parts: the binary parts of the message; those that it takes are empty afterwards.
        copies: whether pickled copies are accepted: True only in a kernel, for what we sent.

        files: paths of which a ``Text`` may be made, besides those that we sent.

    Raises:
        ReplError: it isn't what ``encode`` gives.
    """
    try:
        return _Decoder(parts, copies, files).any(data, 0)
    except ReplError:
        raise
    except Exception as error:
        msg = f"A value from the other process can't be read ({type(error).__name__})."
        raise ReplError(msg) from None


class _Encoder:
    def __init__(self, parts: list[bytes], copies: bool) -> None:
        self._parts = parts
        self._copies = copies

    def any(self, value: Any, depth: int) -> Any:
        if value is None or value is True or value is False:
            return value
        if depth > DEEPEST:
            msg = f"The value is nested more than {DEEPEST} deep (or contains itself)."
            raise ReplError(msg)
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is int:
            return value if -_SAFE_INT < value < _SAFE_INT else {"int": hex(value)}
        if kind is float:
            return value if value - value == 0.0 else {"float": repr(value)}
        if kind is list:
            return [self.any(v, depth + 1) for v in value]
        if kind is bytes:
            return self._bytes(value)
        if kind in _SEQUENCES:
            return {_SEQUENCES[kind]: [self.any(v, depth + 1) for v in value]}
        if kind in _MAPPINGS:
            pairs = [[self.any(k, depth + 1), self.any(v, depth + 1)] for k, v in value.items()]
            return {_MAPPINGS[kind]: pairs}
        if kind in _TO_TEXT:
            tag, form = _TO_TEXT[kind]
            return {tag: form(value)}
        if kind is Text:
            return {"file": self._text(str(value.path))}
        if isinstance(value, Path):
            return {"path": self._text(str(value))}
        return self._library(value)

    def _text(self, value: str) -> Any:
        if len(value) <= INLINE:
            if value.isascii():
                return value
            try:
                value.encode()
            except UnicodeEncodeError:
                pass  # lone surrogates next to each other would be joined by JSON
            else:
                return value
        self._parts.append(value.encode("utf-8", "surrogatepass"))
        return {"text": len(self._parts) - 1}

    def _bytes(self, value: bytes) -> Any:
        if len(value) <= INLINE:
            return {"bytes": base64.b64encode(value).decode("ascii")}
        return {"blob": self._part(value)}

    def _part(self, value: bytes) -> int:
        self._parts.append(value)
        return len(self._parts) - 1

    def _library(self, value: Any) -> Any:
        # A value of a library's can only be here when that library is imported already.
        if (np := sys.modules.get("numpy")) is not None:
            is_scalar = isinstance(value, np.generic)
            if (is_scalar or type(value) is np.ndarray) and not value.dtype.hasobject:
                file = io.BytesIO()
                np.save(file, np.asarray(value), allow_pickle=False)
                return {"scalar" if is_scalar else "array": self._part(file.getvalue())}
        if (pd := sys.modules.get("pandas")) is not None:
            if type(value) is pd.DataFrame and (table := to_arrow(value)) is not None:
                return {"frame": self._part(table)}
            if type(value) is pd.Series:
                table = to_arrow(value.to_frame(name="values"))
                if table is not None:
                    return {"series": self._part(table), "name": self.any(value.name, DEEPEST)}
        if self._copies:
            return {"pickle": self._part(_pickled(value))}
        msg = (
            f"A value of type {_name(value)} can't cross to the other process. Give plain data "
            "instead: text, numbers, lists, dicts, arrays, data frames."
        )
        raise ReplError(msg)


class _Decoder:
    def __init__(self, parts: list[bytes], copies: bool, files: Collection[str]) -> None:
        self._parts = parts
        self._copies = copies
        self._files = files

    def _take(self, index: int) -> bytes:
        part, self._parts[index] = self._parts[index], _TAKEN
        if part is _TAKEN:
            raise ValueError("taken before")
        return part

    def _refuse_alike(self, keys: list[Any]) -> None:
        """Refuse keys with one hash: a set of 100,000 of them takes minutes to be made."""
        if self._copies or len(keys) <= _ALIKE:
            return
        if Counter(map(hash, keys)).most_common(1)[0][1] > _ALIKE:
            raise ValueError("alike")

    def any(self, data: Any, depth: int) -> Any:
        if data is None or isinstance(data, (bool, int, float, str)):
            return data
        if depth > DEEPEST:
            raise ValueError("too deep")
        if isinstance(data, list):
            return [self.any(v, depth + 1) for v in data]
        tag, body = next(iter(data.items()))
        if tag in _FROM_SEQUENCE:
            items = [self.any(v, depth + 1) for v in body]
            if tag in ("set", "frozenset"):
                self._refuse_alike(items)
            return _FROM_SEQUENCE[tag](items)
        if tag in _FROM_PAIRS:
            pairs = [(self.any(k, depth + 1), self.any(v, depth + 1)) for k, v in body]
            self._refuse_alike([key for key, _ in pairs])
            return _FROM_PAIRS[tag](pairs)
        if tag == "fraction" and not self._copies and max(map(len, body)) > _LONGEST_FRACTION:
            msg = "A fraction of that many digits isn't taken from a kernel."
            raise ReplError(msg)
        if tag in _FROM_TEXT:
            return _FROM_TEXT[tag](body)
        if tag == "text":
            return str(self._take(body), "utf-8", "surrogatepass")
        if tag == "bytes":
            return base64.b64decode(body, validate=True)
        if tag == "blob":
            return bytes(self._take(body))
        if tag == "path":
            return Path(self.any(body, depth + 1))
        if tag == "file":
            path = str(self.any(body, depth + 1))
            if not self._copies and path not in self._files:
                raise ValueError(path)
            return Text(path)
        if tag in ("array", "scalar"):
            import numpy as np

            file = self._take(body)
            if not file.startswith(np.lib.format.MAGIC_PREFIX):  # an archive unpacks to any size
                raise ValueError(tag)
            array = np.load(io.BytesIO(file), allow_pickle=False)
            if array.size > len(file):  # of items without a size, which may be any number
                raise ValueError(tag)
            return array[()] if tag == "scalar" else array
        if tag == "frame":
            return from_arrow(self._take(body))
        if tag == "series":
            return from_arrow(self._take(body))["values"].rename(self.any(data["name"], depth + 1))
        if tag == "pickle" and self._copies:
            return pickle.loads(self._take(body))
        raise ValueError(tag)


def _when(value: datetime | time) -> str:
    zone = value.tzinfo
    key = zone.key if isinstance(zone, ZoneInfo) else ""
    return f"{value.isoformat()}|{value.fold}|{key}"


def _datetime(text: str) -> datetime:
    form, fold, key = text.split("|")
    value = datetime.fromisoformat(form)
    if key:
        value = value.replace(tzinfo=ZoneInfo(key))
    return value.replace(fold=int(fold))


def _time(text: str) -> time:
    form, fold, key = text.split("|")
    value = time.fromisoformat(form)
    if key:
        value = value.replace(tzinfo=ZoneInfo(key))
    return value.replace(fold=int(fold))


def _counter(pairs: Any) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    for key, value in pairs:
        dict.__setitem__(counter, key, value)
    return counter


_SEQUENCES: dict[type, str] = {
    tuple: "tuple", set: "set", frozenset: "frozenset", bytearray: "bytearray",
}  # fmt: skip
_MAPPINGS: dict[type, str] = {dict: "dict", Counter: "counter", OrderedDict: "ordered"}
_TO_TEXT: dict[type, tuple[str, Callable[[Any], Any]]] = {
    complex: ("complex", lambda v: [repr(v.real), repr(v.imag)]),
    range: ("range", lambda v: [hex(v.start), hex(v.stop), hex(v.step)]),
    datetime: ("datetime", _when),
    date: ("date", date.isoformat),
    time: ("time", _when),
    timedelta: ("timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    Decimal: ("decimal", lambda v: str(v) if v == v else repr(v)[9:-2]),
    Fraction: ("fraction", lambda v: [hex(v.numerator), hex(v.denominator)]),
    UUID: ("uuid", str),
}
_FROM_SEQUENCE: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple, "set": set, "frozenset": frozenset, "bytearray": bytearray,
}  # fmt: skip
_FROM_PAIRS: dict[str, Callable[[Any], Any]] = {
    "dict": dict, "counter": _counter, "ordered": OrderedDict,
}  # fmt: skip
_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "float": float,
    "complex": lambda v: complex(float(v[0]), float(v[1])),
    "range": lambda v: range(*(int(x, 16) for x in v)),
    "datetime": _datetime,
    "date": date.fromisoformat,
    "time": _time,
    "timedelta": lambda v: timedelta(*v),
    "decimal": Decimal,
    "fraction": lambda v: Fraction(int(v[0], 16), int(v[1], 16)),
    "uuid": UUID,
}


def _pickled(value: Any) -> bytes:
    try:
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        dumps: Callable[[Any], bytes] = pickle.dumps
    else:
        dumps = cloudpickle.dumps
    try:
        return dumps(value)
    except Exception as error:
        msg = (
            f"A value of type {_name(value)} can't be copied to the run's own kernel "
            f"({type(error).__name__}: {str(error)[:200]}). Give plain data instead, or run it "
            "where the object lives (where='shell')."
        )
        raise ReplError(msg) from None


def _name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )
