"""The line-by-line account of a run that consoles get."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.cli.progress import event_line
from rlm_kernel.notebook._lines import Teller, clip, plain
from rlm_kernel.protocol import Logged
from rlm_kernel.protocol.events import (
    AnswerGiven,
    BatchEnded,
    BatchStarted,
    CellDecided,
    CellEnded,
    CellProposed,
    Event,
    RunEnded,
    RunStarted,
    SolveEnded,
    TurnStarted,
)


def told(*events: Event) -> str:
    teller = Teller()
    return "\n".join(line for event in events for line in teller.lines(event))


START = (RunStarted(node="run1", question="q"), TurnStarted(node="turn1", parent="run1", number=1))


def test_a_cell_is_told_with_its_code_its_output_and_its_error() -> None:
    text = told(
        *START,
        CellProposed(node="cell1", parent="turn1", code="print(7)\n1 / 0", number=1),
        CellEnded(node="cell1", status="error", output="7\n", error="ZeroDivisionError: division"),
    )
    assert "[1] model" in text
    assert "print(7)" in text
    assert "    7" in text
    assert "✗ ZeroDivisionError" in text


def test_cells_that_a_branch_has_from_its_recording_are_told_as_such() -> None:
    text = told(
        RunStarted(node="run1", question="q", config={"forked": {"run": "old", "turn": 1}}),
        TurnStarted(node="turn1", parent="run1", number=1),
        CellProposed(node="cell1", parent="turn1", code="print(7)", number=1),
        TurnStarted(node="turn2", parent="run1", number=2),
        CellProposed(node="cell2", parent="turn2", code="print(8)", number=2),
    )
    assert "[1] model (from the recording, free)\n" in text
    assert "[2] model\n" in text
    odd = RunStarted(node="run1", config={"forked": ["?"]})
    again = CellProposed(node="cell1", parent="turn1", code="7", number=1)
    assert "recording" not in told(odd, START[1], again)


def test_calls_that_were_refused_are_told_though_the_cell_ran() -> None:
    ran = CellEnded(node="cell1", output="7\n", refused=9)
    assert "⊘ 9 calls refused" in told(*START, ran)
    assert "[9 calls refused]" in event_line(None, Logged(1, 1.0, ran))  # type: ignore[arg-type]
    assert "refused" not in told(*START, CellEnded(node="cell1", output="7\n"))


def test_what_a_person_decided_is_told() -> None:
    text = told(
        *START,
        CellProposed(node="cell1", parent="turn1", code="x", number=1),
        CellDecided(node="cell1", decision="reject", by="notebook", reason="too dear"),
    )
    assert "rejected by notebook: too dear" in text


def test_cells_of_a_child_are_not_told_but_the_child_is() -> None:
    text = told(
        *START,
        RunStarted(node="run2", parent="cell1", question="part 1", name="p1"),
        TurnStarted(node="turn2", parent="run2"),
        CellProposed(node="cell2", parent="turn2", code="secret_of_child", number=1),
        CellEnded(node="cell2", output="child output"),
        RunEnded(node="run2", answer="done it"),
    )
    assert "child p1: part 1" in text
    assert "child done: done it" in text
    assert "secret_of_child" not in text
    assert "child output" not in text


def test_a_batch_is_told_by_its_size_and_its_failures() -> None:
    text = told(
        *START,
        BatchStarted(node="batch1", parent="cell1", size=120),
        BatchEnded(node="batch1", ok=118, failed=2),
    )
    assert "120 calls together" in text
    assert "118 came back, 2 failed" in text


def test_a_solve_is_told_by_what_the_rules_say_or_what_went_wrong() -> None:
    ended = SolveEnded(node="solve1", solved=True, said="Solved: all.\x1b[31m")
    assert "↳ latent recursion: Solved: all." in told(*START, ended)
    assert "\x1b" not in told(*START, ended)
    failed = SolveEnded(node="solve1", status="error", error="No such puzzle.")
    assert "↳ latent recursion: No such puzzle." in told(*START, failed)


def test_a_refused_answer_says_why() -> None:
    text = told(*START, AnswerGiven(node="cell1", accepted=False, reason="it is empty"))
    assert "answer refused: it is empty" in text


@given(st.text())
def test_no_text_can_move_the_cursor(text: str) -> None:
    shown = plain(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert "\x1b" not in shown
    assert "\x9b" not in shown


@given(st.text(alphabet="ab\n", max_size=300), st.integers(1, 5), st.integers(1, 50))
def test_a_clipped_text_says_how_much_is_missing(text: str, lines: int, chars: int) -> None:
    shown = clip(text, lines, chars)
    whole = text.rstrip("\n")
    if "characters more" not in shown:
        assert shown == whole
    else:
        kept, said = shown.rsplit("\n… ", 1)
        assert whole.startswith(kept)
        assert int(said.split()[0].replace(",", "")) == len(whole) - len(kept)
