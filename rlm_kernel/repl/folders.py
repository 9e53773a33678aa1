"""Folders that go with the process that made them, and with no fork of it."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from ..log.inside import remove_tree

_made: dict[Path, int] = {}  # and the process that did


def make(prefix: str, near: str | None = None) -> Path:
    """Make an empty folder that only this user can read, in ``near`` or the usual place."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=near))
    _made[folder] = os.getpid()
    return folder


def remove(folder: Path) -> None:
    """Remove a folder and what is in it; what can't be removed stays."""
    remove_tree(folder)
    _made.pop(folder, None)


@atexit.register
def _remove_all() -> None:
    for folder in [folder for folder, process in _made.items() if process == os.getpid()]:
        remove(folder)
