"""The tree as text reads well in a terminal and through a screen reader."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rlm_kernel.log import Tree, tree_text
from rlm_kernel.protocol.events import AnswerGiven, CallStarted, PhaseChanged, RunStarted

from .samples import a_batch, a_run, a_turn, tree_of, used


def a_tree(**options):
    turn = a_turn(1, "x = llm_query_batched(prompts)\nprint(x)", output="out")
    return tree_of(a_run(*turn[:6], *a_batch(120, 2), *turn[6:], **options))


def test_it_says_the_question_the_state_the_totals_and_the_answer():
    text = tree_text(a_tree())
    lines = text.splitlines()
    assert lines[0] == "Which city?"
    for word in ("done", "m, s", "∑ 121 calls, 2 failed", "$0.12", "1 min 23 s"):
        assert word in lines[1]
    assert "9 characters" in lines[2]
    assert lines[-2:] == ["note: said once", "Answer: Lagos"]


def test_repeated_calls_are_one_row_with_one_duration_and_one_cost():
    text = tree_text(a_tree(), width=120)
    row = next(line for line in text.splitlines() if "llm_query × 120" in line)  # noqa: RUF001
    assert "118 ✓ 2 ✗" in row
    assert row.count("$") == 1
    assert row.count(" s") == 1
    assert text.count("The provider said no.") == 2
    assert len(text.splitlines()) < 15


def test_own_and_summed_numbers_are_told_apart():
    for line in tree_text(a_tree(), width=120).splitlines():
        if "root model" in line:
            assert "∑" not in line
        elif "turn 1" in line or "cell 1" in line:
            assert "∑" in line


def test_unknown_costs_are_said_as_unknown():
    turn = a_turn(1, "x")
    turn[2] = type(turn[2])(node="root1", usage=used(None))
    text = tree_text(tree_of(a_run(*turn)))
    assert "cost unknown" in text
    assert "$" not in text
    assert "free" not in text


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 160), st.text(), st.none() | st.integers(3, 20))
def test_no_row_is_wider_or_longer_than_asked(width, words, max_rows):
    turns = [event for n in range(1, 9) for event in a_turn(n, f"print({words!r})  # {words}")]
    text = tree_text(tree_of(a_run(*turns, question=words, answer=None)), width=width,
                     max_rows=max_rows)  # fmt: skip
    lines = text.split("\n")
    assert max(map(cell_len, lines)) <= width
    if max_rows is not None:
        assert len(lines) <= max_rows + 5


def test_wide_characters_keep_the_columns_straight():
    turns = [event for n, c in enumerate("x日", 1) for event in a_turn(n, f"print('{c * 20}')")]
    rows = [r for r in tree_text(tree_of(a_run(*turns)), width=90).splitlines() if "cell" in r]
    places = {cell_len(row[: row.index("0.2 s")]) for row in rows}
    assert len(places) == 1


def test_what_is_left_out_is_counted_and_the_end_stays():
    turns = [event for n in range(1, 41) for event in a_turn(n, f"x = {n}")]
    text = tree_text(tree_of(a_run(*turns)), max_rows=12)
    assert "… 109 more rows …" in text
    assert "x = 40" in text
    assert "turn 1" in text


def test_a_run_that_goes_on_says_where_it_stands():
    events = a_run(*a_turn(1, "x"))[:-2]
    assert "Answer" not in tree_text(tree_of(events))
    events.append(PhaseChanged(node="run1", phase="paused", reason="The budget is used up."))
    text = tree_text(tree_of(events))
    assert "‖ paused" in text
    assert "paused: The budget is used up." in text
    assert tree_text(Tree()) == "(nothing happened yet)"


def test_what_never_ended_in_a_run_that_did_is_said():
    turn = a_turn(1, "x")
    text = tree_text(tree_of(a_run(*turn[:6], CallStarted(node="c", parent="cell1"))))
    assert "not finished" in text


def test_children_nest_and_say_their_answers():
    turn = a_turn(1, "rlm_query('q')")
    child = RunStarted(node="run2", parent="cell1", question="child?", depth=1)
    ended = type(a_run()[-1])(node="run2", answer="Lyon")
    text = tree_text(tree_of(a_run(*turn[:6], child, ended, *turn[6:])))
    assert "child run: child?" in text
    assert "answer: Lyon" in text


def test_colour_is_ours_alone():
    tree = a_tree(question="\x1b[31mred\x1b[0m", answer="\x1b]0;title\x07")
    assert "\x1b" not in tree_text(tree)
    painted = tree_text(tree, color=True)
    assert "\x1b[32m✓" in painted
    assert "\x1b[31mred" not in painted
    assert "\x1b]" not in painted
    assert "␛[31mred" in painted


def test_a_log_nested_without_end_is_cut():
    events = [RunStarted(node="run1", question="q")]
    events += [RunStarted(node=f"run{n}", parent=f"run{n - 1}", depth=n) for n in range(2, 3000)]
    assert len(tree_text(tree_of(events)).splitlines()) < 60


def test_a_cell_whose_answer_was_not_taken_says_so():
    turn = a_turn(1, "FINAL(x)", output="")
    cell = next(event.node for event in turn if event.type == "cell.ended")
    refused = AnswerGiven(node=cell, accepted=False, reason="It is empty.")
    text = tree_text(tree_of(a_run(*turn, refused)), width=120)
    row = next(line for line in text.splitlines() if "FINAL(x)" in line)
    assert "answer not accepted" in row
    assert text.count("answer not accepted") == 1
