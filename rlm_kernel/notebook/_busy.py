"""Keeping the kernel's *busy* true while requests come over the control channel.

Each of them ends with an *idle*, and front ends take that for the whole kernel's though a cell
runs. So *busy* is said again, with the header of the cell that runs.

Guarantees:
- it is said right after the *idle* of the control channel, by the control channel's own loop;
- it is never said after the *idle* of the cell: what says it and what notes the cell's end hold
  the same lock, and what is sent is sent in that order;
- an *idle* that came after the cell's own *busy* but before the cell began is repaired as it
  begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ._front import parent_of

_MISSED = 1.0  # seconds from the *busy* of an execution to its beginning, at most
_HOOKS = ("pre_handler_hook", "post_handler_hook")


class Busy:
    """Says *busy* again while the main thread executes.

    Args:
        shell: whose kernel it is.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._kernel = shell.kernel
        self._lock = threading.Lock()
        self._parent: dict[str, Any] | None = None  # the request that is being executed
        self._missed = float("-inf")
        self._usual: dict[str, Callable[[], None]] = {}

    def open(self) -> None:
        """Listen for executions; one may be under way.

        ipykernel calls the two hooks right before and right after it handles a request, after its
        *busy* and before its *idle*; cells that run within a cell don't matter there.
        """
        kernel = self._kernel
        if not all(callable(getattr(kernel, name, None)) for name in _HOOKS):
            return
        self._usual = {name: getattr(kernel, name) for name in _HOOKS}
        kernel.pre_handler_hook, kernel.post_handler_hook = self._before, self._after
        self._begin()

    def close(self) -> None:
        """Listen no more."""
        for name, ours in zip(_HOOKS, (self._before, self._after), strict=True):
            if vars(self._kernel).get(name) == ours:  # else whoever came after us calls us
                del vars(self._kernel)[name]
                if getattr(self._kernel, name) != self._usual[name]:
                    setattr(self._kernel, name, self._usual[name])
        with self._lock:
            self._parent = None

    def repair(self) -> None:
        """Say *busy* where a cell runs; called once an *idle* was said that isn't the cell's."""
        with self._lock:
            if self._parent is None:
                self._missed = time.monotonic()
            else:
                self._say(self._parent)

    # ipykernel's own hooks let interrupts in and keep them out: ours stay outside of that.

    def _before(self) -> None:
        try:
            self._begin()
        finally:
            self._usual["pre_handler_hook"]()

    def _after(self) -> None:
        try:
            self._usual["post_handler_hook"]()
        finally:
            if threading.current_thread() is threading.main_thread():
                with self._lock:
                    self._parent = None

    def _begin(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a subshell's
        parent = parent_of(self._shell)
        if not parent or parent["header"].get("msg_type") != "execute_request":
            return
        with self._lock:
            self._parent = parent
            if time.monotonic() - self._missed < _MISSED:
                self._say(parent)

    def _say(self, parent: dict[str, Any]) -> None:
        self._kernel.session.send(
            self._kernel.iopub_socket,
            "status",
            {"execution_state": "busy"},
            parent=parent,
            ident=self._kernel._topic("status"),
        )
