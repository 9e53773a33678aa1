"""What turns a puzzle into another of its class: for augmentation, and to keep tests apart.

Two puzzles are of one class where a symmetry turns one into the other. ``key`` is the same for all
of a class; two classes may have one key too, so that to drop what has a training puzzle's key drops
no less than its classes.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sudoku import BOXES

Cells = NDArray[Any]
KEY = 6  # bytes of a key: that two classes of ten thousand have one is as good as never


def shuffled_sudoku(
    size: int, puzzles: Cells, solutions: Cells, rng: np.random.Generator
) -> tuple[Cells, Cells]:
    """Turn each puzzle into another of its class: bands, rows, stacks, columns, symbols, mirror.

    Args:
        size: 4, 6 or 9.
        puzzles: (count, cells).
        solutions: the same, filled.
        rng: says into which.
    """
    count, (high, wide) = len(puzzles), BOXES[size]
    rows, columns = _lines(count, size, high, rng), _lines(count, size, wide, rng)
    at = rows[:, :, None] * size + columns[:, None, :]
    if high == wide:
        mirrored = rng.random(count) < 0.5
        at[mirrored] = at[mirrored].swapaxes(1, 2)
    at = at.reshape(count, -1)
    symbols = rng.permuted(np.tile(np.arange(1, size + 1), (count, 1)), axis=1)
    symbols = np.concatenate([np.zeros((count, 1), symbols.dtype), symbols], 1)
    puzzles, solutions = (
        np.take_along_axis(symbols, np.take_along_axis(cells, at, 1).astype(np.int64), 1)
        for cells in (puzzles, solutions)
    )
    return puzzles, solutions


def _lines(count: int, size: int, group: int, rng: np.random.Generator) -> Cells:
    """Give orders of rows, or of columns, in which those of a band stay together."""
    bands = rng.permuted(np.tile(np.arange(size // group), (count, 1)), axis=1)
    inside = rng.permuted(np.tile(np.arange(group), (count * (size // group), 1)), axis=1)
    return (bands[:, :, None] * group + inside.reshape(count, -1, group)).reshape(count, size)


def shuffled_maze(
    size: int, puzzles: Cells, solutions: Cells, rng: np.random.Generator
) -> tuple[Cells, Cells]:
    """Turn and mirror each maze; arguments as for ``shuffled_sudoku``."""
    at = _turns(size)[rng.integers(0, 8, len(puzzles))]
    return np.take_along_axis(puzzles, at, 1), np.take_along_axis(solutions, at, 1)


def key(task: str, size: int, puzzle: Cells) -> bytes:
    """Give what is the same for all puzzles of a class.

    Args:
        task: ``"sudoku"`` or ``"maze"``.
        size: of a side.
        puzzle: its cells.
    """
    if task == "maze":
        whole = min(puzzle[at].astype(np.uint8).tobytes() for at in _turns(size))
    else:
        whole = _invariants(size, puzzle) if size == 9 else _least(size, puzzle)
    return blake2b(whole, digest_size=KEY).digest()


def _least(size: int, puzzle: Cells) -> bytes:
    """Give the smallest of all that it can be turned into; symbols by when they first stand."""
    cells = puzzle[_orders(size)].astype(np.uint8)  # (symmetries, cells)
    first = np.full((len(cells), size + 1), 255, np.uint8)
    first[:, 0] = 0
    following = np.ones(len(cells), np.uint8)
    every = np.arange(len(cells))
    for position in range(cells.shape[1]):
        symbol = cells[:, position]
        new = first[every, symbol] == 255
        first[every[new], symbol[new]] = following[new]
        following += new
    renamed = first[every[:, None], cells]
    return bytes(min(map(bytes, renamed)))


def _invariants(size: int, puzzle: Cells) -> bytes:
    """Give what no symmetry changes: how many givens lines and boxes have, and symbols, and how
    these meet. The 9 by 9 grid has 3,359,232 symmetries besides the renaming of symbols, too many
    to try.
    """
    grid = puzzle.reshape(size, size)
    ways = []
    for turned in (grid, grid.T):
        bands = []
        for top in range(0, size, 3):
            rows = []
            for row in range(top, top + 3):
                counts = tuple(sorted(
                    int((turned[row, left : left + 3] > 0).sum()) for left in range(0, size, 3)
                ))  # fmt: skip
                rows.append(counts)
            bands.append(tuple(sorted(rows)))
        ways.append(tuple(sorted(bands)))
    symbols = []
    for symbol in range(1, size + 1):
        at = np.argwhere(grid == symbol)
        boxes = {(int(r) // 3, int(c) // 3) for r, c in at}
        symbols.append((len(at), len({b for b, _ in boxes}), len({s for _, s in boxes})))
    # Mirrored, bands and stacks change places.
    mirrored = tuple(sorted((n, s, b) for n, b, s in symbols))
    both = sorted([(ways[0], ways[1], tuple(sorted(symbols))), (ways[1], ways[0], mirrored)])
    return repr(both[0]).encode()


@lru_cache
def _orders(size: int) -> Cells:
    high, wide = BOXES[size]
    rows, columns = (np.array(list(_line_orders(size, group))) for group in (high, wide))
    at = (rows[:, None, :, None] * size + columns[None, :, None, :]).reshape(-1, size, size)
    if high == wide:
        at = np.concatenate([at, at.swapaxes(1, 2)])
    return at.reshape(len(at), -1)


def _line_orders(size: int, group: int) -> Any:
    inside = list(itertools.permutations(range(group)))
    for bands in itertools.permutations(range(size // group)):
        for chosen in itertools.product(inside, repeat=size // group):
            orders = zip(bands, chosen, strict=True)
            yield [band * group + i for band, order in orders for i in order]


@lru_cache
def _turns(size: int) -> Cells:
    at = np.arange(size * size).reshape(size, size)
    turned = [np.rot90(at, times) for times in range(4)]
    return np.array([way.reshape(-1) for grid in turned for way in (grid, grid.T)])
