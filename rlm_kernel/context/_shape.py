"""What the lines of a text look like, from a sample: the hints that save a model its first look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

_SAMPLE = 200_000  # characters looked at
_MOST_LINES = 2_000
_LEAST_LINES = 4
_SEPARATORS = ("\t", "||", " | ", "|", ";", ",")
_NEARLY_ALL = 0.95


def line_shape(text: Any) -> str:
    """Say how long the lines of a text are and what they have in common.

    Args:
        text: a ``str``, or what behaves like one; only its beginning is read.

    Returns:
        A sentence, or nothing for a text of a few lines.
    """
    lines = text[:_SAMPLE].split("\n")[:_MOST_LINES]
    if len(lines) > 1:
        lines.pop()  # may be cut, or is what follows the last line end
    if len(lines) < _LEAST_LINES:
        return ""
    crlf = _share(lines, lambda line: line.endswith("\r")) > _NEARLY_ALL
    full = [line.rstrip("\r") for line in lines if line.strip()]
    if not full:
        return ""
    lengths = sorted(map(len, full))
    said = [
        f"lines of {lengths[0]:,} to {lengths[-1]:,} characters (median {median(lengths):,.0f})"
        + (", ended by CRLF" if crlf else "")
    ]
    common = _common(full)
    if common:
        said.append(common)
    return "Its first lines: " + "; ".join(said) + "."


def _common(lines: Sequence[str]) -> str:
    if _share(lines, lambda line: line[:1] == "{" and line[-1:] == "}") > _NEARLY_ALL:
        try:
            first = json.loads(lines[0])
        except (ValueError, RecursionError):
            return ""
        return "each a JSON object, the first with the keys " + ", ".join(
            repr(key)[:40] for key in list(first)[:12]
        )
    for separator in _SEPARATORS:
        counts = [line.count(separator) for line in lines]
        usual = int(median(counts))
        if usual and _share(counts, lambda count, usual=usual: count == usual) > _NEARLY_ALL:
            return f"{usual + 1} fields in each, separated by {separator!r}"
    return ""


def _share(items: Sequence[Any], holds: Any) -> float:
    return sum(map(bool, map(holds, items))) / len(items)
