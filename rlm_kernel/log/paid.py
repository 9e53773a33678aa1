"""Replies that were paid for, as the gateway process had them, beside a run's log.

They are written, and on the disk, before the kernel gets them: a kernel that dies in between loses
nothing. One JSON object a line; a last line that was cut is left out.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .inside import open_inside, read_inside

NAME = "paid.jsonl"
VERSION = 1


def line_of(call: str, key: str, reply: dict[str, Any], at: float) -> bytes:
    """Give the line of one reply.

    Args:
        call: an id of the call, unique to one sending of it.
        key: of the request, as ``CallEnded.key``.
        reply: ``text``, ``model``, ``usage``, ``finish``.
        at: epoch seconds.
    """
    data = {"v": VERSION, "call": call, "key": key, "at": round(at, 3)}
    data |= {name: reply[name] for name in ("model", "text", "usage", "finish")}
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


def append(folder: Path, lines: Iterable[bytes]) -> None:
    """Write lines to a run's file, to the disk itself.

    Raises:
        OSError: the folder isn't there, or can't be written.
    """
    file = open_inside(folder, NAME, flags=os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, b"".join(lines))
        os.fsync(file)
    finally:
        os.close(file)


def read_paid(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Give the replies by the key of their request, oldest first, as far as they can be read."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    try:
        lines = read_inside(folder, NAME).splitlines()
    except OSError:
        return {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            data = json.loads(line)
            if data["v"] == VERSION and isinstance(data["text"], str):
                found[str(data["key"])].append(data)
    return dict(found)


def forget(folder: Path) -> None:
    """Remove the file: all of it is in the run's log."""
    with suppress(OSError):
        (folder / NAME).unlink()
