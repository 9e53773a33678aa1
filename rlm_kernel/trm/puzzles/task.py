"""The kinds of puzzles that a model solves: read, made, checked and shown in one way."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from ...errors import ConfigError
from . import maze, sudoku, symmetry
from .symmetry import Cells


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a filled grid.

    Args:
        solved: whether it is the solution.
        wrong: cells that break a rule, given the others.
        said: the same in a sentence.
    """

    solved: bool
    wrong: tuple[int, ...]
    said: str


class Sudoku:
    """Sudoku of 4, 6 or 9; a cell is 0 (empty) or a symbol.

    Args:
        size: of a side.
        clues: the fewest and the most givens of made puzzles; (0, 0): as few as can be.
        name: of the kind; empty: with its size.
    """

    kind = "sudoku"
    offset = 1  # of a cell's number among the model's symbols; 0 there is for padding

    def __init__(self, size: int, clues: tuple[int, int], name: str = "") -> None:
        self.name = name or f"sudoku{size}"
        self.size, self.clues = size, clues
        self.length, self.vocab = size * size, size + 2
        self.rules = sudoku.Rules(size)

    def cells(self, grid: Any) -> list[int]:
        """Give the cells of a grid, from a text, rows or a flat list."""
        return _flat(grid, self, dict.fromkeys([".", "_", "*", "?", "x", "X", "-", " ", ""], 0))

    def read(self, puzzle: Any) -> list[int]:
        """Give the cells of a puzzle, from a text, rows or a flat list.

        Raises:
            ConfigError: it isn't one: its size, a symbol, or givens that contradict one another.
        """
        cells = self.cells(puzzle)
        _sized(self.name, cells, self.length)
        for at, symbol in enumerate(cells):
            if not 0 <= symbol <= self.size:
                raise ConfigError(
                    f"Cell {_place(at, self.size)} is {symbol}: a {self.name} has 1 to "
                    f"{self.size}, and 0 or a dot where a cell is empty."
                )
        wrong = sorted(self.rules.violations(cells))
        if wrong:
            twice = next(p for p in self.rules.peers[wrong[0]] if cells[p] == cells[wrong[0]])
            raise ConfigError(
                f"The givens contradict one another: {cells[wrong[0]]} stands in "
                f"{_place(wrong[0], self.size)} and in {_place(twice, self.size)}."
            )
        return cells

    def check(self, puzzle: Sequence[int], grid: Sequence[int]) -> Verdict:
        """Say what the rules say of a filled grid."""
        if self.rules.solved(puzzle, grid):
            return Verdict(True, (), "Solved: every row, column and box has each symbol once.")
        changed = self._changed(puzzle, grid)
        empty = sum(not symbol for symbol in grid)
        strange = {at for at, symbol in enumerate(grid) if not 0 <= symbol <= self.size}
        where = "".join(f" ({_place(at, self.size)})" for at in changed if len(changed) == 1)
        said = [
            _of(len(self.rules.violations(grid)),
                "cells have a symbol that stands elsewhere in their row, column or box",
                "cell has a symbol that stands elsewhere in its row, column or box"),
            _of(len(changed), "givens were changed", f"given was changed{where}"),
            _of(empty, "cells are empty", "cell is empty"),
            _of(len(strange), f"cells have no symbol of a {self.name}",
                f"cell has no symbol of a {self.name}"),
        ]  # fmt: skip
        return Verdict(False, tuple(sorted(self.wrong(puzzle, grid) | strange)),
                       f"Not solved: {', '.join(filter(None, said))}.")  # fmt: skip

    def wrong(self, puzzle: Sequence[int], grid: Sequence[int]) -> set[int]:
        """Give the cells that break a rule, given the others, and givens that were changed."""
        return self.rules.violations(grid) | self._changed(puzzle, grid)

    def _changed(self, puzzle: Sequence[int], grid: Sequence[int]) -> set[int]:
        return {at for at, given in enumerate(puzzle) if given and grid[at] != given}

    def make(self, rng: random.Random) -> tuple[list[int], list[int]]:
        """Make a puzzle with one solution, and give both."""
        return sudoku.make(self.rules, rng, rng.randint(*self.clues))

    def shuffled(
        self, puzzles: Cells, solutions: Cells, rng: np.random.Generator
    ) -> tuple[Cells, Cells]:
        """Turn each puzzle into another of its class."""
        return symmetry.shuffled_sudoku(self.size, puzzles, solutions, rng)

    def key(self, puzzle: Cells) -> bytes:
        """Give what all puzzles of a class have in common."""
        return symmetry.key("sudoku", self.size, puzzle)

    def difficulty(self, puzzle: Sequence[int]) -> dict[str, Any]:
        """Measure how hard it is: givens, guesses of a search, whether single candidates do."""
        search = sudoku.Search(self.rules, puzzle)
        found = len(search.solutions(2))
        return {"givens": sum(map(bool, puzzle)), "solutions": found, "guesses": search.guesses,
                "singles": sudoku.singles(self.rules, puzzle)}  # fmt: skip

    def flaw(self, puzzle: Sequence[int]) -> str:
        """Say of givens that no grid, or more than one, fits them; empty where it isn't known."""
        search = sudoku.Search(self.rules, puzzle, _GUESSES)
        found = len(search.solutions(2))
        if found > 1:
            return "More than one grid fits the givens."
        return "" if found or search.gave_up else "No grid fits the givens."

    def text(self, grid: Sequence[int]) -> str:
        """Draw it."""
        high, wide = sudoku.BOXES[self.size]
        lines = []
        for row in range(self.size):
            if row and row % high == 0:
                lines.append("-+-".join("-" * (2 * wide - 1) for _ in range(self.size // wide)))
            of_row = grid[row * self.size : (row + 1) * self.size]
            cells = [str(s or ".") if 0 <= s <= self.size else "?" for s in of_row]
            boxes = [" ".join(cells[i : i + wide]) for i in range(0, self.size, wide)]
            lines.append(" | ".join(boxes))
        return "\n".join(lines)


class Maze:
    """A square maze with one shortest path; a cell is one of ``#``, space, ``S``, ``G``, ``o``.

    Args:
        size: of a side.
        shortest: the fewest steps from start to goal of made mazes.
        name: of the kind; empty: with its size.
    """

    kind = "maze"
    offset = 0

    def __init__(self, size: int, shortest: int, name: str = "") -> None:
        self.name = name or f"maze{size}"
        self.size, self.least = size, shortest
        self.length, self.vocab = size * size, 6
        self.grid = maze.Grid(size)

    def cells(self, grid: Any) -> list[int]:
        """Give the cells of a grid, from a text, rows or a flat list."""
        signs = {"#": maze.WALL, "█": maze.WALL, ".": maze.OPEN, " ": maze.OPEN, "o": maze.PATH,
                 **dict.fromkeys("Ss", maze.START), **dict.fromkeys("GgEe", maze.GOAL)}  # fmt: skip
        return _flat(grid, self, signs)

    def read(self, puzzle: Any) -> list[int]:
        """Give the cells of a maze; see ``Sudoku.read``. A marked path isn't part of it."""
        cells = [maze.OPEN if cell == maze.PATH else cell for cell in self.cells(puzzle)]
        _sized(self.name, cells, self.length)
        for at, symbol in enumerate(cells):
            if not maze.WALL <= symbol <= maze.GOAL:
                raise ConfigError(
                    f"Cell {_place(at, self.size)} is {symbol}: a maze has # (1), space (2), S (3) "
                    "and G (4)."
                )
        for symbol, name in ((maze.START, "start (S)"), (maze.GOAL, "goal (G)")):
            if cells.count(symbol) != 1:
                raise ConfigError(f"A maze has one {name}, this one {cells.count(symbol)}.")
        if self.grid.shortest(cells)[0] < 0:
            raise ConfigError("There is no way from the start to the goal of this maze.")
        return cells

    def check(self, puzzle: Sequence[int], grid: Sequence[int]) -> Verdict:
        """Say what the rules say of a marked maze."""
        if self.grid.solved(puzzle, grid):
            return Verdict(True, (), "Solved: the marked path is the shortest there is.")
        wrong, changed = self.wrong(puzzle, grid), self._changed(puzzle, grid)
        said = _of(len(changed), "cells of the maze were changed", "cell of the maze was changed")
        return Verdict(False, tuple(sorted(wrong)), "Not solved: "
                       f"{said or 'what is marked is not one shortest path'}.")  # fmt: skip

    def wrong(self, puzzle: Sequence[int], grid: Sequence[int]) -> set[int]:
        """Give the marked cells that haven't two on the path beside them, and what was changed."""
        on = {maze.PATH, maze.START, maze.GOAL}
        loose = {at for at, symbol in enumerate(grid) if symbol == maze.PATH
                 and sum(grid[near] in on for near in self.grid.beside[at]) != 2}  # fmt: skip
        return loose | self._changed(puzzle, grid)

    def _changed(self, puzzle: Sequence[int], grid: Sequence[int]) -> set[int]:
        return {at for at, (given, now) in enumerate(zip(puzzle, grid, strict=True))
                if now != given and not (given == maze.OPEN and now == maze.PATH)}  # fmt: skip

    def make(self, rng: random.Random) -> tuple[list[int], list[int]]:
        """Make a maze with one shortest path, and give both."""
        return maze.make(self.grid, rng, self.least)

    def shuffled(
        self, puzzles: Cells, solutions: Cells, rng: np.random.Generator
    ) -> tuple[Cells, Cells]:
        """Turn and mirror each maze."""
        return symmetry.shuffled_maze(self.size, puzzles, solutions, rng)

    def key(self, puzzle: Cells) -> bytes:
        """Give what all mazes of a class have in common."""
        return symmetry.key("maze", self.size, puzzle)

    def difficulty(self, puzzle: Sequence[int]) -> dict[str, Any]:
        """Measure how hard it is: steps of the shortest path, how many such there are, walls."""
        steps, ways, _ = self.grid.shortest(puzzle)
        return {"steps": steps, "solutions": ways, "walls": list(puzzle).count(maze.WALL)}

    def flaw(self, puzzle: Sequence[int]) -> str:
        """Give nothing: what can't be solved isn't read."""
        return ""

    def text(self, grid: Sequence[int]) -> str:
        """Draw it."""
        rows = (grid[i : i + self.size] for i in range(0, self.length, self.size))
        return "\n".join("".join(maze.SIGNS[symbol] for symbol in row) for row in rows)


Task = Sudoku | Maze

TASKS: dict[str, Callable[[], Task]] = {
    "sudoku4": lambda: Sudoku(4, (4, 8)),
    "sudoku6": lambda: Sudoku(6, (0, 0)),
    "sudoku9": lambda: Sudoku(9, (26, 36)),
    "maze9": lambda: Maze(9, 8),
    "sudoku-extreme": lambda: Sudoku(9, (0, 0), "sudoku-extreme"),
    "maze-hard": lambda: Maze(30, 110, "maze-hard"),
}
_GUESSES = 2_000  # of a search; a Sudoku with one solution takes some, rarely hundreds
_DRY = 1_000  # tries in a row: hardly any class is left
_DEEP = 2  # of lists in lists in lists
_LONG = 10_000  # characters of a text that may be a puzzle: what fills up its rows is bounded, too
MADE = ("sudoku4", "sudoku6", "sudoku9", "maze9")  # here; the others are of public files


def task(name: str) -> Task:
    """Give a kind of puzzles by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "arc":
        raise ConfigError(
            "A network knows a task of ARC by an embedding of its own: trm.vote(model) asks those "
            "that it was trained for, and it solves no other."
        )
    if not isinstance(name, str) or name not in TASKS:
        raise ConfigError(f"There is no kind of puzzle {name!r}; there are {', '.join(TASKS)}.")
    return TASKS[name]()


def fit(name: str, vocab: int, length: int, whose: str) -> None:
    """Raise ConfigError where a network of such sizes isn't one for a kind of puzzles."""
    if name == "arc":  # what it is of is said by its card
        return
    kind = task(name)
    if (vocab, length) != (kind.vocab, kind.length):
        raise ConfigError(
            f"{whose} is for {length} cells with {vocab} symbols, and a {name} has {kind.length} "
            f"with {kind.vocab}."
        )


def puzzles_of(
    kind: Task, count: int, seed: int, without: frozenset[bytes] = frozenset()
) -> tuple[Cells, Cells]:
    """Make puzzles and their solutions, each of a class of its own as far as ``key`` can tell.

    Where so many tries in a row gave no new class that hardly any is left, one may come again.

    Args:
        kind: of puzzles.
        count: how many.
        seed: says which.
        without: keys of classes that aren't to be among them.

    Returns:
        Two arrays (count, cells).

    Raises:
        ConfigError: there aren't so many of other classes than those.
    """
    rng = random.Random(seed)
    seen = set(without)
    made: list[tuple[list[int], list[int]]] = []
    dry, again = 0, False
    while len(made) < count:
        puzzle, solution = kind.make(rng)
        key = kind.key(np.array(puzzle))
        if key in without or (key in seen and not again):
            dry += 1
            again = again or dry >= _DRY
            if dry > 10 * _DRY:
                raise ConfigError(f"There aren't {count} more {kind.name} of other classes.")
            continue
        dry = 0
        seen.add(key)
        made.append((puzzle, solution))
    puzzles, solutions = (np.array(part, np.int64) for part in zip(*made, strict=True))
    return puzzles, solutions


def _flat(grid: Any, kind: Task, signs: dict[str, int], deep: int = 0) -> list[int]:
    if isinstance(grid, str):
        if len(grid) > _LONG:
            raise ConfigError(f"A text of {len(grid):,} characters is no puzzle.")
        text = (_of_sudoku if kind.kind == "sudoku" else _of_maze)(grid, kind.size)
        return [_cell(sign, kind, signs) for sign in text]
    if not isinstance(grid, list | tuple):
        grid = np.asanyarray(grid).tolist()  # of a table of pandas, too
    if not isinstance(grid, list | tuple) or deep > _DEEP:
        raise ConfigError(
            "A puzzle is a text, rows, or a flat list of cells, and this is none: "
            f"{type(grid).__name__}."
        )
    texts = all(isinstance(row, str) for row in grid)
    if texts and any(len(row) > 1 for row in grid):  # rows
        return _flat("\n".join(grid), kind, signs)
    cells: list[int] = []
    for part in grid:
        if isinstance(part, list | tuple | np.ndarray):
            cells += _flat(part, kind, signs, deep + 1)
        else:
            cells.append(_cell(part, kind, signs))
    return cells


def _of_sudoku(text: str, side: int) -> str:
    """Give the signs of its cells: lines between boxes and what is blank are none.

    Where so there aren't as many as there are cells, rows of dashes or blanks may be cells, too.
    """
    text = text.strip("\r\n")
    if "," in text:  # between cells, of which some may be empty
        text = re.sub(r"(?m)(?:^|(?<=,))[^\S\n]*(?=,|$)", ".", text).replace(",", "")
    lines = re.sub("[\u2500-\u257f]", "|", text).splitlines()  # lines of boxes

    def signs(dashes: str) -> str:
        rows = [line for line in lines if line.strip(" -+|=") or line.strip(" |") == dashes]
        return "".join("".join(rows).replace("|", "").split())

    found = signs("")
    if len(found) == side * side:
        return found
    blank = [line.ljust(side) for line in lines if "|" not in line and len(line) <= side]
    others = (signs("-" * side), "".join(blank), text)
    return next((way for way in others if len(way) == side * side), found)


def _of_maze(text: str, side: int) -> str:
    """Give the signs of its cells: spaces are some, and lost ones at the ends of rows are added."""
    rows = text.strip("\r\n").splitlines()
    if len(rows) > 1:
        rows = [row[:side] + row[side:].rstrip() for row in rows]
        wide = max(side, *map(len, rows))
        rows = [row.ljust(wide) for row in rows]
    return "".join(rows)


def _cell(given: Any, kind: Task, signs: dict[str, int]) -> int:
    if given is None or (isinstance(given, float) and isnan(given)):  # as tables have it
        return 0
    try:
        if isinstance(given, str):
            number = signs[given] if given in signs else int(given) if len(given) == 1 else None
        else:
            number = int(given) if int(given) == given else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        signs_of = (
            "it has digits, and 0, a dot, a star or _ where a cell is empty"
            if kind.kind == "sudoku" else "it has # (a wall), a dot or a space, one S and one G"
        )  # fmt: skip
        raise ConfigError(f"{given!r:.60} is no cell of a {kind.kind}: {signs_of}.")
    return number


def _sized(name: str, cells: list[int], wanted: int) -> None:
    if len(cells) != wanted:
        raise ConfigError(f"A {name} has {wanted} cells, and this puzzle has {len(cells)}.")


def _of(number: int, many: str, one: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def _place(at: int, size: int) -> str:
    return f"row {at // size + 1}, column {at % size + 1}"
