"""Cells of a run in the person's own shell: the engine's loop asks, their main thread executes.

Guarantees:
- objects are shared by reference: the context the model sees *is* the person's object;
- a cell runs only while the main thread is in ``pump`` (a magic, or ``Run.wait()``);
- a cell past its time is interrupted; if that doesn't stop it, its result says ``stuck`` and the
  kernel goes on: it is never killed from here. What the cell ends with after all is told to
  ``on_late``;
- a KeyboardInterrupt in a cell is that cell's result; with no cell running it is the caller's.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..errors import ReplError
from ..protocol import CellError, CellResult, Limits, Output, Setup, Where
from ..protocol.events import Author
from .bridge import LocalBridge
from .capture import TeeCapture
from .contexts import live_value
from .runtime import Job, Report, Runtime
from .spool import Spool, read_output
from .watch import Watch, sentence

GRACE = 2.0  # seconds that an interrupted cell has to end
IDLE = 0.25  # seconds between looks at ``until`` where nobody wakes the pump

OnLate = Callable[[str, CellResult], None]
_Pending = tuple[Job, "asyncio.Future[Report | BaseException]"]


def shell_runtime(shell: InteractiveShell, *, store_history: bool = False) -> Runtime:
    """Give the runtime of a person's shell; there is one per shell."""
    kept: Runtime | None = getattr(shell, "_rlm_runtime", None)
    if kept is None:
        kept = Runtime(shell, TeeCapture(), person=True, store_history=store_history)
        shell._rlm_runtime = kept  # type: ignore[attr-defined]
    return kept


class ShellRepl:
    """A run's place in the shell of a person.

    Args:
        runtime: of the shell (``shell_runtime``).
        on_late: told the cell and result of a cell that was given up as stuck and ended later.
        grace: seconds that an interrupted cell has to end.
    """

    where: Where = "shell"

    def __init__(
        self, runtime: Runtime, *, on_late: OnLate | None = None, grace: float = GRACE
    ) -> None:
        self.runtime = runtime
        self.on_late = on_late
        self.on_pump: Callable[[bool], None] | None = None  # told when a pump begins and ends
        self.on_job: Callable[[], None] | None = None  # told when a cell begins to wait, or to run
        self.job: Job | None = None  # the cell that waits for the main thread, or runs on it
        self.pumping = False
        self.kept: list[str] = []  # names under which a value of the person's is kept
        self.put_back: list[str] = []  # and those of them that ``close`` has put back
        self._grace = grace
        self._jobs: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._waiting = 0
        self._number = 0
        self._limits = Limits()
        self._spool: Spool | None = None
        self._watch: Watch | None = None
        self._late: set[asyncio.Future[Any]] = set()
        self._beginning = threading.Lock()

    # -- on the engine's loop ------------------------------------------------------------------

    async def open(self, setup: Setup) -> None:
        """Bind the names; raise ``ReplError`` in one sentence when it can't.

        Opened again for the next run of a session, it goes on in the same namespace.
        """
        await self.close()
        self._number = 0
        bridge = LocalBridge(asyncio.get_running_loop(), setup.services)
        spool = Spool()
        values: dict[str, Any] = {n: live_value(c) for n, c in setup.contexts.items()}
        try:
            self.kept = self.runtime.open(bridge, {**values, **setup.tools}, setup.history, spool)
        except BaseException:
            spool.close()
            raise
        self._spool = spool
        self._limits = setup.limits

    async def execute(
        self,
        cell: str,
        code: str,
        *,
        author: Author = "model",
        limits: Limits | None = None,
        number: int | None = None,
    ) -> CellResult:
        """Run a cell on the main thread, as soon as it is in ``pump``."""
        spool = self._opened()
        limits = limits or self._limits
        self._number = max(number or 0, self._number + 1)
        job = Job(cell, self._number, code, author, limits)
        path = spool.create(job.number)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Report | BaseException] = loop.create_future()
        watch = Watch(
            done, job.clock, limits.seconds, self._interrupt, grace=self._grace, spool=path
        )
        self._watch = watch
        self._waiting += 1
        self.job = job
        self._jobs.put((job, done))
        if self.on_job is not None:
            self.on_job()
        try:
            why, over = await watch.over()
        except asyncio.CancelledError:
            if not self._withdrawn(job, done) and not await watch.stop():
                self._when_late(job, done, limits)
            raise
        finally:
            self._watch = None
            self._waiting -= 1
            self.job = None
        if not over and self._withdrawn(job, done):  # the main thread was elsewhere
            return CellResult(
                status="interrupted",
                error=CellError("KeyboardInterrupt", "The cell was withdrawn before it began."),
                note="The cell was withdrawn before it began.",
            )
        if not over and not await watch.stop():  # it may have begun just now
            self._when_late(job, done, limits)
            return CellResult(
                status="timeout" if why != "interrupt" else "interrupted",
                output=await output_of(path, limits.output),
                seconds=job.clock.seconds,
                waited=job.clock.waited,
                note=f"{sentence(why, limits.seconds)} It doesn't stop and still runs in your "
                "kernel, whose variables are kept; restart the kernel if it never ends.",
                stuck=True,
            )
        result = await self._result(job, done.result(), limits)
        return interrupted(result, why, limits.seconds)

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, if there is one."""
        if self._watch is not None:
            self._watch.ask()

    async def set_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Give ``history`` its new value."""
        self.runtime.set_history(history)

    async def output(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of the whole output of a cell."""
        return await asyncio.to_thread(self._opened().page, number, start, stop)

    async def close(self) -> None:
        """Unbind what was bound; the person's own values come back."""
        if self._spool is None:
            return
        spool, self._spool = self._spool, None
        self.put_back = self.runtime.close()
        self.wake()
        await asyncio.to_thread(spool.close)

    # -- on the main thread --------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether a cell waits for the main thread, or runs on it."""
        return self._waiting > 0

    def wake(self) -> None:
        """Make ``pump`` look at its ``until``; from any thread."""
        self._jobs.put(None)

    def pump(self, until: Callable[[], bool]) -> None:
        """Run the cells that come, on this thread, until ``until()`` says so.

        ``until`` is asked after each cell and each ``wake()``.

        Raises:
            KeyboardInterrupt: a person interrupted while no cell ran.
            ReplError: it is called in a cell, for which it would wait for ever.
        """
        if self.runtime.in_cell:
            msg = (
                "A cell of the run can't wait for the run, which waits for that cell. FINAL(x) "
                "submits an answer."
            )
            raise ReplError(msg)
        outermost, self.pumping = not self.pumping, True
        if outermost and self.on_pump is not None:
            self.on_pump(True)
        try:
            with self.runtime.interrupts:
                while not until():
                    try:
                        pending = self._jobs.get(timeout=IDLE)
                    except queue.Empty:
                        continue
                    if pending is not None:
                        with self.runtime.interrupts.work():
                            self._run(*pending)
        finally:
            if outermost:
                self.pumping = False
                if self.on_pump is not None:
                    self.on_pump(False)

    def _withdrawn(self, job: Job, done: asyncio.Future[Report | BaseException]) -> bool:
        """Take a cell back that hasn't begun; False where it has."""
        with self._beginning:
            return job.clock.seconds == 0.0 and done.cancel()

    def _run(self, job: Job, done: asyncio.Future[Report | BaseException]) -> None:
        with self._beginning:  # from here on it is interrupted, before that it is withdrawn
            if done.cancelled():
                return
            job.clock.start()
        if self.on_job is not None:
            self.on_job()
        outcome: Report | BaseException
        try:
            outcome = self.runtime.execute(job)
        except BaseException as error:  # a fault of ours: the engine says so, the pump goes on
            outcome = error

        def resolve() -> None:
            if not done.done():
                done.set_result(outcome)

        loop = done.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(resolve)

    # -- helpers -------------------------------------------------------------------------------

    def _opened(self) -> Spool:
        if self._spool is None:
            msg = "The run's place in this shell isn't open."
            raise ReplError(msg)
        return self._spool

    async def _interrupt(self) -> None:
        self.runtime.interrupts.send()

    async def _result(
        self, job: Job, outcome: Report | BaseException, limits: Limits
    ) -> CellResult:
        if isinstance(outcome, BaseException):
            msg = f"The cell couldn't be run: {type(outcome).__name__}: {outcome}"
            raise ReplError(msg) from outcome
        output = await output_of(self._opened().path(job.number), limits.output)
        return result_of(outcome, output, job)

    def _when_late(
        self, job: Job, done: asyncio.Future[Report | BaseException], limits: Limits
    ) -> None:
        async def tell() -> None:
            outcome = await done
            if self.on_late is not None and self._spool is not None:
                self.on_late(job.cell, await self._result(job, outcome, limits))

        task = asyncio.ensure_future(tell())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def output_of(path: Path, limit: int) -> Output:
    if path.stat().st_size < 1 << 20:
        return read_output(path, limit)
    return await asyncio.to_thread(read_output, path, limit)


def result_of(report: Report, output: Output, job: Job) -> CellResult:
    """Put a report and its output together."""
    return CellResult(
        status=report.status,
        output=output,
        result=report.result,
        error=report.error,
        answer=report.answer,
        changed=report.changed,
        restored=report.restored,
        seconds=job.clock.seconds,
        waited=job.clock.waited,
        note=report.note,
    )


def interrupted(result: CellResult, why: str, seconds: float | None) -> CellResult:
    """Say in a result why its cell was interrupted, where it wasn't a person."""
    if why not in ("time", "output") or result.status == "ok":
        return result
    text = sentence("time" if why == "time" else "output", seconds)
    error = CellError(
        "CellTimeout",
        text,
        result.error.traceback if result.error else "",
        result.error.line if result.error else None,
    )
    return replace(
        result,
        status="timeout",
        error=error,
        note=" ".join(filter(None, [text, "The variables made so far are kept.", result.note])),
    )
