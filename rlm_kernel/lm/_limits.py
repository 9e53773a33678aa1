"""How many calls of one model are in flight, and how fast they go out.

Guarantees: never more in flight than the limit; first come, first served; a cancelled waiter
takes nothing with it; after a 429 the whole model slows down, not the one call that saw it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

V = TypeVar("V")


def matching(table: Mapping[str, V], model: str) -> V | None:
    """Give the value of the longest pattern that fits a model's name, None where none does."""
    best = max((p for p in table if fnmatchcase(model, p)), key=len, default=None)
    return None if best is None else table[best]


class Slots:
    """A semaphore whose limit halves on a refusal and grows back one call at a time."""

    def __init__(self, limit: int) -> None:
        self.ceiling = max(1, limit)
        self.limit = self.ceiling
        self.used = 0
        self._grown = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Take a slot, waiting for one in order."""
        if self.used < self.limit and not self._waiting:
            self.used += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # the slot was handed over while we were being cancelled
            raise

    def release(self) -> None:
        """Give a slot back; the first who waits gets it."""
        self.used -= 1
        self._wake()

    def succeeded(self) -> None:
        """Note a call that wasn't refused: a limit that was halved grows by one per round."""
        if self.limit < self.ceiling:
            self._grown += 1
            if self._grown >= self.limit:
                self._grown = 0
                self.limit += 1
                self._wake()

    def refused(self) -> None:
        """Note that the provider asked for fewer calls."""
        self._grown = 0
        self.limit = max(1, min(self.limit, self.used or 1) // 2)

    def _wake(self) -> None:
        while self._waiting and self.used < self.limit:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.used += 1
                waiter.set_result(None)


class Bucket:
    """A token bucket that holds one second's worth; who takes more than that runs up a debt.

    Places are given out in the order of asking, each with the time it has to wait.
    """

    def __init__(self, per_minute: float) -> None:
        self.rate = per_minute / 60.0
        self.capacity = max(1.0, self.rate)
        self._level = self.capacity
        self._at = time.monotonic()

    def take(self, amount: float) -> float:
        """Take an amount now; give the seconds to wait before using it."""
        now = time.monotonic()
        self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now
        short = min(amount, self.capacity) - self._level
        self._level -= amount
        return max(0.0, short / self.rate)

    def give(self, amount: float) -> None:
        """Give back what wasn't used (or, if negative, take what was used beyond)."""
        self._level += amount


class Throttle:
    """Everything that holds a model's calls back: slots, requests and tokens a minute, 429s."""

    def __init__(
        self, concurrency: int, requests: float | None = None, tokens: float | None = None
    ) -> None:
        self.slots = Slots(concurrency)
        self._requests = Bucket(requests) if requests else None
        self._tokens = Bucket(tokens) if tokens else None
        self._quiet_until = 0.0

    async def enter(self, tokens: int) -> None:
        """Wait until a call of this many tokens may go out; ``leave`` must follow."""
        await self.slots.acquire()
        try:
            if self._requests is not None or self._tokens is not None:
                await self._pace(tokens)
            while (quiet := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(quiet)
        except BaseException:
            self.slots.release()
            raise

    def leave(self) -> None:
        """Give the call's place back."""
        self.slots.release()

    def used(self, estimated: int, real: int) -> None:
        """Correct the tokens a call was thought to need by those it did."""
        self.slots.succeeded()
        if self._tokens is not None:
            self._tokens.give(estimated - real)

    def refused(self, wait: float) -> None:
        """Keep every call of the model back for this many seconds."""
        self.slots.refused()
        self._quiet_until = max(self._quiet_until, time.monotonic() + wait)

    async def _pace(self, tokens: int) -> None:
        wait = self._requests.take(1) if self._requests else 0.0
        if self._tokens:
            wait = max(wait, self._tokens.take(tokens))
        try:
            if wait > 0:
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            if self._requests:
                self._requests.give(1)
            if self._tokens:
                self._tokens.give(tokens)
            raise
