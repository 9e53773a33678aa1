"""What a person calls, and the sentences for what goes wrong."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel import trm
from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.puzzles.task import MADE, task

from .models_trm import small, weights

PUZZLE, SOLUTION = task("sudoku4").make(random.Random(5))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    config = small("mlp")
    made = trm.Checkpoint("sudoku4", config, weights(config))
    return trm.save(made, tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", MADE)
def test_the_kind_of_a_puzzle_is_seen(name: str) -> None:
    kind = task(name)
    puzzle, solution = kind.make(random.Random(1))
    assert trm.kind_of(kind.text(puzzle)).name == name
    assert trm.check(kind.text(puzzle), kind.text(solution)).solved
    assert not trm.check(kind.text(puzzle), kind.text(puzzle)).solved


def test_a_puzzle_is_a_text_rows_or_a_list(kept: Path) -> None:
    text = "".join(map(str, PUZZLE))
    rows = [PUZZLE[i : i + 4] for i in range(0, 16, 4)]
    answers = {trm.solve(one, kept).answer for one in (PUZZLE, text, rows, text.replace("0", "."))}
    assert len(answers) == 1


def test_a_model_is_a_path_or_itself(kept: Path) -> None:
    model = trm.load(kept)
    assert trm.load(model) is model
    assert trm.load(str(kept)).task == "sudoku4"
    assert list(trm.stream(PUZZLE, model))[-1].grid == trm.solve(PUZZLE, str(kept)).answer


def test_recursion_is_compared_with_less_of_it(kept: Path) -> None:
    config = trm.load(kept).config
    found = trm.compare(PUZZLE, kept)
    per_step = config.outer * (config.inner + 1)
    assert [(name, calls) for name, calls, _, _ in found.rows] == [
        ("one pass", 2), ("one step", per_step), ("all steps", 16 * per_step)
    ]  # fmt: skip
    assert found.rows[-1][2] == trm.solve(PUZZLE, kept, halt=99).answer
    assert "one pass: the network applied 2 times. Not solved" in str(found)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: trm.check(PUZZLE, "1234"), "has 16 cells, and this answer has 4"),
        (lambda: trm.solve("12"), r"A puzzle has 16 \(sudoku4\), .* and this one has 2"),
        (lambda: trm.solve(PUZZLE, "nowhere.safetensors"), "nowhere.safetensors can't be read"),
        (lambda: trm.load("sudoku-extreme"), r"No weights of 'sudoku-extreme' come along"),
        (lambda: trm.preset("sudoku5"), "no model 'sudoku5'; there are sudoku4"),
        (lambda: trm.preset([]), r"no model \[\]"),  # type: ignore[arg-type]
        (lambda: trm.puzzle([]), r"no kind of puzzle \[\]"),  # type: ignore[arg-type]
        (lambda: trm.puzzle("sudoku4", -1), "seed is a whole number, at least 0, not -1"),
        (lambda: trm.load(5), "A model is the name .*, not int"),  # type: ignore[arg-type]
        (lambda: trm.load("x" * 5_000), "There is no model 'xxx"),
        (lambda: trm.load("../weights/sudoku4"), "can't be read: No such file"),
    ],
)
def test_mistakes_are_one_sentence(ask: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ask()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"steps": -1}, "steps is a whole number, at least 0, not -1"),
        ({"steps": 1.5}, r"steps is a whole number, at least 0, not 1\.5"),
        ({"steps": 10**12}, "steps is a whole number, at least 0 and at most 10,000, not 1000"),
        ({"halt": float("nan")}, "halt is a number, not nan"), ({"halt": "x"}, "halt is a number"),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_one_sentence(kept: Path, more: Any, said: str) -> None:
    for ask in (trm.solve, trm.stream):
        with pytest.raises(ConfigError, match=said):
            ask(PUZZLE, kept, **more)
    with pytest.raises(ConfigError, match=said):
        trm.evaluate(kept, puzzles=3, **more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"k": 0}, "k is a whole number, at least 1, not 0"),
        ({"k": 10**9}, "k is a whole number, at least 1 and at most 1,000, not 1000000000"),
        ({"noise": 1e300}, "noise is a number, at least 0 and at most 1000, not 1e.300"),
        ({"k": 1_000, "steps": 10_000}, "k times steps is at most 100,000, not 10,000,000"),
        ({"noise": -1}, "noise is a number, at least 0, not -1"),
        ({"noise": float("nan")}, "noise is a number, at least 0, not nan"),
        ({"seed": -1}, "seed is a whole number, at least 0, not -1"),
        ({"seed": "a"}, "seed is a whole number, at least 0, not 'a'"),
    ],
)
def test_ways_that_are_none_are_one_sentence(kept: Path, more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        trm.explore(PUZZLE, kept, **more)


def test_a_name_that_is_mistyped_is_told_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'sudoku5', and no file .* along: maze9, sudoku4"):
        trm.load("sudoku5")


def test_no_puzzles_are_not_evaluated(kept: Path) -> None:
    with pytest.raises(ConfigError, match="puzzles is a whole number, at least 1, not 0"):
        trm.evaluate(kept, puzzles=0)
    with pytest.raises(ConfigError, match="puzzles is a whole number, at least 1 and at most"):
        trm.evaluate(kept, puzzles=10**9)


def test_a_model_of_another_task_says_what_it_takes(kept: Path) -> None:
    with pytest.raises(ConfigError, match="A sudoku4 has 16 cells, and this puzzle has 36"):
        trm.solve("." * 36, kept)


def test_importing_it_brings_nothing_heavy() -> None:
    heavy = ["torch", "safetensors", "rich", "anywidget"]
    code = f"import sys, rlm_kernel.trm; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_training_without_torch_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"needs torch.*pip install 'rlm-kernel\[trm\]'"):
        trm.train("sudoku4", minutes=0.1)
    with pytest.raises(ConfigError, match="There is no model 'sudoku5'"):
        trm.train("sudoku5", minutes=0.1)
    with pytest.raises(ConfigError, match="takes minutes or updates, not both"):
        trm.train("sudoku4", minutes=1, updates=9)
    with pytest.raises(ConfigError, match="minutes is a number, at least 0, not '1'"):
        trm.train("sudoku4", minutes="1")
