"""Where a solve of the Tiny Recursive Model is told: who watches says so, and ``trm`` tells them.

``trm`` knows of no runs and no notebooks. A run's tools and a notebook's session say here in which
log, and under which node, what is solved meanwhile belongs; where nobody says so nothing is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .calls import Sink
from .events import Event, SolveEnded, SolveStarted


class SolvePlace:
    """A node that solves hang under; thread-safe.

    Args:
        sink: the log.
        parent: the node.
        line: of the cell that the node is, from which they were asked for.
    """

    def __init__(self, sink: Sink, parent: str, line: int | None = None) -> None:
        self.sink, self.parent, self.line = sink, parent, line
        self._lock = threading.Lock()
        self._open: dict[str, None] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing is told there any more, and what is solved is to end."""
        return self._closed

    def tell(self, event: Event) -> None:
        """Write an event of a solve; nothing where the place was closed."""
        with self._lock:
            if self._closed:
                return
            if isinstance(event, SolveStarted):
                self._open[event.node] = None
            elif isinstance(event, SolveEnded):
                self._open.pop(event.node, None)
            self.sink.emit(event)

    def close(self) -> None:
        """End what is open, as cancelled: a thread that solves can't be, and may go on a while."""
        with self._lock:
            self._closed = True
            for node in self._open:
                self.sink.emit(SolveEnded(
                    node=node, status="cancelled", error="The solve was cancelled."
                ))  # fmt: skip
            self._open.clear()


Where = Callable[[], SolvePlace | None]
_inside: ContextVar[Where | None] = ContextVar("rlm_solves", default=None)
_outside: list[Where] = []


@contextmanager
def solves_in(place: SolvePlace | None) -> Iterator[None]:
    """Have what is solved in this context told in a place; None: told nowhere."""
    token = _inside.set(lambda: place)
    try:
        yield
    finally:
        _inside.reset(token)


def watch_solves(where: Where) -> Callable[[], None]:
    """Have solves that no ``solves_in`` is around told, too.

    Args:
        where: gives their place, or None.

    Returns:
        A function that ends it.
    """
    _outside.append(where)
    return lambda: _outside.remove(where) if where in _outside else None


def solve_place() -> SolvePlace | None:
    """Give where a solve that begins now is to be told; None: nowhere."""
    where = _inside.get() or (_outside[-1] if _outside else None)
    return None if where is None else where()
