"""The live tree in a cell's output: who gets it, what is published with it, when it is gone.

Guarantees:
- what is published first and last is the static tree, as HTML and as text; the saved notebook has
  it, whatever became of the widget;
- a front end that can't be asked (nbclient, papermill, consoles) never gets a widget;
- a front end that was given a view and doesn't speak (it has no anywidget) gets the HTML instead;
- a run has one widget, however often it is shown;
- a recording is shown like a run that is over; where the page was still coming up, and so lost its
  widget, it gets another.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..engine import Run
from ..engine.recorded import RecordedRun
from ..log import tree_html, tree_text
from ..protocol.events import RunEnded
from ._front import Front, front_of
from ._publish import publisher_of

if TYPE_CHECKING:
    from ..protocol import Logged
    from ._publish import Bundle, Publisher
    from ._tap import Tap
    from .hub import Hub
    from .widget import Mounted, RunWidget

BUNDLE = Path(__file__).with_name("static") / "rlm-tree.js"
NOBODY = 0.1  # seconds that a page is waited for that has never shown one
ROWS = 1_000  # of a tree as text
SHOWN = 3.0  # seconds after which a view that doesn't speak is taken away
AGAIN = (1, 2, 4)  # times SHOWN, after each of which a recording's widget that doesn't is made anew


class LiveTree:
    """A widget, as one front end shows it.

    Args:
        widget: the widget.
        way: ``"mount"`` or ``"view"``, see ``Front.widgets``.
        silent: set while no page has spoken that was waited for; others aren't waited for then.
    """

    def __init__(
        self, widget: Mounted, way: Literal["mount", "view"], silent: threading.Event
    ) -> None:
        self._widget = widget
        self._way = way
        self._silent = silent
        self.given_up = False

    @property
    def speaks(self) -> bool:
        """Whether the front end shows it."""
        return self._widget.spoke.is_set() and not self.given_up

    def wait(self, seconds: float, closing: threading.Event | None = None) -> bool:
        """Wait for its first message; a view that doesn't speak by then is given up."""
        if self._way == "mount" and self._silent.is_set():
            seconds = min(seconds, NOBODY)
        until = time.monotonic() + seconds
        while not self._widget.spoke.wait(0.05):
            if time.monotonic() > until:
                self._silent.set()
            if time.monotonic() > until or (closing is not None and closing.is_set()):
                # Without a view the model may still come to speak, a view that is replaced can't.
                self.given_up = self._way == "view"
                break
        else:
            self._silent.clear()
        return self.speaks

    def heard(self, seconds: float) -> bool:
        """Wait for its first message as long as this, whoever kept silent before."""
        return self._widget.spoke.wait(seconds)

    def close(self) -> None:
        """Take its widget away."""
        self._widget.close()

    def begin(self, bundle: Bundle) -> Bundle:
        """Give what is published first."""
        if self._way == "mount":
            return self._in_place(bundle)
        return {**self._widget.view(), **bundle}

    def go_on(self, bundle: Bundle) -> Bundle:
        """Give what is published while the front end doesn't show it."""
        return self._in_place(bundle) if self._way == "mount" else bundle

    def end(self, bundle: Bundle) -> Bundle:
        """Give what is published last, and is saved."""
        return self.go_on(bundle)

    def _in_place(self, bundle: Bundle) -> Bundle:
        html = f'<div class="{self._widget.mount}">{bundle["text/html"]}</div>'
        return {**bundle, "text/html": html}


class Widgets:
    """The widgets of one session, made when first shown.

    Args:
        shell: the session's.
        hub: follows the runs.
        tap: hears them while a cell runs.
        in_cell: says whether a run's own cell is executing; it gets no widgets.
    """

    def __init__(self, shell: Any, hub: Hub, tap: Tap | None, in_cell: Callable[[], bool]) -> None:
        self._shell = shell
        self._hub = hub
        self._tap = tap
        self._in_cell = in_cell
        self._made: dict[tuple[str, str], RunWidget] = {}
        self._silent = threading.Event()
        self._open = False

    def open(self) -> None:
        """Have a run that is a cell's last value, or displayed, shown as its live tree."""
        self._open = True
        for kind in (Run, RecordedRun):
            self._shell.display_formatter.ipython_display_formatter.for_type(kind, self._display)

    def close(self) -> None:
        """Take all of it away; the static trees stay."""
        for kind in (Run, RecordedRun):
            self._shell.display_formatter.ipython_display_formatter.pop(kind, None)
        self._open = False
        made, self._made = self._made, {}
        for widget in made.values():
            widget.close()

    def missing(self) -> str:
        """Say in one sentence why there is no live tree here, or nothing."""
        if not BUNDLE.is_file():
            return (
                "This is the static tree: the live one isn't built in this source tree "
                "(python3 scripts/build_lab.py, which needs Node)."
            )
        if find_spec("anywidget") is None:
            return "This is the static tree: the live one needs anywidget (pip install anywidget)."
        return ""

    def live(self, run: Run | RecordedRun, front: Front | None = None) -> LiveTree | None:
        """Give a run's live tree, or None where the front end can't show it."""
        front = front or front_of(self._shell)
        if not front.widgets or self.missing():
            return None
        id, held = run.id, isinstance(run, RecordedRun)
        if isinstance(run, RecordedRun):
            id = self._hub.add_recording(run)
        key = (id, front.widgets)
        widget = self._made.get(key)
        if widget is None or widget.comm is None:
            from .widget import RunWidget

            widget = RunWidget(
                self._hub, id, tap=self._tap, static=lambda: static_tree(run),
                recording=self._hub.packed(id) if held else [],
            )  # fmt: skip
            self._made[key] = widget
        if any(one.spoke.is_set() for one in self._made.values()):
            self._silent.clear()
        return LiveTree(widget, front.widgets, self._silent)

    def show(self, run: Run | RecordedRun) -> None:
        """Show a run in the running cell's output: live where that can be, else as it is now."""
        out, key, front = publisher_of(self._shell), uuid.uuid4().hex, front_of(self._shell)
        live = self.live(run, front)
        if live is None:
            out.show(static_tree(run), key, update=False)
            return
        out.show(live.begin(static_tree(run)), key, update=False)
        threading.Thread(
            target=self._follow, args=(run, live, out, key, front), daemon=True, name="rlm-shown"
        ).start()

    def _follow(
        self, run: Run | RecordedRun, live: LiveTree, out: Publisher, key: str, front: Front
    ) -> None:
        if isinstance(run, RecordedRun):
            self._until_heard(run, live, out, key, front)
        else:
            _to_the_end(run, live, out, key)

    def _until_heard(
        self, run: RecordedRun, live: LiveTree, out: Publisher, key: str, front: Front
    ) -> None:
        """Make a recording's widget anew while the page, which may be coming up, doesn't speak."""
        if front.widgets == "view":
            live.wait(SHOWN)
            if live.given_up:
                out.show(live.go_on(static_tree(run)), key, update=True)
            return
        for times in AGAIN:
            if live.heard(times * SHOWN) or not self._open:
                return
            live.close()
            again = self.live(run, front)
            if again is None:
                return
            live = again
            out.show(live.begin(static_tree(run)), key, update=True)

    def _display(self, run: Run | RecordedRun) -> None:
        if self._in_cell() or not front_of(self._shell).widgets or self.missing():
            raise NotImplementedError  # IPython goes on to the usual formats
        self.show(run)


def static_tree(run: Run | RecordedRun) -> Bundle:
    """Give a run's tree as HTML and as text."""
    return {"text/plain": tree_text(run.tree, max_rows=ROWS), "text/html": tree_html(run.tree)}


def _to_the_end(run: Run, live: LiveTree, out: Publisher, key: str) -> None:
    """Take away a view that doesn't speak; publish the last state when there is one."""
    over = threading.Event()

    def on_event(logged: Logged) -> None:
        if isinstance(logged.event, RunEnded) and logged.event.node == run.node:
            over.set()

    unlisten = run.log.listen(on_event)
    was_over = run.ended
    try:
        live.wait(SHOWN, over)
        if live.given_up:
            out.show(live.go_on(static_tree(run)), key, update=True)
        if was_over:
            return
        over.wait()
        out.show(live.end(static_tree(run)), key, update=True)
    finally:
        unlisten()
