"""How far a run goes on without asking: to an error, a child, a turn, or an amount of money."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from ..errors import ConfigError
from ..log import Log
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

    def listen(self, log: Log) -> None:
        """Hear of errors from now on, in the run and everything below it."""
        if self.kind == "error":
            self._end = log.listen(self._hear)

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

    def _hear(self, logged: Logged) -> None:
        event = logged.event
        if self.failed:
            return
        match event:
            case CellEnded(status="error" | "timeout" | "memory" | "died"):
                self.failed = f"{event.node} ended in an error"
            case CallEnded(status="error"):
                self.failed = f"{event.node} failed"
            case RunEnded(status="failed"):
                self.failed = f"{event.node} failed"


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
