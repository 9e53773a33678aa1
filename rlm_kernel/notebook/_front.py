"""What the front end of the cell that runs now can do.

The protocol has no message that says it, so it is read from what the front end sends anyway:
JupyterLab, Notebook 7 and VS Code put the cell's id into a request's metadata, consoles don't;
nbclient and papermill say that nobody can be asked.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Front:
    """What the front end can do.

    Args:
        updates: whether a display can be changed after it was shown.
        stdin: whether a person can be asked by ``input()``.
        cells: whether it puts the text of ``set_next_input`` into a new cell.
        widgets: how it may show a widget: ``"mount"`` (its model alone is enough), ``"view"``
            (it loads a model only where a view of it is shown), or not at all.
    """

    updates: bool
    stdin: bool
    cells: bool
    widgets: Literal["", "mount", "view"] = ""


def front_of(shell: Any) -> Front:
    """Say what the front end that asked for the running cell can do."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        person = type(shell).__name__ == "TerminalInteractiveShell" and sys.stdin.isatty()
        return Front(updates=False, stdin=person, cells=False)
    stdin = bool(getattr(kernel, "_allow_stdin", False))
    metadata = (parent_of(shell) or {}).get("metadata") or {}
    cells = any(key in metadata for key in ("cellId", "cell_id"))
    widgets: Literal["", "mount", "view"] = ""
    if stdin and "google.colab" in sys.modules:
        widgets = "view"
    elif stdin and cells:
        # VS Code's ids of cells are addresses, JupyterLab's and Notebook's aren't.
        cell = metadata.get("cellId") or metadata.get("cell_id")
        widgets = "view" if str(cell).startswith("vscode-") else "mount"
    return Front(updates=cells or not stdin, stdin=stdin, cells=cells and stdin, widgets=widgets)


def parent_of(shell: Any) -> dict[str, Any] | None:
    """Give the request that the running cell came with, or None outside a kernel."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent: dict[str, Any] | None = kernel.get_parent("shell")
    return parent


def cell_of(shell: Any) -> str:
    """Give the id of the notebook cell that runs now, or an empty text where it has none."""
    metadata = (parent_of(shell) or {}).get("metadata") or {}
    return str(metadata.get("cellId") or metadata.get("cell_id") or "")


def session_of_client(shell: Any) -> str:
    """Give the session of the front end that asked for the running cell."""
    header = (parent_of(shell) or {}).get("header") or {}
    return str(header.get("session") or "")
