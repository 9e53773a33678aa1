"""What a learner is told of an exercise: one sentence, also where nothing was filled in."""

from __future__ import annotations

import math
import re
import string
from dataclasses import dataclass
from typing import Any

from ..engine.recorded import recorded
from ..log import Node, Tree
from ..log.format import plural

_NUMBER = re.compile(r"(?:(?<!\w)-)?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)")
_UNREAD = ("SyntaxError", "IndentationError", "TabError")


@dataclass(frozen=True, slots=True)
class Did:
    """What somebody did as the root: cells that ran, calls of sub-models and their tokens."""

    cells: int
    calls: int
    tokens: int

    def __str__(self) -> str:
        calls = plural(self.calls, "call") if self.calls else "no call"
        tokens = f" ({self.tokens:,} tokens)" if self.calls else ""
        return f"{plural(self.cells, 'cell')} and {calls}{tokens}"


def did(run: Any, author: str = "model") -> Did:
    """Count what was done in a run.

    Args:
        run: a run, live or ended, a recorded one, or the path of one.
        author: whose cells are counted: ``"model"`` or ``"human"``.
    """
    found = recorded(run)
    cells = [node for node in found.tree.find(kind="cell")
             if node.author == author and node.status in ("ok", "error")]  # fmt: skip
    calls = [call for call in found.tree.calls
             if call.role == "sub" and _author(found.tree, call) == author]  # fmt: skip
    return Did(len(cells), len(calls), sum(call.own.tokens for call in calls))


def _author(tree: Tree, call: Node) -> str:
    """Say who made a call; those of a person's cells stand right under the run."""
    cell = next((above for above in tree.above(call) if above.kind == "cell"), None)
    return "human" if cell is None else cell.author


def answered(answer: Any, right: Any, hint: str = "") -> str:
    """Say in one sentence whether an answer is right.

    Args:
        answer: of the learner; None: nothing was filled in yet.
        right: the true answer, in whatever form (``"cell 2"`` is 2, ``"Smell."`` is
            ``"smell"``), or a function that says whether an answer is right.
        hint: what to look at again, a sentence, where it isn't.
    """
    if answer is None:
        return "Nothing to check yet: fill in the exercise, then run this cell again."
    if _is(answer, right):
        return f"Right: {answer!r:.200}."
    return f"Not right yet: {answer!r:.200}. {hint}".rstrip()


def beside(mine: Any, theirs: Any, answer: Any, right: Any) -> str:
    """Say in one sentence how a learner did who took a run over, beside a recording.

    Args:
        mine: the learner's run, in which a person's cells count.
        theirs: the recording, in which the model's cells count.
        answer: what the learner found; None: nothing yet.
        right: the true answer, or a function that says whether an answer is right.
    """
    if answer is None:
        return "Nothing to check yet: take the run over, write cells, and give your answer."
    you, model = did(mine, "human"), did(theirs)
    if not _is(answer, right):
        return answered(answer, right, f"You used {you}: print what you count, and look again.")
    if you.cells == 0:
        return "Right, but by no cell of the run: take it over first, so that it sees your work."
    if (you.tokens, you.calls, you.cells) == (model.tokens, model.calls, model.cells):
        return f"Right, by {you}, as in the recording."
    less = (you.tokens, you.calls, you.cells) < (model.tokens, model.calls, model.cells)
    return f"Right, by {you}: {'less' if less else 'more'} than in the recording, by {model}."


def mended(run: Any, cell: int, right: Any, calls: int, hint: str = "") -> str:
    """Say in one sentence how a learner did who put a cell into a fork.

    Args:
        run: the fork, which has ended; None: nothing was filled in yet.
        cell: the number of the learner's cell.
        right: the true answer, or a function that says whether an answer is right.
        calls: how many calls the cell may make at most; it has to make one.
        hint: what to look at again, a sentence, where it isn't right.
    """
    if run is None:
        return answered(None, right)
    found = recorded(run)
    own, *after = [node for node in found.tree.find(kind="cell") if node.number >= cell]
    made = sum(call.role == "sub" and own in found.tree.above(call) for call in found.tree.calls)
    failed = next((node for node in after if node.status == "error"), None)
    if made > calls:
        wrong = f"your cell made {plural(made, 'call')}, and may make {calls}"
    elif str(own.error).startswith(_UNREAD):
        wrong = f"your cell isn't Python as it stands: {own.error:.200}"
        hint = "A backslash in it needs r'''…''' around the code."
    elif own.status != "ok":
        wrong = f"your cell didn't run to its end: {own.error or own.status:.200}"
    elif made == 0:
        wrong = "your cell made no call, so nobody has read the text"
    elif failed is not None:
        wrong = f"your cell ran, but the cell after it didn't: {failed.error:.200}"
    elif found.answer_text is None:
        wrong = f"the run has no answer, it is {found.status}"
    else:
        return answered(found.answer, right, hint)
    return f"Not right yet: {wrong}. {hint}".rstrip()


def number(answer: Any) -> float:
    """Give the number that somebody means by an answer, such as ``"cell 2"`` or ``"$1,200"``.

    Args:
        answer: a number, or a text with one in it; of anything else: not a number (``nan``).
    """
    try:
        return float(answer)
    except (TypeError, ValueError):
        found = _NUMBER.findall(answer) if isinstance(answer, str) else ()
        return float(found[0].replace(",", "")) if len(found) == 1 else math.nan


def _is(answer: Any, right: Any) -> bool:
    """Whether an answer is right, in whatever form a person would take it for that."""
    if callable(right):
        return bool(right(answer))
    if isinstance(right, int | float) and isinstance(answer, str):
        return number(answer) == right
    if isinstance(right, str) and isinstance(answer, str):
        return _bare(answer) == _bare(right)
    if isinstance(right, list | tuple) and isinstance(answer, list | tuple):
        return len(answer) == len(right) and all(map(_is, answer, right))
    return bool(answer == right)


def _bare(text: str) -> str:
    return text.strip(string.punctuation + string.whitespace).casefold()
