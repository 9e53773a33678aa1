"""The limits of a cell: a clock that stops while the code waits in calls, and a cap on memory.

Guarantees:
- time between the start and the end of a call doesn't count against the cell's time limit,
  whichever thread of the cell made the call, and however many calls overlap;
- the memory limit is of this process's address space, on top of what it has when the cell begins;
  it is taken away when the cell ends, and where the system has no such limit the cell runs
  without one and a note says so.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECK = 0.5  # seconds between looks at the clock, at most


class Clock:
    """Seconds a cell has run, without those in which a call of its was in flight. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entered by a signal handler of the same thread
        self._began: float | None = None
        self._ended: float | None = None
        self._calls = 0
        self._since = 0.0
        self._waited = 0.0

    def start(self) -> None:
        """Begin to count."""
        with self._lock:
            self._began = time.monotonic()

    def stop(self) -> None:
        """Stop counting for good."""
        with self._lock:
            if self._ended is None:
                self._ended = time.monotonic()

    def enter(self) -> None:
        """A call has begun."""
        with self._lock:
            self._calls += 1
            if self._calls == 1:
                self._since = time.monotonic()

    def leave(self) -> None:
        """A call is over."""
        with self._lock:
            self._calls -= 1
            if self._calls == 0:
                self._waited += max(0.0, (self._ended or time.monotonic()) - self._since)

    @property
    def waited(self) -> float:
        """Seconds with a call in flight."""
        with self._lock:
            now = self._ended or time.monotonic()
            return self._waited + (max(0.0, now - self._since) if self._calls else 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the start, waits included."""
        with self._lock:
            if self._began is None:
                return 0.0
            return (self._ended or time.monotonic()) - self._began

    async def exceeded(self, limit: float | None) -> None:
        """Return when more than ``limit`` seconds were run; never, where it is None."""
        while True:
            left = CHECK if limit is None else limit - (self.seconds - self.waited)
            if left <= 0:
                return
            await asyncio.sleep(min(max(left, 0.01), CHECK))


def address_space() -> int | None:
    """Give the bytes of address space this process has, or None where that can't be read."""
    if sys.platform != "linux":
        return None
    import resource

    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    return pages * resource.getpagesize()


@contextmanager
def memory_limit(extra: int | None) -> Iterator[str]:
    """Cap this process at ``extra`` bytes more than it has now; yield a note where it can't be."""
    if extra is None:
        yield ""
        return
    now = address_space()
    if now is None:
        yield "This system has no memory limit for a cell, so it ran without one."
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + extra
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY:
        wanted = min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield ""
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
