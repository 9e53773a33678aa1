"""Replies that were paid for, as the gateway process had them, beside a run's log.

They are written, and on the disk, before the kernel gets them: a kernel that dies in between loses
nothing. One JSON object a line; a line that was cut is left out, and takes no other with it. Code
of a run may have written the file: of a long one the end is read, and no line that is too long.
"""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .inside import open_inside

NAME = "paid.jsonl"
VERSION = 1
_FIELDS = frozenset({"v", "call", "key", "at", "model", "text", "finish"})
MOST = 256 << 20  # bytes of a file that are read
LONGEST = 16 << 20  # bytes of a line


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
    file = open_inside(folder, NAME, flags=os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.lseek(file, size - 1, 0) >= 0 and os.read(file, 1) != b"\n"
        left = memoryview(b"\n" * torn + b"".join(line for line in lines if len(line) <= LONGEST))
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def read_paid(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Give the replies by the key of their request, oldest first, as far as they can be read."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for data in _replies(folder):
        found[str(data["key"])].append(data)
    return dict(found)


def find_paid(folder: Path, key: str, call: str) -> dict[str, Any] | None:
    """Give the reply of one call, or None; one line at a time is in memory."""
    found = (d for d in _replies(folder) if d["key"] == key and d.get("call") == call)
    return next(found, None)


def _replies(folder: Path) -> Iterator[dict[str, Any]]:
    with suppress(OSError), os.fdopen(open_inside(folder, NAME), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return
        left = min(about.st_size, MOST)  # what is written meanwhile isn't waited for
        file.seek(about.st_size - left)
        whole = left == about.st_size
        while left > 0 and (line := file.readline(min(LONGEST, left))):
            left -= len(line)
            good, whole = whole, line.endswith(b"\n")
            if not good or (len(line) == LONGEST and not whole):
                continue
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                data = json.loads(line)
                if data["v"] == VERSION and isinstance(data["text"], str):
                    data["key"] = str(data["key"])
                    yield {name: value for name, value in data.items() if _kept(name, value)}


def _kept(name: str, value: Any) -> bool:
    """Say whether a field is one of ours: nothing else is held in memory."""
    if name == "usage":
        return isinstance(value, dict) and all(map(_plain, value.values()))
    return name in _FIELDS and _plain(value)


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def forget(folder: Path) -> None:
    """Remove the file: all of it is in the run's log."""
    with suppress(OSError):
        (folder / NAME).unlink()
