"""The widget of a solve; imported only where one is shown, as it brings anywidget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import traitlets as t

from ..trm.show_data import packed
from .widget import Mounted

if TYPE_CHECKING:
    from ..trm import Solution


class SolveWidget(Mounted):
    """Plays a solve.

    Args:
        script: its bundle.
        solution: the solve.
    """

    solve = t.Bytes(help="What is drawn: JSON by gzip.").tag(sync=True)

    def __init__(self, script: Path, solution: Solution) -> None:
        super().__init__(script, solve=packed(solution))
        self.on_msg(lambda *_: self.spoke.set())
