"""The gazette of a harbour, made up by a seed: pages of news, and on some of them a puzzle.

The lesson on two recursions hides puzzles in a long text; their solutions are known, so that its
answers have an exact truth.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..trm.puzzles.task import task
from .rot import harbour_log


@dataclass(frozen=True, slots=True)
class Hidden:
    """A puzzle in the gazette.

    Args:
        page: on which it stands.
        puzzle: as it stands there.
        solution: its rows, each a text of digits.
    """

    page: int
    puzzle: str
    solution: tuple[str, ...]


def gazette(seed: int, pages: int, puzzles: int = 5) -> tuple[str, list[Hidden]]:
    """Make a gazette with Sudokus of 6x6.

    Args:
        seed: the same seed makes the same gazette.
        pages: how many.
        puzzles: how many of them have a puzzle; others have a table of tides, which looks alike.

    Returns:
        Its text, a line "Page N" at the head of each page, and what is hidden in it.
    """
    rng = random.Random(seed)
    kind = task("sudoku6")
    chosen = sorted(rng.sample(range(1, pages + 1), 2 * puzzles))
    tides = set(rng.sample(chosen, puzzles))
    written, hidden = [], []
    for page in range(1, pages + 1):
        log, _ = harbour_log(seed * 1_000 + page, 24)
        lines = log.splitlines()
        if page in tides:
            rows = [" ".join(f"{rng.uniform(0, 6):.1f}" for _ in range(6)) for _ in range(6)]
            lines[12:12] = ["Tides of the week, in metres", *rows]
        elif page in chosen:
            puzzle, solution = kind.make(rng)
            rows = ["".join(map(str, solution[i : i + 6])) for i in range(0, 36, 6)]
            hidden.append(Hidden(page, kind.text(puzzle), tuple(rows)))
            lines[12:12] = ["For our readers", *kind.text(puzzle).splitlines()]
        written.append("\n".join([f"Page {page}", *lines]))
    return "\n\n".join(written), hidden
