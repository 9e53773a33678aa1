"""Training: updates until the time is up, the best kept, and to be gone on with bit for bit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..presets import Preset
from ..puzzles.symmetry import Cells
from ..puzzles.task import Task, puzzles_of, task
from .model import Model
from .optim import AdamATan2, Mean, SignSGD
from .slots import Slots

HELD_OUT = 300  # puzzles that say how good it is while it learns
_APART = 1_000_003  # between the seeds of what is learned from and what is held out


@dataclass(frozen=True, slots=True)
class Report:
    """How training stands.

    Args:
        updates: of the weights.
        seconds: of training; evaluation isn't counted.
        loss: mean since the last report, of a puzzle.
        exact: of held-out puzzles, the share solved after each step.
        cells: of their cells, the share that is right after each step.
        best: the largest of the last steps' shares so far.
    """

    updates: int
    seconds: float
    loss: float
    exact: tuple[float, ...]
    cells: tuple[float, ...]
    best: float


class Data:
    """Puzzles to learn from, and others, of other classes, that are held out.

    Args:
        kind: of puzzles.
        count: to learn from.
        seed: says which.
        held: how many are held out.
    """

    def __init__(self, kind: Task, count: int, seed: int, held: int = HELD_OUT) -> None:
        self.kind = kind
        self.puzzles, self.solutions = puzzles_of(kind, count, seed)
        keys = frozenset(kind.key(puzzle) for puzzle in self.puzzles)
        self.held = puzzles_of(kind, held, seed + _APART, keys)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Give some, each turned into another of its class."""
        at = rng.integers(0, len(self.puzzles), size)
        puzzles, solutions = self.kind.shuffled(self.puzzles[at], self.solutions[at], rng)
        shift = self.kind.offset
        return torch.from_numpy(puzzles + shift), torch.from_numpy(solutions + shift)


class Trainer:
    """Trains one model.

    Args:
        preset: its sizes and how.
        seed: of the puzzles, of the weights and of chance.
        device: where.
        data: what it learns from; None: what the recipe says.
    """

    def __init__(
        self, preset: Preset, seed: int = 0, device: str = "cpu", data: Data | None = None
    ) -> None:
        self.preset, self.seed = preset, seed
        self.recipe = preset.recipe
        self.data = data or Data(task(preset.task), self.recipe.puzzles, seed)
        self.numbers = np.random.default_rng(seed)
        self.chance = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = Model(preset.config).to(device)
        named = dict(self.model.named_parameters())
        puzzle = named.pop("puzzle_emb.weights")
        r = self.recipe
        self.named = {**named, "puzzle_emb.weights": puzzle}
        self.adam = AdamATan2(named.values(), r.lr, r.betas, r.weight_decay)
        self.sign = SignSGD([puzzle], r.puzzle_lr, r.weight_decay)
        self.mean = Mean(self.named, r.ema)
        self.slots = Slots.empty(self.model, r.batch)
        self.updates = 0
        self.seconds = 0.0
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.since = [0.0, 0]  # loss and updates since the last report

    def update(self) -> None:
        """Learn from one step of all slots."""
        device = self.slots.cells.device
        found = self.data.batch(self.recipe.batch, self.numbers)
        cells, labels = (part.to(device) for part in found)
        self.slots.refill(self.model, cells, labels, torch.zeros_like(self.slots.puzzle))
        loss = self.slots.step(self.model, self.recipe, self.chance)
        (loss.total / self.recipe.batch).backward()
        self.updates += 1
        share = min(1.0, self.updates / self.recipe.warmup)
        for one, lr in ((self.adam, self.recipe.lr), (self.sign, self.recipe.puzzle_lr)):
            one.param_groups[0]["lr"] = lr * share
            one.step()
            one.zero_grad(set_to_none=True)
        self.mean.update(self.named)
        self.since[0] += float(loss.total.detach()) / self.recipe.batch
        self.since[1] += 1

    def train(self, seconds: float, every: float = 15.0) -> Iterator[Report]:
        """Train for so long, with a report every so many seconds and at the end.

        Args:
            seconds: of training, those before included; it stops within one update of them.
            every: seconds between reports.
        """
        following = self.seconds + every
        while self.seconds < seconds:
            began = time.perf_counter()
            self.update()
            self.seconds += time.perf_counter() - began
            if self.seconds >= min(following, seconds):
                following = self.seconds + every
                yield self.report()

    def report(self) -> Report:
        """Evaluate the running mean on what is held out; keep it if it is the best so far."""
        exact, cells = self.evaluate(*self.data.held)
        if self.best is None or exact[-1] >= self.best[0]:
            kept = {name: value.detach().clone() for name, value in self.mean_state().items()}
            self.best = (exact[-1], kept)
        loss = self.since[0] / max(self.since[1], 1)
        self.since = [0.0, 0]
        return Report(self.updates, self.seconds, loss, exact, cells, self.best[0])

    @torch.no_grad()
    def evaluate(
        self, puzzles: Cells, solutions: Cells, steps: int = 0, best: bool = False
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Give the shares of puzzles and of cells that are right after each step.

        Args:
            puzzles: (count, cells).
            solutions: theirs.
            steps: at most; 0: as many as in training.
            best: whether the weights are the best so far, not the running mean.
        """
        model = Model(self.preset.config).to(self.slots.cells.device)
        model.load_state_dict(self.best[1] if best and self.best else self.mean_state())
        hits = np.zeros((steps or self.preset.config.steps, 2))
        for at in range(0, len(puzzles), 256):
            asked = torch.from_numpy(puzzles[at : at + 256] + self.data.kind.offset)
            right = solutions[at : at + 256] + self.data.kind.offset
            x = model.embed(asked, torch.zeros(len(asked), dtype=torch.long))
            y, z = model.start(len(asked))
            for step in range(len(hits)):
                y, z = model.step(x, y, z)
                found = model.heads(y)[0].argmax(-1).numpy() == right
                hits[step] += found.all(1).sum(), found.sum()
        exact, cells = hits[:, 0] / len(puzzles), hits[:, 1] / puzzles.size
        return tuple(exact.tolist()), tuple(cells.tolist())

    def checkpoint(self) -> Checkpoint:
        """Give the best weights so far with a card: data, seed, minutes, accuracy by step."""
        if self.best is None:
            self.report()
        assert self.best is not None
        exact, cells = self.evaluate(*self.data.held, best=True)
        card = {
            "preset": self.preset.name, "seed": self.seed, "puzzles": len(self.data.puzzles),
            "held_out": len(self.data.held[0]), "updates": self.updates,
            "minutes": round(self.seconds / 60, 2), "exact": exact, "cells": cells,
        }  # fmt: skip
        state = {name: value.cpu().numpy() for name, value in self.best[1].items()}
        return Checkpoint(self.preset.task, self.preset.config, state, card)

    def mean_state(self) -> dict[str, Tensor]:
        return {**self.model.state_dict(), **self.mean.shadow}
