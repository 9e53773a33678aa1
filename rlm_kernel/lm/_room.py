"""Room that calls in flight share, in tokens: one that doesn't fit beside the others waits.

The local engine has one memory for all its requests. Two long ones at once would not fail: it
silently ends one of them after a word. So they take turns here, first come, first served.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Room:
    """Tokens to share on one loop; a call that asks for more than there are gets all of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def take(self, tokens: int) -> AsyncIterator[None]:
        """Hold ``tokens`` for as long as the block runs, waiting for them first."""
        tokens = max(1, min(tokens, self.size))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given in the same moment
                self._give(tokens)
            else:
                self._waiting = deque(w for w in self._waiting if w[1] is not turn)
                self._serve()
            raise
        try:
            yield
        finally:
            self._give(tokens)

    def _give(self, tokens: int) -> None:
        self._free += tokens
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            tokens, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= tokens
                turn.set_result(None)
