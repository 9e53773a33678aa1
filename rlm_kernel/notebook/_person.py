"""The person at the keyboard: what they are asked from other threads, and the cells they run."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..log.format import clean, oneline
from ..protocol import CellError, CellResult, Logged, Output
from ..protocol.control import AnswerCall
from ..protocol.events import CallEnded, CallsDecided, CallStarted, PhaseChanged
from ..repl.capture import TeeCapture
from ..repl.spool import read_output
from ._front import cell_of, front_of, parent_of
from .ask import CLIENT, ask_calls

if TYPE_CHECKING:
    from ..engine import Run
    from ..engine.asking import Ask
    from .session import Session

PROMPT = 4_000  # characters of a prompt, its end, that a person is shown
OUTPUT = 20_000  # characters of a person's cell that are kept


class Keyboard:
    """Asks the person for a line from a thread other than the main one.

    ipykernel's own ``input()`` can't be given up, and the question may be answered elsewhere
    (through Control) or cancelled: then ``release`` ends the waiting, and ``withdraw`` that of one
    question, asked or still to be asked.

    Args:
        shell: the shell.
        elsewhere: whether whoever sits at the front end is asked by it: then nothing is asked here,
            since an input box that was answered elsewhere would stay and block the notebook.
    """

    def __init__(self, shell: Any, elsewhere: Callable[[], bool] = lambda: False) -> None:
        self._shell = shell
        self._elsewhere = elsewhere
        self._queued: list[str] = []  # questions that somebody waits for
        self._one = threading.Lock()  # one question at a time has the line
        self._free = threading.Event()
        self._lock = threading.Lock()  # between looking whether it is wanted and giving it up
        self._ident: Any = None
        self._parent: Any = None
        self._screen = sys.stdout  # of a terminal; a running cell's own is held back
        self.there = False
        self.asking = ""  # the question that has the line
        self._wanted: Callable[[], bool] | None = None  # whether what has the line still is

    def arrive(self) -> None:
        """Note who sits at the front end of the running cell, and whether they can be asked."""
        self.there = front_of(self._shell).stdin
        self._screen = sys.stdout
        kernel = getattr(self._shell, "kernel", None)
        if kernel is not None:
            self._parent = parent_of(self._shell)
            self._ident = kernel._parent_ident["shell"]

    def read(self, prompt: str) -> str:
        """Ask for one line, as ``input`` does, on the main thread; ``release`` ends it.

        Raises:
            ModelError: the question was given up.
            EOFError: the person ended the input.
            KeyboardInterrupt: the person interrupted it.
        """
        with self._lock:
            self._free.clear()
        sys.stdout.flush()
        sys.stderr.flush()
        line = self._line(prompt)
        if line == "\x04":  # how a front end says that the input has ended
            raise EOFError
        return line

    def release(self) -> None:
        """Give up the question that is being asked."""
        with self._lock:
            self._free.set()

    def ask(
        self,
        question: str,
        choices: Sequence[str] | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> str:
        """Ask a question and give the answer; one of ``choices`` where there are any.

        Args:
            question: what is asked.
            choices: the answers that there are; None: any text.
            wanted: whether its answer still is; ``look`` looks at it again meanwhile.

        Raises:
            ModelError: nobody can be asked here, or the question was given up.
        """
        if not self.there or self._elsewhere():
            msg = "Nobody can be asked here: the front end has no input."
            raise ModelError(msg)
        self._queued.append(question)
        try:
            with self._line_for(lambda: question in self._queued and wanted()):
                self.asking = question.rstrip()
                try:
                    return self._answer(self.asking, choices)
                finally:
                    self.asking = ""
        finally:
            if question in self._queued:
                self._queued.remove(question)

    __call__ = ask

    def withdraw(self, question: str) -> None:
        """Give up one question: it was answered elsewhere, or nobody wants the answer any more."""
        if question in self._queued:
            self._queued.remove(question)
            self.look()

    @contextmanager
    def _line_for(self, wanted: Callable[[], bool]) -> Iterator[None]:
        """Have the line for a question, once those before it are through, if it is still wanted."""
        with self._one:
            with self._lock:
                if not wanted():
                    msg = "The question was answered elsewhere."
                    raise ModelError(msg)
                self._wanted = wanted
                self._free.clear()
            try:
                yield
            finally:
                self._wanted = None

    def _answer(self, question: str, choices: Sequence[str] | None) -> str:
        shown = question
        if choices:
            shown += "\n" + "\n".join(f"  {n}  {c}" for n, c in enumerate(choices, 1))
        prompt = shown + "\n> "
        while True:
            text = self._line(prompt).strip()
            if not choices or text in choices:
                return text
            if text.isdecimal() and 1 <= int(text) <= len(choices):
                return choices[int(text) - 1]
            prompt = "One of the choices, please (its number will do)\n> "

    def ask_lines(self, question: str, wanted: Callable[[], bool]) -> str:
        """Ask for several lines; one that is a single dot ends them.

        Args:
            question: what is asked.
            wanted: whether its answer still is; ``look`` looks at it again meanwhile.

        Raises:
            ModelError: nobody can be asked here, or the question was given up.
        """
        with self._line_for(wanted):
            return self._lines(question)

    def _lines(self, question: str) -> str:
        lines: list[str] = []
        prompt = f"{question.rstrip()}\n(a line with a single dot ends your text)\n> "
        while (line := self._line(prompt)) != ".":
            lines.append(line)
            prompt = "> "
        return "\n".join(lines)

    def look(self) -> None:
        """Give up the question that is being asked, if nobody wants its answer."""
        with self._lock:
            if self._wanted is not None and not self._wanted():
                self._free.set()

    def _line(self, prompt: str) -> str:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None:
            return self._typed(prompt)
        session, socket = kernel.session, kernel.stdin_socket
        while session.recv(socket)[1] is not None:
            pass  # the answer to a question that was given up
        content = {"prompt": prompt, "password": False}
        session.send(socket, "input_request", content, self._parent, ident=self._ident)
        while not self._free.is_set():
            _, reply = session.recv(socket)
            if reply is not None:
                value: str = reply["content"]["value"]
                return value
            time.sleep(0.05)
        msg = "The question was given up."
        raise ModelError(msg)

    def _typed(self, prompt: str) -> str:
        """Ask at a terminal, also while ``sys.stdout`` is what a running cell prints to."""
        if sys.stdout is self._screen:
            return input(prompt)
        self._screen.write(prompt)
        self._screen.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")


class Desk:
    """Asks the person while a cell stays with the run: for the replies of ``model="human"``, and
    whether calls that wait may be made. What is answered elsewhere is given up here.

    Args:
        run: the run.
        keyboard: asks.
        quiet: whether the person decides elsewhere (in a live tree); asked off the main thread.
    """

    def __init__(
        self, run: Run, keyboard: Keyboard, quiet: Callable[[], bool] = lambda: False
    ) -> None:
        self._run = run
        self._keyboard = keyboard
        self._quiet = quiet
        self._open = True
        self._asked: set[str] = set()  # calls that are asked about, and wait
        self._line: deque[tuple[str, str]] = deque()  # calls still to be asked about
        self._serving, self._lock = False, threading.Lock()
        self._end = run.log.listen(self._on_event)
        for call in run.tree.calls:
            if call.live and call.model == "human":
                self._ask(call.id, call.role)
        if run.phase == "asking":
            self._ask_calls(run.reason)

    def close(self) -> None:
        """Ask no more; what is asked just now is given up."""
        self._end()
        self._open = False
        self._keyboard.release()

    def _on_event(self, logged: Logged) -> None:
        event = logged.event
        if isinstance(event, PhaseChanged) and event.node == self._run.node:
            if event.phase == "asking":
                self._ask_calls(event.reason)
        elif isinstance(event, CallsDecided):
            self._asked.discard(event.ask)
            self._keyboard.look()  # decided elsewhere, or it is no more to be decided
        elif isinstance(event, CallEnded) and self._keyboard.asking:
            call = self._run.tree.get(event.node)
            if call is not None and call.role == "human" and (
                call.prompt.startswith(self._keyboard.asking)
            ):  # fmt: skip
                self._keyboard.release()
        if isinstance(event, CallStarted) and event.model == "human":
            self._ask(event.node, event.role)
        elif isinstance(event, CallEnded) and event.node in self._asked:
            self._asked.discard(event.node)
            self._keyboard.look()  # answered by another way, or cancelled

    def _ask_calls(self, sentence: str) -> None:
        waits = self._run.asking
        if waits is None or waits.ask in self._asked or self._run.placed:
            return
        if self._keyboard.there:
            self._asked.add(waits.ask)
            threading.Thread(target=self._allow, args=(waits, sentence), daemon=True).start()

    def _ask(self, node: str, role: str) -> None:
        if role != "human" and self._keyboard.there:  # ask_human has its own way
            self._asked.add(node)
            with self._lock:
                self._line.append((node, role))
                serving, self._serving = self._serving, True
            if not serving:
                threading.Thread(target=self._serve_line, daemon=True).start()

    def _allow(self, waits: Ask, sentence: str) -> None:
        if self._quiet():
            return

        def choose(question: str, choices: list[str] | None) -> str:
            return self._keyboard.ask(question, choices, self._still(waits.ask))

        try:
            command = ask_calls(waits.ask, clean(sentence), clean(waits.reason), choose)
        except (ModelError, EOFError):
            return  # they wait on, for whoever decides
        self._run.send(command)

    def _serve_line(self) -> None:
        """Ask about one call after the other, in the order in which they were made."""
        while True:
            with self._lock:
                if not self._line:
                    self._serving = False
                    return
                node, role = self._line.popleft()
            try:
                self._serve(node, role)
            except Exception as failed:  # the next is asked whatever became of this one
                if self._still(node)():
                    why = type(failed).__name__ + (f": {failed}" if str(failed) else "")
                    self._run.note(
                        f"Asking for {node} ended ({oneline(why, 200)}); it waits on: "
                        f"`%rlm answer {node} TEXT` answers it."
                    )

    def _still(self, waiting: str) -> Callable[[], bool]:
        """Give what says whether the answer for a call, or for calls, is still wanted."""
        return lambda: self._open and waiting in self._asked

    def _serve(self, node: str, role: str) -> None:
        call = self._run.tree.get(node)
        shown = call.prompt[-PROMPT:] if call is not None else ""
        you = "the root model: write a cell" if role == "root" else "the sub-model: answer"
        try:
            text = self._keyboard.ask_lines(f"{clean(shown)}\n\nYou are {you}.", self._still(node))
        except ModelError:
            return
        if role == "root" and "```" not in text:
            text = f"```repl\n{text}\n```"
        self._run.send(AnswerCall(node=node, text=text, client=CLIENT))


class Recorder:
    """Puts the cells that a person runs while a run is taken over into that run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._capture = TeeCapture()
        self._file: Path | None = None
        self._code = self._cell = ""
        self._started = 0.0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def open(self) -> None:
        """Listen for cells."""
        events = self._session.shell.events
        events.register("pre_run_cell", self._before)
        events.register("post_run_cell", self._after)

    def close(self) -> None:
        """Stop listening."""
        events = self._session.shell.events
        events.unregister("pre_run_cell", self._before)
        events.unregister("post_run_cell", self._after)
        if self._folder is not None:
            self._folder.cleanup()

    def _before(self, info: Any) -> None:
        session = self._session
        run = session.live_in_shell()
        self._file = None
        if not session.runtime.in_cell:
            session.runtime.keep_session()
        # ipykernel nests: the cells of a run fire these events as well
        if run is None or run.phase != "taken over" or session.runtime.in_cell:
            return
        code = info.raw_cell or ""
        if code.lstrip().startswith(("%rlm", "%%rlm")):
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="rlm-")
        self._file = Path(self._folder.name) / "cell"
        self._code, self._started = code, time.monotonic()
        self._cell = cell_of(session.shell) or session.announced()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._capture.begin(os.open(self._file, flags, 0o600))

    def _after(self, result: Any) -> None:
        if self._file is None or self._session.runtime.in_cell:
            return
        self._capture.end()
        path, self._file = self._file, None
        session = self._session
        run = session.live_in_shell()
        if run is None:
            return
        output = read_output(path, OUTPUT)
        seconds = time.monotonic() - self._started
        run.note_human_cell(self._code, _result(result, output, seconds), self._cell)


def _result(result: Any, output: Output, seconds: float) -> CellResult:
    error = result.error_before_exec or result.error_in_exec
    shown = None
    if result.result is not None:
        try:
            shown = repr(result.result)[:OUTPUT]
        except Exception as failed:  # a repr of the person's may do anything
            shown = f"<its repr failed: {type(failed).__name__}>"
    return CellResult(
        status="interrupted"
        if isinstance(error, KeyboardInterrupt)
        else "error"
        if error
        else "ok",
        output=output,
        result=shown,
        error=CellError(type(error).__name__, str(error)) if error else None,
        seconds=seconds,
    )
