"""How a training stands, for whoever shows it; torch isn't needed to make or to show one."""

from __future__ import annotations

from dataclasses import dataclass


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
