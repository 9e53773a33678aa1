"""Text that stays in its file: read like a ``str``, of any size, in little memory.

Guarantees
- it is checked to be UTF-8 in one pass when it is opened; afterwards every slice, search, count,
  line and match is what the equal ``str`` would give;
- it is read only and never altered; a file that changes afterwards is noticed at the next use,
  with an error in words (another program that cuts the file short *during* a use can still end
  the process: that is how mapped files are);
- it crosses to another process of the same machine as its path, or as an open file.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, overload

from ..errors import ContextError
from . import _regex as regex
from ._lines import Lines
from ._offsets import Bytes, forward, scan

_kept_open: dict[str, int] = {}
_STEP = 1 << 16  # bytes looked at first; doubled up to _MOST
_MOST = 1 << 23


def keep_open(path: str, descriptor: int) -> None:
    """Have ``Text(path)`` read an open file in this process, which may not open the path itself.

    Args:
        path: as ``Text.path`` has it.
        descriptor: of the file, open for reading; it stays open.
    """
    before = _kept_open.get(path)
    _kept_open[path] = descriptor
    if before is not None:
        os.close(before)


def _opener(path: str, flags: int) -> int:
    kept = _kept_open.get(path)
    return os.open(path, flags) if kept is None else os.dup(kept)


class Text:
    """A read-only view of a UTF-8 file that behaves like its ``str``.

    Args:
        path: of the file; it must not change as long as the view is used.

    Raises:
        UnicodeDecodeError: it isn't UTF-8; ``start`` is the offset of the first bad byte.
        OSError: it can't be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        with open(self.path, "rb", buffering=0, opener=_opener) as file:
            file.seek(0)
            self._offsets = scan(file)
            self._stamp = _stamp(os.fstat(file.fileno()))
            if self._stamp[0] != self._offsets.size:
                raise ContextError(f"{self.path} changed while it was read: load it again.")
            self._map: Any = (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._stamp[0] else b""
            )
        self._whole: str | None = None
        self._rare: bool | None = None

    # -- size and pieces ----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._offsets.chars

    @property
    def nbytes(self) -> int:
        """The size of the file in bytes."""
        return self._offsets.size

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> str: ...
    def __getitem__(self, index: int | slice) -> str:
        if not isinstance(index, slice):
            at = range(len(self))[index]
            return self._cut(at, at + 1)
        start, stop, step = index.indices(len(self))
        if step == 1:
            return self._cut(start, stop)
        places = range(start, stop, step)
        if not places:
            return ""
        low, high = min(places[0], places[-1]), max(places[0], places[-1])
        piece = self._cut(low, high + 1)
        return piece[::step] if step > 0 else piece[::-1][::-step]

    def __iter__(self) -> Iterator[str]:
        for piece in self.pieces():
            yield from piece

    def pieces(self, size: int = 1 << 20) -> Iterator[str]:
        """Give the text in pieces of ``size`` characters, the last one shorter."""
        for start in range(0, len(self), size):
            yield self._cut(start, start + size)

    def __str__(self) -> str:
        """Give the whole text, in memory."""
        return self._cut(0, len(self))

    def __repr__(self) -> str:
        return f"<Text of {len(self):,} characters in {self.path.name!r}: {self[:60]!r}…>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Text):
            return len(self) == len(other) and all(
                a == b for a, b in zip(self.pieces(), other.pieces(), strict=True)
            )
        if not isinstance(other, str):
            return NotImplemented
        if len(self) != len(other):
            return False
        step = 1 << 20
        pieces = enumerate(self.pieces(step))
        return all(piece == other[i * step : (i + 1) * step] for i, piece in pieces)

    __hash__ = None  # type: ignore[assignment]  # equal to its str, which it can't hash like

    def __reduce__(self) -> tuple[type[Text], tuple[Path]]:
        return (Text, (self.path,))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(str, name):
            raise AttributeError(
                f"this text stays in its file and has no .{name}(): use a slice of it, such as "
                f"context[:100_000].{name}(), its lines(), or str(context) for all of it in memory"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- searching ----------------------------------------------------------------------------

    def __contains__(self, sub: str) -> bool:
        return self.find(sub) >= 0

    def find(self, sub: str, start: int | None = None, end: int | None = None) -> int:
        """Give the first place of ``sub`` within ``[start, end)``, or -1."""
        return self._find(sub, start, end, last=False)

    def rfind(self, sub: str, start: int | None = None, end: int | None = None) -> int:
        """Give the last place of ``sub`` within ``[start, end)``, or -1."""
        return self._find(sub, start, end, last=True)

    def index(self, sub: str, start: int | None = None, end: int | None = None) -> int:
        """Give the first place of ``sub``; raise ValueError where there is none."""
        return _there(self.find(sub, start, end))

    def rindex(self, sub: str, start: int | None = None, end: int | None = None) -> int:
        """Give the last place of ``sub``; raise ValueError where there is none."""
        return _there(self.rfind(sub, start, end))

    def count(self, sub: str, start: int | None = None, end: int | None = None) -> int:
        """Count ``sub`` without overlaps within ``[start, end)``."""
        low, high = self._range(start, end)
        if not sub:
            return max(high - low + 1, 0)
        needle = _encoded(sub)
        if needle is None or low >= high:
            return 0
        at, stop = self._byte(low), self._byte(high)
        if _overlaps_itself(needle):
            number = 0
            while (at := self._seek(needle, at, stop)) >= 0:
                number += 1
                at += len(needle)
            return number
        data = self._data()
        return sum(
            data[i : min(i + _MOST + len(needle) - 1, stop)].count(needle)
            for i in range(at, stop, _MOST)
        )

    def startswith(self, prefix: str | tuple[str, ...]) -> bool:
        """Tell whether the text begins with ``prefix``, or one of several."""
        options = prefix if isinstance(prefix, tuple) else (prefix,)
        return any(self[: len(option)] == option for option in options)

    def endswith(self, suffix: str | tuple[str, ...]) -> bool:
        """Tell whether the text ends with ``suffix``, or one of several."""
        options = suffix if isinstance(suffix, tuple) else (suffix,)
        return any(self[max(len(self) - len(option), 0) :] == option for option in options)

    # -- lines and parts ----------------------------------------------------------------------

    def lines(self, keepends: bool = False) -> Lines:
        """Give the lines as ``str.splitlines`` does, read as they are asked for."""
        return Lines(self._data(), keepends=keepends)

    splitlines = lines

    def split(self, sep: str | None = None, maxsplit: int = -1) -> list[str]:
        """Give the parts between separators, as a list in memory."""
        if sep is None:
            return str(self).split(None, maxsplit)
        if not sep:
            raise ValueError("empty separator")
        parts: list[str] = []
        at = 0
        while maxsplit < 0 or len(parts) < maxsplit:
            there = self.find(sep, at)
            if there < 0:
                break
            parts.append(self._cut(at, there))
            at = there + len(sep)
        return [*parts, self._cut(at, len(self))]

    # -- regular expressions ------------------------------------------------------------------

    def search(self, pattern: str | re.Pattern[str], flags: int = 0) -> regex.Match | None:
        """Give the first match of a regular expression anywhere in the text, or None."""
        return next(self.finditer(pattern, flags), None)

    def findall(self, pattern: str | re.Pattern[str], flags: int = 0) -> list[Any]:
        """Give what ``re.findall`` gives."""
        return [regex.found(match) for match in self.finditer(pattern, flags)]

    def finditer(self, pattern: str | re.Pattern[str], flags: int = 0) -> Iterator[regex.Match]:
        """Give all matches, one after another, with offsets in characters of the text."""
        wanted = regex.compiled(pattern, flags)
        known = regex.reach_of(wanted)
        data, offsets = self._data(), self._offsets
        if known.ascii is not None and (
            (offsets.ascii and not (known.spaces and self._has_rare_spaces())) or known.utf8
        ):
            return regex.over_bytes(wanted, known.ascii, data, forward(offsets, data))
        if known.width is not None:
            return regex.over_windows(wanted, known.width, len(self), self._cut)
        if known.one_line:
            return regex.over_lines(wanted, len(self), self._cut, self._line_end)
        if self._whole is None:
            self._whole = str(self)
        return (regex.Match(match, wanted, int) for match in wanted.finditer(self._whole))

    # -- private ------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise ContextError where the file isn't what it was when it was loaded."""
        self._data()

    def _data(self) -> Bytes:
        try:
            kept = _kept_open.get(str(self.path))
            stamp = _stamp(self.path.stat() if kept is None else os.fstat(kept))
        except OSError:
            return self._map  # type: ignore[no-any-return]  # deleted: what is mapped stays whole
        if stamp != self._stamp:
            raise ContextError(
                f"{self.path} was changed after it was loaded, so that its text can't be relied "
                "on any more: load it again."
            )
        return self._map  # type: ignore[no-any-return]

    def _byte(self, char: int) -> int:
        return self._offsets.byte_of(char, self._map)

    def _cut(self, start: int, stop: int) -> str:
        stop = min(stop, len(self))
        if start >= stop:
            return ""
        data = self._data()
        return data[self._byte(start) : self._byte(stop)].decode()

    def _range(self, start: int | None, end: int | None) -> tuple[int, int]:
        low, high, _ = slice(start, end).indices(len(self))
        if start is not None and start > len(self):
            return start, high  # str finds nothing there, not even nothing
        return low, high

    def _find(self, sub: str, start: int | None, end: int | None, *, last: bool) -> int:
        low, high = self._range(start, end)
        if low > high:
            return -1
        if not sub:
            return high if last else low
        needle = _encoded(sub)
        if needle is None:
            return -1
        seek = self._seek_back if last else self._seek
        at = seek(needle, self._byte(low), self._byte(high))
        return at if at < 0 else self._offsets.char_of(at, self._map)

    def _seek(self, needle: bytes, at: int, stop: int) -> int:
        """Find bytes in pieces: copying one and searching it beats searching the map itself."""
        data, step = self._data(), _STEP
        while at + len(needle) <= stop:
            found = data[at : min(at + step + len(needle) - 1, stop)].find(needle)
            if found >= 0:
                return at + found
            at += step
            step = min(2 * step, _MOST)
        return -1

    def _seek_back(self, needle: bytes, at: int, stop: int) -> int:
        data, step = self._data(), _STEP
        while at + len(needle) <= stop:
            first = max(stop - step - len(needle) + 1, at)
            found = data[first:stop].rfind(needle)
            if found >= 0:
                return first + found
            stop = first + len(needle) - 1
            if first == at:
                break
            step = min(2 * step, _MOST)
        return -1

    def _line_end(self, char: int) -> int:
        at = self.find("\n", char)
        return len(self) if at < 0 else at + 1

    def _has_rare_spaces(self) -> bool:
        """Whether a character is in it that ``\\s`` takes in text and not in bytes."""
        if self._rare is None:
            self._rare = re.compile(rb"[\x1c-\x1f]").search(self._map) is not None
        return self._rare


def _stamp(stat: os.stat_result) -> tuple[int, int]:
    return (stat.st_size, stat.st_mtime_ns)


def _encoded(sub: str) -> bytes | None:
    try:
        return sub.encode()
    except UnicodeEncodeError:  # a lone surrogate: in no UTF-8 text
        return None


def _overlaps_itself(needle: bytes) -> bool:
    """Whether two places of it can overlap: some start of it is also an end of it."""
    return any(needle[:n] == needle[-n:] for n in range(1, len(needle)))


def _there(at: int) -> int:
    if at < 0:
        raise ValueError("substring not found")
    return at
