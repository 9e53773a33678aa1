"""The calls that the code of a cell has in flight.

Guarantees:
- waiting for a call is ended at once by a KeyboardInterrupt, which cancels that call;
- an interrupt also cancels the calls that other threads of the cell wait for, so that leaving a
  thread pool doesn't wait for them;
- a cell that ends by itself cancels nothing: what its threads and tasks still ask for is answered
  (and paid for) as usual, and can be collected in a later cell.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from ..errors import Cancelled, ReplError
from ..protocol import Call
from .bridge import Bridge, Method
from .limits import Clock

POLL = 0.05  # seconds; only where a lock can't be interrupted


class Calls:
    """Starts calls over a bridge, waits for them, cancels them."""

    def __init__(self) -> None:
        self.bridge: Bridge | None = None
        self.clock = Clock()
        self._lock = threading.RLock()  # re-entered by a signal handler of the same thread
        self._flying: dict[Future[Any], int] = {}

    def start(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Send a call; raise ``ReplError`` where nothing answers here."""
        if self.bridge is None:
            msg = (
                f"{method} has no model to ask here: it works in the cells of a run, and after "
                "the session was given a model (%rlm)."
            )
            raise ReplError(msg)
        clock = self.clock
        clock.enter()
        try:
            future = self.bridge.submit(method, call, *args)
        except BaseException:
            clock.leave()
            raise
        with self._lock:
            self._flying[future] = threading.get_ident()

        def over(done: Future[Any]) -> None:
            clock.leave()
            with self._lock:
                self._flying.pop(done, None)

        future.add_done_callback(over)
        return future

    def wait(self, future: Future[Any]) -> Any:
        """Wait for a call on this thread; a KeyboardInterrupt cancels it."""
        try:
            return self._result(future)
        except CancelledError:
            msg = "The call was cancelled before its reply was whole."
            raise Cancelled(msg) from None
        except BaseException as error:
            future.cancel()
            raise error.with_traceback(None) from None  # the engine's frames help nobody here

    def cancel(self, *, spare: int | None = None) -> None:
        """Cancel what is in flight, except what the thread ``spare`` waits for."""
        with self._lock:
            flying = [f for f, thread in self._flying.items() if thread != spare]
        for future in flying:
            future.cancel()

    def _result(self, future: Future[Any]) -> Any:
        main = threading.current_thread() is threading.main_thread()
        if main and sys.platform != "win32":
            return future.result()  # the lock is left at once when a signal comes
        while True:
            try:
                return future.result(POLL)
            except FutureTimeout:
                if future.done():
                    return future.result()
