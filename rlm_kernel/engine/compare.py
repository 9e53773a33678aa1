"""Runs side by side: where they part, what each answered, and at what price.

``plain`` asks the same model the same question with the whole context in its prompt, where that
fits its window: so that it can be seen whether recursion pays for a question, and what it costs.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..context import Loaded, load_all
from ..context.text import Text
from ..errors import ConfigError, ModelError
from ..lm import BudgetLedger, run_sync
from ..lm.tokens import estimate_messages
from ..log import Tree, duration_text
from ..log.format import clean, cost_text, oneline, plural
from ..log.recording import Recording
from ..protocol import CallRequest, Message, Origin, Reply
from ..protocol import events as e
from ._branching import UNSET
from .recorded import RecordedRun, recorded
from .rlm import RLM

ROOM = 1_024  # tokens of the window that are left for the answer
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Side:
    """What is told of one run."""

    name: str
    model: str
    status: str
    answer: str
    turns: int
    calls: int
    input_tokens: int
    output_tokens: int
    cost: str
    seconds: float
    reason: str = ""


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
        return [line for line in difflib.ndiff(left, right) if line[:2] in ("- ", "+ ")]


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
        lines = [] if self.same_question else ["They were asked different questions."]
        rows = _rows(self.sides)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                  for row in rows]  # fmt: skip
        for number, side in enumerate(self.sides[1:], 1):
            lines.append("")
            lines += _parting(self.sides[0].name, side.name, self.parts(number))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rest = _rows(self.sides)
        row = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
        table = [f"<tr>{row}</tr>"]
        for name, *cells in rest:
            shown = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells)
            table.append(f"<tr><th style='text-align:left'>{escape(name)}</th>{shown}</tr>")
        said = [] if self.same_question else ["They were asked different questions."]
        for number, side in enumerate(self.sides[1:], 1):
            said += _parting(self.sides[0].name, side.name, self.parts(number))
        return f"<table>{''.join(table)}</table><pre>{escape(chr(10).join(said))}</pre>"


def compare(*runs: Any) -> Comparison:
    """Set runs side by side; the first is what the others are compared with.

    Args:
        *runs: two or more: live or ended runs, recorded ones, or paths of recordings.

    Raises:
        ConfigError: there are fewer than two.
        RecordingError: a path isn't a recording's.
    """
    if len(runs) < 2:
        raise ConfigError("Two runs are compared, or more: give another.")
    found = [recorded(run) for run in runs]
    cells = [_cells(run) for run in found]
    return Comparison(
        [_side(run, number) for number, run in enumerate(found, 1)],
        [_aligned(cells[0], other) for other in cells[1:]],
        len({run.question for run in found}) == 1,
    )


def plain(rlm: RLM, question: str, context: Any = UNSET) -> RecordedRun:
    """Ask the root model alone, with the whole context in its prompt.

    Args:
        rlm: whose model, budget and way of keeping logs it is.
        question: what is asked.
        context: a text, or several, as for ``RLM.run``.

    Returns:
        The run, of one call; ``"failed"`` where the context doesn't fit the model's window, which
        its reason says.

    Raises:
        ConfigError: the context is no text.
    """
    contexts = [] if context is UNSET else load_all(context)
    text = "\n\n".join(_text_of(loaded) for loaded in contexts)
    asked: Message = {"role": "user", "content": f"{text}\n\n{question}" if text else question}
    settings = rlm._settings()
    info = rlm.gateway.info(settings.model)
    tokens = estimate_messages([asked])
    ledger = BudgetLedger(rlm.budget)
    answer, reason = None, ""
    with closing(rlm._log()) as log:
        tree = Tree()
        log.listen(tree.apply)
        log.emit(e.RunStarted(
            node="run1", run_id=log.folder.name if log.folder else "plain", question=question,
            context=[loaded.info() for loaded in contexts], model=settings.model,
            config={"plain": True, "budget": ledger.remaining_text()},
        ))  # fmt: skip
        log.emit(e.RunOpened(node="run1", first=asked["content"]))
        began = time.monotonic()
        if info.window is not None and tokens + ROOM > info.window:
            reason = f"It has about {tokens:,} tokens, and {settings.model} reads {info.window:,}."
        else:
            try:
                answer = _ask(rlm, asked, settings.model, ledger, log).text
            except ModelError as error:
                reason = str(error)
        log.emit(e.RunEnded(
            node="run1", status="failed" if answer is None else "done", answer=answer,
            reason=reason, answer_type="str", seconds=round(time.monotonic() - began, 3),
        ))  # fmt: skip
        held = Recording(log.folder or Path(), {}, list(log.events), tree)
    return RecordedRun(held)


# -- private ----------------------------------------------------------------------------------


def _ask(rlm: RLM, asked: Message, model: str, ledger: BudgetLedger, log: Any) -> Reply:
    request = CallRequest((asked,), model, max_tokens=rlm.max_tokens, temperature=rlm.temperature)
    origin = Origin("run1", "run1", "root")

    async def call() -> Reply:
        return await rlm.gateway.call(request, origin, ledger, log)

    return run_sync(call())


def _text_of(loaded: Loaded) -> str:
    value = loaded.value
    if isinstance(value, dict) and loaded.kind == "files":
        return "\n\n".join(f"{name}:\n{text}" for name, text in value.items())
    if not isinstance(value, str | Text):
        raise ConfigError(
            f"{loaded.name} is no text ({loaded.kind}), so it can't stand in a prompt whole."
        )
    return str(value)


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


def _side(run: RecordedRun, number: int) -> Side:
    node = run.tree[run.node]
    turns = sum(child.kind == "turn" for child in run.tree.children(node))
    alone = bool(run._started.config.get("plain"))
    return Side(
        name=f"{number}: {'plain' if alone else run.id}", model=node.model, status=run.status,
        answer=run.answer_text or "", turns=turns, calls=node.calls,
        input_tokens=node.total.input_tokens, output_tokens=node.total.output_tokens,
        cost=cost_text(node.total), seconds=node.seconds or 0.0, reason=node.reason,
    )  # fmt: skip


def _rows(sides: Sequence[Side]) -> list[list[str]]:
    rows = [["", *(side.name for side in sides)]]
    for name, show in (
        ("answer", lambda s: oneline(clean(s.answer or s.reason), _SHOWN) or "none"),
        ("status", lambda s: s.status),
        ("model", lambda s: s.model),
        ("turns", lambda s: str(s.turns)),
        ("calls", lambda s: f"{s.calls:,}"),
        ("tokens in", lambda s: f"{s.input_tokens:,}"),
        ("tokens out", lambda s: f"{s.output_tokens:,}"),
        ("cost", lambda s: s.cost),
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
    lines = plural(len(pair.diff), "line")
    return [f"{other} parts from {first} at turn {turn}, in {lines} of code:", *pair.diff[:20]]
