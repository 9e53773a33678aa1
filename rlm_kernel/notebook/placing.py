"""Who executes a run's cells: a front end that places them in the notebook, the cell that waits for
the run, or, where neither is there, the kernel by itself.

Guarantees:
- a cell has one executor at a time, and is executed once: a front end needs a lease to place or
  run a cell, the kernel steps in only where nobody takes one for ``PATIENCE`` seconds in which the
  main thread is free; an execution that comes after all, of one who had the lease, and a second
  one that was sent while the first ran, show the outputs;
- waiting for a run in the main shell turns its executor to that waiting cell, and back after it,
  so that "Run All" neither deadlocks nor runs anything twice;
- a front end that goes away never stops a run that doesn't need a person; what a person held when
  they left waits for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..protocol.events import CellDecided, CellEnded, CellProposed, PhaseChanged, RunEnded
from ..protocol.front import (
    Arm,
    Claim,
    Executor,
    Hold,
    Lease,
    LeaseReply,
    Reply,
)
from ._hold import Tail, held_back
from ._placed import Leased, Placed

if TYPE_CHECKING:
    from ..engine import Run
    from ..protocol import Logged
    from ._sigint import Interruptible
    from .hub import Hub

PATIENCE = 5.0  # seconds after which the kernel runs a cell that no front end took
PRECEDENCE = 1.5  # seconds that the tab which started a run comes first
LEASE = 15.0  # seconds
ARMED = 120.0  # seconds after which an announced execution is forgotten
AGAIN = 0.5  # seconds within which a second execution of a cell was sent before the first was over
ARRIVAL = 0.3  # seconds in which what was queued behind a person's cell comes to the main thread
KEPT = 100  # runs; of more, those that ended first are forgotten

NEVER = 2e9  # seconds

_TELLING = (CellProposed, CellDecided, CellEnded, PhaseChanged, RunEnded)

_note = logging.getLogger("rlm_kernel.notebook")


class Placing:
    """Claims, leases and executors of the runs of one session.

    Args:
        hub: takes the front ends' requests and tells them what changed.
        on_main: has a function called by the main thread when it is free; False: there is none.
        shell: whose own displays are held back while the kernel runs cells by itself.
    """

    def __init__(
        self, hub: Hub, *, on_main: Callable[[Callable[[], None]], bool], shell: Any
    ) -> None:
        self._hub = hub
        self._on_main = on_main
        self._shell = shell
        self._runs: dict[str, Placed] = {}
        self._armed: list[tuple[float, str, str, str]] = []  # when, run, cell, source
        self._questions: list[tuple[float, str, str]] = []  # when, notebook cell, source
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._closed = False
        hub.on(Claim, self._claim)
        hub.on(Lease, self._lease)
        hub.on(Hold, self._hold)
        hub.on(Arm, self._arm)

    # -- runs ---------------------------------------------------------------------------------

    def add(self, run: Run, name: str, anchor: str, session: str) -> Placed:
        """Take a run in and announce it to the front ends.

        Args:
            run: the run, just started.
            name: how it is called here.
            anchor: the notebook cell that started it, or empty.
            session: the session of the front end that did.
        """
        placed = Placed(run, anchor, session)
        repl = placed.repl
        if repl is None:
            placed.executor = "kernel"
        else:
            repl.on_pump = lambda entering: self._pumping(placed, entering)
            repl.on_job = lambda: self._job(run)
        with self._changed:
            over = [key for key, one in self._runs.items() if one.run.ended]
            for key in over[: max(len(self._runs) + 1 - KEPT, 0)]:
                del self._runs[key]
            self._runs[run.id] = placed
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="rlm-placing", daemon=True)
                self._thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
                self._thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
                self._thread.start()
        run.log.listen(self._on_event)
        self._hub.add(run, name=name, anchor=anchor, session=session)
        return placed

    def announced(self, source: str) -> str:
        """Give the notebook cell that a front end said this source is about to come from, once."""
        now = time.monotonic()
        with self._changed:
            fresh = [q for q in self._questions if now - q[0] < ARMED]
            found = next((q for q in fresh[::-1] if q[2].strip() == source.strip()), None)
            self._questions = [q for q in fresh if q is not found]
        return found[1] if found is not None else ""

    def claimed(self, run: Run, seconds: float, interrupts: Interruptible) -> bool:
        """Wait for a front end to claim a run, at most until an interrupt; give whether one did."""
        claimed, until = self._runs[run.id].claimed, time.monotonic() + seconds
        while not (claimed.wait(0.02) or interrupts.pending or time.monotonic() > until):
            pass
        return claimed.is_set()

    def is_live(self, run: str) -> bool:
        """Whether a run goes on in this kernel."""
        placed = self._runs.get(run)
        return placed is not None and not placed.run.ended

    def in_notebook(self, run: Run) -> bool:
        """Whether a front end places this run's cells, so that nobody has to wait for it."""
        placed = self._runs.get(run.id)
        return placed is not None and placed.claimed.is_set() and placed.executor != "inline"

    @property
    def asks(self) -> bool:
        """Whether a front end that claimed a live run asks its person itself."""
        return any(p.claimed.is_set() and not p.run.ended for p in list(self._runs.values()))

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(2)

    def describe(self, run: Run) -> dict[str, Any]:
        """Give the fields of ``RunInfo`` that only this place knows."""
        placed = self._runs.get(run.id)
        if placed is None:
            return {}
        return {
            "executor": placed.executor,
            "anchor": placed.anchor,
            "session": placed.session,
            "pending": placed.pending(),
        }

    # -- what the front ends ask for ------------------------------------------------------------

    def _claim(self, request: Claim) -> Reply:
        placed = self._runs.get(request.run)
        if placed is None or placed.run.ended:
            return Reply(ok=False, message="That run isn't live in this kernel.")
        with self._changed:
            repl = placed.repl
            if repl is not None and repl.pumping and not placed.executing:
                return Reply(ok=False, message="A cell that waits for the run executes its cells.")
            if placed.owner != request.client:  # a page that was loaded again is a new client
                placed.owner, placed.held = request.client, ("", "")
                placed.run.place(held="")
            if placed.session == request.session:
                placed.gone = False
            if repl is not None:
                self._give(placed, "notebook")
            placed.claimed.set()
            placed.run.decided_elsewhere = True
            self._changed.notify_all()
        self._hub.changed(placed.run)
        return Reply()

    def _lease(self, request: Lease) -> Reply:
        placed = self._runs.get(request.run)
        if placed is None or placed.run.ended:
            return Reply(ok=False, message="That run isn't live in this kernel.")
        now = time.monotonic()
        with self._changed:
            self._refresh(placed, now)
            other = placed.leases.get(request.cell)
            if other is not None and other.client != request.client and other.until > now:
                return LeaseReply(ok=False, message="Another window has this cell.",
                                  seconds=other.until - now)  # fmt: skip
            starter = bool(placed.session) and request.session == placed.session
            second = request.client == placed.owner and (placed.gone or not placed.session)
            wait = placed.since + PRECEDENCE - now if placed.waiting == request.cell else 0.0
            if not (starter or second) and other is None and wait > 0:
                return LeaseReply(ok=False, message="The window that started the run comes first.",
                                  seconds=wait)  # fmt: skip
            # It has let this one pass: from now on it isn't waited for.
            placed.gone = not starter and (placed.gone or other is None)
            placed.leases = {cell: leased for cell, leased in placed.leases.items()
                             if leased.until > now}  # fmt: skip
            placed.leases[request.cell] = Leased(request.client, now + LEASE)
            self._changed.notify_all()
        self._hub.changed(placed.run)
        return LeaseReply(seconds=LEASE)

    def _hold(self, request: Hold) -> Reply:
        placed = self._runs.get(request.run)
        if placed is None or placed.run.ended:
            return Reply(ok=False, message="That run isn't live in this kernel.")
        with self._changed:
            if request.on:
                placed.held = (request.cell, request.client)
            elif placed.held[0] == request.cell:
                placed.held = ("", "")
            held = placed.held[0]
        placed.run.place(held=held)
        self._hub.changed(placed.run)
        return Reply()

    def _arm(self, request: Arm) -> Reply:
        if not request.run:
            with self._changed:
                asked = (time.monotonic(), request.cell, request.source)
                self._questions = [*self._questions[-9:], asked]
            return Reply()
        placed = self._runs.get(request.run)
        if placed is None:
            return Reply(ok=False, message="That run isn't in this kernel.")
        now = time.monotonic()
        with self._changed:
            one = (request.run, request.cell)
            self._armed = [a for a in self._armed if now - a[0] < ARMED and a[1:3] != one]
            self._armed.append((now, *one, request.source))
            if request.queued or placed.has_ended(request.cell):
                placed.shown_later.add(request.cell)
        return Reply()

    # -- what the shell does ----------------------------------------------------------------------

    def cell_of(self, metadata: dict[str, Any], source: str) -> tuple[Placed, str] | None:
        """Say which cell of which run an execution is, or None for one that is nobody's.

        Args:
            metadata: of the request; JupyterLab sends the cell's.
            source: its code.
        """
        with self._changed:
            found = self._match(metadata, source)
            if found is not None:
                run_id, cell = found[0].run.id, found[1]
                self._armed = [a for a in self._armed if a[1:3] != (run_id, cell)]
            return found

    def expects(self, metadata: dict[str, Any], source: str) -> bool:
        """Whether ``cell_of`` would give a cell."""
        with self._changed:
            return self._match(metadata, source) is not None

    def is_over(self, placed: Placed, cell: str) -> bool:
        """Whether a cell that ``cell_of`` gave isn't to be executed any more."""
        with self._changed:
            placed.shown_later.discard(cell)
            return placed.to_do() != cell

    def executing(self, placed: Placed, cell: str, code: str = "") -> None:
        """Note which cell the shell executes for the notebook; empty: it is over.

        Args:
            placed: whose cell.
            cell: the cell, or empty.
            code: what was executed.
        """
        with self._changed:
            if not cell:
                placed.held = ("", "")
                placed.executed = (placed.executing, code.strip(), time.monotonic())
            placed.executing = cell
            self._changed.notify_all()
        self._hub.changed(placed.run)

    # -- private ----------------------------------------------------------------------------------

    def _match(self, metadata: dict[str, Any], source: str) -> tuple[Placed, str] | None:
        told = metadata.get("rlm")
        if isinstance(told, dict):
            run_id, cell = str(told.get("run")), str(told.get("cell"))
        else:
            now = time.monotonic()
            armed = [a for a in self._armed
                     if a[3].strip() == source.strip() and now - a[0] < ARMED]  # fmt: skip
            if not armed:
                return None
            _, run_id, cell, _ = armed[-1]
        placed = self._runs.get(run_id)
        if placed is None or placed.repl is None or not cell:
            return None
        last, code, end = placed.executed
        again = last == cell and code == source.strip() and time.monotonic() - end < AGAIN
        up = again or cell in placed.shown_later or placed.to_do() == cell
        return (placed, cell) if up else None

    def _give(self, placed: Placed, executor: Executor) -> None:
        """Make something else the executor."""
        if placed.executor == executor:
            return
        placed.executor = executor
        placed.waiting = ""
        placed.run.place(placed=executor == "notebook")
        self._hub.changed(placed.run)

    def _pumping(self, placed: Placed, entering: bool) -> None:
        """The main thread begins or ends to execute whatever cells come."""
        with self._changed:
            if placed.executing or placed.executor == "background":
                return
            if entering:
                self._promise(placed)
                if placed.claimed.is_set():
                    placed.quiet.enter_context(held_back(self._shell, Tail(lambda: None)))
                self._give(placed, "inline")
                return
            placed.quiet.close()
            if placed.owner and not placed.run.ended:
                self._give(placed, "notebook")

    def _promise(self, placed: Placed) -> None:
        """Have what is on its way to the shell find its outputs there: another executes it."""
        placed.shown_later.update(a[2] for a in self._armed if a[1] == placed.run.id)
        cell = placed.to_do()
        if cell in placed.leases and not placed.asks:
            placed.shown_later.add(cell)

    def _job(self, run: Run) -> None:
        self._look()
        self._hub.changed(run)

    def _on_event(self, logged: Logged) -> None:
        if isinstance(logged.event, _TELLING):  # of a thousand calls a second none changes anything
            self._look()

    def _look(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _watch(self) -> None:
        """Step in where no front end takes a cell."""
        with self._changed:
            while not self._closed:
                now, nearest = time.monotonic(), NEVER
                for placed in list(self._runs.values()):
                    try:
                        nearest = min(nearest, self._attend(placed, now))
                    except Exception:  # one run's trouble isn't the others'
                        _note.exception("A run can't be looked after.")
                self._changed.wait(None if nearest >= NEVER else max(nearest, 0.05))

    def _attend(self, placed: Placed, now: float) -> float:
        """Look after one run; give the seconds until it has to be looked at again."""
        if placed.run.ended or placed.repl is None:
            return NEVER
        if placed.executor == "background":
            if placed.repl.job is not None and not placed.executing:
                self._run_here(placed)
            return NEVER
        if placed.executor != "notebook":
            return NEVER
        self._refresh(placed, now)
        if not placed.waiting or placed.executing or placed.asks:
            return NEVER
        leased = placed.leases.get(placed.waiting)
        since = max(placed.since, leased.until if leased is not None else 0.0)
        left = since + PATIENCE - now
        if left > 0 or placed.held[0] == placed.waiting:
            return max(left, 1.0)
        if placed.asked_free != placed.waiting:
            placed.asked_free, placed.free = placed.waiting, None
            if not self._on_main(lambda: self._freed(placed)):
                placed.free = now
        if placed.free is None:  # a cell of the person's runs; a front end's may stand behind it
            return NEVER
        if (left := placed.free + ARRIVAL - now) > 0:
            return left
        _note.info("no front end took %s; the kernel runs it", placed.waiting)
        self._promise(placed)
        self._give(placed, "background")
        return 0.1

    def _freed(self, placed: Placed) -> None:
        with self._changed:
            placed.free = time.monotonic()
            self._changed.notify_all()

    def _refresh(self, placed: Placed, now: float) -> None:
        cell = placed.to_do()
        if cell != placed.waiting:
            placed.waiting, placed.since, placed.asked_free = cell, now, ""

    def _run_here(self, placed: Placed) -> None:
        """Have the main thread run the waiting cell by itself; its output is in the log."""
        placed.executing = "background"

        def pump() -> None:
            repl = placed.repl
            try:
                job = repl.job if repl is not None else None
                if repl is not None and job is not None:
                    with held_back(self._shell, Tail(lambda: None)):
                        repl.pump(lambda: repl.job is not job)
            except KeyboardInterrupt:
                pass  # it is the cell's result, or came when there was none
            finally:
                with self._changed:
                    placed.executing = ""
                    self._changed.notify_all()

        if not self._on_main(pump):
            placed.executing = ""
