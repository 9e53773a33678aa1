"""Regular expressions over a big text, with offsets in characters.

In order of preference: over the mapped bytes, where bytes and characters come to the same; over
decoded windows of whole lines or with margins, where a match can't reach out of them; else over
the whole text, decoded once. All three give exactly what ``re`` gives on the equal ``str``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from ._patterns import Reach, reach

WINDOW = 1 << 20  # characters, about


class Match:
    """A match in a big text: as ``re.Match``, with offsets in characters of the whole text."""

    __slots__ = ("_match", "_place", "_str", "re")

    def __init__(
        self, match: re.Match[Any], pattern: re.Pattern[str], place: Callable[[int], int]
    ) -> None:
        self._match = match
        self._place = place
        self._str = isinstance(match.group(), str)
        self.re = pattern

    def group(self, *groups: int | str) -> Any:
        """Give the text of a group (the whole match without one), or a tuple of several."""
        got = self._match.group(*groups)
        return tuple(map(self._text, got)) if isinstance(got, tuple) else self._text(got)

    def __getitem__(self, group: int | str) -> str | None:
        return self._text(self._match[group])

    def groups(self, default: str | None = None) -> tuple[str | None, ...]:
        """Give the texts of all groups."""
        return tuple(default if got is None else self._text(got) for got in self._match.groups())

    def groupdict(self, default: str | None = None) -> dict[str, str | None]:
        """Give the texts of the named groups."""
        named = self._match.groupdict()
        return {name: default if got is None else self._text(got) for name, got in named.items()}

    def start(self, group: int | str = 0) -> int:
        """Give the character a group begins at, -1 where it took no part."""
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        """Give the character after a group, -1 where it took no part."""
        return self.span(group)[1]

    def span(self, group: int | str = 0) -> tuple[int, int]:
        """Give start and end."""
        start, end = self._match.span(group)
        return (-1, -1) if start < 0 else (self._place(start), self._place(end))

    @property
    def lastindex(self) -> int | None:
        """The number of the last group that took part."""
        return self._match.lastindex

    @property
    def lastgroup(self) -> str | None:
        """The name of the last group that took part."""
        return self._match.lastgroup

    def _text(self, got: Any) -> str | None:
        text: str | None = got if self._str or got is None else got.decode()
        return text

    def __repr__(self) -> str:
        return f"<Match span={self.span()}, match={self.group()[:60]!r}>"


Slice = Callable[[int, int], str]


def compiled(pattern: str | re.Pattern[str], flags: int = 0) -> re.Pattern[str]:
    """Give a pattern compiled; raise TypeError for one over bytes."""
    found = re.compile(pattern, flags)
    if not isinstance(found.pattern, str):
        raise TypeError("a pattern over a text must be a str, not bytes")
    return found


@lru_cache(maxsize=64)
def reach_of(pattern: re.Pattern[str]) -> Reach:
    """Read a pattern, once."""
    return reach(pattern)


def over_bytes(
    pattern: re.Pattern[str],
    as_bytes: re.Pattern[bytes],
    data: Any,
    place: Callable[[int], int],
) -> Iterator[Match]:
    """Find in mapped bytes; ``place`` turns byte offsets into characters."""
    for match in as_bytes.finditer(data):
        yield Match(match, pattern, place)


def over_windows(
    pattern: re.Pattern[str], width: int, length: int, cut: Slice, window: int = WINDOW
) -> Iterator[Match]:
    """Find in windows, with ``width`` characters around each that a match may reach into."""
    at = 0
    while at <= length:
        stop = at + window
        first = max(at - width, 0)
        text = cut(first, min(stop + width, length))
        at = yield from _within(pattern, text, first, at, stop, length)


def over_lines(
    pattern: re.Pattern[str], length: int, cut: Slice, line_end: Callable[[int], int],
    window: int = WINDOW,
) -> Iterator[Match]:  # fmt: skip
    """Find in windows of whole lines; ``line_end`` gives the place after a line's line feed."""
    at = 0
    while at <= length:
        stop = min(line_end(min(at + window, length)), length)
        # one character before, for ^ and \b; two after: what ends a line isn't the text's end
        first = max(at - 1, 0)
        text = cut(first, min(stop + 2, length))
        last = stop if stop < length else length + 1
        at = yield from _within(pattern, text, first, at, last, length)


def _within(
    pattern: re.Pattern[str], text: str, first: int, at: int, stop: int, length: int
) -> Any:
    """Yield the matches that begin before ``stop``; give where the next window begins."""

    def place(offset: int) -> int:
        return first + offset

    for match in pattern.finditer(text, at - first):
        if first + match.start() >= stop:
            break
        yield Match(match, pattern, place)
        at = first + match.end()
    return max(at, stop) if stop <= length else length + 1


def found(match: Match) -> Any:
    """Give what ``findall`` gives for a match."""
    groups = match.groups("")
    if not groups:
        return match.group()
    return groups[0] if len(groups) == 1 else groups
