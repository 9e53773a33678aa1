"""What a person sees of a run in a cell's output: a tree that grows, then the answer.

Guarantees:
- one display, updated in place at most ``HZ`` times a second, by a thread of the view's own: the
  run never waits for a front end;
- what is published last is final and whole, as text and as static HTML, so that the saved
  notebook shows it in nbviewer, GitHub and nbconvert without any extension;
- where a display can't be changed afterwards (consoles), the run is told line by line instead;
- where a live tree (the widget) speaks, it shows the run until the end, and nothing is published
  in its place meanwhile: that would draw it anew each time. Until it speaks, or where it never
  does, the HTML is updated as always.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..protocol import Logged
from ..protocol.events import CellStarted
from ..protocol.front import ShownReply
from ._hold import Tail, held_back
from ._lines import Teller
from ._page import Live, bundle, header_text

if TYPE_CHECKING:
    from ..engine import Run
    from ._publish import Metadata, Publisher
    from .showing import LiveTree

HZ = 4.0
HELLO = 1.0  # seconds
Style = Literal["live", "lines", "quiet", "compact"]


class View:
    """Shows one run in the output of one cell.

    Args:
        run: the run.
        publisher: where the cell's output goes.
        style: ``"live"`` updates a display, ``"lines"`` prints as it goes, ``"quiet"`` shows
            the answer only, ``"compact"`` is one line until the end, for a run whose cells and
            tree are shown elsewhere.
        since: events up to this number were told by an earlier view of the run.
        live: the widget, where the front end can show it; used with ``"live"`` only.
    """

    def __init__(
        self,
        run: Run,
        publisher: Publisher,
        style: Style,
        *,
        since: int = 0,
        live: LiveTree | None = None,
    ) -> None:
        self.run = run
        self.style = style
        self._out = publisher
        self._since = since
        self._id = uuid.uuid4().hex
        self._live = Live()
        self._teller = Teller()
        self._tree = live if style == "live" else None
        self._opened = 0.0  # monotonic
        self._by_itself = False  # ends with the run, not by ``close``
        self._tail = Tail(self._touch)
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._publishing = threading.Lock()
        self._unlisten: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None

    # -- life ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Show the run as it is, and follow it."""
        if self.style == "quiet":
            return
        if self.style == "lines":
            self._out.write(header_text(self.run) + "\n")
            self._unlisten = self.run.log.listen(self._tell, since=self._since)
            return
        self._opened = time.monotonic()
        shown = self._bundle()
        begun = self._tree.begin(shown) if self._tree else shown
        self._out.show(begun, self._id, update=False, metadata=metadata_of(self.run))
        self._unlisten = self.run.log.listen(self._on_event)
        self._touch()  # for what happened before it listened
        self._thread = threading.Thread(target=self._draw, name="rlm-view", daemon=True)
        # At a breakpoint every thread stops that the debugger traces; the view goes on.
        self._thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
        self._thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
        self._thread.start()

    def leave(self, hint: str) -> None:
        """Show the run until it ends, with no cell that waits; ``"compact"`` is made for this.

        Args:
            hint: a sentence that is shown until then.
        """
        self._by_itself = True
        self._live.said = hint
        self.open()

    def close(self) -> None:
        """Publish the final state and stop following."""
        if self._unlisten is not None:
            self._unlisten()
        if self._thread is not None:
            self._closing.set()
            self._dirty.set()
            self._thread.join()
        self._live.clear()
        if self.style in ("live", "compact"):
            self._publish(final=True)
        else:
            self._out.show(self._bundle(), self._id, update=False)

    # -- what is said while it goes -------------------------------------------------------------

    def say(self, text: str) -> None:
        """Say a sentence while the run stands; the next one takes its place."""
        self._live.said = text
        if self.style == "live" and not self._spoken:
            self._touch()
        elif text:
            self.line(text)

    def line(self, text: str) -> None:
        """Print a line under what is shown."""
        self._out.write(text + "\n")

    def propose(self, number: int, code: str) -> None:
        """Point at the proposal that a person is about to be asked about."""
        if self.style == "quiet":
            self.line(f"[{number}] is proposed:\n{code}")
        elif self.style == "live" and not self._spoken:
            self._publish()  # at once: the question comes next

    def speaks(self) -> bool:
        """Whether a live tree shows the run, so that decisions can be taken there."""
        if self._tree is not None and not self._spoken:
            self._tree.wait(max(self._opened + HELLO - time.monotonic(), 0.0))
        return self._spoken

    @contextmanager
    def cells(self, shell: Any) -> Iterator[None]:
        """While the run's cells may execute in ``shell``: what they show is shown here."""
        if shell is None:
            yield
            return
        self._tail.text = ""
        with held_back(shell, self._tail):
            yield

    # -- private ------------------------------------------------------------------------------

    def _touch(self) -> None:
        self._dirty.set()

    def _on_event(self, logged: Logged) -> None:
        if isinstance(logged.event, CellStarted):
            self._tail.text = ""
        self._touch()

    def _tell(self, logged: Logged) -> None:
        for line in self._teller.lines(logged.event):
            self._out.write(line + "\n")

    @property
    def _spoken(self) -> bool:
        return self._tree is not None and self._tree.speaks

    def _draw(self) -> None:
        if self._tree is not None:
            self._tree.wait(HELLO, self._closing)
        while True:
            self._dirty.wait()
            if self._closing.is_set():
                return
            self._dirty.clear()
            if self._by_itself and self.run.ended:
                if self._unlisten is not None:
                    self._unlisten()
                self._publish(final=True)
                return
            if self._spoken:
                continue
            began = time.monotonic()
            self._live.printed = self._tail.text
            self._publish()
            # A tree that takes long to draw is drawn less often.
            took = time.monotonic() - began
            self._closing.wait(max(1 / HZ, min(took, 1.0)))

    def _publish(self, *, final: bool = False) -> None:
        with self._publishing:  # what was made later is shown later
            shown = self._bundle()
            if self._tree is not None:
                shown = self._tree.end(shown) if final else self._tree.go_on(shown)
            self._out.show(shown, self._id, update=True, metadata=metadata_of(self.run))

    def _bundle(self) -> dict[str, str]:
        return bundle(self.run, self._live, self.style)


def metadata_of(run: Run) -> Metadata:
    """Give the metadata of a display of a run: whose it is, and whether it is final."""
    return {"rlm": {"run": run.id, "final": run.ended}}


def shown_of(run: Run) -> ShownReply:
    """Give what the cell that asked shows of a run, for a page on which it can't be updated."""
    data = bundle(run, Live(), "compact")
    return ShownReply(data=data, metadata=metadata_of(run))
