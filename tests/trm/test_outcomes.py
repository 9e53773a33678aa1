"""What becomes of puzzles: where a halt stops each, and which limit loses nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlm_kernel import trm
from rlm_kernel.trm.checkpoint import HALT
from rlm_kernel.trm.outcomes import Outcomes

# Two puzzles in three steps: one is right at once and sure, one is sure a step too early.
RIGHT = np.array([[True, False], [True, True], [True, True]])
HALTS = np.array([[4.0, 1.6], [5.0, 2.2], [5.0, 2.9]])


def test_each_stops_after_the_first_step_that_is_sure_enough() -> None:
    found = Outcomes(RIGHT, HALTS)
    assert found.exact == (0.5, 1.0, 1.0)
    assert found.steps(1.0).tolist() == [1, 1]
    assert found.steps(2.0).tolist() == [1, 2]
    assert found.steps(9.0).tolist() == [3, 3], "the last at the latest"
    assert (found.halted(1.0), found.halted(2.0)) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("halts", "limit"),
    [
        (HALTS, 2.0), (HALTS - 9, 2.0),  # never sure: it goes on to the end
        (HALTS + 3, 4.75), (np.full((3, 2), 99.0), math.inf),  # always too sure
    ],
)  # fmt: skip
def test_the_limit_is_the_lowest_from_which_none_is_lost(halts: np.ndarray, limit: float) -> None:
    found = Outcomes(RIGHT, halts)
    assert found.limit() == limit
    assert found.halted(limit) == found.exact[-1]


def test_a_limit_that_loses_nothing_only_by_chance_is_not_taken() -> None:
    # At 3 each stops where it is right; at 4 one is lost; from 4.5 on none.
    right = np.array([[True, True], [False, True], [True, True]])
    halts = np.array([[3.5, 2.5], [4.5, 9.0], [9.0, 9.0]])
    assert Outcomes(right, halts).halted(3.0) == 1.0
    assert Outcomes(right, halts).limit() == 4.5


def test_where_nothing_is_right_the_limit_is_the_usual_one() -> None:
    assert Outcomes(np.zeros((3, 2), bool), HALTS).limit() == HALT


def test_steps_after_which_nothing_changes_are_one_line() -> None:
    said = str(trm.Evaluation("sudoku4", 8, (0.25, 0.5, 0.875, 0.875, 0.875), 0.875, 2.5))
    assert said.splitlines()[1:] == [
        "after step  1          25.0%", "after step  2          50.0%",
        "after step  3 to  5    87.5%", "by the halt            87.5%  in 2.50 steps",
    ]  # fmt: skip
    assert "after step  2          50.0%" in str(trm.Evaluation("sudoku4", 8, (0.25, 0.5), 0.5, 2))
    assert "after step  1           0.0%" in str(trm.Evaluation("sudoku4", 8, (0.0,), 0.0, 1))
