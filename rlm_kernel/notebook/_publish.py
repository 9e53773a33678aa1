"""Putting displays and text where the running cell's output goes, from any thread.

Messages are sent with the parent that the cell had when the publisher was made: in ipykernel 7
what another thread prints goes to whichever cell ran last. The iopub socket takes messages from
any thread.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol, TextIO

from ._front import parent_of

Bundle = dict[str, Any]
Metadata = dict[str, Any]


class Publisher(Protocol):
    """Where a view puts what it shows."""

    def show(
        self, bundle: Bundle, display_id: str, *, update: bool, metadata: Metadata | None = None
    ) -> None:
        """Show a bundle, or put it in the place of what was shown under this id."""
        ...

    def write(self, text: str) -> None:
        """Write text as if the cell had printed it."""
        ...


class KernelPublisher:
    """Sends iopub messages with the parent of the cell that it was made in."""

    def __init__(self, shell: Any) -> None:
        self._pub = shell.display_pub
        self._parent = parent_of(shell)

    def show(
        self, bundle: Bundle, display_id: str, *, update: bool, metadata: Metadata | None = None
    ) -> None:
        """Show a bundle, or put it in the place of what was shown under this id."""
        if not update:
            sys.stdout.flush()
        content = {"data": bundle, "metadata": metadata or {},
                   "transient": {"display_id": display_id}}  # fmt: skip
        self._send("update_display_data" if update else "display_data", content)

    def write(self, text: str) -> None:
        """Write text as if the cell had printed it."""
        self._send("stream", {"name": "stdout", "text": text}, topic=b"stream.stdout")

    def _send(self, kind: str, content: dict[str, Any], topic: bytes | None = None) -> None:
        self._pub.session.send(
            self._pub.pub_socket,
            kind,
            content,
            parent=self._parent,
            ident=topic or self._pub.topic,
        )


class TerminalPublisher:
    """Prints on the stream that was ``sys.stdout`` when it was made, text only.

    A running cell's own ``sys.stdout`` is captured; what is written here isn't.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def show(
        self, bundle: Bundle, display_id: str, *, update: bool, metadata: Metadata | None = None
    ) -> None:
        """Print a bundle's text; what was printed can't be changed."""
        if not update:
            self.write(bundle.get("text/plain", "") + "\n")

    def write(self, text: str) -> None:
        """Print text."""
        self._stream.write(text)
        self._stream.flush()


def publisher_of(shell: Any) -> Publisher:
    """Make the publisher for the cell that runs now."""
    return KernelPublisher(shell) if hasattr(shell, "kernel") else TerminalPublisher()
