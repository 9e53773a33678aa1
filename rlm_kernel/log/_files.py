"""The files of one log: its folder, its lines, its blobs, its lock.

Guarantees
- one process at a time writes to a folder: a second is refused while the first lives;
- what ``write`` took is in the operating system's hands: it survives the death of the process;
  blobs are whole under their name, or not there;
- a line cut by the death of a process is removed when the folder is opened again;
- the folder is readable by its owner only (0700), and so are the files (0600);
- no link in the folder is written through;
- a fork of the process has no part in it: the lock is not held for as long as that lives.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections import deque
from pathlib import Path

from ..errors import RecordingError
from .inside import NO_LINK, refuse_links
from .paths import BLOBS, LOG_NAME

LOCK_NAME = ".lock"
_live: weakref.WeakSet[LogFiles] = weakref.WeakSet()


class LogFiles:
    """An open log folder.

    Args:
        folder: made where it isn't there; its parent too.

    Raises:
        RecordingError: another process writes to it, or it can't be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LOG_NAME
        self._fd = -1
        self._lock = -1
        self._swap = threading.Lock()
        self._blobs: set[str] = set()
        self._unsynced: deque[str] = deque()
        _live.add(self)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(folder / LOCK_NAME)
            self._open()
        except OSError as error:
            self.close()
            msg = f"The log can't be kept in {folder}: {error.strerror or error}."
            raise RecordingError(msg) from error
        except RecordingError:
            self.close()
            raise

    def _open(self) -> None:
        for name in (LOG_NAME, BLOBS):
            refuse_links(self.folder, name)
        (self.folder / BLOBS).mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK | getattr(os, "O_BINARY", 0)
        self._fd = os.open(self.path, flags, 0o600)
        self._blobs = {p.name for p in (self.folder / BLOBS).iterdir()}

    def size(self) -> int:
        """Give the bytes of the log so far."""
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        """Drop what follows the first ``size`` bytes: a line that was never whole."""
        os.ftruncate(self._fd, size)

    def write(self, data: bytes) -> int:
        """Write from the start of ``data``; give how many bytes were taken, at least one.

        Raises:
            OSError: none was.
        """
        return os.write(self._fd, data)

    def check(self) -> None:
        """Raise OSError where the log file is no longer in a folder (it was deleted)."""
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(2, "the folder of the log was deleted", str(self.folder))

    def put_blob(self, digest: str, data: bytes) -> None:
        """Keep a long text under the name of its content."""
        if digest in self._blobs:
            return
        path = self.folder / BLOBS / digest
        part = path.with_suffix(".part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK | getattr(os, "O_BINARY", 0)
        fd = os.open(part, flags, 0o600)
        try:
            done = 0
            while done < len(data):
                done += os.write(fd, data[done:])
        finally:
            os.close(fd)
        os.replace(part, path)
        self._blobs.add(digest)
        self._unsynced.append(digest)

    def sync(self) -> None:
        """Bring all that was written to the disk itself, blobs first."""
        while (digest := self._next_unsynced()) is not None:
            try:
                _fsync(os.open(self.folder / BLOBS / digest, os.O_RDWR))
            except OSError:
                self._unsynced.appendleft(digest)
                raise
        with self._swap:  # the log may be made anew meanwhile
            fd = os.dup(self._fd)
        _fsync(fd)

    def _next_unsynced(self) -> str | None:
        try:
            return self._unsynced.popleft()
        except IndexError:
            return None

    def remake(self) -> None:
        """Begin the log anew in its folder, empty; the folder's parent must be there."""
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        with self._swap:
            self._close()
            self._lock = _lock(self.folder / LOCK_NAME)
            self._unsynced.clear()
            self._open()
            self.truncate(0)

    def close(self) -> None:
        """Let go of the files and of the lock."""
        with self._swap:
            self._close()

    def _close(self) -> None:
        """Close what is open; the caller sees to it that nobody uses it."""
        for fd in (self._fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock = -1


def _leave_to_parent() -> None:
    for files in list(_live):
        files._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _fsync(fd: int) -> None:
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(path: Path) -> int:
    """Take the lock of a folder; it goes with the process, however it ends."""
    refuse_links(path.parent, path.name)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        msg = (
            f"The log in {path.parent} is being written by another process (or another run of "
            "this one); end that first, or choose another folder."
        )
        raise RecordingError(msg) from error
    return fd
