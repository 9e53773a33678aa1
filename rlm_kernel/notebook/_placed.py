"""What is known of one run's place in a notebook, and of the cell that waits in it."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..protocol.front import Executor, PendingInfo
from ..repl import ShellRepl

if TYPE_CHECKING:
    from ..engine import Run


@dataclass(slots=True)
class Leased:
    """Who has a cell, and until when (monotonic)."""

    client: str
    until: float


@dataclass(slots=True)
class Placed:
    """What is known of one run's place in a notebook."""

    run: Run
    anchor: str = ""
    session: str = ""
    executor: Executor = "inline"
    owner: str = ""  # the client that claimed it last
    gone: bool = False  # the window that started it has let a cell pass: nobody waits for it
    claimed: threading.Event = field(default_factory=threading.Event)
    leases: dict[str, Leased] = field(default_factory=dict)
    held: tuple[str, str] = ("", "")  # the cell and the client that holds it
    executing: str = ""  # the cell that the shell executes for the notebook
    waiting: str = ""  # the cell that waits for an executor …
    since: float = 0.0  # … and since when (monotonic)
    free: float | None = None  # … and when the main thread was free since; None: not asked
    asked_free: str = ""  # for which cell it was asked
    shown_later: set[str] = field(default_factory=set)  # their execution is on its way, though over
    executed: tuple[str, str, float] = ("", "", 0.0)  # the last cell, its code and its end
    # While another cell waits for the run, what its cells show isn't that one's.
    quiet: ExitStack = field(default_factory=ExitStack)

    @property
    def repl(self) -> ShellRepl | None:
        """The place in the shell; None where the run has a kernel of its own."""
        repl = self.run.repl
        return repl if isinstance(repl, ShellRepl) else None

    def pending(self) -> PendingInfo | None:
        """Describe the cell that waits, or runs."""
        run, repl = self.run, self.repl
        pending = run.pending
        job = repl.job if repl is not None else None
        if pending is not None:
            cell, code, number, turn = pending.id, pending.code, pending.number, pending.turn
            decided = False
        elif job is not None:
            cell, code, number, turn = job.cell, job.code, job.number, 0
            decided = True
        else:
            return None
        node = run.tree.get(cell)
        if node is not None and not turn and node.parent is not None:
            turn = run.tree[node.parent].number
        leased = self.leases.get(cell)
        fresh = leased is not None and leased.until > time.monotonic()
        return PendingInfo(
            cell=cell,
            code=code,
            number=number,
            turn=turn,
            # Anything but "about to run" waits for a person: what isn't certain never runs.
            asks=not decided and run.phase != "running",
            decided=decided,
            held_by=self.held[1] if self.held[0] == cell else "",
            leased_by=leased.client if leased is not None and fresh else "",
            executing=self.executing == cell or (job is not None and job.clock.seconds > 0),
            estimate=dict(node.estimate) if node is not None else {},
        )

    def to_do(self) -> str:
        """Give the cell that can be executed now, decided or not."""
        if self.run.pending is not None:
            return self.run.pending.id
        job = self.repl.job if self.repl is not None else None
        return job.cell if job is not None and job.clock.seconds == 0.0 else ""

    @property
    def asks(self) -> bool:
        """Whether the cell waits for a person."""
        return self.run.pending is not None and self.run.phase != "running"

    def has_ended(self, cell: str) -> bool:
        """Whether a cell is over."""
        node = self.run.tree.get(cell)
        return node is not None and node.ended is not None
