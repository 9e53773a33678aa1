"""Runs side by side: where they part, what each answered, and at what price.

One of them may be the model alone (``RLM.plain``): then it is said what recursion cost beside it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any

from ..errors import ConfigError
from ..log import duration_text
from ..log.format import clean, cost_text, oneline, plural
from ..log.recording import SUFFIX
from ..protocol import Usage
from .recorded import RecordedRun, recorded

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Side:
    """What is told of one run.

    Args:
        alone: it is the model's, without recursion.
        branch: turns of it were made, and paid for, in the run that it is a branch of.
    """

    name: str
    model: str
    status: str
    answer: str
    turns: int
    calls: int
    usage: Usage
    seconds: float
    reason: str = ""
    alone: bool = False
    branch: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a run, as it is compared."""

    turn: int
    code: str
    output: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells that stand for the same step; None: the other run has none there."""

    left: Cell | None
    right: Cell | None

    @property
    def same(self) -> bool:
        """Whether code and output are the same."""
        a, b = self.left, self.right
        return a is not None and b is not None and (a.code, a.output) == (b.code, b.output)

    @property
    def diff(self) -> list[str]:
        """The lines of code that differ, as ``-`` and ``+``."""
        left = self.left.code.splitlines() if self.left else []
        right = self.right.code.splitlines() if self.right else []
        found = []
        # Not ndiff, which looks for likeness in every two lines: that takes minutes on long code.
        for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right).get_opcodes():
            if tag != "equal":
                found += ["- " + line for line in left[a:b]]
                found += ["+ " + line for line in right[c:d]]
        return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several runs beside the first one.

    Args:
        sides: what is told of each.
        pairs: of each but the first: its cells beside the first one's.
        same_question: whether all were asked the same.
    """

    sides: Sequence[Side]
    pairs: Sequence[Sequence[Pair]]
    same_question: bool

    def parts(self, run: int = 1) -> Pair | None:
        """Give where a run parts from the first; None: it doesn't."""
        return next((pair for pair in self.pairs[run - 1] if not pair.same), None)

    def __str__(self) -> str:
        rows = _rows(self.sides)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        table = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        return "\n".join([*table, "", *self._said()])

    def _repr_html_(self) -> str:
        head, *rest = _rows(self.sides)
        row = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
        table = [f"<tr>{row}</tr>"]
        for name, *cells in rest:
            shown = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells)
            table.append(f"<tr><th style='text-align:left'>{escape(name)}</th>{shown}</tr>")
        return f"<table>{''.join(table)}</table><pre>{escape(chr(10).join(self._said()))}</pre>"

    def _said(self) -> list[str]:
        first = self.sides[0]
        said = [] if self.same_question else ["They were asked different questions."]
        if len({side.model for side in self.sides}) > 1:
            said.append("Different models were asked.")
        for number, side in enumerate(self.sides[1:], 1):
            said += [""] if said else []
            if side.alone != first.alone:
                said.append(_price(*((side, first) if first.alone else (first, side))))
            else:
                said += _parting(first.name, side.name, self.parts(number))
        return [clean(line) for line in said]


def compare(*runs: Any, names: Sequence[str] = ()) -> Comparison:
    """Set runs side by side; the first is what the others are compared with.

    Args:
        *runs: two or more: live or ended runs, recorded ones, or paths of recordings.
        names: how they are called; left out: by the name of the file, else by their ids.

    Raises:
        ConfigError: there are fewer than two.
        RecordingError: a path isn't a recording's.
    """
    if len(runs) < 2:
        raise ConfigError("Two runs are compared, or more: give another.")
    found = [recorded(run) for run in runs]
    cells = [_cells(run) for run in found]
    return Comparison(
        [_side(run, number, name)
         for number, (run, name) in enumerate(zip_longest(found, names), 1)],
        [_aligned(cells[0], other) for other in cells[1:]],
        len({run.question for run in found}) == 1,
    )


# -- private ----------------------------------------------------------------------------------


def _cells(run: RecordedRun) -> list[Cell]:
    found = []
    for turn in run.tree.children(run.tree[run.node]):
        for cell in run.tree.children(turn) if turn.kind == "turn" else ():
            if cell.kind == "cell":
                seen = "\n".join(x for x in (cell.output, cell.result, cell.error) if x)
                found.append(Cell(turn.number, cell.code, seen))
    return found


def _aligned(left: list[Cell], right: list[Cell]) -> list[Pair]:
    """Set cells of the same code beside each other, in order; between them the others."""
    codes = difflib.SequenceMatcher(None, [c.code for c in left], [c.code for c in right], False)
    pairs = []
    for _, a, b, c, d in codes.get_opcodes():
        for i in range(max(b - a, d - c)):
            one = left[a + i] if a + i < b else None
            other = right[c + i] if c + i < d else None
            pairs.append(Pair(one, other))
    return pairs


def _side(run: RecordedRun, number: int, name: str | None) -> Side:
    node = run.tree[run.node]
    turns = sum(child.kind == "turn" for child in run.tree.children(node))
    name = name or ("plain" if run.plain else _name(run))
    return Side(
        name=f"{number}: {oneline(name, _SHOWN)}", model=node.model, status=run.status,
        answer=run.answer_text or "", turns=turns, calls=node.calls, usage=node.total,
        seconds=node.seconds or 0.0, reason=node.reason, alone=run.plain,
        branch=_has_turns(node.config.get("forked")),
    )  # fmt: skip


def _has_turns(forked: Any) -> bool:
    """Whether a branch has turns of its origin: kept, or done again with the reply they had."""
    if not isinstance(forked, dict):
        return False
    return bool(forked.get("turn")) or forked.get("otherwise") not in ([], ["the question"])


def _name(run: RecordedRun) -> str:
    return run.path.stem if run.path.suffix == SUFFIX else run.id


def _rows(sides: Sequence[Side]) -> list[list[str]]:
    rows = [["", *(side.name for side in sides)]]
    for name, show in (
        ("answer", lambda s: oneline(clean(s.answer or s.reason), _SHOWN) or "none"),
        ("status", lambda s: s.status),
        ("model", lambda s: oneline(s.model, _SHOWN)),
        ("turns", lambda s: str(s.turns)),
        ("calls", lambda s: f"{s.calls:,}"),
        ("tokens in", lambda s: f"{s.usage.input_tokens:,}"),
        ("tokens out", lambda s: f"{s.usage.output_tokens:,}"),
        ("cost", lambda s: cost_text(s.usage) if s.calls else ""),
        ("time", lambda s: duration_text(s.seconds)),
    ):
        rows.append([name, *(show(side) for side in sides)])
    return rows


def _parting(first: str, other: str, pair: Pair | None) -> list[str]:
    if pair is None:
        return [f"{other} has the same cells and outputs as {first}."]
    turn = (pair.left or pair.right or Cell(0, "", "")).turn
    if pair.left is None or pair.right is None:
        which = other if pair.left is None else first
        return [f"{other} parts from {first} at turn {turn}: only {which} has this cell.",
                *pair.diff[:20]]  # fmt: skip
    if pair.left.code == pair.right.code:
        a, b = (oneline(clean(c.output), _SHOWN) for c in (pair.left, pair.right))
        return [f"{other} parts from {first} at turn {turn}: the same code gave {b!r}, not {a!r}."]
    diff = pair.diff
    lines = plural(len(diff), "line")
    return [f"{other} parts from {first} at turn {turn}, in {lines} of code:", *diff[:20]]


def _price(run: Side, plain: Side) -> str:
    """Say what recursion cost beside the model alone, where that can be said."""
    if not plain.answer:
        return f"The model alone gave no answer, so there is no price to set beside {run.name}'s."
    what = "the same" if run.answer.strip() == plain.answer.strip() else "another answer"
    said = [
        f"{_times(mine, others)} the {word}"
        for word, mine, others in (
            ("cost", run.usage.cost, plain.usage.cost),
            ("tokens", run.usage.tokens, plain.usage.tokens),
            ("time", run.seconds, plain.seconds),
        )
        if mine is not None and others
    ]
    taken = ", without the turns that it has from its origin" if run.branch else ""
    if not said:
        return f"Beside the model alone {run.name} gave {what}."
    return f"Beside the model alone {run.name} gave {what} for {', '.join(said)}{taken}."


def _times(mine: float, others: float) -> str:
    times = mine / others
    return f"{times:,.0f} times" if times >= 10 else f"{times:.2g} times"
