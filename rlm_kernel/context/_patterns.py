"""What a regular expression can reach, read from its parse tree.

Four facts, each worked out so that "no" is always safe: whether the same pattern over bytes finds
the same in ASCII text, or in UTF-8 text; whether a match and all that is looked at for it stay
within a line; and how many characters that is at most.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST = 1 << 16  # characters; a pattern that may reach further counts as without bound
_NOT = (op.CATEGORY_NOT_DIGIT, op.CATEGORY_NOT_SPACE, op.CATEGORY_NOT_WORD)
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a pattern.

    Args:
        ascii: the same pattern over bytes, for text that is ASCII, or None.
        spaces: whether that holds only where none of U+001C to U+001F are in the text.
        utf8: whether ``ascii`` also serves for text that isn't ASCII.
        one_line: whether nothing of it can match a line feed.
        width: characters around a start that can matter, or None without bound.
    """

    ascii: re.Pattern[bytes] | None
    spaces: bool
    utf8: bool
    one_line: bool
    width: int | None


def reach(pattern: re.Pattern[str]) -> Reach:
    """Read a pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    nodes = list(_walk(tree))
    scoped = any(kind is op.SUBPATTERN and (av[1] or av[2]) for kind, av in nodes)
    lo, hi = tree.getwidth()
    around = sum(av[1].getwidth()[1] for kind, av in nodes if kind in (op.ASSERT, op.ASSERT_NOT))
    as_bytes = _as_bytes(pattern)
    return Reach(
        ascii=as_bytes,
        spaces=not pattern.flags & re.ASCII and any(_is_space(*node) for node in nodes),
        utf8=as_bytes is not None and lo > 0 and not scoped
        and all(_only_ascii(kind, av, pattern.flags) for kind, av in nodes),
        one_line=not any(_takes_newline(kind, av, pattern.flags, scoped) for kind, av in nodes),
        width=hi + around + 2 if hi + around < MOST else None,
    )  # fmt: skip


def _as_bytes(pattern: re.Pattern[str]) -> re.Pattern[bytes] | None:
    if not pattern.pattern.isascii():
        return None
    flags = pattern.flags & ~re.UNICODE
    try:
        return re.compile(pattern.pattern.encode("ascii"), flags)
    except (re.error, ValueError):  # \u, \N, (?u): nothing that bytes know
        return None


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Give every node below a parse tree as (what it is, its arguments)."""
    stack = [tree]
    while stack:
        for kind, av in stack.pop():
            yield kind, av
            if kind in _REPEATS:
                stack.append(av[2])
            elif kind is op.SUBPATTERN:
                stack.append(av[3])
            elif kind in (op.ASSERT, op.ASSERT_NOT):
                stack.append(av[1])
            elif kind is op.BRANCH:
                stack.extend(av[1])
            elif kind is op.ATOMIC_GROUP:
                stack.append(av)
            elif kind is op.GROUPREF_EXISTS:
                stack.extend(part for part in av[1:] if part is not None)


def _is_space(kind: Any, av: Any) -> bool:
    return kind is op.IN and any(
        item in ((op.CATEGORY, op.CATEGORY_SPACE), (op.CATEGORY, op.CATEGORY_NOT_SPACE))
        for item in av
    )


def _only_ascii(kind: Any, av: Any, flags: int) -> bool:
    """Whether a node matches ASCII characters only, and the same ones in bytes."""
    plain = bool(flags & re.ASCII)
    if flags & re.IGNORECASE and not plain:  # "s" would also match U+017F
        return False
    if kind is op.LITERAL:
        return bool(av < 128)
    if kind is op.IN:
        return all(_ascii_item(what, value, plain) for what, value in av)
    if kind is op.AT:
        word = av in (op.AT_BOUNDARY,)
        return av is not op.AT_NON_BOUNDARY and (plain or not word)
    return kind not in (op.ANY, op.NOT_LITERAL)


def _ascii_item(what: Any, value: Any, plain: bool) -> bool:
    if what is op.LITERAL:
        return bool(value < 128)
    if what is op.RANGE:
        return bool(value[1] < 128)
    return what is op.CATEGORY and plain and value not in _NOT


def _takes_newline(kind: Any, av: Any, flags: int, scoped: bool) -> bool:
    """Whether a node may match a line feed."""
    if kind is op.LITERAL:
        return bool(av == 10)
    if kind is op.NOT_LITERAL:
        return bool(av != 10)
    if kind is op.ANY:
        return scoped or bool(flags & re.DOTALL)
    if kind is not op.IN:
        return False
    found = negated = False
    for what, value in av:
        if what is op.NEGATE:
            negated = True
        elif what is op.LITERAL:
            found = found or value == 10
        elif what is op.RANGE:
            found = found or value[0] <= 10 <= value[1]
        else:
            found = found or value in (
                op.CATEGORY_SPACE, op.CATEGORY_NOT_DIGIT, op.CATEGORY_NOT_WORD,
            )  # fmt: skip
    return found != negated
