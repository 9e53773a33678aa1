"""Bringing a log to the disk itself, many events at a time, off the event loop.

One thread waits for something to sync, syncs all there is, tells who waited, and ends after a
moment of rest; the next request starts it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

_REST = 1.0  # seconds without work after which the thread ends
_GATHER = 0.02  # seconds between two syncs, where nobody waits for one


class Syncer:
    """Group commit: requests during a sync, and in the moment after it, join the next one.

    Args:
        sync: does the work; may raise OSError.
        on_error: is told about such an error, on the syncing thread.
    """

    def __init__(self, sync: Callable[[], None], on_error: Callable[[OSError], None]) -> None:
        self._sync = sync
        self._on_error = on_error
        self._changed = threading.Condition()
        self._asked = 0
        self._done = 0
        self._running = False
        self._closed = False
        self._idle = False  # the thread has nothing to do: a request wakes it
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Ask that all written so far be synced; returns at once."""
        with self._changed:
            if self._closed:
                return
            self._asked += 1
            if not self._running:
                self._running = True
                self._thread = threading.Thread(target=self._work, name="rlm-log-sync", daemon=True)
                self._thread.start()
            if self._idle:
                self._changed.notify_all()

    def when_done(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` (on any thread) once all that was asked for so far has been tried."""
        with self._changed:
            if self._done < self._asked:
                self._waiting.append((self._asked, tell))
                self._changed.notify_all()
                return
        tell()

    def close(self) -> None:
        """Finish what was asked for and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closed and self._done:
                    self._changed.wait(_GATHER)
                while self._done == self._asked:
                    self._idle = True
                    woken = not self._closed and self._changed.wait(_REST)
                    self._idle = False
                    if not woken and self._done == self._asked:
                        self._running = False
                        return
                target = self._asked
            try:
                self._sync()
            except OSError as error:
                self._on_error(error)
            except Exception as error:  # who waits must be told, whatever went wrong
                self._on_error(OSError(f"{type(error).__name__}: {error}"))
            with self._changed:
                self._done = target
                told = [tell for number, tell in self._waiting if number <= target]
                self._waiting = [item for item in self._waiting if item[0] > target]
            for tell in told:
                tell()
