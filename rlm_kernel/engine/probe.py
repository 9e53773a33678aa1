"""A bounded, automatic look at a text, put before a small model's first turn.

It says what a person would see on scrolling through: sizes, a few lines, and, for lines that are
records, which values a column takes. The optional grep also shows where rare words of the
question stand; it is marked as such and can be switched off to measure what it is worth.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

SAMPLE_LINES = 2_000
LINE_CHARS = 160
COMMON = 8
"""A column with up to so many values has them listed."""

_SEPARATORS = (" || ", " | ", "|", "\t", " ; ", ";", " :: ", " - ", ",")
_WORD = re.compile(r"[A-Za-z0-9][\w-]*")


def probe(context: str, question: str = "", *, grep: bool = False) -> str:
    """Give the probe of a text.

    Args:
        context: the text.
        question: used by the grep only.
        grep: whether to show where the rarest words of the question stand.

    Returns:
        At most about 2,500 characters.
    """
    lines = context.splitlines()
    full = [line for line in lines if line.strip()]
    parts = [f"{len(context):,} characters, {len(lines):,} lines.", *_shown(full)]
    sample = full[:: max(1, len(full) // SAMPLE_LINES)]
    parts += columns(sample)
    if grep:
        parts += keywords(context, question)
    return "\n".join(parts)


def _shown(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    places = {"first": 0, "second": 1, "middle": len(lines) // 2, "last": len(lines) - 1}
    return [f"{name} line: {clip(lines[at])}" for name, at in places.items() if at < len(lines)]


def clip(line: str, limit: int = LINE_CHARS) -> str:
    """Give a line on one row, cut with its length said."""
    flat = line.replace("\n", " ")
    return flat if len(flat) <= limit else f"{flat[:limit]}... ({len(line):,} characters)"


def separator(sample: Sequence[str]) -> str | None:
    """Give what parts nearly all lines into the same number (3 or more) of fields, if anything."""
    for mark in _SEPARATORS:
        fields = Counter(line.count(mark) for line in sample)
        if not fields:
            return None
        number, lines = fields.most_common(1)[0]
        if number >= 2 and lines >= 0.9 * len(sample):
            return mark
    return None


def columns(sample: Sequence[str]) -> list[str]:
    """Say, for lines that are records, what each field holds."""
    mark = separator(sample)
    if mark is None:
        return []
    width = Counter(line.count(mark) for line in sample).most_common(1)[0][0] + 1
    rows = [line.split(mark) for line in sample if line.count(mark) + 1 == width]
    said = [f"Lines are records: {width} fields parted by {mark!r}."]
    for index in range(width):
        values = sorted({row[index].strip() for row in rows})
        few = len(values) <= COMMON
        shown = values if few else values[:: max(1, len(values) // 3)][:3]
        named = "only" if few else f"{len(values)} or more values, such as"
        said.append(f"field {index}: {named} " + ", ".join(repr(clip(v, 40)) for v in shown))
    return said


def keywords(context: str, question: str, most: int = 3) -> list[str]:
    """Say where the rarest words of the question stand in the text."""
    found: list[tuple[int, str, int]] = []
    for word in dict.fromkeys(_WORD.findall(question)):
        count = context.count(word)
        if len(word) >= 3 and count:
            found.append((count, word, context.find(word)))
    said = ["A plain search for the rarest words of the question:"] if found else []
    for count, word, at in sorted(found)[:most]:
        around = context[max(0, at - 100) : at + 160].replace("\n", " / ")
        said.append(f"{word!r} stands {count:,} times, first in: ...{around}...")
    return said
