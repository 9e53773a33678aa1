"""The kernel's end of the channel: a ``Bridge`` over a socket.

Two threads: one reads, one writes, so that an interrupt of the main thread never tears a frame.
When the engine goes, this process ends at once: nobody could ever use it again.
"""

from __future__ import annotations

import itertools
import os
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any

from ..context.text import keep_open
from ..errors import Cancelled, ReplError
from ..protocol import Call
from ..protocol.frames import HEAD, body_size, pack, unpack
from .bridge import Method
from .descriptors import Receiver
from .transfer import encode
from .wire import decode_error, decode_item, encode_queries

Handler = Callable[[dict[str, Any], list[bytes]], None]


class Client:
    """The connection of this process to the engine.

    Args:
        address: ``fd:N,M``, the inherited sockets for frames and for descriptors, or ``tcp:PORT``.
        token: lets this process, and only it, connect to a port.
        handlers: what to do with the messages that are no replies, by ``op``; on the reader thread.
        gone: called on the reader thread when the engine is gone.
    """

    def __init__(
        self,
        address: str,
        token: str,
        handlers: dict[str, Handler],
        gone: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        kind, _, where = address.partition(":")
        files: socket.socket | None = None
        if kind == "fd":
            self._socket, files = (socket.socket(fileno=int(fd)) for fd in where.split(","))
            for each in (self._socket, files):
                each.set_inheritable(False)  # what a cell starts has no part in it
        else:
            self._socket = socket.create_connection(("127.0.0.1", int(where)))
        self.files = Receiver(files)
        self._handlers = handlers
        self._gone = gone
        self._numbers = itertools.count(1)
        self._flying: dict[int, tuple[Method, Future[Any]]] = {}
        self._out: queue.SimpleQueue[tuple[list[bytes], threading.Event | None]] = (
            queue.SimpleQueue()
        )
        self._token = token

    def start(self) -> None:
        """Say who this is, and begin to listen."""
        self.send({"op": "hello", "token": self._token})
        for work in (self._read, self._write):
            thread = threading.Thread(target=work, name=f"rlm{work.__name__}", daemon=True)
            # A debugger's breakpoint stops all threads but those that say so.
            thread.is_pydev_daemon_thread = thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
            thread.start()

    def send(
        self, message: dict[str, Any], parts: Sequence[bytes] = (), *, wait: bool = False
    ) -> None:
        """Send a message; ``wait`` until it is out."""
        sent = threading.Event() if wait else None
        self._out.put((pack(message, parts), sent))
        if sent is not None:
            sent.wait()

    def submit(self, method: Method, call: Call, *args: Any) -> Future[Any]:
        """Ask; cancelling the future cancels what is in flight."""
        parts: list[bytes] = []
        if method in ("llm_query", "rlm_query"):
            data: Any = encode_queries(args[0], parts)
        else:
            data = encode(list(args), parts)
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._flying[number] = (method, future)
        message = {
            "op": "call",
            "id": number,
            "method": method,
            "call": [call.cell, call.line, call.batch],
            "args": data,
        }
        try:
            self.send(message, parts)
        except ReplError:
            self._flying.pop(number, None)
            raise

        def over(done: Future[Any]) -> None:
            if done.cancelled() and self._flying.pop(number, None) is not None:
                self.send({"op": "cancel", "id": number})

        future.add_done_callback(over)
        return future

    def _write(self) -> None:
        while True:
            pieces, sent = self._out.get()
            try:
                for piece in pieces:
                    self._socket.sendall(piece)
            except OSError:
                return  # the reader sees the end too, and acts on it
            finally:
                if sent is not None:
                    sent.set()

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as file:
                while True:
                    body = _exactly(file, body_size(_exactly(file, HEAD)))
                    message, sizes = unpack(body, trusted=True)
                    parts = [_exactly(file, n) for n in sizes]
                    for path, item in message.get("files", ()):
                        keep_open(path, self.files.take(item))
                    if message["op"] == "reply":
                        self._reply(message, parts)
                    else:
                        self._handlers[message["op"]](message, parts)
        except (OSError, EOFError):
            pass
        finally:
            self._gone()

    def _reply(self, message: dict[str, Any], parts: list[bytes]) -> None:
        method, future = self._flying.pop(message["id"], (None, None))
        if future is None or future.cancelled():
            return
        try:
            if "error" in message:
                error = decode_error(message["error"])
                if message.get("cancelled"):
                    error = Cancelled("The call was cancelled before its reply was whole.")
                future.set_exception(error)
                return
            items = [decode_item(i, parts, copies=True) for i in message["items"]]
            future.set_result(items if method in ("llm_query", "rlm_query") else items[0])
        except InvalidStateError:
            pass  # cancelled just now
        except Exception as error:
            future.set_exception(error)


def _exactly(file: Any, size: int) -> bytes:
    data: bytes = file.read(size)
    if len(data) < size:
        raise EOFError
    return data
