"""A loaded context, and what the model is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["text", "bytes", "list", "dict", "table", "files", "object"]

PREVIEW = 240  # characters of head and of tail
PARTS = 8  # parts whose lengths are named


@dataclass(frozen=True, slots=True)
class Loaded:
    """One context, ready to be bound.

    Args:
        name: under which it is bound (``context``, or ``context_0`` …).
        kind: what it is.
        value: the object itself: the person's own where it was given by reference.
        path: the file or folder it was read from, if any.
    """

    name: str
    kind: Kind
    value: Any
    path: Path | None = None

    def describe(self) -> str:
        """Give what the model is told: type, size, parts, a short preview."""
        size = self.size_text()
        source = f", from the file {self.path.name!r}" if self.path is not None else ""
        lines = [f"{self._type()} ({size}){source}."]
        parts = self._parts()
        if parts:
            lines.append(parts)
        preview = self._preview()
        if preview:
            lines.append(preview)
        return "\n".join(lines)

    def info(self) -> dict[str, Any]:
        """Give it as JSON-able data for the log: name, kind, size, no content."""
        data: dict[str, Any] = {"name": self.name, "kind": self.kind, "size": self.size_text()}
        if self.path is not None:
            data["path"] = str(self.path)
        return data

    def size_text(self) -> str:
        """Give the size in words: ``"1,048,576 characters, 9,000 lines"``."""
        value = self.value
        if self.kind == "text":
            lines = value.count("\n") + (len(value) > 0)
            return f"{len(value):,} characters, {lines:,} lines"
        if self.kind == "bytes":
            return f"{len(value):,} bytes"
        if self.kind == "table":
            shape = getattr(value, "shape", None)
            if isinstance(shape, tuple) and len(shape) == 2:
                return f"{shape[0]:,} rows, {shape[1]:,} columns"
        if self.kind == "files":
            chars = sum(len(text) for text in value.values())
            return f"{len(value):,} files, {chars:,} characters"
        try:
            return f"{len(value):,} items"
        except Exception:  # len() of a person's object may do anything
            return "no length"

    def _type(self) -> str:
        if self.kind == "text":
            return "a text (`str`)" if type(self.value) is str else "a text (`Text`, used as `str`)"
        if self.kind == "files":
            return "the texts of a folder (`dict` of path to `str`)"
        kind = type(self.value)
        place = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
        return f"a `{place}{kind.__qualname__}`"

    def _parts(self) -> str:
        value = self.value
        if self.kind == "list" and value:
            lengths = [_length(item) for item in value[:PARTS]]
            more = ", …" if len(value) > PARTS else ""
            kinds = sorted({type(item).__name__ for item in value[:1000]})
            said = ", ".join(f"{n:,}" for n in lengths if n is not None)
            return f"Items: {', '.join(kinds)}" + (f"; lengths {said}{more}." if said else ".")
        if self.kind in ("dict", "files") and value:
            keys = [repr(key)[:60] for key in list(value)[: PARTS * 2]]
            return "Keys: " + ", ".join(keys) + (", …" if len(value) > PARTS * 2 else ".")
        if self.kind == "table":
            columns = [str(column)[:40] for column in list(getattr(value, "columns", []))[:40]]
            return "Columns: " + ", ".join(columns) + "." if columns else ""
        return ""

    def _preview(self) -> str:
        value = self.value
        if self.kind in ("text", "bytes"):
            if len(value) <= 2 * PREVIEW:
                return f"All of it: {value[: 2 * PREVIEW]!r}"
            return f"It begins {value[:PREVIEW]!r}\nand ends {value[-PREVIEW:]!r}"
        if self.kind == "files" or not len_or_zero(value):
            return ""
        if self.kind == "table" and hasattr(value, "head"):
            return "First rows:\n" + _cut(_safe(str, value.head(3)), 4 * PREVIEW)
        if self.kind == "list":
            return "First item: " + _cut(_safe(repr, value[0]), PREVIEW)
        if self.kind == "dict":
            return "First value: " + _cut(_safe(repr, next(iter(value.values()))), PREVIEW)
        return ""


def kind_of(value: Any) -> Kind:
    """Say what an object is, as far as contexts go."""
    if isinstance(value, str):
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


def len_or_zero(value: Any) -> int:
    """Give ``len(value)``, 0 where there is none."""
    return _length(value) or 0


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except Exception:  # an object of the person's, whose len() may do anything
        return None


def _safe(show: Any, value: Any) -> str:
    try:
        return str(show(value))
    except Exception as error:
        return f"<its {show.__name__}() failed: {type(error).__name__}>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
