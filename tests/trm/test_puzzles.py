"""Puzzles: the rules, one solution each, and classes that symmetries don't leave."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import ConfigError
from rlm_kernel.trm import kind_of
from rlm_kernel.trm.puzzles import maze
from rlm_kernel.trm.puzzles.sudoku import Search
from rlm_kernel.trm.puzzles.task import MADE, Maze, Sudoku, puzzles_of, task

SEEDS = st.integers(0, 2**32 - 1)


def by_trying(kind: Any, puzzle: list[int]) -> int:
    """Count the solutions of a 4 by 4 by trying every symbol in every cell."""
    if 0 not in puzzle:
        return int(kind.rules.solved(puzzle, puzzle))
    at, found = puzzle.index(0), 0
    for symbol in range(1, kind.size + 1):
        if all(puzzle[peer] != symbol for peer in kind.rules.peers[at]):
            found += by_trying(kind, [*puzzle[:at], symbol, *puzzle[at + 1 :]])
    return found


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_search_finds_as_many_solutions_as_there_are(seed: int) -> None:
    rng = random.Random(seed)
    kind = Sudoku(4, (0, 0))
    _, solution = kind.make(rng)
    puzzle = [symbol if rng.random() < 0.3 else 0 for symbol in solution]
    assert len(Search(kind.rules, puzzle).solutions(500)) == by_trying(kind, puzzle)


@pytest.mark.parametrize("name", MADE)
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_made_puzzle_has_one_solution_and_a_shuffled_one_too(name: str, seed: int) -> None:
    kind = task(name)
    puzzle, solution = kind.make(random.Random(seed))
    assert kind.read(kind.text(puzzle)) == kind.read(puzzle) == puzzle
    assert kind.difficulty(puzzle)["solutions"] == 1
    assert kind.check(puzzle, solution).solved
    turned, answer = (
        part[0].tolist()
        for part in kind.shuffled(*np.array([[puzzle], [solution]]), np.random.default_rng(seed))
    )
    assert kind.difficulty(turned)["solutions"] == 1
    assert kind.check(turned, answer).solved
    assert kind.key(np.array(turned)) == kind.key(np.array(puzzle))


def test_a_minimal_puzzle_has_no_given_too_many() -> None:
    kind = Sudoku(6, (0, 0))
    puzzle, _ = kind.make(random.Random(3))
    for at, symbol in enumerate(puzzle):
        if symbol:
            without = [*puzzle[:at], 0, *puzzle[at + 1 :]]
            assert len(Search(kind.rules, without).solutions(2)) == 2


@pytest.mark.parametrize("name", MADE)
def test_what_is_held_out_is_of_other_classes(name: str) -> None:
    kind = task(name)
    learned, _ = puzzles_of(kind, 60, seed=1)
    keys = frozenset(map(kind.key, learned))
    held, answers = puzzles_of(kind, 30, seed=2, without=keys)
    assert not keys & set(map(kind.key, held))
    both = zip(held.tolist(), answers.tolist(), strict=True)
    assert all(kind.check(puzzle, answer).solved for puzzle, answer in both)
    again, _ = puzzles_of(kind, 60, seed=1)
    assert (again == learned).all()


@pytest.mark.parametrize(
    ("name", "puzzle", "said"),
    [
        ("sudoku4", "1234", r"A sudoku4 has 16 cells, and this puzzle has 4\."),
        ("sudoku4", "1" * 2 + "." * 14, "1 stands in row 1, column 1 and in row 1, column 2"),
        ("sudoku4", "5" + "." * 15, r"row 1, column 1 is 5: a sudoku4 has 1 to 4"),
        ("sudoku4", "q" + "." * 15, r"'q' is no cell of a sudoku: it has digits, and 0, a dot"),
        ("maze9", "S" + "." * 80, r"A maze has one goal \(G\), this one 0"),
        ("maze9", "S#" + "." * 7 + "##" + "." * 69 + "G", "no way from the start to the goal"),
    ],
)
def test_a_puzzle_that_is_none_is_one_sentence(name: str, puzzle: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        task(name).read(puzzle)


def test_a_kind_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="no kind of puzzle 'chess'; there are sudoku4"):
        task("chess")


def test_the_rules_say_what_is_wrong() -> None:
    kind = Sudoku(4, (0, 0))
    puzzle, solution = kind.make(random.Random(0))
    twice = list(solution)
    at = puzzle.index(0)
    twice[at] = next(s for s in range(1, 5) if s != solution[at])
    verdict = kind.check(puzzle, twice)
    assert not verdict.solved
    assert at in verdict.wrong
    assert "a symbol that stands elsewhere" in verdict.said
    given = next(i for i, symbol in enumerate(puzzle) if symbol)
    changed = [solution[i] % 4 + 1 if i == given else s for i, s in enumerate(solution)]
    place = f"row {given // 4 + 1}, column {given % 4 + 1}"
    assert f"1 given was changed ({place})" in kind.check(puzzle, changed).said


def test_a_given_that_was_changed_is_wrong_though_the_grid_keeps_the_rules() -> None:
    kind = Sudoku(4, (0, 0))
    puzzle, solution = kind.make(random.Random(0))
    other = [symbol % 4 + 1 for symbol in solution]
    assert not kind.rules.violations(other)
    assert kind.wrong(puzzle, other) == {at for at, symbol in enumerate(puzzle) if symbol}
    mazes = Maze(3, 1)
    asked = mazes.read("S.G\n...\n...")
    assert mazes.wrong(asked, mazes.read("S.G\n...\n..#")) == {8}


def test_a_path_that_is_not_the_shortest_does_not_solve_a_maze() -> None:
    kind = Maze(3, 1)
    puzzle = kind.read("S.G\n...\n...")
    assert kind.check(puzzle, kind.read("S.G\n...\n...")).solved is False
    straight, around = list(puzzle), list(puzzle)
    straight[1] = maze.PATH
    for at in (3, 4, 5):
        around[at] = maze.PATH
    assert kind.check(puzzle, straight).solved
    assert not kind.check(puzzle, around).solved
    walled = list(straight)
    walled[8] = maze.WALL
    assert "1 cell of the maze was changed" in kind.check(puzzle, walled).said


def test_what_is_no_symbol_is_said_and_marked() -> None:
    kind = Sudoku(4, (0, 0))
    _, solution = kind.make(random.Random(0))
    verdict = kind.check([0] * 16, [5 if symbol == 4 else symbol for symbol in solution])
    assert verdict.said == "Not solved: 4 cells have no symbol of a sudoku4."
    assert verdict.wrong == tuple(at for at, symbol in enumerate(solution) if symbol == 4)
    assert kind.text([-1, 5, 0, *solution[3:]]).startswith(f"? ? | . {solution[3]}\n")


def test_a_maze_is_a_text_rows_or_a_list_whatever_became_of_its_spaces() -> None:
    kind = task("maze9")
    cells = kind.make(random.Random(3))[0]  # its right column is open
    rows = kind.text(cells).replace(".", " ").split("\n")
    lost = [row.rstrip() for row in rows]
    assert max(map(len, lost)) < 9
    for asked in (
        "\r\n".join(lost), "\n".join(f"{row}  " for row in rows), rows, lost, [*map(list, rows)],
        "".join(rows), list("".join(rows)), cells, np.array(cells).reshape(9, 9),
    ):  # fmt: skip
        assert kind_of(asked).name == "maze9", asked
        assert kind.read(asked) == cells, asked


@pytest.mark.parametrize(
    ("lines", "empty"),
    [*itertools.product(("bars", "dashes", "boxes"), ".0_*?x-"),  # a blank is none of these there
     *itertools.product(("plain", "one line", "commas"), ".0_*?x- ")],
)  # fmt: skip
def test_a_sudoku_is_read_as_people_write_it(lines: str, empty: str) -> None:
    kind = task("sudoku9")
    cells = kind.make(random.Random(4))[0]
    assert cells[-1] == 0, "a blank at the end of a line gets lost"
    rows = ["".join(str(s or empty) for s in cells[at : at + 9]) for at in range(0, 81, 9)]
    apart = [[row[:3], row[3:6], row[6:]] for row in rows]
    text = {
        "bars": "\n".join(
            " | ".join(" ".join(box) for box in row) + "\n------+-------+------" * (i in (2, 5))
            for i, row in enumerate(apart)
        ),
        "plain": "\n" + "\n".join(row.rstrip() for row in rows) + "\n",
        "dashes": "\n".join(
            "|".join(row) + "\n-----------" * (i in (2, 5)) for i, row in enumerate(apart)
        ),
        "one line": "".join(rows),
        "boxes": "┌───┐\n" + "\n├───┤\n".join("│" + "│".join(row) + "│" for row in rows),
        "commas": "\n".join(",".join(row).replace(" ", "") for row in rows),
    }[lines]  # fmt: skip
    assert kind_of(text).name == "sudoku9"
    assert kind.read(text) == cells


def test_rows_of_dashes_are_cells_where_it_comes_out_so() -> None:
    rows = ["1---", "----", "--2-", "---4"]
    assert task("sudoku4").read("\n".join(rows)) == [1, *[0] * 9, 2, *[0] * 4, 4]


def test_a_maze_has_other_signs_as_well() -> None:
    kind = task("maze9")
    text = kind.text(kind.make(random.Random(3))[0])
    other = text.replace("#", "█").replace("S", "s").replace("G", "E")
    assert kind.read(other) == kind.read(text)


def test_a_sudoku_is_also_a_table_with_gaps() -> None:
    rows = [[1, None, float("nan"), 4], ["", " ", "3", "."], [0] * 4, [0, 0, np.int64(2), 0]]
    wanted = [1, 0, 0, 4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0]
    gaps = np.array([symbol or np.nan for symbol in wanted]).reshape(4, 4)
    masked = np.ma.masked_equal(wanted, 0)
    for table in (rows, gaps, masked, tuple(map(tuple, rows))):
        assert kind_of(table).read(table) == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "this is none: int"), (None, "this is none: NoneType"), ({1: 2}, "this is none: dict"),
        (b"1234" * 4, "this is none: bytes"), (iter([1] * 16), "this is none: list_iterator"),
        ([1.5] + [0] * 15, r"1\.5 is no cell of a sudoku"), ([object()] * 16, "is no cell of"),
        ([float("inf")] * 16, "inf is no cell"), ("3 a 1", "'a' is no cell of a sudoku"),
        ("S#x", "'x' is no cell of a maze: it has # "), ([[[[[1]]]]], "this is none: list"),
    ],
)  # fmt: skip
def test_what_is_no_puzzle_at_all_is_one_sentence(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        kind_of(given)


def test_a_text_that_would_grow_without_end_is_no_puzzle() -> None:
    for text in ("#" * 40_000 + "\n#" * 10_000, "1" * 10_001, ["#" * 40_000, *["#"] * 10_000]):
        with pytest.raises(ConfigError, match=r"A text of [\d,]+ characters is no puzzle\."):
            kind_of(text)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="A puzzle has 16"):
            kind_of("#" * 5_000 + "\n#" * 2_400)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def test_what_is_wrong_with_the_givens_is_said() -> None:
    kind = Sudoku(9, (26, 36))
    puzzle, _ = kind.make(random.Random(1))
    assert kind.flaw(puzzle) == ""
    assert kind.flaw([0] * 81) == "More than one grid fits the givens."
    none = [*range(1, 9), *[0] * 73]
    none[17] = 9  # so that 9 has no place in the first row: its last cell is in a box with it
    assert kind.flaw(none) == "No grid fits the givens."
    search = Search(kind.rules, [0] * 81, most=3)
    assert search.solutions(2) == []
    assert search.gave_up


def test_where_all_classes_are_used_up_some_come_again_or_it_is_said() -> None:
    class Few(Sudoku):
        def make(self, rng: random.Random) -> Any:
            tries.append(1)
            givens = rng.randrange(3)  # of three classes
            return [*range(1, givens + 1), *[0] * (16 - givens)], solution

    kind, tries = Few(4, (0, 0)), []  # type: ignore[var-annotated]
    _, solution = Sudoku(4, (0, 0)).make(random.Random(0))
    puzzles, _ = puzzles_of(kind, 500, 0)
    assert len(puzzles) == 500
    assert len(tries) < 2_000
    keys = frozenset(map(kind.key, puzzles))
    with pytest.raises(ConfigError, match="There aren't 500 more sudoku4 of other classes"):
        puzzles_of(kind, 500, 1, keys)
    assert len(tries) < 15_000
