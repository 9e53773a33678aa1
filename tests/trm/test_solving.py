"""Solving: a frame for each cycle, the halt, the rules' word, and many ways at once."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.checkpoint import HALT, Checkpoint
from rlm_kernel.trm.puzzles.task import task
from rlm_kernel.trm.solving import explore, solve, stream

from .models_trm import small, weights

PUZZLE, SOLUTION = task("sudoku4").make(random.Random(5))


@pytest.fixture
def untaught() -> Checkpoint:
    config = small("mlp")
    return Checkpoint("sudoku4", config, weights(config))


class Says:
    """A network that says one grid, whatever it is asked, and how sure it is of it."""

    def __init__(self, halt: float, grid: list[int]) -> None:
        self.config, self._halt, self._grid = small("mlp"), halt, grid

    def embed(self, cells: Any) -> Any:
        return np.zeros((len(cells), self.config.positions, self.config.width))

    def start(self, batch: int) -> Any:
        nothing = np.zeros((batch, self.config.positions, self.config.width))
        return nothing, nothing

    def cycle(self, x: Any, y: Any, z: Any, inner: int = 0) -> Any:
        return y, z + 1

    def heads(self, y: Any) -> Any:
        logits = np.zeros((len(y), 16, 6))
        logits[:, range(16), [symbol + 1 for symbol in self._grid]] = 9.0
        return logits, np.full(len(y), self._halt)


def taught(halt: float, grid: list[int] = SOLUTION, limit: float = HALT) -> Any:
    net = Says(halt, grid)
    return SimpleNamespace(task="sudoku4", config=net.config, net=lambda: net, halt=limit)


def test_there_is_a_frame_for_each_cycle(untaught: Checkpoint) -> None:
    frames = list(stream(untaught, PUZZLE, halt=99))
    config = untaught.config
    assert len(frames) == 16 * config.outer
    assert [(f.step, f.cycle) for f in frames[:4]] == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert frames[-1].calls == len(frames) * (config.inner + 1)
    kind = task("sudoku4")
    before: tuple[int, ...] = tuple(PUZZLE)
    for frame in frames:
        assert frame.changed == tuple(
            at for at in range(16) if frame.grid[at] != before[at]
        )
        assert set(frame.wrong) == kind.wrong(PUZZLE, frame.grid)
        assert all(0 <= sure <= 1 for sure in (*frame.confidence, frame.halt))
        assert all(moved > 0 for moved in frame.moved)
        before = frame.grid


def test_it_stops_where_the_network_is_sure_enough() -> None:
    sure, unsure = solve(taught(5.0), PUZZLE), solve(taught(2.0), PUZZLE)
    assert (sure.steps, sure.halted) == (1, True)
    assert (unsure.steps, unsure.halted) == (16, False)
    assert solve(taught(2.0), PUZZLE, halt=1.0).steps == 1
    own = solve(taught(2.0, limit=1.5), PUZZLE)
    assert (own.steps, own.halted) == (1, True), "the model's own limit"
    assert solve(taught(2.0, limit=1.5), PUZZLE, halt=2.5).steps == 16
    assert solve(taught(2.0), PUZZLE, steps=2).steps == 2
    assert sure.answer == tuple(SOLUTION)
    assert "Solved: every row" in str(sure)


def test_it_may_think_for_longer_than_in_training_where_it_recurs() -> None:
    assert small("mlp", steps=4).solving_steps == 16, "the paper's"
    assert small("mlp", steps=20).solving_steps == 20
    assert small("mlp", steps=1, outer=1, inner=0).solving_steps == 1


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_far_out_overflow_nowhere() -> None:
    config = small("mlp")
    state = {name: value * 100 for name, value in weights(config).items()}
    found = solve(Checkpoint("sudoku4", config, state), PUZZLE, steps=1)
    assert all(0 <= frame.halt <= 1 for frame in found.frames)


def test_that_it_is_solved_is_the_rules_word_not_the_networks() -> None:
    wrong = solve(taught(9.0, grid=[1] * 16), PUZZLE)
    assert wrong.halted
    assert wrong.frames[-1].halt > 0.99
    assert not wrong.solved
    assert "Not solved" in str(wrong)


def test_givens_that_nothing_fits_are_said_to_be_so(untaught: Checkpoint) -> None:
    none = solve(untaught, "123." + "...4" + "." * 8).verdict  # 4 has no place in the first row
    assert none.said.endswith("No grid fits the givens.")
    empty = explore(untaught, [0] * 16, k=2).verdict
    assert empty.said.endswith("More than one grid fits the givens.")
    assert "fits the givens" not in solve(untaught, PUZZLE).verdict.said


def test_exploring_is_ended_between_steps_and_says_who_stopped_it(untaught: Checkpoint) -> None:
    steps: list[int] = []

    def twice() -> None:
        steps.append(1)
        if len(steps) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(untaught, PUZZLE, k=2, go_on=twice)
    assert len(steps) == 3
    unsure = explore(taught(-9.0), PUZZLE, k=1)
    assert (unsure.solved, unsure.halted) == (True, False), "the rules stopped it"
    assert "by itself" not in str(unsure)
    assert "used up" not in str(unsure)


def test_of_many_ways_one_that_the_rules_confirm_wins() -> None:
    found = explore(taught(-9.0), PUZZLE, k=3)
    assert found.solved
    assert found.steps == 1, "it needs no more than one"
    assert not explore(taught(9.0, grid=[1] * 16), PUZZLE, k=2).solved


def test_where_none_is_confirmed_the_one_wins_that_is_the_surest_in_the_end() -> None:
    class Turns(Says):
        def heads(self, y: Any) -> Any:
            asked.append(1)
            early = len(asked) <= 3  # cycles of the first step
            return super().heads(y)[0], np.array([1.0, 9.0, 0.0] if early else [2.0, 0.0, 1.0])

    asked: list[int] = []
    net = Turns(0.0, [1] * 16)
    model: Any = SimpleNamespace(task="sudoku4", config=net.config, net=lambda: net, halt=HALT)
    found = explore(model, PUZZLE, k=3, steps=2)
    assert (found.way, found.solved) == (1, False)


def test_ways_differ_by_their_noise_and_come_again_by_their_seed(untaught: Checkpoint) -> None:
    calm = explore(untaught, PUZZLE, k=1, noise=5.0, steps=1)
    assert calm.answer == solve(untaught, PUZZLE, steps=1, halt=99).answer, "the first has none"
    one, again, other = (explore(untaught, PUZZLE, k=6, noise=5.0, seed=seed).answer
                         for seed in (1, 1, 2))  # fmt: skip
    assert one == again
    assert one != other


def test_weights_that_are_far_out_give_no_frame_that_has_no_numbers() -> None:
    config = small("mlp")
    state = {name: np.full_like(value, 3e38) for name, value in weights(config).items()}
    with np.errstate(all="ignore"):
        found = solve(Checkpoint("sudoku4", config, state), PUZZLE, steps=1)
    for frame in found.frames:
        assert np.isfinite([frame.halt, *frame.confidence, *frame.moved]).all()


def test_a_puzzle_of_another_size_is_said(untaught: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="A sudoku4 has 16 cells, and this puzzle has 81"):
        solve(untaught, "." * 81)
