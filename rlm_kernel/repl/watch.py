"""Watches a running cell from the engine's loop: its time, its output, and who wants it to end.

Guarantees:
- a cell past its time, one that writes without end, or one that a person interrupts gets a
  KeyboardInterrupt, again and again for ``grace`` seconds (code may swallow one);
- whether it has stopped by then is known and said, never waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from .limits import CHECK, Clock
from .spool import MOST

Why = Literal["", "time", "interrupt", "output"]
AGAIN = 0.5  # seconds between interrupts that aren't heeded


class Watch:
    """One running cell.

    Args:
        done: resolves when the cell is over.
        clock: the cell's clock.
        seconds: its time limit, or None.
        interrupt: raises KeyboardInterrupt in the cell.
        grace: seconds that an interrupted cell has to end.
        spool: the file of its output.
    """

    def __init__(
        self,
        done: asyncio.Future[Any],
        clock: Clock,
        seconds: float | None,
        interrupt: Callable[[], Awaitable[None]],
        *,
        grace: float,
        spool: Path,
    ) -> None:
        self._done = done
        self._clock = clock
        self._seconds = seconds
        self._interrupt = interrupt
        self._grace = grace
        self._spool = spool
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """A person wants the cell to end."""
        self._asked.set()

    async def over(self) -> tuple[Why, bool]:
        """Wait; give why the cell was interrupted, if it was, and whether it is over."""
        why = await self._first()
        if why == "":
            return "", True
        return why, await self.stop()

    async def stop(self) -> bool:
        """Interrupt until the cell is over or the grace is used up; say whether it is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._grace
        while not self._done.done() and (left := until - loop.time()) > 0:
            if self._clock.seconds == 0.0:
                break  # it hasn't begun, so there is nothing to wait for
            await self._interrupt()
            await asyncio.wait({self._done}, timeout=min(AGAIN, left))
        return self._done.done()

    async def _first(self) -> Why:
        others: dict[asyncio.Task[Any], Why] = {
            asyncio.ensure_future(self._asked.wait()): "interrupt",
            asyncio.ensure_future(self._flooded()): "output",
        }
        if self._seconds is not None:
            others[asyncio.ensure_future(self._clock.exceeded(self._seconds))] = "time"
        try:
            await asyncio.wait({self._done, *others}, return_when=asyncio.FIRST_COMPLETED)
            if self._done.done():
                return ""
            return next(why for task, why in others.items() if task.done())
        finally:
            for task in others:
                task.cancel()

    async def _flooded(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            if self._spool.exists() and self._spool.stat().st_size > MOST:
                return


SENTENCES: dict[Why, str] = {
    "time": "The cell ran past its limit of {seconds:g} s (time spent waiting in calls not "
    "counted) and was interrupted.",
    "output": "The cell wrote more than 1 GiB and was interrupted.",
    "interrupt": "The cell was interrupted.",
}


def sentence(why: Why, seconds: float | None) -> str:
    """Say why a cell was interrupted."""
    return SENTENCES[why].format(seconds=seconds or 0.0) if why else ""
