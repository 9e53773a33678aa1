"""The runtime: what lives in the process whose main thread runs the cells.

It binds our names in the namespace, runs a cell with its limits, captures, and tells what came of
it. The person's notebook has one, and so has each kernel of a run's own; what differs is where
output goes (``Capture``) and who answers calls (``Bridge``).

Guarantees:
- a cell runs in the shell as any cell does: magics, ``!cmd``, top-level ``await``; and
  ``asyncio.run`` works in it, although Jupyter's own loop runs around it;
- variables made before a failure, an interrupt or a time limit stay;
- whatever a cell does, the shell, the streams and the loop are afterwards what they were.
"""

from __future__ import annotations

import asyncio
import builtins
import sys
import warnings
from asyncio import events as asyncio_events
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..errors import ReplError
from ..protocol import AnswerState, Call, CellError, Limits
from ..protocol.events import Author, CellStatus
from . import answer as answers
from .bridge import Bridge, Method
from .calls import Calls
from .capture import Capture
from .display import displays, overridden
from .doors import shut
from .functions import Final, FinalVar, ShowOutput, ShowVars
from .interrupt import Interrupts
from .limits import Clock, memory_limit
from .names import Names
from .queries import AskHuman, LlmQuery, LlmQueryBatched, RlmQuery, RlmQueryBatched
from .spool import Outputs
from .tracebacks import Source, calling_line, cell_error, source_of
from .variables import changed, identities, user_variables

SPARED = ("answer",)  # a cell may rebind it: that is one of the ways to answer


@dataclass(slots=True)
class Job:
    """A cell to run."""

    cell: str
    number: int
    code: str
    author: Author = "model"
    limits: Limits = field(default_factory=Limits)
    clock: Clock = field(default_factory=Clock)


@dataclass(slots=True)
class Report:
    """What came of a cell, as the process that ran it sees it; the output is in the spool."""

    status: CellStatus
    result: str | None = None
    error: CellError | None = None
    answer: AnswerState = field(default_factory=AnswerState)
    changed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # all of the user's variables now
    note: str = ""


class Runtime:
    """Runs the cells of one run at a time in a shell.

    Args:
        shell: the shell whose namespace the cells share.
        capture: where what they print goes.
        person: whether a person sees the displays of the shell.
        store_history: whether cells go into the shell's history, with a number of their own.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        capture: Capture,
        *,
        person: bool = True,
        store_history: bool = False,
    ) -> None:
        self.shell: Any = shell  # IPython's own calls are untyped
        self.capture = capture
        self.spool: Outputs | None = None
        self.in_cell = False  # hooks on the shell's events tell our nested cells by it
        self.running = False  # a run is open
        self._person = person
        self._store_history = store_history
        self._calls = Calls()
        self._session_bridge: Bridge | None = None
        self._session = Names(shell)
        self._run = Names(shell)
        self._files: dict[str, Source] = {}
        self._job: Job | None = None
        self._thread = 0
        self._via, self._problem = "answer", ""
        self._loop: asyncio.AbstractEventLoop | None = None
        # IPython advises so on SystemExit; whoever reads a cell's output can do neither.
        warnings.filterwarnings("ignore", "To exit: use", UserWarning)
        self.interrupts = Interrupts(self._calls.halt)
        self._functions: dict[str, Any] = {
            "llm_query": LlmQuery(self),
            "llm_query_batched": LlmQueryBatched(self),
            "rlm_query": RlmQuery(self),
            "rlm_query_batched": RlmQueryBatched(self),
            "ask_human": AskHuman(self),
            "SHOW_VARS": ShowVars(self),
            "show_output": ShowOutput(self),
            "FINAL": Final(self),
            "FINAL_VAR": FinalVar(self),
        }

    # -- names ---------------------------------------------------------------------------------

    def bind_session(
        self, bridge: Bridge | None, extra: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Bind the names that are there outside of runs; give those of the person's that were kept.

        Args:
            bridge: answers calls typed outside of a run; None: they say that nothing does.
            extra: more names, bound only where they are free (``context``).
        """
        self._session_bridge = bridge
        if not self.running:
            self._calls.bridge = bridge
        free = {n: v for n, v in (extra or {}).items() if n not in self.shell.user_ns}
        return self._session.bind({**self._functions, **free})

    def keep_session(self) -> None:
        """Bind again what ``%reset`` dropped; what the person rebound is theirs."""
        self._session.before()

    def unbind_session(self) -> list[str]:
        """Take the session's names away; give those put back."""
        self._session_bridge = None
        if not self.running:
            self._calls.bridge = None
        return self._session.unbind()

    def open(
        self,
        bridge: Bridge,
        values: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        spool: Outputs,
    ) -> list[str]:
        """Begin a run: bind its names; give those under which a person's value was kept.

        Args:
            bridge: answers its calls.
            values: contexts and tools.
            history: the value of ``history``.
            spool: where outputs are kept.
        """
        if self.running:
            msg = "This shell has a live run already; end it, or give the new one its own kernel."
            raise ReplError(msg)
        self.running = True
        self._calls.bridge = bridge
        self.spool = spool
        self._files.clear()
        self._session.before()
        names = {
            **self._functions,
            "history": list(history),
            "answer": answers.fresh(),
            **values,
        }
        return self._run.bind(names, ours=self._session.bound.values())

    def set_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Give ``history`` its new value."""
        self._run.rebind("history", list(history))

    def close(self) -> list[str]:
        """End the run: its names go, the person's come back; give those."""
        self._calls.cancel()
        self._job = None
        self.running = False
        self._calls.bridge = self._session_bridge
        back = self._run.unbind()
        self._session.before()
        return back

    # -- what the functions need ---------------------------------------------------------------

    def ask(self, method: Method, *args: Any, batch: bool = False) -> Future[Any]:
        """Send a call with the cell and line that it comes from."""
        return self._calls.start(method, self.here(batch=batch), *args)

    def here(self, *, batch: bool = False) -> Call:
        """Give the cell and the line of it that the code which calls this stands in."""
        job = self._job  # the latest: a thread of its may ask when the cell is over
        if job is None:
            return Call(cell="", batch=batch)
        line = calling_line(sys._getframe(1), self._files, job.number)
        return Call(cell=job.cell, line=line, batch=batch)

    def wait(self, future: Future[Any]) -> Any:
        """Wait for a call; a KeyboardInterrupt cancels it."""
        return self._calls.wait(future)

    def submit(self, value: Any, via: str, problem: str = "") -> None:
        """Set the answer, from ``FINAL`` and ``FINAL_VAR``."""
        if not self.running:
            msg = f"{via} submits the answer of a run, and none is live here."
            raise ReplError(msg)
        self._via, self._problem = via, problem
        if problem:
            return
        bound = self.shell.user_ns.get("answer")
        if not isinstance(bound, dict):
            bound = answers.fresh()
            self._run.rebind("answer", bound)
        bound["content"], bound["ready"] = value, True

    def variables(self) -> dict[str, Any]:
        """Give the user's variables."""
        return user_variables(self.shell, {*self._session.bound, *self._run.bound})

    # -- running -------------------------------------------------------------------------------

    def execute(self, job: Job) -> Report:
        """Run a cell on this thread and tell what came of it."""
        with self.interrupts, self.interrupts.work():
            return self._execute(job)

    def _execute(self, job: Job) -> Report:
        self._run.before(spare=SPARED)
        self._begin_answer()
        before = identities(self.variables())
        self._job = job
        self._calls.begin(job.clock)
        result: Any = None
        shown, note = None, ""
        try:
            with ExitStack() as stack:
                self.in_cell = True
                stack.callback(setattr, self, "in_cell", False)
                if self.spool is not None:
                    self.capture.begin(self.spool.open(job.number))
                    stack.callback(self.capture.end)
                shown = stack.enter_context(
                    displays(
                        self.shell, job.code, self.capture,
                        max(job.limits.output // 2, 200), person=self._person,
                        model=job.author == "model",
                    )
                )  # fmt: skip
                if self._person and job.author == "model":
                    stack.enter_context(shut(self.shell))
                stack.enter_context(self._patched(job))
                stack.enter_context(self._no_running_loop())
                note = stack.enter_context(memory_limit(job.limits.memory))
                job.clock.start()
                result = self._run_cell(job.code)
                job.clock.stop()
        finally:
            job.clock.stop()
        error = _error_of(result)
        status = self._status(result, error)
        if status == "interrupted":
            self._calls.cancel()
        restored = self._run.after(job.author, spare=SPARED)
        state = self._read_answer(restored, job.author)
        variables = self.variables()
        return Report(
            status=status,
            result=shown.result if shown is not None else None,
            error=cell_error(error, self._files) if error is not None else None,
            answer=state,
            changed=changed(before, variables, job.code),
            restored=tuple(restored),
            names=tuple(sorted(variables)[:1000]),
            note=note,
        )

    def _run_cell(self, code: str) -> Any:
        try:
            self.interrupts.begin()
            return self.shell.run_cell(code, store_history=self._store_history)
        except KeyboardInterrupt:
            return None  # it came while IPython was about to start or end the cell
        finally:
            self.interrupts.end()

    def _status(self, result: Any, error: BaseException | None) -> CellStatus:
        if result is None or isinstance(error, KeyboardInterrupt):
            return "interrupted"
        if isinstance(error, asyncio.CancelledError) and self.interrupts.happened:
            return "interrupted"
        if isinstance(error, MemoryError):
            return "memory"
        return "error" if error is not None else "ok"

    def _begin_answer(self) -> None:
        """A submission that was refused is a draft from here on."""
        self._via, self._problem = "answer", ""
        bound = self.shell.user_ns.get("answer")
        if isinstance(bound, dict) and self._run.owned("answer") and bound.get("ready") is not None:
            bound["ready"] = False

    def _read_answer(self, restored: list[str], author: Author) -> AnswerState:
        if not self.running:
            return AnswerState()
        missing = object()
        value = self.shell.user_ns.get("answer", missing)
        if value is missing:
            value = answers.fresh()
            if author == "model":
                restored.append("answer")
        elif not isinstance(value, Mapping):
            if author == "human":
                return AnswerState(via=self._via, problem=self._problem, ready=bool(self._problem))
            # The name was used for a variable: its value is kept as the draft.
            value = {"content": value, "ready": False}
            restored.append("answer")
        self._run.rebind("answer", value)
        return answers.read(value, self._via, self._problem)

    @contextmanager
    def _patched(self, job: Job) -> Iterator[None]:
        """The parts of IPython that behave otherwise while a cell of ours runs."""
        compiler = self.shell.compile
        source = source_of(job.number, job.code)
        cache, show = compiler.cache, self.shell._showtraceback

        def cache_(*args: Any, **kwargs: Any) -> str:
            if self.interrupts.happened:  # IPython's events have swallowed one just before
                raise KeyboardInterrupt
            name: str = cache(*args, **kwargs)
            self._files[name] = source
            return name

        def show_(*args: Any, **kwargs: Any) -> None:
            # IPython prints the traceback where it doesn't publish it; the model has its own.
            with self.capture.paused():
                show(*args, **kwargs)

        patches: dict[tuple[Any, str], Any] = {
            (compiler, "cache"): cache_,
            (self.shell, "ask_exit"): _no_exit,
            # IPython 9 keeps all that is printed in memory, and is slow about it.
            (self.shell, "_tee"): lambda *_, **__: nullcontext(),
        }
        if self._person:
            patches[self.shell, "_showtraceback"] = show_
        else:
            patches[self.shell, "showtraceback"] = lambda *_, **__: None
            patches[self.shell, "showsyntaxerror"] = lambda *_, **__: None
            patches[builtins, "input"] = _no_input
        runner = self.shell.loop_runner
        self.shell.loop_runner = self._await
        try:
            with overridden(patches):
                yield
        finally:
            self.shell.loop_runner = runner

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a cell with top-level ``await`` on a loop of our own."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
        loop = self._loop
        task = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        return task.result() if not task.cancelled() else None

    @contextmanager
    def _no_running_loop(self) -> Iterator[None]:
        """Let code run a loop of its own, although Jupyter's runs around it."""
        outer = asyncio_events._get_running_loop()
        asyncio_events._set_running_loop(None)
        try:
            yield
        finally:
            asyncio_events._set_running_loop(outer)
            if outer is not None:
                asyncio.set_event_loop(outer)  # asyncio.run takes the thread's loop away


def _error_of(result: Any) -> BaseException | None:
    if result is None:
        return KeyboardInterrupt()
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _no_exit(*_: Any) -> None:
    print("exit() does nothing here: the kernel goes on. FINAL(x) submits an answer.")


def _no_input(prompt: object = "") -> str:
    msg = "Nobody can type here, so input() has no answer; ask_human(question) asks a person."
    raise EOFError(msg)
