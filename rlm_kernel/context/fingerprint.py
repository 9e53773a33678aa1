"""What tells whether a context is the one that it was: size, and the hash of its two ends."""

from __future__ import annotations

import hashlib
from typing import Any

from .loaded import Loaded
from .text import Text

ENDS = 1 << 20  # characters (or bytes) at each end that are looked at: a context may be huge
_FILES = 1_000  # of a folder's


def fingerprint(loaded: Loaded) -> str:
    """Give the fingerprint of a text, of bytes or of a folder's files; ``""`` for other kinds."""
    value = loaded.value
    if loaded.kind == "files":
        whole = hashlib.sha256(str(len(value)).encode())
        for name in sorted(value)[:_FILES]:
            line = f"\0{name}\0{_of(value[name], ENDS >> 6)}"
            whole.update(line.encode("utf-8", "surrogatepass"))
        return f"files:{whole.hexdigest()}"
    return _of(value, ENDS)


def _of(value: Any, ends: int) -> str:
    if isinstance(value, str | Text):
        data = f"{value[:ends]}\0{value[-ends:]}".encode("utf-8", "surrogatepass")
        return f"text:{len(value)}:{hashlib.sha256(data).hexdigest()}"
    if isinstance(value, bytes | bytearray | memoryview):
        view = memoryview(value).cast("B")
        head_and_tail = bytes(view[:ends]) + bytes(view[-ends:])
        return f"bytes:{view.nbytes}:{hashlib.sha256(head_and_tail).hexdigest()}"
    return ""
