"""The puzzles that are being worked at: each at its own step, replaced when it halts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..presets import Recipe
from .losses import Loss, loss_of
from .model import Model


@dataclass(slots=True)
class Slots:
    """A batch in training; there is one update of the weights for each step of all of it.

    Args:
        cells: (batch, length), what is asked.
        labels: (batch, length), what is right.
        puzzle: (batch,), rows of the puzzle embedding.
        y: (positions, batch, width), the answers so far.
        z: the latents so far.
        steps: (batch,), supervision steps done.
        halted: (batch,), whether another puzzle comes in its place.
    """

    cells: Tensor
    labels: Tensor
    puzzle: Tensor
    y: Tensor
    z: Tensor
    steps: Tensor
    halted: Tensor

    @classmethod
    def empty(cls, model: Model, batch: int) -> Slots:
        """Make slots that all wait for a puzzle."""
        at = model.H_init.device
        cells = torch.zeros((batch, model.config.length), dtype=torch.long, device=at)
        none = torch.zeros(batch, dtype=torch.long, device=at)
        y, z = model.start(batch)
        return cls(cells, cells.clone(), none, y.clone(), z.clone(), none.clone(), none == 0)

    def refill(self, model: Model, cells: Tensor, labels: Tensor, puzzle: Tensor) -> None:
        """Put new puzzles, one for each slot, where the old ones have halted."""
        new = self.halted
        self.cells = torch.where(new[:, None], cells, self.cells)
        self.labels = torch.where(new[:, None], labels, self.labels)
        self.puzzle = torch.where(new, puzzle, self.puzzle)
        y, z = model.start(len(new))
        self.y = torch.where(new[None, :, None], y, self.y)
        self.z = torch.where(new[None, :, None], z, self.z)
        self.steps = torch.where(new, 0, self.steps)

    def step(self, model: Model, recipe: Recipe, rng: torch.Generator, forward: Any = None) -> Loss:
        """Do a step of all, and say which have halted."""
        x = model.embed(self.cells, self.puzzle)
        y, z = (forward or model.step)(x, self.y, self.z)
        logits, q = model.heads(y)
        loss = loss_of(logits, q, self.labels)
        self.y, self.z = y.detach(), z.detach()
        self.steps = self.steps + 1
        most, batch = model.config.steps, len(q)
        chance = torch.rand(batch, generator=rng).to(q.device) < recipe.explore
        at_least = torch.randint(min(2, most), most + 1, (batch,), generator=rng).to(q.device)
        halted = (q.detach() > 0) & (self.steps >= torch.where(chance, at_least, 0))
        self.halted = halted | (self.steps >= most)
        return loss
