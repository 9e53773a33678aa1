"""What becomes of many puzzles, step by step, and where their halts stop them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .checkpoint import HALT
from .net import Array

# Not below 2: of some hundred puzzles those that a lower one would lose are seldom among them. With
# 0.25 a 6x6 that lost none of 300 lost 0.6 of a hundred of 1,000 others, for 0.05 of a step.
_LIMITS = (*np.arange(2, 8.25, 0.25).tolist(), math.inf)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of puzzles.

    Args:
        right: whose grid is right after each step (steps, puzzles).
        halts: the halts' logits (steps, puzzles).
    """

    right: Array
    halts: Array

    @property
    def exact(self) -> tuple[float, ...]:
        """The share of grids that are right after each step."""
        return tuple(self.right.mean(1).tolist())

    def steps(self, limit: float) -> Array:
        """Say after which step each stops by its halt, from 1: the last at the latest."""
        done = self.halts > limit
        done[-1] = True
        return done.argmax(0) + 1

    def halted(self, limit: float) -> float:
        """Give the share of grids that are right where each stops by its halt."""
        return float(self.right[self.steps(limit) - 1, np.arange(self.right.shape[1])].mean())

    def limit(self) -> float:
        """Give the lowest limit, from 2, from which on none solves fewer than all steps do.

        Infinite: only all steps do. Where nothing is right, ``HALT``.
        """
        if not self.right[-1].any():
            return HALT
        found = math.inf
        for limit in reversed(_LIMITS):
            if self.halted(limit) < self.exact[-1]:
                break
            found = limit
        return found
