"""The widget of a solve; imported only where one is shown, as it brings anywidget."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets as t

from ..trm.show_data import packed
from .widget import Mounted

if TYPE_CHECKING:
    from ..trm import Solution
    from ._tap import Tap


class SolveWidget(Mounted):
    """Plays a solve.

    Args:
        script: its bundle.
        solution: the solve.
        tap: hears, while a cell runs, that a view of it is there.
    """

    solve = t.Bytes(help="What is drawn: JSON by gzip.").tag(sync=True)

    def __init__(self, script: Path, solution: Solution, tap: Tap) -> None:
        self._tap = tap
        id = uuid.uuid4().hex
        tap.add(id, self._take)
        super().__init__(script, model_id=id, solve=packed(solution))
        self.on_msg(lambda *_: self.spoke.set())

    def close(self) -> None:
        """Take it out of the page."""
        if self.comm is not None:
            self._tap.remove(self.model_id)
        super().close()

    def _take(self, data: dict[str, Any]) -> bool:
        if data.get("method") != "custom":
            return False  # ipywidgets' own
        self.spoke.set()
        return True
