"""The lines of a big text, without holding them all."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

from ._offsets import Bytes, boundary

_BLOCK = 1 << 20
_ENDS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


class Lines(Sequence[str]):
    """What ``str.splitlines`` gives, read as it is asked for.

    Iterating is one pass in blocks. ``len()`` and ``[]`` make one pass first, which notes where
    every block of lines begins; after it a line costs one short decode.
    """

    def __init__(self, data: Bytes, *, keepends: bool = False) -> None:
        self._data = data
        self._keepends = keepends
        self._bytes_at = array("Q")
        self._lines_at = array("Q")
        self._count: int | None = None
        self._last: tuple[int, list[str]] | None = None

    def __iter__(self) -> Iterator[str]:
        for _, block in self._blocks():
            yield from block.splitlines(self._keepends)

    def __len__(self) -> int:
        return self._index()

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self._slice(*index.indices(len(self)))
        count = len(self)
        at = index + count if index < 0 else index
        if not 0 <= at < count:
            raise IndexError("line index out of range")
        block = bisect_right(self._lines_at, at) - 1
        return self._block(block)[at - self._lines_at[block]]

    def _slice(self, start: int, stop: int, step: int) -> list[str]:
        return [self[i] for i in range(start, stop, step)]

    def __repr__(self) -> str:
        return f"<{len(self):,} lines>"

    def _index(self) -> int:
        if self._count is None:
            bytes_at, lines_at, count = array("Q"), array("Q"), 0
            for at, block in self._blocks():
                bytes_at.append(at)
                lines_at.append(count)
                count += len(block.splitlines())
            self._bytes_at, self._lines_at = bytes_at, lines_at
            self._count = count
        return self._count

    def _block(self, number: int) -> list[str]:
        last = self._last
        if last is None or last[0] != number:
            start = self._bytes_at[number]
            more = number + 1 < len(self._bytes_at)
            end = self._bytes_at[number + 1] if more else len(self._data)
            last = (number, self._data[start:end].decode().splitlines(self._keepends))
            self._last = last
        return last[1]

    def _blocks(self) -> Iterator[tuple[int, str]]:
        """Give pieces of whole lines, each with the byte it begins at."""
        at, want, size = 0, _BLOCK, len(self._data)
        while at < size:
            raw = self._data[at : at + want]
            at_end = at + len(raw) >= size
            if not at_end:
                raw = raw[: boundary(raw, len(raw))]
            text = raw.decode()
            if not at_end:
                cut = _last_end(text)
                if cut == 0:  # a line longer than the block
                    want *= 2
                    continue
                text = text[:cut]
            yield at, text
            at += len(raw) if at_end else len(text.encode())
            want = _BLOCK


def _last_end(text: str) -> int:
    """Give the length of the whole lines of a text that goes on after it."""
    # a line feed may follow a carriage return at the very end, so that one waits
    end = len(text) - 1 if text.endswith("\r") else len(text)
    if text[:end] and text[end - 1] in _ENDS:
        return end
    at = text.rfind("\n", 0, end) + 1
    rest = text[at:end].splitlines(keepends=True)
    return end - len(rest[-1]) if len(rest) > 1 else at
