"""Sudoku of 4, 6 and 9: the rules, made puzzles with one solution, and how hard they are."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box


@dataclass(frozen=True)
class Rules:
    """The units of a grid, whose cells have different symbols.

    Args:
        size: 4, 6 or 9; symbols are 1 to ``size``, 0 is an empty cell.
    """

    size: int
    units: tuple[tuple[int, ...], ...] = field(init=False)
    peers: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        n = self.size
        high, wide = BOXES[n]
        boxes = [
            tuple((top + r) * n + left + c for r in range(high) for c in range(wide))
            for top in range(0, n, high) for left in range(0, n, wide)
        ]  # fmt: skip
        rows = [tuple(range(r * n, r * n + n)) for r in range(n)]
        columns = [tuple(range(c, n * n, n)) for c in range(n)]
        units = tuple(rows + columns + boxes)
        of = [{i for unit in units if cell in unit for i in unit} - {cell} for cell in range(n * n)]
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "peers", tuple(tuple(sorted(cells)) for cells in of))

    def violations(self, grid: Sequence[int]) -> set[int]:
        """Give the cells that have the symbol of another cell of one of their units."""
        return {
            cell for cell, symbol in enumerate(grid)
            if symbol and any(grid[peer] == symbol for peer in self.peers[cell])
        }  # fmt: skip

    def solved(self, puzzle: Sequence[int], grid: Sequence[int]) -> bool:
        """Whether a grid is full, keeps the givens and breaks no rule."""
        return (
            all(1 <= symbol <= self.size for symbol in grid)
            and all(g in (0, s) for g, s in zip(puzzle, grid, strict=True))
            and not self.violations(grid)
        )


class Search:
    """Finds the solutions of a puzzle, the cell with the fewest candidates first.

    Args:
        rules: of the puzzle.
        puzzle: its cells.
    """

    def __init__(self, rules: Rules, puzzle: Sequence[int], most: float = inf) -> None:
        self.rules = rules
        self.guesses, self._most = 0, most
        self.gave_up = False
        every = (1 << rules.size) - 1
        self._open = [every] * len(puzzle)  # candidates of empty cells, as bits; 0: it is filled
        self._grid = [0] * len(puzzle)
        self._wrong = False
        for cell, symbol in enumerate(puzzle):
            if symbol and not self._put(cell, 1 << (int(symbol) - 1), []):
                self._wrong = True

    def solutions(self, most: int, rng: random.Random | None = None) -> list[list[int]]:
        """Give up to so many solutions; ``rng`` shuffles the order in which they are looked for."""
        found: list[list[int]] = []
        if not self._wrong:
            for grid in self._walk(rng):
                found.append(grid)
                if len(found) == most:
                    break
        return found

    def _put(self, cell: int, bit: int, undo: list[tuple[int, int]]) -> bool:
        candidates = self._open
        if not candidates[cell] & bit:
            return False
        undo.append((cell, candidates[cell]))
        candidates[cell] = 0
        self._grid[cell] = bit.bit_length()
        for peer in self.rules.peers[cell]:
            left = candidates[peer]
            if left & bit:
                undo.append((peer, left))
                candidates[peer] = left = left ^ bit
                if not left:
                    return False
        return True

    def _walk(self, rng: random.Random | None) -> Iterator[list[int]]:
        best, fewest = -1, 99
        for cell, left in enumerate(self._open):
            if left:
                count = left.bit_count()
                if count < fewest:
                    best, fewest = cell, count
                    if count == 1:
                        break
        if best < 0:
            yield list(self._grid)
            return
        if self.guesses > self._most:
            self.gave_up = True
            return
        bits = [1 << i for i in range(self.rules.size) if self._open[best] >> i & 1]
        if rng is not None:
            rng.shuffle(bits)
        self.guesses += len(bits) > 1
        for bit in bits:
            undo: list[tuple[int, int]] = []
            if self._put(best, bit, undo):
                yield from self._walk(rng)
            self._grid[best] = 0
            for cell, left in reversed(undo):
                self._open[cell] = left


def singles(rules: Rules, puzzle: Sequence[int]) -> bool:
    """Whether it is solved by filling, again and again, what can be nothing else."""
    grid = list(puzzle)
    every = set(range(1, rules.size + 1))
    while True:
        options = {
            cell: every - {grid[peer] for peer in rules.peers[cell]}
            for cell, symbol in enumerate(grid) if not symbol
        }  # fmt: skip
        if not options:
            return True
        put = {cell: left for cell, left in options.items() if len(left) == 1}
        for unit in rules.units:
            for symbol in every:
                places = [cell for cell in unit if symbol in options.get(cell, ())]
                if len(places) == 1:
                    put[places[0]] = {symbol}
        if not put:
            return False
        for cell, left in put.items():
            grid[cell] = min(left)


def make(rules: Rules, rng: random.Random, clues: int = 0) -> tuple[list[int], list[int]]:
    """Make a puzzle with one solution.

    Args:
        rules: of the puzzle.
        rng: says which.
        clues: how many givens are left at least; 0: none of those that are left can go.

    Returns:
        The puzzle and its solution.
    """
    empty = Search(rules, [0] * rules.size**2)
    (solution,) = empty.solutions(1, rng)
    puzzle, cells = list(solution), list(range(len(solution)))
    rng.shuffle(cells)
    left = len(cells)
    for cell in cells:
        if left <= clues:
            break
        symbol, puzzle[cell] = puzzle[cell], 0
        if len(Search(rules, puzzle).solutions(2)) == 1:
            left -= 1
        else:
            puzzle[cell] = symbol
    return puzzle, solution
