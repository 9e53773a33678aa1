"""Tells who watches of a solve: that it begins, each step with its cycles, and how it ended.

Where nobody watches (see ``protocol.solves``) nothing is done. What one solve tells stays below
``MOST`` bytes: a big one leaves out its cycles, and a long one steps, but never the last.
"""

from __future__ import annotations

import json
import reprlib
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import Cancelled
from ..protocol import event_to_dict
from ..protocol.events import CallStatus, Event, SolveEnded, SolveStarted, SolveStep
from ..protocol.solves import solve_place
from .checkpoint import Checkpoint
from .puzzles.task import task
from .solving import Frame

MOST = 25_000
_RAW = 1_000  # characters of what is no puzzle that are told
_END = 400  # bytes of the last event, besides the grid
_SHORT = reprlib.Repr()
_SHORT.maxlist = 100
_SIGNS = dict(enumerate("0123456789abcdefghijklmnopqrstuvwxyz"))


class Telling:
    """One solve, as it is told; a context manager around it.

    Args:
        puzzle: what is asked, whatever it is.
        model: the model, as a person names it.
    """

    def __init__(self, puzzle: Any, model: Checkpoint | Path | str) -> None:
        self._puzzle, self._model = puzzle, _name(model)
        self._place = solve_place()
        self._node = self._task = ""
        self._cells: list[int] = []
        self._grid: tuple[int, ...] = ()  # after the step before
        self._frames: list[Frame] = []  # of this step
        self._last: Frame | None = None
        self._held: SolveStep | None = None  # the latest step, where it wasn't told
        self._outer, self._left = 1, MOST
        self._began = time.perf_counter()

    def by(self, checkpoint: Checkpoint, steps: int) -> Checkpoint:
        """Say that it begins; gives the model.

        Args:
            checkpoint: the model.
            steps: at most; 0: as many as its config says.
        """
        if self._place is not None:
            self._task = checkpoint.task
            kind = task(self._task)
            self._cells = kind.read(self._puzzle)
            self._grid = tuple(self._cells)
            self._outer = checkpoint.config.outer
            text = kind.text(self._cells)
            self._left -= 2 * (len(text.encode()) + text.count("\n") + _END)
            config = checkpoint.config
            self._begin(text, config.parameters, steps or config.solving_steps)
        return checkpoint

    def frame(self, frame: Frame) -> None:
        """Take in how it stands after a cycle.

        Raises:
            Cancelled: it is to end.
        """
        if self._place is None:
            return
        self.go_on()
        self._last = frame
        self._frames.append(frame)
        if frame.cycle >= self._outer:
            self._step()

    def go_on(self) -> None:
        """Raise Cancelled where it is to end."""
        if self._place is not None and self._place.closed:
            raise Cancelled("The solve was cancelled.")

    def __enter__(self) -> Telling:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._place is None:
            return
        if not self._node:  # it isn't a puzzle, or there is no such model
            raw = self._puzzle if isinstance(self._puzzle, str) else _SHORT.repr(self._puzzle)
            self._begin(raw[:_RAW], 0, 0)
        if self._held is not None:
            self._place.tell(self._held)
        self._place.tell(self._end(error))

    def _begin(self, puzzle: str, parameters: int, steps: int) -> None:
        assert self._place is not None
        self._node = self._place.sink.new_id("solve")
        self._tell(SolveStarted(
            node=self._node, parent=self._place.parent, task=self._task,
            model=self._model or self._task, puzzle=puzzle, parameters=parameters, of=steps,
            line=self._place.line,
        ))  # fmt: skip

    def _step(self) -> None:
        assert self._place is not None
        frames, self._frames = self._frames, []
        last = frames[-1]
        changed = sum(a != b for a, b in zip(self._grid, last.grid, strict=True))
        self._grid = last.grid
        given: dict[str, Any] = {
            "node": self._place.sink.new_id("step"), "parent": self._node, "number": last.step,
            "calls": last.calls, "grid": task(self._task).text(last.grid), "changed": changed,
            "wrong": len(last.wrong), "halt": round(last.halt, 4),
            "moved": round(sum(last.moved) / len(last.moved), 4),
        }  # fmt: skip
        event = SolveStep(**given, frames=[_compact(frame) for frame in frames])
        if _size(event) > self._left / 4:
            event = SolveStep(**given)
        if _size(event) > self._left:
            self._held = event
        else:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        assert self._place is not None
        self._left -= _size(event)
        self._place.tell(event)

    def _end(self, error: BaseException | None) -> SolveEnded:
        last, given = self._last, dict[str, Any]()
        if last is not None:
            kind = task(self._task)
            verdict = kind.check(self._cells, last.grid)
            given = {"solved": verdict.solved, "said": verdict.said, "answer": kind.text(last.grid),
                     "steps": last.step, "calls": last.calls}  # fmt: skip
        status: CallStatus = "ok"
        said = ""
        if error is not None:
            failed = isinstance(error, Exception) and not isinstance(error, Cancelled)
            status = "error" if failed else "cancelled"
            said = str(error) or type(error).__name__ if failed else "It was left before its end."
        seconds = round(time.perf_counter() - self._began, 4)
        return SolveEnded(
            node=self._node, status=status, error=said[:_RAW], seconds=seconds, **given
        )  # fmt: skip


def _name(model: Checkpoint | Path | str) -> str:
    """Give the name of a model; of a path only that of the file."""
    return Path(model).name if isinstance(model, str | Path) else ""


def _compact(frame: Frame) -> dict[str, Any]:
    most = max(frame.moved) or 1.0
    return {
        "cells": "".join(_SIGNS.get(symbol, "-") for symbol in frame.grid),
        "sure": "".join(str(min(int(10 * sure), 9)) for sure in frame.confidence),
        "moved": "".join(str(min(int(10 * moved / most), 9)) for moved in frame.moved),
        "most": round(most, 4), "halt": round(frame.halt, 4),
    }  # fmt: skip


def _size(event: Event) -> int:
    """Give the bytes that an event takes in a log."""
    return len(json.dumps(event_to_dict(event))) + 50
