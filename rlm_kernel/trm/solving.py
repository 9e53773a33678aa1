"""Solving a puzzle, cycle by cycle, and by several ways at once.

The network says how sure it is; whether a grid is solved is for the rules alone to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .checkpoint import Checkpoint
from .net import Array, Net
from .puzzles.task import Task, Verdict, task
from .show_words import Told, ending


@dataclass(frozen=True, slots=True)
class Frame:
    """How a solve stands after one cycle.

    Args:
        step: the supervision step, from 1.
        cycle: within the step, from 1.
        calls: applications of the network so far.
        grid: the answer, cell by cell.
        confidence: the probability that the network gives each cell's symbol, 0 to 1.
        changed: cells that had another symbol in the frame before.
        wrong: cells that break a rule, given the others, and givens that were changed.
        halt: the probability, 0 to 1, that the grid is right, as the network has it.
        moved: how far each cell's latent moved in this cycle (Euclidean).
    """

    step: int
    cycle: int
    calls: int
    grid: tuple[int, ...]
    confidence: tuple[float, ...]
    changed: tuple[int, ...]
    wrong: tuple[int, ...]
    halt: float
    moved: tuple[float, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Solution(Told):
    """What came of a puzzle.

    Args:
        task: its kind.
        puzzle: its cells.
        frames: one for each cycle.
        halted: whether the network said that it was done.
        verdict: what the rules say of the last grid.
        seconds: that it took.
        parameters: of the network.
        ways: how many were tried at the same time.
        way: which of them this is, from 1; the first is without noise.
    """

    task: str
    puzzle: tuple[int, ...]
    frames: tuple[Frame, ...]
    halted: bool
    verdict: Verdict
    seconds: float
    parameters: int = 0
    ways: int = 1
    way: int = 1

    @property
    def answer(self) -> tuple[int, ...]:
        """The last grid."""
        return self.frames[-1].grid

    @property
    def solved(self) -> bool:
        """Whether the rules say that it is the solution."""
        return self.verdict.solved

    @property
    def steps(self) -> int:
        """Supervision steps that were done."""
        return self.frames[-1].step

    @property
    def calls(self) -> int:
        """How often the network was applied."""
        return self.frames[-1].calls

    def __str__(self) -> str:
        return f"{task(self.task).text(self.answer)}\n{ending(self)}"

    def _repr_html_(self) -> str:
        from .show import solution_html

        return solution_html(self)


class Walk:
    """A batch of puzzles, or of ways through one, on its way.

    Args:
        net: the network.
        kind: of puzzles.
        puzzles: (batch, cells).
        noise: deviation of what is added to the latents before each step.
        rng: of the noise; the first of the batch has none.
    """

    def __init__(
        self, net: Net, kind: Task, puzzles: Array, noise: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:  # fmt: skip
        self.net, self.kind, self._noise, self._rng = net, kind, noise, rng
        self.puzzles = puzzles
        self._x = net.embed(puzzles + kind.offset)
        self._y, self._z = net.start(len(puzzles))
        self.calls = 0
        self.moved = np.zeros((len(puzzles), kind.length))

    def disturb(self) -> None:
        """Add the noise, as before each step."""
        if self._noise and self._rng is not None:
            added = self._rng.standard_normal(self._z.shape) * self._noise
            added[0] = 0.0
            self._z = self._z + added.astype(self._z.dtype)

    def cycle(self, inner: int = 0) -> None:
        """Do one cycle."""
        before = self._z
        self._y, self._z = self.net.cycle(self._x, self._y, self._z, inner)
        as_trained = self.net.config.inner
        self.calls += (inner or as_trained) + 1 if as_trained else 1
        moved = self._z - before
        far = np.sqrt((moved * moved).sum(-1))[:, self.net.config.slots :]
        self.moved = np.nan_to_num(far)

    def look(self) -> tuple[Array, Array, Array]:
        """Give the grids (batch, cells), their cells' probabilities, and the halts' logits.

        What is no number, as of weights that are far out, is none at all: a log has no NaN.
        """
        logits, halt = self.net.heads(self._y)
        at = logits.argmax(-1)
        # Stablemax, as in training: x + 1 above zero and 1 / (1 - x) below, made to sum to one.
        shares = np.where(logits < 0, 1 / (1 - np.minimum(logits, 0)), logits + 1)
        sure = np.take_along_axis(shares, at[..., None], -1)[..., 0] / shares.sum(-1)
        return at - self.kind.offset, np.nan_to_num(sure), np.nan_to_num(halt, nan=-np.inf)


def stream(
    checkpoint: Checkpoint, puzzle: Any, *, halt: float | None = None, steps: int = 0
) -> Iterator[Frame]:
    """Solve a puzzle, with a frame for each cycle.

    Args:
        checkpoint: the model.
        puzzle: a text, rows or a flat list.
        halt: the halt's logit above which it stops after a step; None: the model's own.
        steps: at most; 0: 16, or more if it was trained with more; without recursion 1.

    Raises:
        ConfigError: the puzzle isn't one of the model's kind.
    """
    kind = task(checkpoint.task)
    cells = np.array([kind.read(puzzle)])
    walk = Walk(checkpoint.net(), kind, cells)
    before: tuple[int, ...] = tuple(cells[0].tolist())
    for step in range(1, (steps or checkpoint.config.solving_steps) + 1):
        for cycle in range(1, checkpoint.config.outer + 1):
            walk.cycle()
            (frame,) = _frames(walk, step, cycle, [before])
            before = frame.grid
            yield frame
        if frame.halt > _limit(checkpoint, halt):
            return


def solve(
    checkpoint: Checkpoint, puzzle: Any, *, halt: float | None = None, steps: int = 0,
    tell: Callable[[Frame], object] | None = None,
) -> Solution:  # fmt: skip
    """Solve a puzzle; ``tell`` is given each frame; all else as for ``stream``."""
    kind = task(checkpoint.task)
    cells = kind.read(puzzle)
    began = time.perf_counter()
    frames = []
    for frame in stream(checkpoint, cells, halt=halt, steps=steps):
        frames.append(frame)
        if tell is not None:
            tell(frame)
    seconds = time.perf_counter() - began
    return Solution(
        kind.name, tuple(cells), tuple(frames), frames[-1].halt > _limit(checkpoint, halt),
        _verdict(kind, cells, frames[-1].grid), seconds, checkpoint.config.parameters,
    )  # fmt: skip


def explore(
    checkpoint: Checkpoint, puzzle: Any, *, k: int = 8, noise: float = 0.3, seed: int = 0,
    steps: int = 0, go_on: Callable[[], object] = lambda: None,
) -> Solution:  # fmt: skip
    """Try several noisy ways at once; of those whose grid the rules confirm the surest one wins.

    "Probabilistic Tiny Recursive Model" (2026): Gaussian noise on the latent at each step, many
    ways, the one with the highest halt.

    Args:
        checkpoint: the model.
        puzzle: a text, rows or a flat list.
        k: how many ways, at least 1; the first is without noise.
        noise: its deviation.
        seed: of the noise.
        steps: at most; 0: 16, or more if it was trained with more; without recursion 1.
        go_on: called before each step; what it raises ends it.

    Raises:
        ConfigError: the puzzle isn't one of the model's kind.
    """
    kind = task(checkpoint.task)
    cells = kind.read(puzzle)
    began = time.perf_counter()
    walk = Walk(checkpoint.net(), kind, np.array([cells] * k), noise, np.random.default_rng(seed))
    best = (False, 0.0, 0)
    frames: list[list[Frame]] = [[] for _ in range(k)]
    for step in range(1, (steps or checkpoint.config.solving_steps) + 1):
        go_on()
        walk.disturb()
        for cycle in range(1, checkpoint.config.outer + 1):
            walk.cycle()
            before = [way[-1].grid if way else tuple(cells) for way in frames]
            for way, frame in zip(frames, _frames(walk, step, cycle, before), strict=True):
                way.append(frame)
        best = max(
            ((kind.check(cells, way[-1].grid).solved, way[-1].halt, number)
             for number, way in enumerate(frames)), key=lambda one: one[:2],
        )  # fmt: skip
        if best[0]:
            break
    taken = frames[best[2]]
    seconds = time.perf_counter() - began
    return Solution(kind.name, tuple(cells), tuple(taken),
                    taken[-1].halt > _limit(checkpoint, None),
                    _verdict(kind, cells, taken[-1].grid), seconds, checkpoint.config.parameters,
                    k, best[2] + 1)  # fmt: skip


def _frames(
    walk: Walk, step: int, cycle: int, before: Sequence[Sequence[int]]
) -> list[Frame]:
    """Give how each of the batch stands, and what changed from the grids before."""
    grids, sure, halts = walk.look()
    return [
        Frame(
            step, cycle, walk.calls, tuple(grid),
            tuple(map(float, sure[way])),
            tuple(at for at, (a, b) in enumerate(zip(before[way], grid, strict=True)) if a != b),
            tuple(sorted(walk.kind.wrong(walk.puzzles[way].tolist(), grid))),
            _probability(halts[way]), tuple(map(float, walk.moved[way])),
        )
        for way, grid in enumerate(grids.tolist())
    ]  # fmt: skip


def _verdict(kind: Task, cells: list[int], grid: Sequence[int]) -> Verdict:
    """Say what the rules say; of what isn't solved also what is wrong with its givens."""
    found = kind.check(cells, grid)
    flaw = "" if found.solved else kind.flaw(cells)
    return replace(found, said=f"{found.said} {flaw}") if flaw else found


def _limit(checkpoint: Checkpoint, halt: float | None) -> float:
    return _probability(checkpoint.halt if halt is None else halt)


def _probability(logit: float) -> float:
    return float(0.5 * (1 + np.tanh(float(logit) / 2)))  # which doesn't overflow
