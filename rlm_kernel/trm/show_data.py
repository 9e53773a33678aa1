"""What a page needs to draw a solve: how its grid looks, and its frames, in a few kilobytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .puzzles.sudoku import BOXES
from .puzzles.task import Task, task
from .show_words import beginning, caption, ending
from .solving import Frame, Solution

MOST = 24_000  # bytes that go to a page; a longer solve goes with fewer frames
PALETTE = (  # of grids of colours
    "#1b1b1b", "#1e78d0", "#e0413a", "#37b24d", "#f5c518", "#9a9a9a", "#d6409f", "#f08c2e",
    "#7cc4e8", "#7d2033",
)  # fmt: skip
_LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of puzzles is drawn.

    Args:
        kind: ``"sudoku"`` (symbols), ``"maze"`` (walls and a path) or ``"colours"``.
        rows: of the grid.
        columns: of the grid.
        box: rows and columns of a box; (0, 0): there are none.
    """

    kind: str
    rows: int
    columns: int
    box: tuple[int, int] = (0, 0)


def look_of(kind: Task) -> Look:
    """Say how a kind of puzzles is drawn."""
    box = BOXES.get(kind.size, (0, 0)) if kind.kind == "sudoku" else (0, 0)
    return Look(kind.kind, kind.size, kind.length // kind.size, box)


def packed(solution: Solution) -> bytes:
    """Give a solve for a page: JSON by gzip; where that is too much, with fewer frames.

    Its first frame is the puzzle. A symbol of a grid is one character, and so is a level between
    0 (``0``) and 1 (``z``): how sure each cell is, and how far its latent moved, of the farthest.
    """
    frames = list(solution.frames)
    while True:
        made = gzip.compress(json.dumps(_plain(solution, frames)).encode(), mtime=0)
        if len(made) <= MOST or len(frames) <= 2:
            return made
        frames = [*frames[:-1:2], frames[-1]]


def _plain(solution: Solution, frames: Sequence[Frame]) -> dict[str, Any]:
    kind = task(solution.task)
    look = look_of(kind)
    far = max((max(frame.moved) for frame in solution.frames), default=0.0) or 1.0
    nothing = "0" * len(solution.puzzle)
    given = _symbols(solution.puzzle)
    start = {"step": 0, "cycle": 0, "grid": given, "sure": nothing, "moved": nothing,
             "changed": [], "wrong": [], "halt": 0.0, "said": beginning(solution)}  # fmt: skip
    return {
        "kind": look.kind, "rows": look.rows, "columns": look.columns, "box": look.box,
        "palette": PALETTE if look.kind == "colours" else (),
        "name": solution.task, "given": given, "solved": solution.solved,
        "said": ending(solution), "cycles": len(solution.frames),
        "frames": [start, *(_frame(solution, frame, far) for frame in frames)],
    }  # fmt: skip


def _frame(solution: Solution, frame: Frame, far: float) -> dict[str, Any]:
    return {
        "step": frame.step, "cycle": frame.cycle, "grid": _symbols(frame.grid),
        "sure": _levels(frame.confidence), "moved": _levels([one / far for one in frame.moved]),
        "changed": frame.changed, "wrong": frame.wrong,
        "halt": round(frame.halt, 4), "said": caption(solution, frame),
    }  # fmt: skip


def _symbols(grid: Sequence[int]) -> str:
    return "".join(_LEVELS[max(0, min(symbol, 35))] for symbol in grid)


def _levels(parts: Sequence[float]) -> str:
    return "".join(_LEVELS[max(0, min(round(part * 35), 35))] for part in parts)
