"""When a small model's answer is sent back for a second look, by rules that don't know the truth.

Each doubt is raised at most once in a run, and the same answer given again is taken: a doubt
costs a turn, never the answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from ..protocol import CellResult
from ..repl.answer import text_form
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
    text = "None" if value is None else text_form(value).strip()
    if "first" not in raised and not shown:
        return "first"
    if "zero" not in raised and text in ("0", "0.0", "None", "[]", "{}", "False"):
        return "zero"
    if "echo" not in raised and kind_of(question) == "find" and _repeats(text, question):
        return "echo"
    if "unshown" not in raised and isinstance(value, str | int | float):
        return None if any(text in output for output in shown) else "unshown"
    return None


class Looks:
    """What a run's cells have shown, for second looks: at a cell run again, at an answer.

    Args:
        question: the run's.
        small: whether the root is a small model, whose answers are doubted.
    """

    def __init__(self, question: str, small: bool) -> None:
        self._question, self._small = question, small
        self._last = ("", "", "")  # the newest cell: its code, status and what it showed
        self._doubted: list[Refusal] = []
        self.repeats = 0  # how often in a row that very cell, showing the same, was run again
        self.seen: list[str] = []  # the observations so far, for an answer to stand in

    @property
    def shown(self) -> str:
        """What the newest cell printed and returned."""
        return self._last[2]

    def again(self, code: str, result: CellResult) -> bool:
        """Take in a cell that ran; tell whether it only did what the one before it did."""
        shown = f"{result.output.head}{result.output.tail}{result.result or ''}"
        last, self._last = self._last, (code.strip(), result.status, shown)
        again = last == self._last
        self.repeats = self.repeats + 1 if again else 0
        return again

    def doubt(self, value: Any) -> Refusal | None:
        """Give the reason for a small model to look at its answer again, each once in a run."""
        found = doubt(value, self._question, self.seen, self._doubted) if self._small else None
        if found is not None:
            self._doubted.append(found)
        return found


def _repeats(text: str, question: str) -> bool:
    word = rf"(?<!\w){re.escape(text.casefold())}(?!\w)"
    return bool(text) and re.search(word, question.casefold()) is not None
