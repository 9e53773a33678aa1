"""Words of a magic's line: splitting, near matches, and errors of one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from IPython.core.error import UsageError
from IPython.utils.process import arg_split  # type: ignore[attr-defined]


def unquote(word: str) -> str:
    """Take one pair of matching quotes off a word; IPython leaves them on."""
    if len(word) >= 2 and word[0] == word[-1] and word[0] in "'\"":
        return word[1:-1]
    return word


def split(line: str) -> list[str]:
    """Split a line into words, quotes taken off; raise ``UsageError`` where one isn't closed."""
    try:
        return [unquote(word) for word in arg_split(line, strict=True)]
    except ValueError:
        raise UsageError(f"A quote isn't closed in: {line.strip()}") from None


def near(word: str, known: Iterable[str]) -> str:
    """Give ``" Did you mean x or y?"`` for names that look like ``word``, or ``""``."""
    names = sorted(set(known))
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)
    if not found:
        return ""
    return " Did you mean " + " or ".join(f"`{by_lower[name]}`" for name in found) + "?"


def take_option(words: list[str], option: str) -> str:
    """Take an option and its value out of words; empty where it isn't there."""
    if option not in words:
        return ""
    at = words.index(option)
    if at + 1 >= len(words):
        raise UsageError(f"{option} takes a name.")
    del words[at]
    return words.pop(at)
