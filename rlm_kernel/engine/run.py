"""A run: one question over one context. What a person holds, watches and steers.

Guarantees: every command is answered at once and never waits for a model or a cell; the same
command (by id) is done once; a run ends exactly once, whatever is cancelled when; waiting for a
run in the main shell executes its cells there, so that nothing deadlocks.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ..errors import AnswerError, ConfigError, ModelError, RLMError
from ..lm.loop import engine_loop, on_engine_loop
from ..log import Log, Tree, recording
from ..log.paid import forget
from ..log.recording import Redact
from ..log.versions import versions
from ..protocol import Ack, CellResult, Command, GatewayClient, Repl, Setup
from ..protocol.events import (
    CellDecided,
    CellProposed,
    Event,
    Noted,
    Phase,
    PhaseChanged,
    RunEnded,
    RunOpened,
    RunResumed,
    RunStarted,
)
from ..protocol.live import Live
from . import _steer
from ._closing import Outcome
from ._control import Steering
from ._leaving import leaving
from ._reading import ENDED, WAITING, Reading, RunUsage
from ._resuming import Resuming
from .asking import Permission, Window
from .driver import Driver
from .estimate import Estimator
from .gate import Gate
from .kept import inside
from .modes import Mode, parse_mode
from .observe import cell_ended, observe
from .opening import Opening
from .record import Record, close_open_nodes
from .recorded import hiding, load_run, recorded, refuse_keys
from .replay import RecordedGateway, RecordedServices
from .rerun import Rerun
from .resume import restore
from .services import CodeServices
from .settings import Asker, Settings
from .until import Until

if TYPE_CHECKING:
    from ..lm import BudgetLedger
    from .compare import Comparison

__all__ = ["Run", "RunUsage"]

_LOOK = 0.2  # seconds after which a thread that waits looks whether it was interrupted


class Run(Live, Reading, Steering):
    """One question over one context, live or ended. Made by ``RLM.start``.

    Every method is thread-safe. ``answer`` and ``wait`` block; the commands don't.
    """

    _instead = "Take its answer, its transcript, its tree, or its folder (run.log.folder)."

    def __init__(
        self,
        question: str,
        opening: Opening,
        settings: Settings,
        *,
        gateway: GatewayClient,
        ledger: BudgetLedger,
        log: Log,
        tree: Tree,
        repl: Repl,
        parent: str | None = None,
        ask: Asker | None = None,
        earlier: Sequence[Mapping[str, Any]] = (),
        make_child: Callable[..., Run] | None = None,
        keep_repl: bool = False,
        place: tuple[int | None, int | None, str] = (None, None, ""),
        top: Run | None = None,
        record: Record | None = None,
        branch: str = "",
        rerun: Rerun | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.question = question
        self.settings = settings
        self.ledger, self.log, self.repl = ledger, log, repl
        self._record, self.rerun = record, rerun
        self.gateway = gateway if record is None else RecordedGateway(gateway, record)
        self.tree = tree
        self.top = top or self  # whose person and rules they are
        # children that run at once, by depth, over the whole tree
        self.rooms: dict[int, asyncio.Semaphore] = {} if top is None else top.rooms
        self.node = log.new_id("run") if record is None else record.node
        self.id = log.folder.name if log.folder is not None else f"{self.node}-{token_hex(4)}"
        self.parent = parent
        self.earlier = list(earlier)
        self.mode: Mode = parse_mode(settings.mode)
        self.gate = Gate(self.phase_is)
        self.window = Window(self) if top is None else top.window
        self.until: Until | None = None
        self.cell = ""  # the one that runs
        self.turn = 0
        self.phase: Phase = "starting"
        self.reason = ""
        self.children: dict[str, Run] = {}
        self.restored = record is None  # the cells of its earlier process have run again
        self._opening, self._keep, self._place = opening, keep_repl, place
        self._make_child = make_child
        self._outcome: Outcome | None = None
        self._stopped = False
        self._seen: dict[str, Ack] = {}
        self._changed = threading.Condition()
        self._process = os.getpid()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._interrupting: asyncio.Future[None] | None = None
        self._started = time.monotonic()
        self._seconds: float | None = None
        self._last_interrupt = 0.0
        self.decided_elsewhere = False  # a front end takes decisions: waiting goes on meanwhile
        self._task: asyncio.Task[None] | None = None
        self.driver: Driver | None = None
        allowed = settings.depth + 1 < settings.max_depth and make_child is not None
        self.ask: Asker | None = ask if top is None else top.ask
        self.estimator = Estimator(
            self.gateway.info, settings.sub_model,
            {name: loaded.value for name, loaded in opening.contexts.items()}, allowed,
        )  # fmt: skip
        self.permission = Permission(self, self.estimator)
        self.services = (CodeServices if record is None else RecordedServices)(
            self.gateway, ledger, log, run=self.node, sub_model=settings.sub_model,
            depth=settings.depth, child=self._child if allowed else None,
            no_child=f"rlm_query became llm_query: max_depth={settings.max_depth} is reached",
            ask=self.ask, attended=self.top.settings.attended, tools=settings.tools,
            allow=self.permission, clock=self.top.ledger,
        )  # fmt: skip
        if record is not None:
            close_open_nodes(log, tree, self.node)
            self.emit(RunResumed(
                node=self.node, turns=len(record.turns), branch=branch, model=settings.model,
                sub_model=settings.sub_model, where=settings.where, sandbox=self._held,
            ))  # fmt: skip
            return
        config = {"max_turns": settings.max_turns, "max_depth": settings.max_depth,
                  "budget": ledger.remaining_text(), **({"options": options} if options else {})}
        if parent is None:
            config["versions"] = versions()
        self.emit(RunStarted(
            node=self.node, parent=parent, run_id=self.id, question=question, name=place[2],
            context=opening.infos, model=settings.model, sub_model=settings.sub_model,
            mode=settings.mode, where=settings.where, depth=settings.depth, line=place[0],
            index=place[1], config=config,
            sandbox=self._held,
        ))  # fmt: skip

    @property
    def _held(self) -> str:
        """What holds its cells."""
        return self.settings.sandbox if self.settings.where == "kernel" else self.settings.held

    def save(
        self, path: Path | str, *, context: bool = False, redact: Redact | None = None
    ) -> Path:
        """Write the run into one ``.rlm`` file, as far as it has got.

        Args:
            path: of the file; ``.rlm`` is added where it is missing.
            context: whether what it was asked over is put into the file as well; else only what it
                is called, and its fingerprint. With ``redact`` it isn't.
            redact: is given every text and gives what stands in its place. The values of
                environment variables that look like keys are cut out anyway.

        Returns:
            The path of the file.

        Raises:
            RecordingError: it can't be written.
            ContextError: the context can't be put into a file, or holds a key.
        """
        contexts: dict[str, bytes] = {}
        if context and redact is None:
            contexts = {name: inside(one) for name, one in self._opening.contexts.items()}
            refuse_keys(contexts)
        return recording.save(list(self.events), path, contexts=contexts, redact=hiding(redact))

    def export(self, path: Path | str, form: str = "") -> Path:
        """Write the run, as far as it has got, in another form; see ``RecordedRun.export``."""
        return recorded(self).export(path, form)

    def send_spans(self, url: str) -> int:
        """Send its spans, as far as it has got, and wait; see ``RecordedRun.send_spans``."""
        return recorded(self).send_spans(url)

    def trace(self, url: str) -> None:
        """Send its spans to an OpenTelemetry collector from now on, each as it ends.

        What it has done already is sent, too. A collector that can't be reached is said once; the
        run goes on.

        Args:
            url: as for ``RecordedRun.send_spans``.

        Raises:
            ConfigError: that is no address, or the extra ``otel`` isn't installed.
        """
        from .tracing import Follower

        Follower(self, url)

    def compare(self, *others: Any) -> Comparison:
        """Set the run, as far as it has got, beside others; see ``RecordedRun.compare``."""
        return recorded(self).compare(*others)

    #: ``Run.load(PATH)`` gives a recorded run.
    load = staticmethod(load_run)

    #: ``Run.resume(PATH)`` picks up a run from its folder; ``run.resume()`` goes on after a pause.
    resume = Resuming()

    # -- waiting ----------------------------------------------------------------------------

    @property
    def answer(self) -> Any:
        """The answer; waits for it. For a ``partial`` run it is the draft: look at ``status``.

        Raises:
            AnswerError: the run ended without one, or waits for a person; says what to do.
        """
        self.wait()
        outcome = self._outcome
        if outcome is not None and outcome.text is not None:
            return outcome.value
        if self.ended:
            raise AnswerError(f"The run is {self.status} and has no answer: {self.reason}")
        if leaving():
            raise AnswerError(
                "The process ends, since its main thread is done, and the run has no answer yet: "
                "join the threads that wait for runs, or pick it up from its folder."
            )
        raise AnswerError(f"The run is {self.phase} and has no answer yet: {self.reason}")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run ended or needs a person.

        Args:
            timeout: seconds at most; None waits as long as it takes.

        Returns:
            Whether the run ended.

        Raises:
            KeyboardInterrupt: a person interrupted while no cell ran; the run pauses.
            ReplError: it is waited for in a cell of its own, which would never end.
        """
        try:
            return self.attend(timeout)
        except KeyboardInterrupt:
            self.interrupt()
            raise

    def attend(self, timeout: float | None = None) -> bool:
        """Wait as ``wait`` does, leaving what an interrupt means to the caller."""
        self._refuse_fork()
        pump = getattr(self.repl, "pump", None)
        deadline = None if timeout is None else time.monotonic() + timeout
        if pump is not None and threading.current_thread() is threading.main_thread():
            pump(lambda: self._stands() or (deadline is not None and time.monotonic() > deadline))
            return self.ended
        if on_engine_loop():
            raise RLMError("On the engine's own loop a run is awaited: await run.finished().")
        with self._changed:
            while not self._stands() and (deadline is None or time.monotonic() < deadline):
                # A signal that another thread got is Python's to handle only when we wake.
                left = _LOOK if deadline is None else deadline - time.monotonic()
                self._changed.wait(max(0.0, min(left, _LOOK)))
        return self.ended

    async def finished(self) -> Run:
        """Await, from any event loop, that the run ended or needs a person."""
        self._refuse_fork()
        loop = asyncio.get_running_loop()
        while not self._settled():
            settled = loop.create_future()
            self._waiters.append((loop, settled))
            if not self._settled():  # it may have settled between the two
                await settled
        return self

    def _refuse_fork(self) -> None:
        if self._process != os.getpid() and not self.ended:
            raise RLMError(
                f"The run {self.id} belongs to the process that started it ({self._process}), and "
                "this one is a fork of that: wait for it and steer it there."
            )

    def _stands(self) -> bool:
        """Whether waiting is over: it ended, or needs the one who waits."""
        decided_elsewhere = self.decided_elsewhere and self.phase in ("proposed", "asking")
        return leaving() or (self._settled() and not decided_elsewhere)

    def _settled(self) -> bool:
        return self.phase in ENDED or self.phase in WAITING or leaving()

    # -- the life of a run -------------------------------------------------------------------

    def begin(self) -> None:
        """Start the task on the engine's loop (called once, on that loop)."""
        self._task = asyncio.ensure_future(self._live())

    async def _live(self) -> None:
        outcome = Outcome("failed", reason="The run could not start.")
        try:
            await self.repl.open(Setup(
                self.services, self._opening.contexts, self.settings.tools, self.earlier,
                self.settings.limits, self.settings.workdir, self.node,
            ))  # fmt: skip
            self.driver = Driver(self, *self._opened())
            if self._record is not None:
                await restore(self, self.driver, self._record)
            self.restored = True
            self._notify()
            if self.rerun is not None and self._record is not None:
                outcome = self.rerun.outcome(self._record)
            else:
                outcome = await self.driver.drive()
        except asyncio.CancelledError:
            self._stopped = True
        except RLMError as error:
            outcome = Outcome("failed", reason=str(error))
        except Exception as error:  # a fault of ours must not leave a run that never ends
            if leaving():
                return
            why = f"rlm-kernel itself failed ({type(error).__name__}: {error}); please report it."
            outcome = Outcome("failed", reason=why)
            self._report(error)
        ending = asyncio.ensure_future(self._finish(outcome))
        while not ending.done():  # a stop that comes while it ends must not end the ending
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)

    def _opened(self) -> tuple[str, str]:
        """Give the two messages that the root starts from; they are in the log."""
        if self._record is not None and self._record.opened is not None:
            return self._record.opened.system, self._record.opened.first
        system, first = self._opening.messages(self)
        self.emit(RunOpened(node=self.node, system=system, first=first))
        return system, first

    @property
    def recorded(self) -> RecordedGateway:
        """The gateway of a run that was picked up."""
        assert isinstance(self.gateway, RecordedGateway)
        return self.gateway

    def _report(self, error: Exception) -> None:
        import logging

        logging.getLogger("rlm_kernel").exception("run %s", self.id, exc_info=error)

    async def _finish(self, outcome: Outcome) -> None:
        if leaving():
            return
        if self._stopped:
            draft = self.driver.draft if self.driver else None
            text = draft.text if draft else None
            self._outcome = Outcome("partial", draft.value if draft else None, text,
                                    reason=self.reason or "Stopped.")  # fmt: skip
        else:
            self._outcome = outcome
        status = "stopped" if self._stopped else outcome.status
        for child in list(self.children.values()):
            child.stop()
        if tasks := {c._task for c in self.children.values() if c._task is not None}:
            await asyncio.wait(tasks)  # a parent ends last
        if not self._keep:
            try:
                await self.repl.close()
            except (RLMError, OSError):
                pass  # what is left of it ends with the process
            except Exception as error:
                self._report(error)
        await self.services.end()  # nothing of a run outlives it
        self._seconds = time.monotonic() - self._started
        self.set_until(None)
        self.reason = self._outcome.reason
        self.emit(RunEnded(
            node=self.node, status=status, answer=self._outcome.text,
            answer_type=type(self._outcome.value).__name__, forced=self._outcome.forced,
            reason=self.reason, seconds=round(self._seconds, 3),
        ))  # fmt: skip
        if self.parent is None:  # before anybody is told: whoever waited may open it again
            await asyncio.to_thread(self.log.close)
            if self.log.folder is not None and not self.log.fault:
                forget(self.log.folder)  # what the gateway process had kept meanwhile
        self.phase = status
        self._notify()

    def phase_is(self, phase: Phase, reason: str = "") -> None:
        """Go to another phase and say so, once."""
        if not reason and phase in ("running", "thinking"):
            reason = self.going(phase)
        if self.phase in ENDED or (phase == self.phase and reason == self.reason):
            return
        waited, waits = self.phase in WAITING, phase in WAITING
        if waits and not waited and self.parent is None:
            self.ledger.pause()
        elif waited and not waits and self.parent is None:
            self.ledger.resume()
        self.phase, self.reason = phase, reason
        self.emit(PhaseChanged(node=self.node, phase=phase, reason=reason))
        self._notify()

    def set_until(self, until: Until | None) -> None:
        """Go on without asking until something happens; None: as the mode says again."""
        if self.until is not None:
            self.until.close()
        self.until = until
        if until is not None:
            until.listen(self.log, self.tree)

    def end_with(self, reason: str) -> None:
        """End the run at once, saying why."""
        _steer.stop(self, reason)

    def leave(self) -> None:
        """Tell those who wait that the process ends; nothing more is said of the run."""
        self.log.close()
        self._notify()

    def _notify(self) -> None:
        if self._stands():  # waking a thread that goes on waiting costs each turn half a ms
            with self._changed:
                self._changed.notify_all()
        if self._settled():
            waiters, self._waiters = self._waiters, []
            for loop, future in waiters:
                with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits
                    loop.call_soon_threadsafe(_settle, future)
        wake = getattr(self.repl, "wake", None)
        if wake is not None:
            wake()

    def emit(self, event: Event) -> None:
        """Write an event, then show it."""
        self.log.emit(event)

    # -- children ---------------------------------------------------------------------------

    async def _child(self, call: Any, parent: str, index: int | None, query: Any) -> Any:
        # A room for each depth: children that wait for their own children can't block those.
        limit = self.settings.max_children
        room = self.rooms.setdefault(self.settings.depth, asyncio.Semaphore(limit))
        async with room:
            return await self._run_child(call, parent, index, query)

    async def _run_child(self, call: Any, parent: str, index: int | None, query: Any) -> Any:
        assert self._make_child is not None
        child = self._make_child(self, parent, (call.line, index, query.name), query)
        self.children[child.node] = child
        child.begin()
        task = child._task
        assert task is not None
        task.add_done_callback(lambda _: self.children.pop(child.node, None))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            child.stop()
            raise
        outcome = child._outcome
        if child.phase == "done" and outcome is not None:
            return outcome.value
        draft = f" Its draft: {child.answer_text}" if child.answer_text else ""
        raise ModelError(f"The child {child.node} ended as {child.phase}: {child.reason}{draft}")

    # -- Control ----------------------------------------------------------------------------

    def by_a_person(self) -> bool:
        """Whether a person can have interrupted the cell; code can raise KeyboardInterrupt, too."""
        return self._last_interrupt > 0 or self.settings.attended or self.settings.where == "shell"

    def send(self, command: Command) -> Ack:
        """Take a command, or say in one sentence why it can't be taken now."""
        try:
            self._refuse_fork()
        except RLMError as error:
            return Ack(False, self.phase, str(error))
        if on_engine_loop():
            return self._take(command)
        future: concurrent.futures.Future[Ack] = concurrent.futures.Future()
        engine_loop().call_soon_threadsafe(lambda: future.set_result(self._take(command)))
        return future.result(10)

    def _take(self, command: Command) -> Ack:
        if command.id and command.id in self._seen:
            return self._seen[command.id]
        ack = _steer.apply(self, command)
        if command.id:
            self._seen[command.id] = ack
        return ack

    # -- what a person ran themselves ---------------------------------------------------------

    def note_human_cell(self, code: str, result: CellResult, place: str = "") -> None:
        """Put a cell that a person ran into the tree, and tell the model at its next turn.

        Args:
            code, result: what was run and what came of it.
            place: id of the notebook cell, where there is one.
        """
        node = self.log.new_id("cell")
        self.emit(CellProposed(
            node=node, parent=self.node, code=code, author="human", place=place
        ))  # fmt: skip
        self.emit(CellDecided(node=node, by="human"))
        self.emit(cell_ended(node, result, self.permission.refusals(node)))
        self.estimator.ran(code)
        driver = self.driver
        if driver is not None:
            text = observe(result, 0, driver.shown).partition("\n")[2]
            engine_loop().call_soon_threadsafe(
                driver.person_ran, f"They ran:\n```python\n{code}\n```\nwhich gave:\n{text}"
            )

    # -- who executes the cells ---------------------------------------------------------------

    def place(self, *, placed: bool | None = None, held: str | None = None) -> None:
        """Say who executes the cells, and which one must wait; None changes nothing.

        Args:
            placed: whether a front end does, so that each waits for its decision.
            held: the proposal that a person is in, which doesn't run by itself; ``""``: none.
        """

        def change() -> None:
            gate = self.gate
            gate.placed = gate.placed if placed is None else placed
            gate.held = gate.held if held is None else held
            gate.poke()

        engine_loop().call_soon_threadsafe(change)

    def note(self, text: str, at: str = "") -> None:
        """Say a sentence to whoever watches.

        Args:
            text: the sentence; it comes now.
            at: for recordings only, as ``Run.load`` gives them.

        Raises:
            ConfigError: ``at`` is given.
        """
        if at:
            raise ConfigError(
                "A note in a live run comes at the moment when it is said, so at= can't be given: "
                "leave it out, or put the note into the recording once the run has ended, by "
                f"Run.load(run.save(path)).note(…, at={at!r:.60})."
            )
        self.emit(Noted(node=self.node, text=text))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
