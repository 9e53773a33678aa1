"""Connections to the gateway process for a kernel that may make none, given as it asks for them.

The process outside of the box makes them, with the capability, which the kernel doesn't get. So a
worker that died and came back is reached again.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from ...protocol.frames import pack

PLEASE, NONE = b"?", b"0"
WAIT = 10.0  # seconds for an answer
PAUSE = 0.05  # seconds between two connections: code that asks on and on gets no more


class Giver:
    """The end outside of the box.

    Args:
        address: of the gateway process's socket.
        capability: what lets the kernel in.
    """

    def __init__(self, address: str, capability: str) -> None:
        self._address = address
        self._hello = b"".join(pack({"op": "hello", "token": capability}))
        self._end, self.theirs = socket.socketpair()
        threading.Thread(target=self._serve, name="rlm-ends", daemon=True).start()

    def close(self) -> None:
        """Give none any more."""
        for end in (self._end, self.theirs):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits for it
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while self._end.recv(1):
                self._give()
                time.sleep(PAUSE)

    def _give(self) -> None:
        with socket.socket(socket.AF_UNIX) as made:
            try:
                made.connect(self._address)
                made.sendall(self._hello)
            except OSError:
                self._end.sendall(NONE)
                return
            socket.send_fds(self._end, [PLEASE], [made.fileno()])


class Asker:
    """The end in the box. Thread-safe."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        end.settimeout(WAIT)

    def take(self) -> socket.socket:
        """Give a new connection, let in already.

        Raises:
            OSError: there is none: the gateway process, or who gives them, is gone.
        """
        with self._lock:
            self._end.sendall(PLEASE)
            said, descriptors, _, _ = socket.recv_fds(self._end, 1, 1)
        if said != PLEASE or not descriptors:
            raise ConnectionError("the gateway process isn't there")
        made = socket.socket(fileno=descriptors[0])
        made.set_inheritable(False)
        return made
