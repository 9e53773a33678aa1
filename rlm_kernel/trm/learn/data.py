"""What is learned from: puzzles that are made, of files, or the tasks of ARC."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError
from ..presets import Preset
from ..puzzles import files
from ..puzzles.arc import Arc
from ..puzzles.symmetry import Cells
from ..puzzles.task import MADE, Task, fit, puzzles_of, task
from .losses import NOT_ASKED

HELD_OUT = 300  # puzzles that say how good it is while it learns
_HELD_TASKS = 100  # of ARC, whose other pairs are held out
_APART = 1_000_003  # between the seeds of what is learned from and what is held out


@dataclass(frozen=True, slots=True)
class Asked:
    """Puzzles as a network gets them.

    Args:
        cells: (count, length) of symbols.
        labels: what is right; ``NOT_ASKED`` for a cell that doesn't count.
        rows: (count,), of the puzzle embedding.
    """

    cells: Cells
    labels: Cells
    rows: Cells


class Data:
    """Puzzles to learn from, and others, of other classes, that are held out.

    Args:
        kind: of puzzles.
        count: to learn from.
        seed: says which.
        held: how many are held out.
        folder: of their files; empty: they are made.
    """

    rows = 1  # of the puzzle embedding

    def __init__(
        self, kind: Task, count: int, seed: int, held: int = HELD_OUT, folder: str = ""
    ) -> None:
        self.kind = kind
        if folder:
            learned, others, self.seen = files.learned_and_held(kind, folder, count, held, seed)
            self.source = Path(os.path.expanduser(folder)).resolve().name
        else:
            learned = puzzles_of(kind, count, seed)
            self.seen = frozenset(map(kind.key, learned[0]))
            others = puzzles_of(kind, held, seed + _APART, self.seen)
            self.source = "made"
        self.seen |= frozenset(map(kind.key, others[0]))
        self.puzzles, self.solutions = learned
        self.held = self._asked(*others)
        self.card: dict[str, Any] = {"data": self.source, "puzzles": len(self.puzzles)}
        self.digest = _digest(self.held, *learned)

    def batch(self, size: int, rng: np.random.Generator) -> Asked:
        """Give some, each turned into another of its class."""
        at = rng.integers(0, len(self.puzzles), size)
        return self._asked(*self.kind.shuffled(self.puzzles[at], self.solutions[at], rng))

    def _asked(self, puzzles: Cells, solutions: Cells) -> Asked:
        cells, labels = (part.astype(np.int64) + self.kind.offset for part in (puzzles, solutions))
        return Asked(cells, labels, np.zeros(len(cells), np.int64))


class ArcData:
    """The tasks of ARC to learn from, and pairs of others that are held out.

    Args:
        version: ``"arc-agi-1"`` or ``"arc-agi-2"``.
        seed: of the augmentations, and of what is held out.
        augmentations: of each task, besides itself.
        held: training tasks whose other pairs are held out.
    """

    def __init__(
        self, version: str, seed: int, augmentations: int, held: int = _HELD_TASKS
    ) -> None:
        self.tasks = Arc(version, seed, augmentations, held)
        self.rows, self.source = self.tasks.rows, version
        self.seen: frozenset[bytes] = frozenset()
        pairs = [pair for pair in self.tasks.held if pair.answer is not None]
        cells, labels = zip(*(self.tasks.laid(pair, 0) for pair in pairs), strict=True)
        rows = [self.tasks.row(pair.task, 0) for pair in pairs]
        self.held = self._asked(np.array(cells), np.array(labels), np.array(rows, np.int64))
        self.card = {
            "data": version, "puzzles": len(self.tasks.learned), "augmentations": augmentations
        }  # fmt: skip
        learned = np.array([self.tasks.laid(pair, 0) for pair in self.tasks.learned])
        self.digest = _digest(self.held, learned)

    def batch(self, size: int, rng: np.random.Generator) -> Asked:
        """Give some pairs, each in an augmentation of its task."""
        return self._asked(*self.tasks.batch(size, rng))

    def _asked(self, cells: Cells, labels: Cells, rows: Cells) -> Asked:
        return Asked(cells, np.where(labels, labels, NOT_ASKED), rows)


def _digest(held: Asked, *learned: Cells) -> str:
    """Give what only the same puzzles have, by which a training is known again."""
    found = hashlib.sha256()
    for part in (held.cells, held.labels, *learned):
        found.update(np.ascontiguousarray(part, np.int64).tobytes())
    return found.hexdigest()


def data_of(preset: Preset, seed: int, where: str = "") -> Data | ArcData:
    """Give what a model learns from.

    Args:
        preset: the model.
        seed: says which puzzles.
        where: they are: a folder, or a version of ARC; empty: they are made.

    Raises:
        ConfigError: they can't be read, or it isn't said where they are.
    """
    recipe = preset.recipe
    if preset.task == "arc":
        return ArcData(where, seed, recipe.augmentations)
    kind = task(preset.task)
    fit(kind.name, preset.config.vocab, preset.config.length, preset.name)
    if not where and kind.name not in MADE:
        raise ConfigError(
            f"The puzzles of {kind.name} aren't made here: give data=FOLDER, one with train.csv "
            "and test.csv."
        )
    return Data(kind, recipe.puzzles, seed, folder=where)
