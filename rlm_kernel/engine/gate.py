"""The gate that every proposal passes: pause, step, decisions, taking over.

Lives on the engine's loop. Guarantees:
- a proposal is decided once; the first decision wins, a later one is refused in words;
- pausing never loses a proposal: resuming runs the one that waited, never a new sample;
- what a person does while they have taken over is told to the model with their name on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.events import DecisionKind, Phase

TAKEN = "You write the cells; hand back when you are done."


@dataclass(frozen=True, slots=True)
class Proposal:
    """A cell that waits for a decision. ``id`` is its node; ``number`` counts cells from 1."""

    id: str
    code: str
    number: int
    turn: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a proposal, and who decided."""

    kind: DecisionKind
    by: str = "auto"
    code: str = ""
    reason: str = ""
    text: str = ""


class Gate:
    """Where a run waits for a person.

    Args:
        phase: told each change of phase with a sentence for the person.
    """

    def __init__(self, phase: Callable[[Phase, str], None]) -> None:
        self._phase = phase
        self._changed = asyncio.Event()
        self.paused = False
        self.taken = False
        self.stepping = False  # the next proposal waits, whatever the mode says
        self.stepped = False  # the pending one does
        self.reason = ""
        self.pending: Proposal | None = None
        self.decision: Decision | None = None
        self.handed_back: str | None = None  # the note, until the model was told

    def poke(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def boundary(self) -> None:
        """Wait here while the run is paused or taken over."""
        while self.paused or self.taken:
            if self.taken:
                self._phase("taken over", TAKEN)
            else:
                self._phase("paused", self.reason or "Paused; resume goes on from here.")
            await self._wait()
        self.reason = ""

    async def decide(self, proposal: Proposal, asks: Callable[[], bool]) -> Decision:
        """Wait for the decision on a proposal, where one is needed.

        Args:
            proposal: the cell.
            asks: whether the mode asks a person for it; looked at again whenever the run goes on.

        Returns:
            The decision: ``approve`` by ``auto`` where nobody had to be asked.
        """
        self.pending, self.decision = proposal, None
        self.stepped, self.stepping = self.stepping, False
        try:
            while self.decision is None:
                if self.taken:
                    self._phase("taken over", TAKEN)
                elif self.handed_back is not None:
                    return Decision("reject", "human", reason="a person took over")
                elif self.paused:
                    self._phase("paused", self.reason or "Paused before this cell.")
                elif self.stepped or asks():
                    self._phase("proposed", "This cell waits for your decision.")
                else:
                    return Decision("approve")
                await self._wait()
            return self.decision
        finally:
            self.pending = None

    def take(self, decision: Decision) -> None:
        """Decide the pending proposal; a paused run goes on."""
        self.decision = decision
        self.paused = False
        self.poke()
