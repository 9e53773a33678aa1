"""Kernels that stand ready.

Guarantees:
- a kernel serves one run and is never handed to another;
- all of a pool are in the same kind of box;
- taking one starts the next in the background, one at a time;
- none outlives the process that made it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from traitlets import Float, Integer
from traitlets.config import Configurable

from ..errors import ReplError
from .box.policy import Policy
from .channel import Channel
from .process import KernelProcess

ROOM = 4 * 80 << 20  # bytes of free memory for each kernel kept ready: four times what one takes


class KernelPool(Configurable):
    """Starts kernels ahead of their use. All methods are of one loop: the engine's."""

    # That of a run, and those of four children.
    size = Integer(5, min=0, help="Kernels kept ready; fewer where memory is short.").tag(
        config=True
    )
    start_timeout = Float(60.0, help="Seconds that a kernel has to start.").tag(config=True)

    def __init__(self, policy: Policy | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.policy = policy or Policy()
        self._channel = Channel()
        self._ready: list[KernelProcess] = []
        self._given: set[KernelProcess] = set()
        self._filling: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        # More at once would only start more slowly, all of them.
        self._starting = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self._closed = False

    async def acquire(self) -> KernelProcess:
        """Give a kernel: one that stands ready, or a new one.

        Raises:
            ReplError: it can't be started; one sentence, with the last lines it wrote.
        """
        if self._closed:
            msg = "The pool of kernels is closed."
            raise ReplError(msg)
        while self._ready:
            kernel = self._ready.pop(0)
            if kernel.alive:
                self.fill()
                self._given.add(kernel)
                return kernel
            self.discard(kernel)
        kernel = await self._start()
        self._given.add(kernel)
        self.fill()
        return kernel

    def fill(self) -> None:
        """Start what is missing, in the background."""
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.ensure_future(self._fill())

    async def warm(self, count: int | None = None) -> None:
        """Wait until ``count`` kernels (default: ``size``) stand ready."""
        wanted = self._target() if count is None else count
        while len(self._ready) < wanted and not self._closed:
            await self._add()

    def discard(self, kernel: KernelProcess) -> None:
        """End a kernel, in the background."""
        self._given.discard(kernel)
        task = asyncio.ensure_future(kernel.end())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """End the kernels, those that were taken too, and the channel of all of them."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})
        for kernel in [*self._ready, *self._given]:
            self.discard(kernel)
        self._ready.clear()
        if self._background:
            await asyncio.wait(set(self._background))
        await self._channel.close()

    async def _fill(self) -> None:
        while len(self._ready) < self._target():
            try:
                await self._add()
            except ReplError:
                return  # whoever needs a kernel next is told why it can't be had

    async def _add(self) -> None:
        kernel = await self._start()
        if self._closed:
            await kernel.end()
        else:
            self._ready.append(kernel)

    async def _start(self) -> KernelProcess:
        async with self._starting:
            return await KernelProcess.start(self._channel, self.policy, self.start_timeout)

    def _target(self) -> int:
        free = free_memory()
        return self.size if free is None else min(self.size, free // ROOM)


def free_memory() -> int | None:
    """Give the bytes of memory that are free to use, or None where that can't be read."""
    if sys.platform != "linux":
        return None
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None
