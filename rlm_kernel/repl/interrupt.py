"""Interrupts: a KeyboardInterrupt reaches the code of a cell, and nothing else.

Guarantees, while an ``Interrupts`` is entered on the main thread:
- a SIGINT while a cell's code runs raises KeyboardInterrupt there at once;
- one that comes between (while a result is put together) never tears our own work: a person's
  is raised once that work is done, one that the engine asked for is dropped, because the cell
  that it meant is over;
- on a thread that isn't the main one, the exception is set asynchronously instead: it is raised
  at the next bytecode, and not inside a blocking call.
"""

from __future__ import annotations

import _thread
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """Routes interrupts to the code of a cell while cells are run by this thread.

    Args:
        on_interrupt: called with the thread of the cell just before the exception is raised there.
    """

    def __init__(self, on_interrupt: Callable[[int], None]) -> None:
        self._on_interrupt = on_interrupt
        self._lock = threading.RLock()
        self._thread: int | None = None
        self._code = False  # a cell's code runs
        self._work = False  # our own work that must not be torn
        self._asked = False  # the engine sent the signal that is on its way
        self._late = False  # a person's signal came while we worked
        self._previous: Any = None
        self._depth = 0
        self.happened = False  # an interrupt was raised in the present cell

    def __enter__(self) -> Interrupts:
        self._depth += 1
        if self._depth == 1:
            self._thread = threading.get_ident()
            if threading.current_thread() is threading.main_thread():
                self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if self._depth == 0 and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._previous or signal.default_int_handler)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Our own work on this thread; a person's interrupt is raised when it is done."""
        outer, self._work = self._work, True
        try:
            yield
        finally:
            self._work = outer
        if self._late and not outer:
            self._late = False
            raise KeyboardInterrupt

    def begin(self) -> None:
        """The code of a cell runs from here on: an interrupt is raised in it."""
        self.happened = False
        self._code = True
        if self._late:  # a person's came while we were about to begin: it means this cell
            self._late = False
            self.happened = True
            self._on_interrupt(threading.get_ident())
            raise KeyboardInterrupt

    def end(self) -> None:
        """The cell's code is over; whatever signal was sent for it is used up."""
        while True:
            try:
                self._code = False
                with self._lock:
                    pass  # no ``send`` is halfway from here on
                _checkpoint()  # a pending signal's handler runs now, not after the next line
                self._asked = False
                return
            except KeyboardInterrupt:
                self.happened = True

    def send(self) -> bool:
        """Interrupt the cell's code from any thread; False where none runs."""
        with self._lock:
            if not self._code or self._thread is None:
                return False
            if self._thread != threading.main_thread().ident:
                self.happened = True
                self._on_interrupt(self._thread)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
                )
                return True
            self._asked = True
            if sys.platform == "win32":
                _thread.interrupt_main()
            else:
                signal.pthread_kill(self._thread, signal.SIGINT)
        return True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True  # IPython shows a person their own lines
        if self._code:
            self._asked = False
            self.happened = True
            self._on_interrupt(threading.get_ident())
            raise KeyboardInterrupt
        if self._asked:
            self._asked = False
        elif self._work:
            self._late = True
        else:
            raise KeyboardInterrupt


def _checkpoint() -> None:
    """Let Python run the handlers of signals that have come: it does at every call."""
