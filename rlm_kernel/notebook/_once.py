"""Doing what was asked once, however often and over however many ways it is asked."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Reply = dict[str, Any]


class Once:
    """Remembers the latest replies by who asked for what.

    Args:
        most: replies that are kept.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, str], Future[Reply | None]] = OrderedDict()

    def do(self, key: tuple[str, str], work: Callable[[], tuple[Reply, bool]]) -> Reply | None:
        """Do it, or give the reply of when it was done.

        Args:
            key: the client and the id.
            work: gives the reply, and whether it stands: one that doesn't isn't remembered.

        Returns:
            The reply; None where the first one broke off, so that it has to be asked anew.
        """
        with self._lock:
            future = self._done.get(key)
            first = future is None
            if future is None:
                future = self._done[key] = Future()
                while len(self._done) > self._most:
                    self._done.popitem(last=False)
        if not first:
            return future.result()
        reply: Reply | None = None
        stands = False
        try:
            reply, stands = work()
        finally:
            if not stands:
                with self._lock:
                    self._done.pop(key, None)
            future.set_result(reply)
        return reply
