"""A bounded, automatic look at a text, put before a small model's first turn.

It says what a person would see on scrolling through: sizes, a few lines, and, for lines that are
records, which values a column takes. The optional grep also shows where rare words of the
question stand; it is marked as such and can be switched off to measure what it is worth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ._examples import shaped_example
from ._shape import Shape, shape_of

SAMPLE_LINES = 2_000
LINE_CHARS = 160
COMMON = 8
"""A column with up to so many values has them listed."""

_WORD = re.compile(r"[A-Za-z0-9][\w-]*")


def probe(context: str, question: str = "", *, grep: bool = False) -> str:
    """Give the probe of a text.

    Args:
        context: the text.
        question: chooses the worked example, by its kind; the grep uses its words.
        grep: whether to show where the rarest words of the question stand.

    Returns:
        At most about 2,500 characters.
    """
    lines = context.splitlines()
    full = [line for line in lines if line.strip()]
    parts = [f"{len(context):,} characters, {len(lines):,} lines.", *_shown(full)]
    sample = full[:: max(1, len(full) // SAMPLE_LINES)]
    shape = shape_of(sample)
    parts += columns(shape) if shape else []
    if grep:
        parts += keywords(context, question)
    if example := shaped_example(question, shape):
        parts.append("\nExample, for another text of this shape:\n" + example)
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


def columns(shape: Shape) -> list[str]:
    """Say how records are parted into fields, and what each field holds."""
    said = ["Each line is a record with these fields:"]
    for index, field in enumerate(shape.fields):
        few = field.different <= COMMON
        shown = field.values if few else field.values[:: max(1, field.different // 3)][:3]
        listed = ", ".join(repr(clip(value, 40)) for value in shown)
        said.append(f"field {index}: {listed}" + ("" if few else ", ..."))
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
