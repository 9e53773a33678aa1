"""Where a gateway process listens: a Unix socket, or loopback where there is none.

A Unix socket lies in a folder that only its user can enter. On loopback everybody on the machine
can connect, and can listen on a port that has become free; so there both ends prove first that they
have read the secret in the user's file, which itself is never sent.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

HAS_UNIX = hasattr(socket, "AF_UNIX")
SOCKET, PORT = "s", "port.json"
LONGEST = 90  # bytes of a socket's path: Linux takes 107, macOS 103
_SIZE = 32  # bytes of a secret, of a nonce, and of a proof


@dataclass(frozen=True, slots=True)
class Address:
    """Where one gateway process listens.

    Args:
        path: of the socket, named ``SOCKET``; or of the file with port and secret, named ``PORT``.
    """

    path: Path

    @property
    def unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.path.name == SOCKET

    def listen(self) -> socket.socket:
        """Start to listen there.

        Raises:
            OSError: it can't be done.
        """
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX if self.unix else socket.AF_INET)
        try:
            if self.unix:
                mask = os.umask(0o177)
                try:
                    listener.bind(str(self.path))
                finally:
                    os.umask(mask)
                listener.listen(512)
            else:
                listener.bind(("127.0.0.1", 0))
                listener.listen(512)
                self._tell(listener.getsockname()[1])
        except BaseException:
            listener.close()
            raise
        return listener

    def _tell(self, port: int) -> None:
        half = self.path.with_name(f".{PORT}.{secrets.token_hex(4)}")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"port": port, "secret": secrets.token_hex(_SIZE)}, file)
        half.replace(self.path)

    def _told(self) -> tuple[int, bytes]:
        try:
            data = json.loads(self.path.read_bytes())
            return int(data["port"]), bytes.fromhex(data["secret"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionRefusedError(f"{self.path} isn't a gateway's file.") from error

    def connect(self, seconds: float) -> socket.socket:
        """Give a connection, which has this as its timeout.

        Raises:
            OSError: nothing listens there, or something else than the gateway.
        """
        if self.unix:
            end = socket.socket(socket.AF_UNIX)
            end.settimeout(seconds)
        else:
            port, secret = self._told()
            end = socket.create_connection(("127.0.0.1", port), seconds)
        try:
            if self.unix:
                end.connect(str(self.path))
            else:
                _prove(end, secret)
        except BaseException:
            end.close()
            raise
        return end

    async def admits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Say whether who has connected is this user.

        Raises:
            OSError, asyncio.IncompleteReadError: it went away meanwhile.
        """
        if self.unix:
            return _same_user(writer.get_extra_info("socket"))
        _, secret = self._told()
        theirs, ours = await reader.readexactly(_SIZE), secrets.token_bytes(_SIZE)
        writer.write(ours + _proof(secret, b"gateway", theirs, ours))
        answer = await reader.readexactly(_SIZE)
        return hmac.compare_digest(answer, _proof(secret, b"kernel", theirs, ours))

    def answers(self) -> bool:
        """Say whether a gateway process listens there."""
        with suppress(OSError), self.connect(5.0):
            return True
        return False


def _prove(end: socket.socket, secret: bytes) -> None:
    ours = secrets.token_bytes(_SIZE)
    end.sendall(ours)
    with end.makefile("rb") as answer:  # nothing comes after these until we have answered
        theirs, proof = answer.read(_SIZE), answer.read(_SIZE)
    if not hmac.compare_digest(proof, _proof(secret, b"gateway", ours, theirs)):
        raise ConnectionRefusedError("What listens on the gateway's port isn't the gateway.")
    end.sendall(_proof(secret, b"kernel", ours, theirs))


def _proof(secret: bytes, who: bytes, kernels: bytes, gateways: bytes) -> bytes:
    return hmac.digest(secret, who + kernels + gateways, "sha256")


def _same_user(end: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder is this user's alone
    data = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", data)
    return bool(user == os.getuid())
