"""A loaded context, and what the model is told of it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ._shape import line_shape
from .text import Text

Kind = Literal["text", "bytes", "list", "dict", "table", "files", "object"]

PREVIEW = 240  # characters of head and of tail
PARTS = 8  # parts whose lengths are named
COLUMNS = 40
_SAMPLED = 1_000  # items looked at for their types

_short = reprlib.Repr()
_short.maxstring = _short.maxother = PREVIEW
_short.maxlist = _short.maxtuple = _short.maxdict = 6


@dataclass(frozen=True, slots=True)
class Loaded:
    """One context, ready to be bound.

    Args:
        name: under which it is bound (``context``, or ``context_0`` …).
        kind: what it is.
        value: the object itself: the person's own where it was given by reference.
        path: the file or folder it was read from, if any.
        note: a sentence on how it was read that the model and the person should know.
    """

    name: str
    kind: Kind
    value: Any
    path: Path | None = None
    note: str = ""
    _sizes: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def describe(self) -> str:
        """Give what the model is told: type, size, parts, a short preview."""
        source = f", from {_words(self.path)}" if self.path is not None else ""
        lines = [
            f"{self._type()} ({self.size_text()}){source}.",
            self.note,
            self._parts(),
            self._preview(),
        ]
        return "\n".join(line for line in lines if line)

    def info(self) -> dict[str, Any]:
        """Give it as JSON-able data for the log: name, kind, type, sizes, path; no content."""
        kind = type(self.value)
        data: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
            "size": self.size_text(),
            **self.sizes(),
        }
        if self.path is not None:
            data["path"] = str(self.path)
        if self.note:
            data["note"] = self.note
        return data

    def sizes(self) -> dict[str, int]:
        """Give its sizes by name: characters, lines, bytes, files, rows, columns, items."""
        if self.kind == "text":  # can't change, and counting lines of a big one takes a while
            if not self._sizes:
                self._sizes.update(_text_sizes(self.value))
            return dict(self._sizes)
        if self.kind == "bytes":
            return {"bytes": memoryview(self.value).nbytes}
        if self.kind == "files":
            chars = sum(len(text) for text in self.value.values())
            return {"files": len(self.value), "characters": chars}
        if self.kind == "table":
            shape = getattr(self.value, "shape", None)
            if isinstance(shape, tuple) and len(shape) == 2:
                return {"rows": int(shape[0]), "columns": int(shape[1])}
        length = _length(self.value)
        return {} if length is None else {"items": length}

    def size_text(self) -> str:
        """Give the size in words: ``"1,048,576 characters, 9,000 lines"``."""
        said = [f"{n:,} {word if n != 1 else word[:-1]}" for word, n in self.sizes().items()]
        return ", ".join(said) or "no length"

    def _type(self) -> str:
        if self.kind == "text":
            if isinstance(self.value, Text):
                return (
                    "a text that stays in its file (`Text`: slices, `len`, `in`, `find`, `count` "
                    "and `splitlines` as for `str`; for regular expressions "
                    "`context.finditer(pattern)`, `findall`, `search` in place of `re`)"
                )
            return "a text (`str`)"
        if self.kind == "files":
            return "the texts of several files (`dict` of path to text)"
        kind = type(self.value)
        place = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
        return f"a `{place}{kind.__qualname__}`"

    def _parts(self) -> str:
        value = self.value
        if self.kind == "text":
            return line_shape(value)
        if self.kind == "list":
            lengths = [_length(item) for item in islice(value, PARTS)]
            kinds = sorted({type(item).__name__ for item in islice(value, _SAMPLED)})
            said = ", ".join(f"{n:,}" for n in lengths if n is not None)
            length = _length(value)  # of a long enough range there is none
            more = ", …" if length is None or length > PARTS else ""
            words = f"Items: {', '.join(kinds[:PARTS])}" if kinds else ""
            return words + (f"; lengths {said}{more}." if said else "." if words else "")
        if self.kind in ("dict", "files"):
            shown = list(islice(value.items(), PARTS * 2))
            keys = [f"{_safe(key)[:60]} ({_sized(item)})" for key, item in shown]
            more = ", …" if len(value) > len(shown) else "."
            return "Keys: " + ", ".join(keys) + more if keys else ""
        if self.kind == "table":
            return _columns(value)
        return ""

    def _preview(self) -> str:
        value = self.value
        if self.kind in ("text", "bytes"):
            if isinstance(value, memoryview):
                value = value.cast("B") if value.c_contiguous else value.tobytes()
            head, tail = value[:PREVIEW], value[-PREVIEW:]
            if len(value) <= 2 * PREVIEW:
                return f"All of it: {_plain(value[: 2 * PREVIEW])!r}"
            return f"It begins {_plain(head)!r}\nand ends {_plain(tail)!r}"
        if self.kind == "table" and hasattr(value, "head"):
            return "First rows:\n" + _cut(_safe(value, lambda v: str(v.head(3))), 4 * PREVIEW)
        if self.kind == "list" and _length(value) != 0:
            first = "First item: " + _safe(value[0])
            return first if _length(value) == 1 else f"{first}\nLast item: {_safe(value[-1])}"
        if self.kind in ("dict", "files") and len(value):
            key = next(iter(value))
            return f"First value: {_safe(value[key])}"
        if self.kind == "object":
            return "Its repr: " + _safe(value)
        return ""


def kind_of(value: Any) -> Kind:
    """Say what an object is, as far as contexts go."""
    if isinstance(value, str | Text):
        return "text"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, Mapping):
        return "dict"
    if hasattr(value, "columns") and hasattr(value, "shape"):
        return "table"
    if isinstance(value, Sequence):
        return "list"
    return "object"


def _plain(piece: Any) -> Any:
    return piece if isinstance(piece, str) else bytes(piece)


def _text_sizes(text: Any) -> dict[str, int]:
    lines = text.count("\n") + (len(text) > 0 and text[-1] != "\n")
    return {"characters": len(text), "lines": lines}


def _columns(table: Any) -> str:
    names = list(getattr(table, "columns", []))
    types = [str(kind) for kind in getattr(table, "dtypes", [])]
    said = [
        _cut(name if isinstance(name, str) else _safe(name, str), 40)
        + (f" ({types[i]})" if len(types) == len(names) else "")
        for i, name in enumerate(names[:COLUMNS])
    ]
    more = ", …" if len(names) > COLUMNS else "."
    return "Columns: " + ", ".join(said) + more if said else ""


def _sized(value: Any) -> str:
    length = _length(value)
    return type(value).__name__ if length is None else f"{type(value).__name__}, {length:,}"


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except Exception:  # an object of the person's, whose len() may do anything
        return None


def _safe(value: Any, show: Any = _short.repr) -> str:
    """Show a value whose repr may fail, or never end in length."""
    if isinstance(value, str | Text):
        more = f"… ({len(value):,} characters)" if len(value) > PREVIEW else ""
        return f"{value[:PREVIEW]!r}{more}"
    try:
        return _cut(str(show(value)), 4 * PREVIEW)
    except Exception as error:  # its repr() may do anything
        return f"(it can't be shown: {type(error).__name__})"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _words(path: Path) -> str:
    return f"the {'folder' if path.is_dir() else 'file'} {path.name!r}"
