"""When a small model's answer is sent back for a second look, by rules that don't know the truth.

Each doubt is raised at most once in a run, and the same answer given again is taken: a doubt
costs a turn, never the answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from ._examples import kind_of
from ._messages import Refusal


def doubt(
    value: Any, question: str, shown: Sequence[str], raised: Collection[Refusal] = ()
) -> Refusal | None:
    """Give the reason to send an answer back, or None.

    Args:
        value: what was submitted.
        question: the question, to notice an answer that only repeats it.
        shown: the outputs of the cells before the one that submitted.
        raised: the doubts raised earlier in this run; none of them is raised again.
    """
    text = str(value).strip()
    if "first" not in raised and not shown:
        return "first"
    if "zero" not in raised and text in ("0", "0.0", "None", "[]", "{}", "False"):
        return "zero"
    if "echo" not in raised and kind_of(question) == "find" and _repeats(text, question):
        return "echo"
    if "unshown" not in raised and isinstance(value, str | int | float):
        return None if any(text in output for output in shown) else "unshown"
    return None


def _repeats(text: str, question: str) -> bool:
    word = rf"(?<!\w){re.escape(text.casefold())}(?!\w)"
    return bool(text) and re.search(word, question.casefold()) is not None
