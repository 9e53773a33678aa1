"""The text of a reply as it streams in, shown a few times a second."""

from __future__ import annotations

import asyncio
import time

from ..protocol import Sink
from ..protocol.events import CallText

TEXT_EVERY = 0.05  # seconds between pieces shown


class TextFlow:
    """Pieces of one call's replies, try after try.

    Args:
        node: the call's node.
        sink: where the pieces are shown.
    """

    def __init__(self, node: str, sink: Sink) -> None:
        self.first: float | None = None  # when the first piece of this try came, monotonic
        self.closed = False
        self._node = node
        self._sink = sink
        self._pieces: list[str] = []
        self._hidden: list[str] = []  # those of them not yet shown
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    @property
    def text(self) -> str:
        """All of this try so far."""
        return whole("".join(self._pieces))

    def take(self, piece: str) -> None:
        """Take in a piece, and show what is hidden if it is time."""
        if self.closed or not piece:
            return
        if self.first is None:
            self.first = time.monotonic()
        self._pieces.append(piece)
        self._hidden.append(piece)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait = self._last + TEXT_EVERY - loop.time()
            if wait <= 0:
                self._show()
            else:
                self._timer = loop.call_later(wait, self._show)

    def restart(self) -> None:
        """Forget this try's pieces: another begins."""
        self._pieces, self._hidden, self.first = [], [], None

    def close(self) -> None:
        """Show nothing more."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        if self._hidden:
            piece, self._hidden = "".join(self._hidden), []
            self._sink.emit(CallText(node=self._node, text=whole(piece)))


def whole(text: str) -> str:
    """Replace lone surrogates, which a reply may hold as JSON escapes and no file can."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text
