"""The kernel's end of its gateway process.

Guarantees:
- a question that is answered at once (``ask``) may be put from any thread; calls live on the
  event loop that makes them;
- a connection that breaks is made again; a call that was in flight then is asked for once more by
  its own id, so that a reply that had been paid for is given and not paid for twice;
- where the process is gone for good, that is one sentence, not a hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError, ProviderError
from ...protocol.frames import HEAD, body_size, pack, read_frame, unpack
from . import wire
from .address import Address
from .ends import Asker

WAIT = 30.0  # seconds for a question that is answered at once
AGAIN = 5.0  # seconds in which a worker that died is back
GONE = (
    "The gateway process, which has the keys, is gone. The run is kept: restart the kernel and go "
    "on with `%rlm resume FOLDER`."
)

#: The run (its folder's name) and the key of the call that is being made.
making: ContextVar[tuple[str, str]] = ContextVar("making", default=("", ""))


class Client:
    """The connection of a kernel to its gateway process.

    Args:
        address: the path of an ``Address``.
        capability: what lets this kernel in.
        asker: gives connections that are let in already, in the place of both: for a kernel that
            may make none.
    """

    def __init__(self, address: str, capability: str, asker: Asker | None = None) -> None:
        self.address = address
        self._asker = asker
        self.boxed = asker is not None  # whether this kernel is held, and may make no connection
        self._capability = capability
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._wires: dict[asyncio.AbstractEventLoop, _Wire] = {}
        self._opening: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    def __repr__(self) -> str:
        return f"<Client of the gateway at {self.address}>"

    # -- questions that are answered at once --------------------------------------------------

    def ask(self, op: str, **more: Any) -> Any:
        """Ask and wait for the answer, from any thread.

        Raises:
            ConfigError, ModelError: as the gateway says; ``ProviderError``: it is gone.
        """
        question = b"".join(pack({"op": op, "id": 0, **more}))
        if len(question) > wire.MOST_HEAD:
            raise ConfigError("More than 1 MiB isn't asked for: make the form smaller.")
        with self._lock:
            for last in (False, True):
                try:
                    answer = self._asked(question)
                    break
                except (OSError, EOFError) as error:
                    self._drop()
                    if last:
                        raise ProviderError(GONE, kind="connect") from error
        if "error" in answer:
            raise wire.error_from(answer["error"])
        return answer["value"]

    def connect(self) -> None:
        """Connect ahead of the first question: the process ends when nobody is connected."""
        with self._lock, contextlib.suppress(OSError):
            self._connected()

    def _asked(self, question: bytes) -> dict[str, Any]:
        end = self._connected()
        end.sendall(question)
        answer, _ = unpack(_exactly(end, body_size(_exactly(end, HEAD))))
        return answer

    def _connected(self) -> socket.socket:
        if self._socket is None and self._asker is not None:
            self._socket = self._asker.take()
            self._socket.settimeout(WAIT)
        elif self._socket is None:
            end = Address(Path(self.address)).connect(WAIT)
            end.sendall(b"".join(pack(self._hello())))
            self._socket = end
        assert self._socket is not None
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _hello(self) -> dict[str, Any]:
        return {"op": "hello", "token": self._capability}

    # -- calls ----------------------------------------------------------------------------------

    async def call(
        self,
        message: dict[str, Any],
        body: bytes,
        on_text: Callable[[str], None] | None,
    ) -> dict[str, Any]:
        """Have one completion made; cancelling the task cancels it there.

        Raises:
            ModelError, ConfigError: as the gateway says.
        """
        if len(body) > wire.MOST_BODY:
            raise ProviderError(wire.TOO_BIG, kind="window")
        message = {**message, "op": "call", "call": secrets.token_hex(8),
                   "stream": on_text is not None}  # fmt: skip
        for again in (False, True):
            try:
                wired = await self._wire()
                answer = await wired.ask({**message, "again": again}, body, on_text)
                break
            except (OSError, EOFError) as error:
                if again:
                    raise ProviderError(GONE, kind="connect", lost=True) from error
                await self._back()
        if "error" in answer:
            raise wire.error_from(answer["error"])
        value: dict[str, Any] = answer["value"]
        return value

    async def _wire(self) -> _Wire:
        loop = asyncio.get_running_loop()
        for other in [other for other in self._wires if other.is_closed()]:
            del self._wires[other]
        for other in [other for other in self._opening if other.is_closed()]:
            del self._opening[other]
        async with self._opening.setdefault(loop, asyncio.Lock()):  # one for all calls of a loop
            wired = self._wires.get(loop)
            if wired is None or wired.broken:
                if self._asker is not None:
                    wired = await _Wire.over(await asyncio.to_thread(self._asker.take))
                else:
                    wired = await _Wire.open(self.address, self._hello())
                self._wires[loop] = wired
            return wired

    async def _back(self) -> None:
        """Wait until a worker that died was started again."""
        for _ in range(int(AGAIN / 0.1)):
            try:
                await asyncio.to_thread(self.ask, "status")
                return
            except ProviderError:
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Let go of this loop's connection."""
        wired = self._wires.pop(asyncio.get_running_loop(), None)
        if wired is not None:
            wired.close()


@dataclass(eq=False)
class _Asked:
    done: asyncio.Future[dict[str, Any]]
    on_text: Callable[[str], None] | None


class _Wire:
    """One loop's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self.broken = False
        self._task = asyncio.ensure_future(self._read())

    @classmethod
    async def open(cls, address: str, hello: dict[str, Any]) -> _Wire:
        wired = await cls.over(await asyncio.to_thread(Address(Path(address)).connect, WAIT))
        wired._writer.write(b"".join(pack(hello)))
        return wired

    @classmethod
    async def over(cls, end: socket.socket) -> _Wire:
        return cls(*await asyncio.open_connection(sock=end, limit=4 << 20))

    async def ask(
        self, message: dict[str, Any], body: bytes, on_text: Callable[[str], None] | None
    ) -> dict[str, Any]:
        number = next(self._numbers)
        asked = _Asked(asyncio.get_running_loop().create_future(), on_text)
        self._asked[number] = asked
        try:
            for piece in pack({**message, "id": number}, [body]):
                self._writer.write(piece)
            return await asked.done
        except asyncio.CancelledError:
            if not self.broken:
                for piece in pack({"op": "cancel", "id": number}):
                    self._writer.write(piece)
            raise
        finally:
            self._asked.pop(number, None)

    async def _read(self) -> None:
        error: BaseException = EOFError()
        try:
            while True:
                message, _ = await read_frame(self._reader)
                asked = self._asked.get(message["id"])
                if asked is None:
                    continue
                if message["op"] == "text":
                    if asked.on_text is not None:
                        asked.on_text(message["text"])
                elif not asked.done.done():
                    asked.done.set_result(message)
        except Exception as failed:
            error = failed if isinstance(failed, OSError) else EOFError()
        finally:
            self.broken = True
            for asked in self._asked.values():
                if not asked.done.done():
                    asked.done.set_exception(error)
            self._writer.close()

    def close(self) -> None:
        self._task.cancel()
        self._writer.close()


_installed: list[Client] = []


def installed() -> Client | None:
    """Give this process's client; None: models are called from this process."""
    return _installed[-1] if _installed else None


def install_from_environment() -> Client | None:
    """Take what a launcher left in the environment, and out of it."""
    from .start import ADDRESS, CAPABILITY, DESCRIPTOR

    address, capability = os.environ.pop(ADDRESS, ""), os.environ.pop(CAPABILITY, "")
    descriptor = os.environ.pop(DESCRIPTOR, "")
    if descriptor:
        end = socket.socket(fileno=int(descriptor))
        end.set_inheritable(False)
        client = Client("", "", Asker(end))
    elif address and capability:
        client = Client(address, capability)
    else:
        return None
    client.connect()
    _installed.append(client)
    return client


def _exactly(end: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = end.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
