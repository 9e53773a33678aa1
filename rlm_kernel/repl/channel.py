"""The engine's end of the channel to its kernels, on the engine's loop.

Guarantees:
- a kernel is born with its connection: there is no address to find and no token to guess. Where
  sockets can't be inherited (Windows) it connects over loopback, and a connection is a kernel's
  only if its first frame holds that kernel's token, which is used once;
- whatever a kernel sends can at worst end its own connection: sizes are checked before they are
  believed, nothing is unpickled, the number of calls in flight is bounded;
- when a connection ends, the calls that came over it are cancelled.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError, ReplError
from ..protocol import Call, Services
from ..protocol.frames import MOST_PARTS, pack, read_frame
from .contexts import paths_in
from .descriptors import READ, Sender
from .limits import Clock
from .runtime import Report
from .transfer import decode, encode
from .wire import (
    decode_queries,
    decode_report,
    encode_error,
    encode_item,
)

MOST_CALLS = 10_000  # in flight from one kernel
MOST_BYTES = 2 * MOST_PARTS  # that these hold, together
HELLO = 20.0  # seconds a new connection has to say who it is
_BUFFER = 4 << 20


class Link:
    """One kernel's connection. All methods are of the engine's loop."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.services: Services | None = None
        self.files: set[str] = set()  # paths that the kernel was given
        self.boxed = False  # whether its code has fewer rights than we
        self.page: Callable[[int, int, int | None], Awaitable[str]] | None = None
        self.sender = Sender(None)
        self.clock = Clock()
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self.fault = ""  # why it was cut off
        self.opened: asyncio.Future[str] | None = None
        self.reports: dict[int, asyncio.Future[Report]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._bytes = 0

    def send(self, message: dict[str, Any], parts: Sequence[bytes] = ()) -> None:
        """Send a message; raise ``ReplError`` when it is too big or the kernel is gone."""
        if self._writer is None or self._writer.is_closing():
            msg = "The kernel is gone."
            raise ReplError(msg)
        for piece in pack(message, parts, trusted=True):
            self._writer.write(piece)
        self.sender.flush()

    def texts(self, paths: Iterable[str]) -> list[Any]:
        """Open the texts that stay in their files for the kernel; give what names them in a frame.

        Each is handed over once; a file that is gone fails where it is used.
        """
        given = []
        for path in sorted(set(paths) - self.files):
            try:
                given.append([path, self.sender.give(path, READ, follow=True)])
            except OSError:
                continue
            self.files.add(path)
        return given

    def close(self) -> None:
        """End the connection and cancel its calls."""
        if self._writer is not None:
            self._writer.close()
        for task in list(self._calls.values()):
            task.cancel()
        self.sender.close()
        self.closed.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what the kernel asks until the connection ends."""
        self._writer = writer
        try:
            while True:
                message, parts = await read_frame(reader)
                if message["op"] == "hello":
                    self.connected.set()
                else:
                    self._take(message, parts)
        except asyncio.CancelledError:
            raise
        except ReplError as error:
            self.fault = str(error)  # it sent what no kernel of ours sends
        except Exception:
            return  # the same, or it ended: either way it is over
        finally:
            self.close()

    def _take(self, message: dict[str, Any], parts: list[bytes]) -> None:
        op = message["op"]
        if op == "call":
            self._call(int(message["id"]), message, parts)
        elif op == "cancel":
            if (task := self._calls.get(message["id"])) is not None:
                task.cancel()
        elif op == "opened":
            if self.opened is not None and not self.opened.done():
                self.opened.set_result(str(message["problem"]))
        elif op == "report":
            future = self.reports.pop(message["number"], None)
            if future is not None and not future.done():
                future.set_result(decode_report(message["report"], parts))
        else:
            msg = "A frame of the channel is of no known kind."
            raise ReplError(msg)

    def _call(self, number: int, message: dict[str, Any], parts: list[bytes]) -> None:
        if number in self._calls or len(self._calls) >= MOST_CALLS:
            error = ReplError(f"More than {MOST_CALLS:,} calls are in flight from this kernel.")
            self.send({"op": "reply", "id": number, "error": encode_error(error)})
            return
        size = sum(map(len, parts))
        if self._bytes + size > MOST_BYTES:
            error = ReplError(
                f"The calls in flight from this kernel hold more than {MOST_BYTES >> 30} GiB; wait "
                "for some of them first."
            )
            self.send({"op": "reply", "id": number, "error": encode_error(error)})
            return
        clock = self.clock
        clock.enter()
        self._bytes += size
        task = asyncio.ensure_future(self._answer(number, message, parts))
        self._calls[number] = task

        def over(_: asyncio.Task[None]) -> None:
            clock.leave()
            self._bytes -= size
            self._calls.pop(number, None)

        task.add_done_callback(over)

    async def _answer(self, number: int, message: dict[str, Any], parts: list[bytes]) -> None:
        out: list[bytes] = []
        reply: dict[str, Any] = {"op": "reply", "id": number}
        try:
            reply["items"] = await self._ask(message, parts, out, reply)
        except asyncio.CancelledError:
            if self.closed.is_set():
                raise
            reply["error"] = encode_error(ModelError("The call was cancelled."))
            reply["cancelled"] = True
        except Exception as error:  # the code that asked gets it, whatever it is
            reply["error"] = encode_error(error)
        if self.closed.is_set():
            return
        try:
            self.send(reply, out)
        except ReplError as error:
            self.send({"op": "reply", "id": number, "error": encode_error(error)})

    async def _ask(
        self,
        message: dict[str, Any],
        parts: list[bytes],
        out: list[bytes],
        reply: dict[str, Any],
    ) -> list[dict[str, Any]]:
        if self.services is None:
            msg = "Nothing answers calls here: the run is over."
            raise ReplError(msg)
        cell, line, batch = message["call"]
        call = Call(cell=str(cell), line=line if type(line) is int else None, batch=bool(batch))
        method, args = message["method"], message["args"]
        if method in ("llm_query", "rlm_query"):
            queries = decode_queries(args, parts, self.files)
            if self.boxed and any(isinstance(query.context, Path) for query in queries):
                msg = (
                    "A path can't be a child's context here: it would be read outside of the box. "
                    "Read the file in your code and give its text."
                )
                raise ReplError(msg)
            ask = getattr(self.services, method)
            values = await ask(call, queries)
            reply["files"] = self.texts(paths_in(values))
            return [encode_item(v, out, copies=True) for v in values]
        values = decode(args, parts, files=self.files)
        if method == "ask_human":
            question, choices = values
            answer: Any = await self.services.ask_human(call, question, choices)
        elif method == "tool":
            name, positional, named = values
            answer = await self.services.tool(call, str(name), positional, named)
        elif method == "page" and self.page is not None:
            number, start, stop = values
            answer = await self.page(int(number), int(start), None if stop is None else int(stop))
        else:
            msg = f"There is no call {method!r:.40}."
            raise ReplError(msg)
        reply["files"] = self.texts(paths_in([answer]))
        return [{"value": encode(answer, out, copies=True)}]


class Ends:
    """What a kernel that is about to start is given of its connection."""

    def __init__(self, env: dict[str, str], sockets: Sequence[socket.socket] = ()) -> None:
        self.env = env
        self._sockets = sockets

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors it inherits."""
        return tuple(s.fileno() for s in self._sockets)

    def close(self) -> None:
        """Close our copies: the kernel has its own, or never started."""
        for each in self._sockets:
            each.close()


class Channel:
    """Connects the kernels of one loop.

    Args:
        inherit: whether a kernel is born with its connection; False: it connects over loopback.
    """

    def __init__(self, *, inherit: bool = sys.platform != "win32") -> None:
        self._inherit = inherit
        self.port = 0
        self._links: dict[str, Link] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    async def open(self, link: Link) -> Ends:
        """Make the connection of a kernel that is about to start."""
        if not self._inherit:
            await self.start()
            self._links[link.token] = link
            return Ends({"RLM_CHANNEL": f"tcp:{self.port}", "RLM_CHANNEL_TOKEN": link.token})
        ours, theirs = socket.socketpair()
        files, their_files = socket.socketpair()
        link.sender = Sender(files)
        try:
            reader, writer = await asyncio.open_connection(sock=ours, limit=_BUFFER)
        except BaseException:
            theirs.close()
            their_files.close()
            raise
        self._serve(link.serve(reader, writer))
        which = f"fd:{theirs.fileno()},{their_files.fileno()}"
        return Ends({"RLM_CHANNEL": which}, (theirs, their_files))

    async def start(self) -> None:
        """Listen on loopback."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", 0, limit=_BUFFER
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def forget(self, link: Link) -> None:
        """A kernel that hasn't connected may no longer do so; one that has is cut off."""
        self._links.pop(link.token, None)
        link.close()

    async def close(self) -> None:
        """Stop listening and cut every kernel off."""
        for link in list(self._links.values()):
            link.close()
        self._links.clear()
        for task in list(self._connections):
            task.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _serve(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            async with asyncio.timeout(HELLO):
                message, _ = await read_frame(reader, 1 << 12)
            link = self._links.pop(str(message.get("token")), None)
            if link is not None and message.get("op") == "hello":
                link.connected.set()
                await link.serve(reader, writer)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, ReplError):
            return  # nobody of ours
        except asyncio.CancelledError:
            return  # the server closes; an exception here would only be logged
        finally:
            self._connections.discard(task)
            writer.close()
