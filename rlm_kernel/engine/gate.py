"""The gate that every proposal passes: pause, step, decisions, taking over.

Lives on the engine's loop. Guarantees:
- a proposal is decided once; the first decision wins, a later one is refused in words;
- pausing never loses a proposal: resuming runs the one that waited, never a new sample;
- where a front end places the cells (``placed``) nothing runs before it sends the decision, and a
  cell that a person is in (``held``) waits for them, whatever the mode says;
- what a person does while they have taken over is told to the model with their name on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.events import DecisionKind, Phase

TAKEN = "You write the cells; hand back when you are done."
HELD = "Auto waits: you are in this cell. Run it when it is right."
PLACED = "The notebook is about to run this cell."
ASKED = "This cell waits for your decision"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A cell that waits for a decision. ``id`` is its node; ``number`` counts proposals from 1."""

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


Asks = Callable[[], "str | bool"]


class Gate:
    """Where a run waits for a person.

    Attributes:
        placed: whether a front end executes the cells: the decision comes from there.
        held: the proposal that must not run by itself, since a person is in it; ``""``: none.
            After setting either, ``poke``.

    Args:
        phase: told each change of phase with a sentence for the person.
    """

    def __init__(self, phase: Callable[[Phase, str], None]) -> None:
        self._phase = phase
        self._changed = asyncio.Event()
        self.paused = False
        self.taken = False
        self.stepping: str | bool = False  # the next proposal waits, whatever the mode says
        self.stepped: str | bool = False  # the pending one does; a text says why
        self.reason = ""
        self.short = False  # paused since the budget doesn't cover what comes next
        self.placed = False
        self.held = ""
        self.waived = ""  # the proposal about which the mode is asked no more
        self.asked = False  # whether a person was asked about the newest proposal
        self.pending: Proposal | None = None
        self.decision: Decision | None = None
        self.handed_back: str | None = None  # the note, until the model was told
        self._asks: Asks | None = None

    @property
    def asks_person(self) -> bool:
        """Whether the pending proposal waits for a person, not only to be executed."""
        return not self.taken and (bool(self._why()) or self._is_held())

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
        self.short = False

    async def decide(self, proposal: Proposal, asks: Asks) -> Decision:
        """Wait for the decision on a proposal, where one is needed.

        Args:
            proposal: the cell.
            asks: gives why the mode asks a person for it (or True); looked at again whenever the
                run goes on.

        Returns:
            The decision: ``approve`` by ``auto`` where nobody had to be asked.
        """
        self.pending, self.decision, self._asks = proposal, None, asks
        self.stepped, self.stepping = self.stepping, False
        self.asked = False
        try:
            while (decision := self.look()) is None:
                await self._wait()
            return decision
        finally:
            self.pending = self._asks = None
            self.waived = ""

    def look(self) -> Decision | None:
        """Say where the pending proposal stands; give the decision on it, if there is one."""
        if self.decision is not None or self.pending is None:
            return self.decision
        if self.taken:
            self._phase("taken over", TAKEN)
        elif self.handed_back is not None:
            return Decision("reject", "human", reason="a person took over")
        elif self.paused:
            self._phase("paused", self.reason or "Paused before this cell.")
        elif why := self._why():
            self.asked = True
            self._phase("proposed", f"{ASKED}: {why}." if isinstance(why, str) else f"{ASKED}.")
        elif self._is_held():
            self.asked = True
            self._phase("proposed", HELD)
        elif self.placed:
            self._phase("running", PLACED)
        else:
            return Decision("approve")
        return None

    def _why(self) -> str | bool:
        if self.pending is None or self.waived == self.pending.id:
            return ""
        return self.stepped or (self._asks() if self._asks is not None else "")

    def _is_held(self) -> bool:
        return self.pending is not None and self.held == self.pending.id

    def go_on(self) -> None:
        """Ask no more about the pending proposal: the mode, steps and pauses let it pass."""
        self.paused, self.stepped, self.held = False, False, ""
        self.waived = self.pending.id if self.pending is not None else ""
        self.poke()

    def take(self, decision: Decision) -> None:
        """Decide the pending proposal; a paused run goes on."""
        self.decision = decision
        self.paused = False
        self.poke()
