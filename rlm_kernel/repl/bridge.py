"""How code in a cell reaches what answers it: one small interface, in process or over a socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, Literal, Protocol

from ..errors import ReplError
from ..protocol import Call, Services

Method = Literal["llm_query", "rlm_query", "ask_human", "tool", "page"]


class Bridge(Protocol):
    """Sends what code asks for to the ``Services``, wherever they are. Thread-safe."""

    def submit(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Ask; cancelling the future cancels what is in flight."""
        ...


class LocalBridge:
    """Services in this process, on a loop of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, services: Services) -> None:
        self.loop = loop
        self.services = services

    def submit(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Ask on the loop; give the future of the answer."""
        if self.loop.is_closed():
            msg = "The engine's loop has ended, so nothing can answer a call; start a new run."
            raise ReplError(msg)
        answer = getattr(self.services, method)(call, *args)
        return asyncio.run_coroutine_threadsafe(answer, self.loop)
