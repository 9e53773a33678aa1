"""Interrupts while a cell stays with a run: raised where they can be taken, kept until then.

A KeyboardInterrupt that tore our own work (opening a view, sending a command) would leave a run
that nobody is with. Guarantees: within ``Interruptible``, an interrupt is raised only inside
``window``; one that came before is raised as a window opens; none is lost.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interruptible:
    """Holds interrupts back on the main thread; elsewhere there are none to hold."""

    def __init__(self) -> None:
        self._open = False
        self._pending = False
        self._previous: Any = None
        self._here = False

    def __enter__(self) -> Interruptible:
        self._here = threading.current_thread() is threading.main_thread()
        if self._here:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._here:
            signal.signal(signal.SIGINT, self._previous or signal.default_int_handler)
        if self._pending and kind is None:
            raise KeyboardInterrupt

    @contextmanager
    def window(self) -> Iterator[None]:
        """Here an interrupt is raised."""
        self._open = True
        try:
            if self._pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False

    @property
    def pending(self) -> bool:
        """Whether one has come that nobody has taken."""
        return self._pending

    def take(self) -> None:
        """The interrupt that was raised has been dealt with."""
        self._pending = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._open:
            self._open = False  # a second one waits for the next window
            raise KeyboardInterrupt
        self._pending = True
