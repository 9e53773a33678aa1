"""While a run's cells execute in a person's cell: what they show is held back.

The view shows it instead, in its place in the tree. Pictures still appear under the view, since
the tree has none. An error of a model's cell isn't an error of the person's cell: papermill would
take the one for the other.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_PICTURES = ("image/png", "image/svg+xml", "image/jpeg", "image/gif")
KEPT = 2_000  # characters of live output


class Tail(io.TextIOBase):
    """A stream of which only the end is kept, to be shown while a cell runs."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.text = ""

    def write(self, text: str) -> int:
        """Take text in."""
        self.text = (self.text + text[-KEPT:])[-KEPT:]
        self._changed()
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True


@contextmanager
def held_back(shell: Any, tail: Tail) -> Iterator[None]:
    """Hold back what cells of a run print, return and raise in this shell."""
    hook = shell.displayhook
    publish = shell.display_pub.publish

    def write_format_data(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        if any(kind in data for kind in _PICTURES):
            publish(data, metadata or {})

    with ExitStack() as stack:
        stack.enter_context(_replaced(hook, "write_format_data", write_format_data))
        stack.enter_context(_replaced(hook, "write_output_prompt", lambda: None))
        stack.enter_context(_replaced(shell, "_showtraceback", lambda *_, **__: None))
        before = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = tail
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    missing = object()
    before = vars(owner).get(name, missing)
    vars(owner)[name] = value
    try:
        yield
    finally:
        if before is missing:
            vars(owner).pop(name, None)
        else:
            vars(owner)[name] = before
