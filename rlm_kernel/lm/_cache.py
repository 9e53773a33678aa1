"""Replies that are already paid for, by the content of the request.

Guarantees: bounded in memory (least recently used go first); a file on disk is either whole or
not there; one that can't be read is a miss, and said in the log of the process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections import OrderedDict
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..protocol import CallRequest, Reply, Usage

log = logging.getLogger(__name__)

_encode = json.JSONEncoder(sort_keys=True, default=str).encode
_SHORT = 20_000  # characters of the longest message whose digest is kept
_OVERHEAD = 500  # bytes that a small reply takes besides its text


def cache_key(request: CallRequest, where: str) -> str:
    """Give the key of a request: equal only when all that shapes the reply is equal.

    Args:
        request: what is asked.
        where: the provider and, where there is one, its address.
    """
    c = request.constraint
    parts = [
        2, request.model, where,
        hashlib.sha256(
            "".join([_digest(m["role"], m["content"]) for m in request.messages]).encode()
        ).hexdigest(),
        None if c is None else [c.schema, c.choices, c.grammar],
        request.max_tokens, request.temperature, request.stop,
    ]  # fmt: skip
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


def _digest(role: str, content: str) -> str:
    return _kept(role, content) if len(content) <= _SHORT else _digest_of(role, content)


def _digest_of(role: str, content: str) -> str:
    return hashlib.sha256(f"{role}\0{content}".encode("utf-8", "surrogatepass")).hexdigest()


# Of a chat all but the newest message was there at the turn before.
_kept = lru_cache(maxsize=1024)(_digest_of)


class ReplyCache:
    """A cache in memory, and in a folder where one is given.

    Args:
        size: the most bytes kept in memory.
        folder: where replies are kept for later sessions, or None.
    """

    def __init__(self, size: int = 64 << 20, folder: str | None = None) -> None:
        self.size = size
        self.folder = Path(folder).expanduser() if folder else None
        self.used = 0
        self._replies: OrderedDict[str, Reply] = OrderedDict()

    def get(self, key: str) -> Reply | None:
        """Give a reply from memory, None where there is none."""
        reply = self._replies.get(key)
        if reply is not None:
            self._replies.move_to_end(key)
        return reply

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply in memory."""
        size = _size(reply)
        if size > self.size:
            return
        old = self._replies.pop(key, None)
        self.used += size - (0 if old is None else _size(old))
        self._replies[key] = reply
        while self.used > self.size:
            _, gone = self._replies.popitem(last=False)
            self.used -= _size(gone)

    def load(self, key: str) -> Reply | None:
        """Give a reply from the folder. Blocks."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            data = json.loads(path.read_text("utf-8"))
            usage = Usage(**data.pop("usage"))
            reply = Reply(usage=usage, **data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            log.warning("The cached reply %s can't be read (%s): asking anew.", path, error)
            return None
        return reply if isinstance(reply.text, str) else None

    def store(self, key: str, reply: Reply) -> None:
        """Keep a reply in the folder, readable by its owner only. Blocks."""
        if self.folder is None:
            return
        path = self._path(key)
        data: dict[str, Any] = asdict(reply)
        try:
            text = json.dumps(data)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")  # mode 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except (OSError, TypeError, ValueError) as error:
            log.warning("A reply can't be kept in %s (%s).", self.folder, error)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"


def _size(reply: Reply) -> int:
    return len(reply.text) * 2 + _OVERHEAD
