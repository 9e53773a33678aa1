"""The whole output of each cell of a run, in files of the run's own folder.

Guarantees:
- the files are readable by this user only, and are never followed through a link;
- any text survives: lone surrogates, NUL, megabyte-long lines; bytes that are no text
  (a subprocess's) come out as U+FFFD;
- reading an output's head and tail, or a page of it, takes memory for a chunk, not for the whole.
"""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..errors import ReplError
from ..protocol import Output

CHUNK = 1 << 20
MOST = 1 << 30  # bytes of one cell's output that are kept on disk


def _undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogatepass")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


codecs.register_error("rlm-spool", _undecodable)


class Outputs(Protocol):
    """Where the process that runs cells puts their outputs, and finds those of earlier ones."""

    def open(self, number: int) -> int:
        """Open the file of a cell for appending; the descriptor is the caller's."""
        ...

    def page(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of a cell's whole output."""
        ...


class Spool:
    """The folder with the outputs of a run's cells, numbered from 1."""

    def __init__(self, folder: str | None = None) -> None:
        self._own = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="rlm-run-"))

    def path(self, number: int) -> Path:
        """Give the file of a cell."""
        return self.folder / f"cell-{number}.txt"

    def create(self, number: int) -> Path:
        """Make the empty file of a cell; raise ``OSError`` where it can't be written."""
        path = self.path(number)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOFOLLOW, 0o600))
        return path

    def open(self, number: int) -> int:
        """Open the file of a cell for appending; the descriptor is the caller's."""
        return os.open(self.path(number), os.O_WRONLY | os.O_APPEND | _NOFOLLOW)

    def output(self, number: int, limit: int) -> Output:
        """Give the head and tail of a cell's output, ``limit`` characters together."""
        return read_output(self.path(number), limit)

    def page(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of a cell's whole output.

        Raises:
            ReplError: there is no such cell, or its output is gone.
        """
        try:
            return _page(self.path(number), start, stop)
        except OSError:
            msg = f"There is no output of a cell {number}: none of that number has run."
            raise ReplError(msg) from None

    def close(self) -> None:
        """Remove the folder, if it was made here."""
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _chunks(path: Path) -> Iterator[str]:
    """Give a file's text in pieces; no piece ends within a character."""
    file = os.open(path, os.O_RDONLY | _NOFOLLOW)
    try:
        rest = b""
        while data := os.read(file, CHUNK):
            data = rest + data
            end = len(data)
            if data[-1] >= 0x80:  # keep the last character back: it may not be whole
                end -= 1
                while end > 0 and len(data) - end < 4 and data[end] & 0xC0 == 0x80:
                    end -= 1
            rest = data[end:]
            yield data[:end].decode("utf-8", "rlm-spool")
        if rest:
            yield rest.decode("utf-8", "rlm-spool")
    finally:
        os.close(file)


def read_output(path: Path, limit: int) -> Output:
    """Give the head and tail of a file's text, ``limit`` characters together."""
    tail_size = limit // 3
    head_size = limit - tail_size
    head = tail = ""
    chars = 0
    for piece in _chunks(path):
        chars += len(piece)
        if len(head) < head_size:
            taken = piece[: head_size - len(head)]
            head += taken
            piece = piece[len(taken) :]
        if piece:
            tail = (tail + piece[-tail_size:])[-tail_size:] if tail_size else ""
    return Output(head, tail, chars)


def _page(path: Path, start: int, stop: int | None) -> str:
    start = max(0, start)
    pieces, at = [], 0
    for piece in _chunks(path):
        if stop is not None and at >= stop:
            break
        low = max(0, start - at)
        high = len(piece) if stop is None else min(len(piece), stop - at)
        if low < high:
            pieces.append(piece[low:high])
        at += len(piece)
    return "".join(pieces)
