"""Puzzles of files: what is taken from them, what is kept apart, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlm_kernel import trm
from rlm_kernel.errors import ConfigError
from rlm_kernel.trm.puzzles import maze
from rlm_kernel.trm.puzzles.files import learned_and_held, sample
from rlm_kernel.trm.puzzles.task import Maze, task

from .models_trm import small, weights

KIND = task("sudoku-extreme")
HEADER = "source,question,answer,rating"


def made(count: int, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    """Sudokus with a few empty cells, which are quickly made."""
    rng, kind = random.Random(seed), task("sudoku9")
    kind.clues = (60, 70)  # type: ignore[union-attr]
    return [kind.make(rng) for _ in range(count)]


def turned(rows: Sequence[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
    pairs = KIND.shuffled(*map(np.array, zip(*rows, strict=True)), np.random.default_rng(1))
    return list(zip(*(part.tolist() for part in pairs), strict=True))


def text(cells: Sequence[int]) -> str:
    return "".join(str(symbol or ".") for symbol in cells)


def write(path: Path, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Path:
    lines = [f"somewhere,{text(puzzle)},{text(answer)},3" for puzzle, answer in rows]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_a_sample_is_of_the_file_and_the_same_again(tmp_path: Path) -> None:
    rows = made(30)
    path = write(tmp_path / "test.csv", rows)
    puzzles, solutions = sample(KIND, path, 10, seed=4)
    taken = [(p, s) for p, s in zip(puzzles.tolist(), solutions.tolist(), strict=True)]
    assert len({text(p) for p, _ in taken}) == 10
    assert all(row in rows for row in taken)
    assert (sample(KIND, path, 10, seed=4)[0] == puzzles).all()
    assert (sample(KIND, path, 10, seed=5)[0] != puzzles).any()
    assert len(sample(KIND, path, 100, seed=4)[0]) == 30
    ever = {text(p) for seed in range(30) for p in sample(KIND, path, 10, seed)[0].tolist()}
    assert len(ever) == 30, "the last rows as well as the first"


def test_a_file_that_went_through_another_program_is_read_alike(tmp_path: Path) -> None:
    ((puzzle, answer),) = made(1)
    line = f"{text(puzzle)},{text(answer)}"
    path = tmp_path / "test.csv"
    path.write_bytes(f"\r\n{line}\r\n\r\n".join(["\ufeffquestion,answer", ""]).encode())
    assert sample(KIND, path, 10, seed=0)[0].tolist() == [puzzle]


def test_what_is_held_out_is_of_other_classes_than_what_is_learned(tmp_path: Path) -> None:
    rows = made(12)
    # Each puzzle of the training file stands there twice, turned the second time.
    write(tmp_path / "train.csv", [*rows, *turned(rows)])
    write(tmp_path / "test.csv", [*turned(rows), *made(4, seed=9)])
    for count, held in ((6, 6), (24, 8)):  # from what is left in train.csv; from test.csv
        (learned, _), (others, answers), keys = learned_and_held(KIND, tmp_path, count, held, 0)
        assert len(learned) == count
        assert len(others) >= 4
        assert keys == set(map(KIND.key, learned))
        assert not keys & set(map(KIND.key, others))
        both = zip(others.tolist(), answers.tolist(), strict=True)
        assert all(KIND.check(puzzle, answer).solved for puzzle, answer in both)


def test_a_model_is_not_asked_what_it_has_learned_from(tmp_path: Path) -> None:
    rows = made(5)
    write(tmp_path / "test.csv", turned(rows))
    config = small("mlp", vocab=11, length=81, steps=1)
    seen = frozenset(KIND.key(np.array(puzzle)) for puzzle, _ in rows[:3])
    model = trm.Checkpoint("sudoku-extreme", config, weights(config), {}, seen)
    kept = trm.load(trm.save(model, tmp_path / "m.safetensors"))
    assert trm.evaluate(kept, data=tmp_path).puzzles == 2
    assert trm.evaluate(kept, data=tmp_path / "test.csv", puzzles=1).puzzles == 1
    everything = frozenset(KIND.key(np.array(puzzle)) for puzzle, _ in rows)
    model = trm.Checkpoint("sudoku-extreme", config, weights(config), {}, everything)
    with pytest.raises(ConfigError, match="no puzzle but those of classes that were learned from"):
        trm.evaluate(model, data=tmp_path)


def test_made_puzzles_that_were_learned_from_are_not_asked_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, asked = task("sudoku4"), []
    config = small("mlp", steps=1)
    learned, _ = trm.puzzles.task.puzzles_of(kind, 20, seed=3)
    seen = frozenset(map(kind.key, learned))
    model = trm.Checkpoint("sudoku4", config, weights(config), {}, seen)
    check = type(kind).check

    def looked(self: Any, puzzle: Any, grid: Any) -> Any:
        asked.append(kind.key(np.array(puzzle)))
        return check(self, puzzle, grid)

    monkeypatch.setattr(type(kind), "check", looked)
    trm.evaluate(model, puzzles=20, seed=3, steps=1)
    assert len(asked) == 20
    assert not seen & set(asked)


def test_mazes_are_read_with_their_spaces(tmp_path: Path) -> None:
    kind = Maze(5, 2, "maze-hard")
    signs = {maze.WALL: "#", maze.OPEN: " ", maze.START: "S", maze.GOAL: "G", maze.PATH: "o"}
    rows = [kind.make(random.Random(seed)) for seed in range(4)]
    lines = [",".join(["", *("".join(signs[c] for c in part) for part in row), "1"])
             for row in rows]  # fmt: skip
    (tmp_path / "train.csv").write_text("\n".join([HEADER, *lines]))
    puzzles, solutions = sample(kind, tmp_path / "train.csv", 4, 0)
    found = zip(puzzles.tolist(), solutions.tolist(), strict=True)
    assert sorted(found) == sorted(rows)


PUZZLE, SOLUTION = made(1)[0]
GOOD = f"x,{text(PUZZLE)},{text(SOLUTION)},1"
NOTHING = "\0" * 81
EMPTY = PUZZLE.index(0)
FALSE = [*SOLUTION[:EMPTY], SOLUTION[EMPTY] % 9 + 1, *SOLUTION[EMPTY + 1 :]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        (["question;answer"], "begins with 'question;answer', not with the names of its columns"),
        ([HEADER], "has no puzzles, only the names"),
        ([HEADER, GOOD, "x,1,2"], "Line 3 of .* has 3 columns, not 4"),
        ([HEADER, "x,12,34,1"], "Line 2 of .* has 81 cells, and this puzzle has 2"),
        ([HEADER, f"x,{text(PUZZLE)},123,1"], "Line 2 .* has 81 cells, its answer 3"),
        ([HEADER, f"x,{'A' * 81},{text(SOLUTION)},1"], "Line 2 .* 'A' is no cell"),
        ([HEADER, f"x,{'11' + '.' * 79},{text(SOLUTION)},1"], "givens contradict one another"),
        ([HEADER, f"x,{text(PUZZLE)},{text(FALSE)},1"], "Line 2 .* answer isn't the solution"),
        ([HEADER, f"x,{NOTHING},{text(SOLUTION)},1"], "Line 2 .* is no cell|isn't a CSV"),
        ([HEADER, f"x,{'1' * 200_000},{text(SOLUTION)},1"], "isn't a CSV file .*field limit"),
    ],
)
def test_a_file_that_is_not_right_is_one_sentence(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    (tmp_path / "test.csv").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=said) as caught:
        sample(KIND, tmp_path / "test.csv", 5, 0)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.csv can't be read: No such file"):
        learned_and_held(KIND, tmp_path, 5, 5, 0)
    (tmp_path / "train.csv").write_bytes(b"\xff\xfe\x00question")
    with pytest.raises(ConfigError, match="isn't a CSV file in UTF-8"):
        learned_and_held(KIND, tmp_path, 5, 5, 0)


def test_a_symbol_too_large_for_a_maze_is_said(tmp_path: Path) -> None:
    cells = "S" + "9" + "." * 897 + "G"
    (tmp_path / "test.csv").write_text(f"{HEADER}\nx,{cells},{cells},1\n")
    with pytest.raises(ConfigError, match=r"Line 2 .* row 1, column 2 is 9: a maze has"):
        sample(task("maze-hard"), tmp_path / "test.csv", 5, 0)


def test_where_the_puzzles_are_is_asked_for(tmp_path: Path) -> None:
    config = small("mlp", vocab=11, length=81, steps=1)
    model = trm.Checkpoint("sudoku-extreme", config, weights(config))
    with pytest.raises(ConfigError, match=r"give data=PATH, a folder with test\.csv"):
        trm.evaluate(model)
