"""Questions at the keyboard that are answered elsewhere: given up, asked or still queued."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_kernel.errors import ModelError
from rlm_kernel.log import Log, Tree
from rlm_kernel.notebook._person import Desk, Keyboard
from rlm_kernel.protocol import events as e
from rlm_kernel.protocol.control import AnswerCall


class Queued(list[str]):
    """The questions that somebody waits for; says when there are so many."""

    def __init__(self, many: int = 2) -> None:
        super().__init__()
        self.many, self.full = many, threading.Event()

    def append(self, question: str) -> None:
        super().append(question)
        if len(self) == self.many:
            self.full.set()


class Line(Keyboard):
    """A keyboard at which nobody types."""

    def __init__(self) -> None:
        super().__init__(None)
        self._queued = self.queued = Queued()
        self.there = True
        self.prompts: Queue[str] = Queue()

    def _line(self, prompt: str) -> str:
        self.prompts.put(prompt)
        assert self._free.wait(20)
        raise ModelError("The question was given up.")


def asked(keyboard: Keyboard, question: str, said: Queue[str]) -> threading.Thread:
    def ask() -> None:
        try:
            keyboard.ask(question)
        except ModelError:
            said.put(question)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def test_a_question_that_is_withdrawn_frees_the_line_for_the_next_one() -> None:
    keyboard, said = Line(), Queue[str]()
    first = asked(keyboard, "First?", said)
    assert keyboard.prompts.get(timeout=20).startswith("First?")
    second = asked(keyboard, "Second?", said)
    keyboard.withdraw("First?")
    assert said.get(timeout=20) == "First?"
    assert keyboard.prompts.get(timeout=20).startswith("Second?")
    keyboard.withdraw("Second?")
    for thread in (first, second):
        thread.join(20)
        assert not thread.is_alive()


def test_a_question_withdrawn_while_it_waits_for_the_line_is_never_asked() -> None:
    keyboard, said = Line(), Queue[str]()
    first = asked(keyboard, "First?", said)
    assert keyboard.prompts.get(timeout=20).startswith("First?")
    second = asked(keyboard, "Second?", said)
    assert keyboard.queued.full.wait(20)
    keyboard.withdraw("Second?")
    keyboard.withdraw("First?")
    first.join(20)
    second.join(20)
    assert keyboard.prompts.empty()
    assert sorted(said.queue) == ["First?", "Second?"]


def test_where_the_front_end_asks_nothing_is_asked_here() -> None:
    keyboard = Keyboard(None, elsewhere=lambda: True)
    keyboard.there = True
    with pytest.raises(ModelError):
        keyboard.ask("Which?")


class Typed(Line):
    """A keyboard with what is typed; what isn't there waits until it is given up."""

    def __init__(self, *typed: str | Exception) -> None:
        super().__init__()
        self.typed = list(typed)

    def _line(self, prompt: str) -> str:
        if not self.typed:
            return super()._line(prompt)
        self.prompts.put(prompt)
        line = self.typed.pop(0)
        if isinstance(line, Exception):
            raise line
        return line


class Asking:
    """As much of a run as a desk needs: a log, its tree, and what is sent."""

    def __init__(self) -> None:
        self.log, self.tree = Log(), Tree()
        self.log.listen(self.tree.apply)
        self.node, self.phase, self.reason, self.placed = "run", "running", "", False
        self.asking: Any = None
        self.sent: Queue[Any] = Queue()
        self.notes: Queue[str] = Queue()
        self.send, self.note = self.sent.put, self.notes.put
        self.emit: Callable[..., Any] = self.log.emit
        self.emit(e.RunStarted(node="run", run_id="r"))

    def call(self, node: str) -> None:
        self.emit(e.CallStarted(node=node, parent="run", role="sub", model="human", prompt=node))

    def want_calls(self, ask: str) -> None:
        self.asking = SimpleNamespace(ask=ask, reason="")
        self.emit(e.PhaseChanged(node="run", phase="asking", reason=f"{ask} wants calls."))


def test_after_the_end_of_the_input_the_next_call_is_asked_about_and_the_first_waits() -> None:
    run, keyboard = Asking(), Typed(EOFError(), "four", ".")
    desk = Desk(run, keyboard)  # type: ignore[arg-type]
    run.call("call1")
    said = run.notes.get(timeout=20)
    assert "EOFError" in said
    assert "%rlm answer call1" in said
    run.call("call2")
    assert run.sent.get(timeout=20) == AnswerCall(node="call2", text="four", client="notebook")
    desk.close()


@pytest.mark.parametrize("decided", [True, False])
def test_a_question_that_waited_for_the_line_when_the_run_was_stopped_is_never_asked(
    decided: bool,
) -> None:
    run, keyboard = Asking(), Typed()
    desk = Desk(run, keyboard)  # type: ignore[arg-type]
    run.call("call1")
    assert "call1" in keyboard.prompts.get(timeout=20)
    keyboard.queued.many = 1
    run.want_calls("ask1")
    assert keyboard.queued.full.wait(20)
    waiting = [t for t in threading.enumerate() if "_allow" in t.name]
    if decided:
        run.emit(e.CallsDecided(node="cell1", ask="ask1", decision="reject", by="stop"))
        run.emit(e.CallEnded(node="call1", status="cancelled"))
    desk.close()
    for thread in waiting:
        thread.join(20)
        assert not thread.is_alive(), "it holds the line"
    said = Queue[str]()
    asked(keyboard, "Next?", said)
    assert keyboard.prompts.get(timeout=20).startswith("Next?")
    keyboard.withdraw("Next?")


def test_calls_that_are_decided_elsewhere_free_the_line_whatever_is_asked_of_them() -> None:
    run, keyboard = Asking(), Typed("refuse")
    desk = Desk(run, keyboard)  # type: ignore[arg-type]
    run.want_calls("ask1")
    assert "ask1 wants calls" in keyboard.prompts.get(timeout=20)
    assert "Reason" in keyboard.prompts.get(timeout=20)
    run.emit(e.CallsDecided(node="cell1", ask="ask1", decision="approve"))
    said = Queue[str]()
    asked(keyboard, "Next?", said)
    assert keyboard.prompts.get(timeout=20).startswith("Next?")
    keyboard.withdraw("Next?")
    desk.close()
