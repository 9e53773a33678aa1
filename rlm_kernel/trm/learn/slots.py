"""The puzzles that are being worked at: each at its own step, replaced when it halts."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

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

    def step(self, model: Model, first: Tensor, at_least: Tensor) -> Loss:
        """Do a step of all, and say which have halted.

        Args:
            model: that is trained.
            first: (batch, width), the embeddings of the puzzles.
            at_least: (batch,), steps that each does whatever its halt says.
        """
        x = model.embed_with(self.cells, first)
        y, z = model.step(x, self.y, self.z)
        logits, q = model.heads(y)
        loss = loss_of(logits, q, self.labels)
        self.y, self.z = y.detach(), z.detach()
        self.steps = self.steps + 1
        halted = (q.detach() > 0) & (self.steps >= at_least)
        self.halted = halted | (self.steps >= model.config.steps)
        return loss

    def state(self) -> dict[str, Tensor]:
        """Give all of it by name, the batch first."""
        return {f.name: self._turned(f.name, getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> Slots:
        """Make them of what ``state`` gave, or of some of its rows."""
        return cls(**{name: cls._turned(name, value) for name, value in state.items()})

    @staticmethod
    def _turned(name: str, value: Tensor) -> Tensor:
        return value.transpose(0, 1).contiguous() if name in ("y", "z") else value


def at_least(batch: int, most: int, explore: float, chance: torch.Generator) -> Tensor:
    """Say, by chance, how many steps each of a batch does whatever its halt says; 0: none."""
    explores = torch.rand(batch, generator=chance) < explore
    steps = torch.randint(min(2, most), most + 1, (batch,), generator=chance)
    return torch.where(explores, steps, 0)
