"""The frames between our processes (kernel and engine, kernel and gateway): JSON and binary parts.

A frame is ``length of the JSON`` (4 bytes, big-endian), the JSON, then the parts, whose lengths
are in the JSON under ``parts``. Sizes are checked before anything is read or made.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Any

from ..errors import ReplError

MOST_JSON = 64 << 20
MOST_PARTS = 1 << 30
MOST_COUNT = 100_000
_HEAD = struct.Struct("!I")
HEAD = _HEAD.size


def pack(message: dict[str, Any], parts: Sequence[bytes] = ()) -> list[bytes]:
    """Give a frame in pieces; raise ``ReplError`` when it is too big."""
    if parts:
        message = {**message, "parts": [len(p) for p in parts]}
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(body) > MOST_JSON or sum(map(len, parts)) > MOST_PARTS or len(parts) > MOST_COUNT:
        msg = (
            "More than 1 GiB can't go between a kernel and the engine at once; send it in pieces, "
            "or write it to a file and send its path."
        )
        raise ReplError(msg)
    return [_HEAD.pack(len(body)) + body, *parts]


def body_size(head: bytes) -> int:
    """Give the size of the JSON that follows a head; raise ``ReplError`` when it is absurd."""
    size: int = _HEAD.unpack(head)[0]
    if size > MOST_JSON:
        msg = "A frame of the channel is too big."
        raise ReplError(msg)
    return size


def unpack(body: bytes) -> tuple[dict[str, Any], list[int]]:
    """Give the message and the sizes of the parts that follow; raise ``ReplError`` if malformed."""
    try:
        message = json.loads(body)
        sizes = message.get("parts", [])
        good = (
            isinstance(message, dict)
            and isinstance(sizes, list)
            and len(sizes) <= MOST_COUNT
            and all(type(n) is int and n >= 0 for n in sizes)
            and sum(sizes) <= MOST_PARTS
        )
    except (ValueError, AttributeError, RecursionError):
        good = False
    if not good:
        msg = "A frame of the channel is malformed."
        raise ReplError(msg)
    return message, sizes


async def read_frame(
    reader: asyncio.StreamReader, most: int | None = None
) -> tuple[dict[str, Any], list[bytes]]:
    """Read one frame; raise ``ReplError`` when it is malformed, or longer than ``most`` bytes."""
    size = body_size(await reader.readexactly(HEAD))
    if most is not None and size > most:
        msg = "The first frame of the channel is too big."
        raise ReplError(msg)
    message, sizes = unpack(await reader.readexactly(size))
    if most is not None and sizes:
        msg = "The first frame of the channel has parts."
        raise ReplError(msg)
    return message, [await reader.readexactly(n) for n in sizes]
