"""Asking for a decision by ``input()``: what each answer turns into."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from rlm_kernel.notebook.ask import ask, ask_calls
from rlm_kernel.protocol import Command


def asked(
    answers: Sequence[str], insert: Callable[[], None] | None = None
) -> tuple[list[Command] | None, list[str]]:
    left = list(answers)
    said: list[str] = []

    def read(prompt: str) -> str:
        said.append(prompt)
        if not left:
            raise EOFError
        return left.pop(0)

    return ask("cell3", "x = 1", read=read, write=said.append, insert=insert), said


@pytest.mark.parametrize(
    ("answers", "types"),
    [
        (["a"], ["approve"]),
        (["Approve "], ["approve"]),
        (["u"], ["mode"]),
        (["t"], ["take over"]),
        (["q"], ["pause"]),
        (["r", "too slow"], ["reject"]),
        (["reject", "too slow"], ["reject"]),
        (["s", "42"], ["respond"]),
        (["respond", "42"], ["respond"]),
        (["e", "x = 2", "."], ["edit"]),
    ],
)
def test_each_answer_becomes_its_commands(answers: list[str], types: list[str]) -> None:
    commands, _ = asked(answers)
    assert commands is not None
    assert [command.type for command in commands] == types


def test_the_decision_names_the_proposal_and_carries_the_words() -> None:
    (reject,) = asked(["r", "it reads the whole text"])[0] or []
    assert (reject.proposal, reject.reason) == ("cell3", "it reads the whole text")  # type: ignore[attr-defined]
    (edit,) = asked(["e", "for i in range(2):", "    x = i", "."])[0] or []
    assert edit.code == "for i in range(2):\n    x = i"  # type: ignore[attr-defined]


@pytest.mark.parametrize("stray", ["", "   ", "x", "yes please", "?"])
def test_a_stray_line_decides_nothing_and_is_asked_again_with_help(stray: str) -> None:
    commands, said = asked([stray, "a"])
    assert [command.type for command in commands or []] == ["approve"]
    assert any("approve: run the cell as it is" in line for line in said)


def test_the_end_of_the_input_leaves_the_proposal_waiting() -> None:
    assert [command.type for command in asked([])[0] or []] == ["pause"]
    assert [command.type for command in asked(["r"])[0] or []] == ["pause"]


@pytest.mark.parametrize("typed", [["."], ["x = 1", "."], ["", "."]])
def test_an_edit_that_changes_nothing_is_asked_again(typed: list[str]) -> None:
    commands, _ = asked(["e", *typed, "a"])
    assert [command.type for command in commands or []] == ["approve"]


def test_where_cells_can_be_inserted_an_edit_goes_on_there() -> None:
    inserted: list[bool] = []
    commands, _ = asked(["e"], insert=lambda: inserted.append(True))
    assert commands is None
    assert inserted == [True]


@pytest.mark.parametrize(
    ("answers", "type_", "reason"),
    [
        (["allow"], "approve", ""),
        (["refuse", "too dear"], "reject", "too dear"),
        (["auto (ask no more)"], "mode", ""),
        (["stop the run"], "stop", ""),
    ],
)
def test_what_is_said_about_calls_that_wait_is_one_command(
    answers: list[str], type_: str, reason: str
) -> None:
    asked: list[str] = []

    def choose(question: str, choices: list[str] | None) -> str:
        asked.append(question)
        return answers.pop(0)

    command = ask_calls("ask1", "Cell 3 wants 200 calls.", "calls > 5", choose)
    assert command.type == type_
    assert getattr(command, "proposal", "ask1") == "ask1"
    assert getattr(command, "reason", "") == reason
    assert asked[0] == "Cell 3 wants 200 calls.\n(calls > 5)"
