"""What a boxed kernel writes outside of Jupyter's messages, passed on to the server's terminal.

Inherited, the terminal would be the kernel's to read and to write: it can be opened for both, and
what is written moves its cursor, sets its title, answers its questions. So the kernel has a pipe,
and its lines come on from here.

Guarantees:
- only characters that can be seen come on, in lines of their own that say whose they are;
- the kernel never waits for the terminal, and neither does the relay: what the terminal doesn't
  take, and what is more than ``LINES`` in ``WINDOW`` seconds, is left out and counted;
- what is kept is bounded, whatever is written.
"""

from __future__ import annotations

import codecs
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Queue

PREFIX = "[boxed] "
LENGTH = 1_000  # characters of a line
LINES = 200
WINDOW = 10.0
WAITING = 100  # lines that wait for the terminal
_PIECE = 1 << 16
_STOP = ""


class Lines:
    """Makes lines that a terminal can be given of what a kernel writes.

    Args:
        now: the time, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._open = ""  # a line that hasn't ended, without what can't be seen
        self._cut = False  # this line is longer than is passed on
        self._since = now()
        self._passed = 0
        self._left_out = 0

    def take(self, data: bytes) -> list[str]:
        """Take what was written; give the lines that are passed on for it."""
        if self._passed >= LINES and self._now() - self._since < WINDOW:
            # In a flood nothing is looked at: to read it costs the relay time.
            self._left_out += data.count(b"\n")
            self._open, self._cut = "", False
            return []
        found = []
        *ended, rest = self._decoder.decode(data).split("\n")
        for line in ended:
            self._grow(line)
            found += self._line()
        self._grow(rest)
        return found

    def end(self) -> list[str]:
        """Give what is left when nothing comes any more."""
        last = self._line() if self._open else []
        return last + self._count()

    def missed(self, lines: int) -> None:
        """Count lines that were given and couldn't be written."""
        self._left_out += lines

    def _grow(self, piece: str) -> None:
        room = LENGTH - len(self._open)
        seen = "".join(c for c in piece[: room + 1] if c == "\t" or c.isprintable())
        self._cut = self._cut or len(piece) > room
        self._open += seen[:room]

    def _line(self) -> list[str]:
        line = PREFIX + self._open + (" …" if self._cut else "") + "\n"
        self._open, self._cut = "", False
        said: list[str] = []
        if self._now() - self._since >= WINDOW:
            said = self._count()
            self._since, self._passed = self._now(), 0
        self._passed += 1
        if self._passed > LINES:
            self._left_out += 1
            return said
        return [*said, line]

    def _count(self) -> list[str]:
        count, self._left_out = self._left_out, 0
        return [f"{PREFIX}({count:,} lines are left out)\n"] if count else []


class PassOn:
    """Two threads: one reads all that comes, one writes what the terminal takes.

    Args:
        source: the pipe's end, which is taken over.
        write: writes a text; it may block.
    """

    def __init__(self, source: int, write: Callable[[str], object]) -> None:
        self._source = source
        self._write = write
        self._waiting: Queue[str] = Queue()
        self._threads = [
            threading.Thread(target=run, name="rlm-pass-on", daemon=True)
            for run in (self._read, self._say)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the last words, for so long."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    def _read(self) -> None:
        lines = Lines()
        with suppress(OSError):
            while data := os.read(self._source, _PIECE):
                self._put(lines, lines.take(data))
        os.close(self._source)
        self._put(lines, lines.end())
        self._waiting.put(_STOP)

    def _put(self, lines: Lines, found: list[str]) -> None:
        for line in found:
            if self._waiting.qsize() < WAITING:  # nobody else puts any in
                self._waiting.put(line)
            else:
                lines.missed(1)

    def _say(self) -> None:
        while (line := self._waiting.get()) != _STOP:
            with suppress(OSError, ValueError):  # the terminal is gone
                self._write(line)
