"""A plain rendering in torch of the paper's pseudo-code: the limit beside our training step.

It is what one writes down who reads "Less is More: Recursive Reasoning with Tiny Networks" (2025,
figure 3): modules of torch, the batch first, one optimizer of torch's own.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..trm.config import Config
from ..trm.learn.data import Data
from ..trm.learn.training import Trainer
from ..trm.presets import preset
from ..trm.puzzles.task import task


class _Gated(nn.Module):
    def __init__(self, width: int, between: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * between, bias=False)
        self.down = nn.Linear(between, width, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        gate, up = self.up(h).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class _Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.across = _Gated(config.positions, config.between(config.positions))
        self.within = _Gated(config.width, config.between(config.width))

    def forward(self, h: Tensor) -> Tensor:
        turned = h.transpose(1, 2)
        turned = F.rms_norm(turned + self.across(turned), turned.shape[-1:], eps=1e-5)
        h = turned.transpose(1, 2)
        return F.rms_norm(h + self.within(h), h.shape[-1:], eps=1e-5)


class Plain(nn.Module):
    """The network, with the heads of answer and halt."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.cells = nn.Embedding(config.vocab, config.width)
        self.slots = nn.Parameter(torch.zeros(config.slots, config.width))
        self.net = nn.Sequential(*(_Layer(config) for _ in range(config.layers)))
        self.output_head = nn.Linear(config.width, config.vocab, bias=False)
        self.q_head = nn.Linear(config.width, 1)

    def embed(self, cells: Tensor) -> Tensor:
        slots = self.slots.expand(len(cells), -1, -1)
        return torch.cat((slots, self.cells(cells)), 1) * self.config.width**0.5

    def latent_recursion(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(self.config.inner):
            z = self.net(x + y + z)
        return self.net(y + z), z

    def deep_recursion(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Any, Any]:
        with torch.no_grad():
            for _ in range(self.config.outer - 1):
                y, z = self.latent_recursion(x, y, z)
        y, z = self.latent_recursion(x, y, z)
        logits = self.output_head(y[:, self.config.slots :])
        return y.detach(), z.detach(), logits, self.q_head(y[:, 0])[:, 0]


def compared(name: str, batch: int, times: int) -> tuple[float, float]:
    """Give the seconds of a training step, ours and the plain one's, measured in turn.

    Args:
        name: of the preset.
        batch: puzzles in a step.
        times: steps of each; the medians are given.
    """
    made = preset(name)
    made = replace(made, recipe=replace(made.recipe, batch=batch))
    kind = task("sudoku6" if made.config.length == 36 else "sudoku9")
    trainer = Trainer(made, data=Data(kind, 8, seed=0, held=1))
    config = made.config
    model = Plain(config)
    learn = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=1.0)
    asked = trainer.data.batch(batch, trainer.numbers)
    cells, labels = torch.from_numpy(asked.cells), torch.from_numpy(asked.labels)
    start = torch.randn(2, config.width)

    def plain() -> None:
        y, z = (part.expand(batch, config.positions, -1) for part in start)
        _, _, logits, q = model.deep_recursion(model.embed(cells), y, z)
        right = (logits.argmax(-1) == labels).all(-1).float()
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        (loss + F.binary_cross_entropy_with_logits(q, right)).backward()
        learn.step()
        learn.zero_grad()

    took: tuple[list[float], list[float]] = ([], [])
    with trainer.threads():
        trainer.update()
    plain()
    for _ in range(times):
        began = time.perf_counter()
        with trainer.threads():
            trainer.update()
        between = time.perf_counter()
        plain()
        took[0].append(between - began)
        took[1].append(time.perf_counter() - between)
    return statistics.median(took[0]), statistics.median(took[1])
