"""A solve and its steps as nodes of the tree, in every view of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from rlm_kernel.log import Tree, tree_html, tree_text
from rlm_kernel.log.format import label
from rlm_kernel.protocol import Logged
from rlm_kernel.protocol.events import (
    CellEnded,
    CellProposed,
    Event,
    RunStarted,
    SolveEnded,
    SolveStarted,
    SolveStep,
    TurnStarted,
)

from .samples import tree_of

EVIL = "<script>alert(1)</script>\x1b[31m\u202e"
GRID = "1 2 | 3 4\n3 4 | 1 2\n----+----\n2 1 | 4 3\n4 3 | 2 1"
WORDS = "sudoku4 · solved in 2 steps, 16 calls of one 91k-parameter net"


def a_solve(words: str = "", *, solved: bool = True, error: str = "") -> list[Event]:
    return [
        RunStarted(node="run1", question="Which?", model="m"),
        TurnStarted(node="turn1", parent="run1", number=1),
        CellProposed(node="cell1", parent="turn1", code="trm_solve(puzzle)", number=1),
        SolveStarted(node="solve1", parent="cell1", task="sudoku4" + words, model="sudoku4" + words,
                     puzzle="1 . | . 4" + words, parameters=91_234, of=4, line=1),
        SolveStep(node="step1", parent="solve1", number=1, calls=8, grid="4" + words, changed=13,
                  wrong=4, halt=0.021, moved=1.5, frames=[{"cells": words, "halt": 0.1}]),
        SolveStep(node="step2", parent="solve1", number=2, calls=16, grid=GRID, changed=1,
                  wrong=1, halt=0.997),
        SolveEnded(node="solve1", solved=solved, said="Solved: all." + words, answer=GRID + words,
                   steps=2, calls=16, seconds=0.02, status="error" if error else "ok", error=error),
        CellEnded(node="cell1"),
    ]  # fmt: skip


def logged(events: Sequence[Event]) -> list[Logged]:
    return [Logged(n, 1000.0 + n / 8, event) for n, event in enumerate(events, 1)]


def test_a_solve_is_below_its_cell_and_its_steps_below_it() -> None:
    tree = tree_of(a_solve())
    solve, (one, two) = tree["solve1"], tree.children(tree["solve1"])
    assert (solve.parent, solve.status, solve.title) == ("cell1", "ok", WORDS)
    assert (solve.prompt, solve.text, solve.solved) == ("1 . | . 4", GRID, True)
    assert (label(solve), label(one)) == ("latent recursion", "step 1")
    assert one.title == "13 cells changed, 4 break a rule · halt 2 %"
    assert two.title == "1 cell changed, 1 breaks a rule · halt 100 %"
    assert one.started == solve.started
    assert two.started == one.ended
    assert (tree["run1"].total.calls, tree["run1"].calls) == (0, 0), "it costs no call"
    not_solved = tree_of(a_solve(solved=False))["solve1"]
    assert not_solved.status == "partial", "no mark says that all is well"


@pytest.mark.parametrize(
    ("options", "title"),
    [({"solved": False}, WORDS.replace("solved", "not solved")),
     ({"error": "No such\npuzzle."}, "sudoku4 · No such puzzle.")],
)  # fmt: skip
def test_its_title_says_what_came_of_it(options: dict, title: str) -> None:  # type: ignore[type-arg]
    assert tree_of(a_solve(**options))["solve1"].title == title
    assert tree_of(a_solve(**options)[:4])["solve1"].title == "sudoku4"


def test_a_step_whose_grid_breaks_no_rule_says_so() -> None:
    tree = tree_of([SolveStep(node="step1", parent="solve1", number=1, changed=2, halt=1.5)])
    assert tree["step1"].title == "2 cells changed, none breaks a rule · halt 100 %"


def test_in_any_order_it_folds_to_the_same_solve() -> None:
    events = logged(a_solve())
    straight, back = Tree(events), Tree(reversed(events))
    for name in ("title", "prompt", "text", "solved", "parent", "status"):
        assert getattr(back["solve1"], name) == getattr(straight["solve1"], name)
    assert back["step1"].title == straight["step1"].title
    twice = Tree([*events, *events])
    assert [node.id for node in twice.walk()] == [node.id for node in straight.walk()]


def test_a_node_of_another_kind_is_left_alone() -> None:
    run = RunStarted(node="run1", question="Which?")
    more: list[Event] = [SolveStarted(node="run1", task="x"), SolveStep(node="run1", grid="x")]
    tree = Tree(logged([run, *more]))
    assert (tree["run1"].title, tree["run1"].text, tree["run1"].ended) == ("Which?", "", None)


def test_the_text_and_the_page_show_the_solve_and_its_grid() -> None:
    tree = tree_of(a_solve())
    text = tree_text(tree, width=140)
    assert f"latent recursion: {WORDS}" in text
    assert "step 1: 13 cells changed, 4 break a rule · halt 2 %" in text
    page = tree_html(tree)
    assert "latent recursion" in page
    assert GRID.splitlines()[1] in page
    assert "1 . | . 4" in page
    assert "Solved: all." in page


def test_hostile_text_of_a_puzzle_is_inert_in_every_view() -> None:
    tree = tree_of(a_solve(EVIL))
    for shown in (tree_html(tree), tree_text(tree, width=200)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "<script" not in tree_html(tree)
    assert tree_html(tree).count("&lt;script&gt;") == 5, "title, puzzle, 2 grids, note"
    failed = tree_html(tree_of(a_solve(error=EVIL)))
    assert "<script" not in failed
    assert "&lt;script&gt;" in failed


def test_spans_have_it_as_a_tool_with_what_was_asked_and_answered() -> None:
    pytest.importorskip("openinference.instrumentation")
    from rlm_kernel.log.formats.spans import to_spans

    spans = {span.name: span for span in to_spans(tree_of(a_solve()), "run1")}
    solve = dict(spans["latent recursion"].attributes or {})
    assert solve["openinference.span.kind"] == "TOOL"
    assert (solve["input.value"], solve["output.value"]) == ("1 . | . 4", GRID)
    assert json.loads(str(solve["metadata"]))["applied"] == 16
    step = spans["step 2"]
    assert step.parent is not None
    assert step.parent.span_id == spans["latent recursion"].context.span_id
