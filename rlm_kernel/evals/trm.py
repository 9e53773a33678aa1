"""The tiny recursive network's times and marks beside plain torch, measured in one run.

What needs torch says so where it isn't.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import trm
from ..trm.api import shipped
from ..trm.puzzles.task import Sudoku, Task, puzzles_of, task
from .row import Row

NO_WEIGHTS = "its network doesn't come along yet"
NO_TORCH = "torch isn't here: pip install 'rlm-kernel[trm]'"
ROWS = ("opening", "solve", "halt", "halt_9x9", "halt_maze", "explore",
        "explore_minimal", "step", "small_step")  # fmt: skip


class TinyBench:
    """The measurements."""

    def opening(self) -> Row:
        """Importing ``rlm_kernel.trm``, in a process of its own, beside numpy alone."""
        def took(module: str) -> float:
            code = (f"import time; t = time.perf_counter(); import {module}, sys; "
                    "print(time.perf_counter() - t, 'torch' in sys.modules)")  # fmt: skip
            said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                                   check=True).stdout.split() for _ in range(5)]  # fmt: skip
            assert all(has == "False" for _, has in said), "torch came along"
            return statistics.median(float(seconds) for seconds, _ in said)

        ours, numpy = took("rlm_kernel.trm"), took("numpy")
        return Row("import rlm_kernel.trm", f"{ours:.2f} s, no torch", f"{numpy:.2f} s (numpy)",
                   f"{ours / numpy:.1f}", "<= 0.3 s", ours <= 0.3)  # fmt: skip

    def solve(self) -> Row:
        """A Sudoku 6x6 in numpy, beside its products of matrices alone."""
        puzzles, _ = puzzles_of(task("sudoku6"), 60, 1)
        model = trm.load("sudoku6")
        net = model.net()
        x = net.embed(puzzles[:1] + 1)
        y, z = net.start(1)
        one = _median(lambda: net.cycle(x, y, z), 20)
        took, calls = [], []
        for puzzle in puzzles:
            found = trm.solve(puzzle, model)
            took.append(found.seconds)
            calls.append(found.calls)
        cycles = statistics.median(calls) / (model.config.inner + 1)
        ours, limit = statistics.median(took), cycles * one
        return Row("solve a Sudoku 6x6", f"{ours * 1000:.1f} ms", f"{limit * 1000:.1f} ms (the "
                   "network alone)", f"{ours / limit:.2f}", "<= 30 ms", ours <= 0.03)  # fmt: skip

    def halt(self) -> Row:
        """Stopping by the halt beside doing all steps, 1,000 puzzles of 6x6."""
        return _halt("sudoku6", "6x6")

    def halt_9x9(self) -> Row:
        """The same for 9x9."""
        return _halt("sudoku9", "9x9")

    def halt_maze(self) -> Row:
        """The same for mazes."""
        return _halt("maze9", "maze")

    def explore(self) -> Row:
        """Eight noisy ways beside one, 600 puzzles of 9x9."""
        return _explore("explore a Sudoku 9x9, 8 ways", task("sudoku9"), 600)

    def explore_minimal(self) -> Row:
        """The same for 400 that have no given to spare: harder ones than it was trained with."""
        return _explore("the same, no given to spare", Sudoku(9, (0, 0)), 400)

    def step(self) -> Row:
        """A training step of the paper's Sudoku network, batch 8, beside the plain rendering."""
        return _step("training step, paper's size", "sudoku-extreme", 8, 3)

    def small_step(self) -> Row:
        """A training step of the 6x6 network, beside the plain rendering."""
        return _step("training step, sudoku6", "sudoku6", 64, 8)


def measure(rows: list[str], tell: Callable[[str], None] = lambda row: None) -> Iterator[Row]:
    """Measure rows, one after another.

    Args:
        rows: names from ``ROWS``; empty: all.
        tell: told each name before it is measured.
    """
    for name in rows or ROWS:
        tell(name)
        row: Row = getattr(TinyBench(), name)()
        yield row


def _halt(model: str, name: str) -> Row:
    name, asked = f"stop by the halt, {name}", "<= half a point lost, <= 1/4 of them"
    if model not in shipped():
        return Row(name, NO_WEIGHTS, "-", "-", asked)
    found, trained = trm.evaluate(model), trm.load(model).config.steps
    share = found.steps / len(found.exact)
    lost = found.exact[-1] - found.halted
    return Row(
        name, f"{found.halted:.1%} in {found.steps:.2f} steps",
        f"{found.exact[-1]:.1%} in {len(found.exact)} steps",
        f"{share:.2f} of the steps; {found.steps / trained:.2f} of training's {trained}",
        asked, lost <= 0.005 and share <= 0.25,
    )  # fmt: skip


def _explore(name: str, kind: Task, count: int) -> Row:
    asked = ">= 5 points"
    if kind.name not in shipped():
        return Row(name, NO_WEIGHTS, "-", "-", asked)
    model = trm.load(kind.name)
    puzzles, _ = puzzles_of(kind, count, 777_000_001, model.seen)
    # One way alone, too, has the rules look after each step.
    plain = np.array([trm.explore(p, model, k=1).solved for p in puzzles])
    # Where the first way, which has no noise, is right the others can't make it wrong.
    found = plain.copy()
    for at in np.flatnonzero(~plain):
        found[at] = trm.explore(puzzles[at], model, k=8).solved
    gain = found.mean() - plain.mean()
    return Row(name, f"{found.mean():.1%}", f"{plain.mean():.1%} (one way)",
               f"+{gain * 100:.1f} points", asked, bool(gain >= 0.05))  # fmt: skip


def _median(once: Callable[[], Any], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        once()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _step(name: str, of: str, batch: int, times: int) -> Row:
    asked = "<= 1.0 x"
    try:
        from ._plain_trm import compared
    except ImportError:
        return Row(name, NO_TORCH, "-", "-", asked)
    ours, plain = compared(of, batch, times)
    return Row(name, f"{ours:.2f} s", f"{plain:.2f} s (plain torch)", f"{ours / plain:.2f}",
               asked, ours <= plain)  # fmt: skip
