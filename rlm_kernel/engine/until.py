"""How far a run goes on without asking: to an error, a child, a turn, or an amount of money."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from ..errors import ConfigError
from ..log import Log, Node, Tree
from ..log.format import label
from ..protocol import Logged
from ..protocol.events import CallEnded, CellEnded, RunEnded

_TURN = re.compile(r"^turn\s*(\d+)$")
_MONEY = re.compile(r"^\$\s*(\d[\d,]*(?:\.\d+)?|\.\d+)$")
WAYS = "'error', 'child', 'turn 5' or '$0.50'"

Kind = Literal["error", "child", "turn", "money"]


class Until:
    """What a run goes on to. Until then neither the mode nor a rule asks.

    Args:
        kind: what is waited for.
        number: the turn, or US dollars used by the run and what is below it.
    """

    def __init__(self, kind: Kind, number: float = 0.0) -> None:
        self.kind, self.number = kind, number
        self.failed = ""  # the first node that ended in error since
        self._end: Callable[[], None] | None = None

    def __str__(self) -> str:
        words = {"error": "the next error", "child": "the next child",
                 "turn": f"turn {self.number:.0f}", "money": f"${self.number:.2f}"}  # fmt: skip
        return words[self.kind]

    def listen(self, log: Log, tree: Tree) -> None:
        """Hear of errors from now on, in the run and everything below it.

        Args:
            log: of the run.
            tree: folded from it; it hears of each event first.
        """
        if self.kind == "error":
            self._end = log.listen(lambda logged: self._hear(logged, tree))

    def close(self) -> None:
        """Hear no more."""
        if self._end is not None:
            self._end()
            self._end = None

    def reached(self, turn: int, used: float) -> str:
        """Say why the proposal of this turn waits, a part of a sentence; ``""``: go on.

        Args:
            turn: of the proposal.
            used: US dollars used so far.
        """
        if self.kind == "error" and self.failed:
            return self.failed
        if self.kind == "turn" and turn >= self.number:
            return f"the run came to turn {turn}"
        if self.kind == "money" and used >= self.number:
            return f"the run has used ${used:.2f}"
        return ""

    def _hear(self, logged: Logged, tree: Tree) -> None:
        event = logged.event
        if self.failed:
            return
        match event:
            case (
                CellEnded(status="error" | "timeout" | "memory" | "died")
                | CallEnded(status="error")
                | RunEnded(status="failed")
            ):
                self.failed = _failure(tree, tree[event.node])


def _failure(tree: Tree, node: Node) -> str:
    """Say what failed, a part of a sentence: ``call 2 of cell 3 failed``."""
    what = label(node)
    cells = (one for one in tree.above(node) if node.kind == "call" and one.kind == "cell")
    above = next(cells, None)
    return f"{what} of {label(above)} failed" if above is not None else f"{what} failed"


def parse_until(text: str) -> Until:
    """Read where a run is to go on to.

    Args:
        text: ``"error"`` (a cell or call failed), ``"child"`` (one is about to start), ``"turn 5"``
            (before its cell), ``"$0.50"`` (used by the run so far).

    Raises:
        ConfigError: in one sentence, when it isn't one of these.
    """
    clean = " ".join(text.split()).lower()
    if clean in ("error", "child"):
        return Until(clean)  # type: ignore[arg-type]
    if match := _TURN.match(clean):
        return Until("turn", int(match[1]))
    if match := _MONEY.match(clean):
        return Until("money", float(match[1].replace(",", "")))
    raise ConfigError(f"{text!r} is nothing to run to: use {WAYS}.")
