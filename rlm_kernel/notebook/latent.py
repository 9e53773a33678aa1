"""Solves of the Tiny Recursive Model in a cell's output: a widget that plays them.

Guarantees:
- what is published, and saved, is the static strip of frames, as HTML and as text; as long as the
  kernel lives the widget stands in its place (see ``widget`` for why);
- a widget asks nothing of the kernel: a page gets all frames of a solve at once, packed;
- nothing of the network is imported before a solve is shown;
- of many solves the latest ``KEPT`` have a widget, the others their strip.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._front import front_of
from ._publish import publisher_of
from .showing import SHOWN, LiveTree

if TYPE_CHECKING:
    from ..trm import Solution
    from ._publish import Bundle, Publisher
    from ._tap import Tap
    from .latent_widget import SolveWidget

BUNDLE = Path(__file__).with_name("static") / "rlm-latent.js"
KEPT = 40
_KIND = ("rlm_kernel.trm.solving", "Solution")


class Solves:
    """The widgets of one session's solves.

    Args:
        shell: the session's.
        tap: hears a page while a cell runs, where that is possible.
        in_cell: says whether a run's own cell is executing; it gets no widgets.
    """

    def __init__(self, shell: Any, tap: Tap, in_cell: Callable[[], bool]) -> None:
        self._shell = shell
        self._tap = tap
        self._in_cell = in_cell
        self._made: deque[SolveWidget] = deque()

    def open(self) -> None:
        """Have a solve that is a cell's last value, or displayed, shown as its widget."""
        self._shell.display_formatter.ipython_display_formatter.for_type_by_name(
            *_KIND, self._display
        )

    def close(self) -> None:
        """Take the widgets away; the strips stay."""
        self._shell.display_formatter.ipython_display_formatter.pop(".".join(_KIND), None)
        while self._made:
            self._made.popleft().close()

    def _display(self, solution: Solution) -> None:
        front = front_of(self._shell)
        if self._in_cell() or not front.widgets or not BUNDLE.is_file() or not _anywidget():
            raise NotImplementedError  # IPython goes on to the usual formats
        from .latent_widget import SolveWidget

        self._tap.open()
        widget = SolveWidget(BUNDLE, solution, self._tap)
        self._made.append(widget)
        while len(self._made) > KEPT:
            self._made.popleft().close()
        shown, live = static(solution), LiveTree(widget, front.widgets, threading.Event())
        out, key = publisher_of(self._shell), uuid.uuid4().hex
        out.show(live.begin(shown), key, update=False)
        if front.widgets == "view":
            threading.Thread(
                target=_give_up, args=(live, shown, out, key), daemon=True, name="rlm-solve"
            ).start()


def static(solution: Solution) -> Bundle:
    """Give what is saved of a solve: the strip, and the text."""
    return {"text/plain": str(solution), "text/html": solution._repr_html_()}


def _anywidget() -> bool:
    return find_spec("anywidget") is not None


def _give_up(live: LiveTree, shown: Bundle, out: Publisher, key: str) -> None:
    """Put the strip in the place of a view that doesn't speak: there is no anywidget there."""
    live.wait(SHOWN)
    if live.given_up:
        out.show(live.go_on(shown), key, update=True)
