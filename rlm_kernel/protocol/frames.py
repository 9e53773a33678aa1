"""The frames between our processes (kernel and engine, kernel and gateway): JSON and binary parts.

A frame is ``length of the JSON`` (4 bytes, big-endian), the JSON, then the parts, whose lengths
are in the JSON under ``parts``. Sizes are checked before anything is read or made, and so is the
number of items in the JSON: ``[]`` is two bytes there, and a list of sixty.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import Sequence
from typing import Any

from ..errors import ReplError

MOST_JSON = 64 << 20
MOST_PARTS = 1 << 30
MOST_COUNT = 100_000
MOST_ITEMS = 2_000_000  # lists, dicts and what is in them: some 200 bytes each, at worst
_HEAD = struct.Struct("!I")
HEAD = _HEAD.size
_QUOTE = ord('"')
# A text is passed over whole, and one that isn't closed goes on to the end: nothing is read twice.
_ITEM = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[{,]', re.DOTALL)


def pack(
    message: dict[str, Any], parts: Sequence[bytes] = (), *, trusted: bool = False
) -> list[bytes]:
    """Give a frame in pieces.

    Args:
        message, parts: what is in it.
        trusted: whether its reader trusts us, so that it may have any number of items.

    Raises:
        ReplError: it is too big.
    """
    if parts:
        message = {**message, "parts": [len(p) for p in parts]}
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    if sum(map(len, parts)) > MOST_PARTS:
        msg = (
            "More than 1 GiB can't go between a kernel and the engine at once; send it in pieces, "
            "or write it to a file and send its path."
        )
        raise ReplError(msg)
    if len(body) > MOST_JSON or len(parts) > MOST_COUNT:
        msg = (
            f"A value with more than {MOST_JSON >> 20} MiB of short items, or {MOST_COUNT:,} long "
            "ones, can't go between a kernel and the engine at once; send it in pieces, or as a "
            "text, an array or a table."
        )
        raise ReplError(msg)
    if not trusted:
        refuse_items(body)
    return [_HEAD.pack(len(body)) + body, *parts]


def body_size(head: bytes) -> int:
    """Give the size of the JSON that follows a head; raise ``ReplError`` when it is absurd."""
    size: int = _HEAD.unpack(head)[0]
    if size > MOST_JSON:
        msg = "A frame of the channel is too big."
        raise ReplError(msg)
    return size


def refuse_items(text: bytes) -> None:
    """Raise ``ReplError`` for JSON of so many items that reading it would take a lot of memory."""
    if text.count(b",") + text.count(b"[") + text.count(b"{") <= MOST_ITEMS:
        return  # the quick way, which takes what is in texts for items
    items = 0
    for found in _ITEM.finditer(text):
        items += text[found.start()] != _QUOTE
        if items > MOST_ITEMS:
            msg = (
                f"A value of more than {MOST_ITEMS:,} items can't come from a kernel at once; send "
                "it in pieces, or as a text, an array or a table."
            )
            raise ReplError(msg)


def unpack(body: bytes, *, trusted: bool = False) -> tuple[dict[str, Any], list[int]]:
    """Give the message and the sizes of the parts that follow.

    Args:
        body: the JSON of a frame.
        trusted: whether it may have any number of items.

    Raises:
        ReplError: it is malformed, or has too many items.
    """
    if not trusted:
        refuse_items(body)
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
