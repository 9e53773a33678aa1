"""What a cell prints: the whole of it to a file, and to the person's own output up to a cap.

Guarantees:
- stdout and stderr go to one file in the order in which they were written;
- in a shell (``TeeCapture``) the person sees what is printed as it comes, up to ``FORWARD``
  characters a cell, then one line that says so; what subprocesses and libraries write is there too
  where ipykernel passes it on (its order among what is printed isn't certain);
- in a kernel of a run's own (``FdCapture``) the file *is* file descriptors 1 and 2;
- streams that code keeps (a logging handler's) work in later cells, and outside of cells.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Protocol, TextIO

from .spool import MOST

PIECE = 1 << 20  # characters
DRAIN = 0.5  # seconds, at most
FORWARD = 200_000  # characters of one cell that are shown to the person
_SPAWNS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.exec"})


class Capture(Protocol):
    """Collects what is written between ``begin`` and ``end`` into a file."""

    def begin(self, file: int) -> None:
        """Write to this file, a descriptor that is taken over, from here on."""
        ...

    def end(self) -> None:
        """Everything is in the file; stop."""
        ...

    def write(self, text: str) -> None:
        """Put a text into the file only, where a cell is running."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """For a while, what is printed isn't the cell's."""
        ...


class _Tee(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr``; outside of a cell it is the original."""

    def __init__(self, owner: TeeCapture, original: TextIO) -> None:
        self._owner = owner
        self._original = original

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            msg = f"write() takes a text (str), not {type(text).__name__}"
            raise TypeError(msg)
        owner = self._owner
        if owner.unseen is not None:  # the short way, for the million prints of a flood
            owner.written += len(text)
            if owner.written < MOST and len(text) <= PIECE:
                owner.unseen.write(text)
                return len(text)
        if owner.active:
            owner.put(text, self._original)
        else:
            self._original.write(text)
        return len(text)

    def flush(self) -> None:
        self._original.flush()

    def close(self) -> None:
        """Stay open: other cells write here too."""

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "surrogatepass"

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._original.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class TeeCapture:
    """Capture in a process that isn't ours: the streams are replaced while a cell runs."""

    def __init__(self) -> None:
        self.active = False
        self.written = 0  # characters in the file
        self.unseen: TextIO | None = None  # the file, once the person has seen enough
        self._lock = threading.RLock()
        self._file: TextIO | None = None
        self._shown = 0
        self._tees: dict[int, _Tee] = {}
        # ipykernel reads the descriptors in a thread for each stream, which calls its ``write``.
        self._watched: list[Any] = [s for s in (sys.stdout, sys.stderr) if _reads_descriptor(s)]
        self._writes: dict[int, Callable[[str], Any]] = {}
        self._before: tuple[TextIO, TextIO] | None = None

    def begin(self, file: int) -> None:
        """Replace the streams."""
        self._file = open(file, "w", encoding="utf-8", errors="surrogatepass", newline="")  # noqa: SIM115
        self.written = self._shown = 0
        self._before = (sys.stdout, sys.stderr)
        sys.stdout = self._tee(sys.stdout)
        sys.stderr = self._tee(sys.stderr)
        self.active = True
        for stream, shown in zip(self._watched, self._before, strict=False):
            self._writes[id(stream)] = stream.write
            stream.write = partial(self._passed_on, stream, shown)

    def end(self) -> None:
        """Put the streams back, unless somebody else has replaced them since."""
        for stream in self._watched:
            _drain(stream)
            write = self._writes.pop(id(stream), None)
            if write is not None:
                stream.write = write
        self.active = False
        self.unseen = None
        if self._before is not None:
            out, err = self._before
            if isinstance(sys.stdout, _Tee):
                sys.stdout = out
            if isinstance(sys.stderr, _Tee):
                sys.stderr = err
            self._before = None
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def write(self, text: str) -> None:
        """Put a text into the file, not before the person."""
        with self._lock:
            if self._file is not None and self.written < MOST:
                for start in range(0, len(text), PIECE):  # encoding takes as much again
                    self._file.write(text[start : start + PIECE])
                self.written += len(text)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For a while, what is printed is only the person's."""
        active, self.active = self.active, False
        unseen, self.unseen = self.unseen, None
        try:
            yield
        finally:
            self.active, self.unseen = active, unseen

    def put(self, text: str, original: TextIO) -> None:
        """Put a text into the file, and before the person while they haven't seen too much."""
        self.write(text)
        if self._shown >= FORWARD:
            return
        shown = text[: FORWARD - self._shown]
        self._shown += len(shown)
        write = self._writes.get(id(original), original.write)
        try:
            write(shown)
        except UnicodeEncodeError:  # a terminal that can't show it, or a lone surrogate
            write(shown.encode("ascii", "backslashreplace").decode("ascii"))
        if self._shown >= FORWARD:
            self.unseen = self._file
            write(
                f"\n… [the cell printed over {FORWARD:,} characters; the rest isn't shown here, "
                "show_output(n, start, stop) pages all of it]\n"
            )

    def _passed_on(self, stream: Any, shown: TextIO, text: str) -> int:
        """Take what ipykernel read from a descriptor, or code wrote to a stream it had kept."""
        if self.active:
            self.put(text, shown)
        else:
            self._writes[id(stream)](text)
        return len(text)

    def _tee(self, original: TextIO) -> _Tee:
        if isinstance(original, _Tee):
            return original
        # kept, and not made anew per cell: code may hold the stream of an earlier cell
        return self._tees.setdefault(id(original), _Tee(self, original))


def _reads_descriptor(stream: Any) -> bool:
    thread = getattr(stream, "watch_fd_thread", None)
    return thread is not None and thread.is_alive()


def _drain(stream: Any) -> None:
    """Give ipykernel's thread the time to pass on what is in its pipe already."""
    pipe = getattr(stream, "_fid", None)
    if pipe is None:
        return
    until = time.monotonic() + DRAIN
    while select.select([pipe], [], [], 0)[0] and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.0002)  # what it has read it may not have written yet


class FdCapture:
    """Capture in a process of our own: file descriptors 1 and 2 are the cell's file."""

    def __init__(self) -> None:
        self._stream = self._open()
        # A subprocess writes to the descriptors directly: what we hold back must come first.
        sys.addaudithook(self._before_spawn)

    def begin(self, file: int) -> None:
        """Point the descriptors at this file."""
        self._flush()
        for standard in (1, 2):
            if file != standard:
                os.dup2(file, standard)
        if file > 2:  # else a cell had closed this one
            os.close(file)
        if self._stream.closed:
            self._stream = self._open()
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stream  # type: ignore[assignment, misc]

    def end(self) -> None:
        """Write out what is held back; late output of threads goes on to the same file."""
        self._flush()

    def write(self, text: str) -> None:
        """Put a text into the file."""
        if not self._stream.closed:  # a cell may have closed it
            self._stream.write(text)

    def paused(self) -> AbstractContextManager[None]:
        """Nobody else's output is here: nothing changes."""
        return nullcontext()

    @staticmethod
    def _open() -> TextIO:
        return open(1, "w", encoding="utf-8", errors="surrogatepass", newline="", closefd=False)

    def _flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):  # a cell closed the descriptor, or the stream
            with suppress(OSError):
                self._stream.close()

    def _before_spawn(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _SPAWNS:
            self._flush()
