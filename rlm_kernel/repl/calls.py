"""The calls that the code of a cell has in flight.

Guarantees:
- waiting for a call is ended at once by a KeyboardInterrupt, which cancels that call;
- an interrupt also cancels the calls that other threads of the cell wait for, and refuses those
  that they would still start, so that leaving a thread pool doesn't wait for them;
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
        self._halted_for: int | None = None  # only this thread may call: the cell is interrupted

    def begin(self, clock: Clock) -> None:
        """A cell begins."""
        self.clock = clock
        self._halted_for = None

    def halt(self, thread: int) -> None:
        """The cell on this thread is interrupted: no other thread of its waits for a call."""
        self._halted_for = thread
        self.cancel(spare=thread)

    def start(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Send a call; raise ``ReplError`` where nothing answers here."""
        if self.bridge is None:
            msg = (
                f"{method} has no model to ask here: it works in the cells of a run, and after "
                "the session was given a model (%rlm)."
            )
            raise ReplError(msg)
        thread = threading.get_ident()
        if self._halted_for not in (None, thread):
            msg = "The cell is interrupted, so no call was sent."
            raise Cancelled(msg)
        clock = self.clock
        clock.enter()
        try:
            future = self.bridge.submit(method, call, *args)
        except BaseException:
            clock.leave()
            raise
        with self._lock:
            self._flying[future] = thread
        if self._halted_for not in (None, thread):  # interrupted just now
            future.cancel()

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
        # The main thread leaves the lock at once when a signal comes.
        poll = None if main and sys.platform != "win32" else POLL
        while True:
            try:
                error = future.exception(poll)
            except FutureTimeout:
                continue
            if error is not None:  # result() takes a falsy exception, as ModelError is, for none
                raise error
            return future.result()
