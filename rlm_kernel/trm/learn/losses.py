"""What is learned from: each cell's symbol by stablemax, and whether the whole grid is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

NOT_ASKED = -100  # the label of a cell that doesn't count


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one batch.

    Args:
        total: summed over the batch.
        right: of each puzzle, whether the whole grid is right.
        cells: of each puzzle, the share of its cells that are right.
    """

    total: Tensor
    right: Tensor
    cells: Tensor


def loss_of(logits: Tensor, q: Tensor, labels: Tensor) -> Loss:
    """Give the mean stablemax cross-entropy of the cells, and half the cross-entropy of the halt.

    Args:
        logits: (batch, length, vocab).
        q: (batch,), the halt's.
        labels: (batch, length) of symbols; ``NOT_ASKED`` for a cell that doesn't count.
    """
    asked = labels != NOT_ASKED
    count = asked.sum(-1).clamp_min(1)
    of_cells = _log_stablemax(logits.double()).gather(
        -1, labels.where(asked, 0)[..., None]
    )[..., 0]  # fmt: skip
    of_cells = -(of_cells.where(asked, 0.0).sum(-1) / count)
    hits = (logits.detach().argmax(-1) == labels) & asked
    right = hits.sum(-1) == asked.sum(-1)
    halt = F.binary_cross_entropy_with_logits(q.float(), right.to(torch.float32), reduction="sum")
    return Loss(of_cells.sum() + 0.5 * halt, right, hits.sum(-1) / count)


def _log_stablemax(x: Tensor) -> Tensor:
    # "Grokking at the Edge of Numerical Stability" (Prieto et al., 2025): a softmax that can't
    # overflow, x + 1 above zero and 1 / (1 - x) below.
    s = torch.where(x < 0, 1 / (1 - x + 1e-30), x + 1)
    return s.log() - s.sum(-1, keepdim=True).log()
