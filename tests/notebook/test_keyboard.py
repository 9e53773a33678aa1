"""Questions at the keyboard that are answered elsewhere: given up, asked or still queued."""

from __future__ import annotations

import threading
from queue import Queue

import pytest

from rlm_kernel.errors import ModelError
from rlm_kernel.notebook._person import Keyboard


class Queued(list[str]):
    """The questions that somebody waits for; says when there are two."""

    def __init__(self) -> None:
        super().__init__()
        self.two = threading.Event()

    def append(self, question: str) -> None:
        super().append(question)
        if len(self) == 2:
            self.two.set()


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
    assert keyboard.queued.two.wait(20)
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
