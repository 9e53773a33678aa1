"""Open files that are handed to a kernel, which may not open their paths itself.

A descriptor goes over a Unix socket of its own, with its number; the frame that needs it names the
number. The frame goes first, so that neither side ever waits for room: the kernel takes what is
there until it has the number it wants. Where there are no Unix sockets (Windows) a frame names the
path instead.

Guarantees: a descriptor has the rights it was opened with, whatever the kernel may do elsewhere;
nothing of the path or of the folder around it can be reached by it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Any

READ = os.O_RDONLY
APPEND = os.O_WRONLY | os.O_APPEND
_NUMBER = struct.Struct("!Q")
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Sender:
    """The engine's end: opens files and sends them, in order. Of one loop.

    Args:
        end: its socket; None where there are none, so that paths are named.
    """

    def __init__(self, end: socket.socket | None) -> None:
        self._end = end
        self._waiting: deque[tuple[int, int]] = deque()  # number, descriptor
        self._number = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        if end is not None:
            end.setblocking(False)

    def give(self, path: str | os.PathLike[str], flags: int, *, follow: bool = False) -> Any:
        """Open a file for the kernel; give what stands for it in a frame. ``flush`` sends it.

        Args:
            path: the file.
            flags: ``READ`` or ``APPEND``.
            follow: whether a link is followed: a person's own path, not one in a shared folder.

        Raises:
            OSError: it can't be opened.
        """
        if self._end is None:
            return {"path": os.fspath(path), "flags": flags}
        more = _FLAGS & ~os.O_NOFOLLOW if follow else _FLAGS
        descriptor = os.open(path, flags | more)
        self._number += 1
        self._waiting.append((self._number, descriptor))
        return {"fd": self._number}

    def flush(self) -> None:
        """Send what was opened, now and as soon as there is room."""
        end = self._end
        if end is None:
            return
        while self._waiting:
            number, descriptor = self._waiting[0]
            try:
                socket.send_fds(end, [_NUMBER.pack(number)], [descriptor])
            except BlockingIOError:
                if self._loop is None:
                    self._loop = asyncio.get_running_loop()
                    self._loop.add_writer(end, self.flush)
                return
            except OSError:  # the kernel is gone, which is noticed elsewhere
                self._drop()
                break
            self._waiting.popleft()
            os.close(descriptor)
        self._unwatch()

    def close(self) -> None:
        """Let go of everything."""
        self._unwatch()
        self._drop()
        if self._end is not None:
            self._end.close()
            self._end = None

    def _unwatch(self) -> None:
        if self._loop is not None and self._end is not None:
            self._loop.remove_writer(self._end)
            self._loop = None

    def _drop(self) -> None:
        while self._waiting:
            with suppress(OSError):
                os.close(self._waiting.popleft()[1])


class Receiver:
    """The kernel's end. Used on one thread.

    Args:
        end: its socket, or None where paths are named.
    """

    def __init__(self, end: socket.socket | None) -> None:
        self._end = end
        self._taken: dict[int, int] = {}

    def take(self, item: dict[str, Any]) -> int:
        """Give the open descriptor that a frame names; it is the caller's from then on.

        Raises:
            OSError: it didn't come.
        """
        if self._end is None:
            return os.open(item["path"], item["flags"] | _FLAGS)
        wanted = item["fd"]
        while wanted not in self._taken:
            data, descriptors, _, _ = socket.recv_fds(self._end, _NUMBER.size, 1)
            if not descriptors:
                msg = "A file that the engine hands over didn't come: too many are open here."
                raise OSError(msg)
            os.set_inheritable(descriptors[0], False)
            self._taken[_NUMBER.unpack(data)[0]] = descriptors[0]
        return self._taken.pop(wanted)
