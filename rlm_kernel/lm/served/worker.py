"""The server in the gateway process: it calls providers for the kernels that are connected.

Guarantees:
- a connection is served only with a capability that was granted, and only to the same user;
- no interleaving of calls spends more than a capability's budget, as far as estimates bound bills
  (``lm.budget``), however often the worker dies and is started again (``book``);
- a reply that was paid for is on the disk before it is sent, where the call belongs to a run that
  is kept; asked again for the same call, it gives that reply;
- whatever a client sends or leaves unread, it gets one clear error or is let go, what is held for
  it is bounded (``wire``), and others are served on;
- it ends when nobody has been connected for ``IDLE`` seconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import fnmatch
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import Cancelled, ConfigError, ModelError, ProviderError, ReplError
from ...log import runs_dir
from ...log.paid import append, find_paid, line_of
from ...protocol import CallRequest, Reply, Usage
from ...protocol.events import usage_to_dict
from ...protocol.frames import HEAD, body_size, pack, read_frame, unpack
from .._flight import Target
from .._sizing import billed, cut_bill, limit_of, size_of
from ..budget import BudgetLedger, Reservation
from ..gateway import Gateway
from ..pricing import cost_of
from . import wire
from .address import Address
from .book import Book
from .place import GRANTS, SPENT, Grant, read_grants

IDLE = 15.0  # seconds without a connection after which it ends: a kernel that restarts is back
HELLO = 20.0
# Of one capability:
MOST_CONNECTIONS = 64  # one for each event loop of a kernel, and one for its questions
MOST_CALLS = 10_000  # in flight
MOST_HELD = 256 << 20  # bytes of requests in flight
MOST_NAMES = 1000  # different models
LONGEST_NAME = 200  # characters of a model's name; an address has some more
# Of one connection:
MOST_UNREAD = 64 << 20  # bytes of replies that its client leaves unread
PAUSED_AT = 1 << 20  # bytes of them from which on nothing more is read from it
DEAR = 15e-6, 75e-6  # dollars a token that a call that was cut counts by, where no price is known
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,80}")
_NAMED = 16  # characters of a token


def serve(address: Address, listener: socket.socket, keys: socket.socket) -> None:
    """Serve until nobody is connected any more."""
    asyncio.run(Worker(address, listener, keys).run())


@dataclass(eq=False)
class Owner:
    """Who has a capability: what it may do, and what it has spent."""

    grant: Grant
    ledger: BudgetLedger
    connections: set[Connection] = field(default_factory=set)
    calls: int = 0  # in flight
    held: int = 0  # bytes of their requests
    names: set[tuple[str, str | None, bool]] = field(default_factory=set)  # models it has called

    @property
    def name(self) -> str:
        """What the book calls it: not all of its token."""
        return self.grant.token[:_NAMED]


class Worker:
    """The server.

    Args:
        address: of this gateway.
        listener: what the address gave.
        keys: takes keys that a person gave, to be kept for the next worker.
    """

    def __init__(self, address: Address, listener: socket.socket, keys: socket.socket) -> None:
        self.folder = address.path.parent
        self._address, self._listener, self._keys = address, listener, keys
        self._owners: dict[str, Owner] = {}
        self._stamp = 0
        self._gateways: dict[tuple[str | None, bool], Gateway] = {}
        self._connected = 0
        self._alone = asyncio.Event()
        self.journal = Journal()
        self.book = Book(self.folder / SPENT)
        self.looking = asyncio.Lock()  # one file of replies is looked through at a time
        self.given: set[str] = set()  # names of keys that a person gave

    async def run(self) -> None:
        """Serve."""
        server = await asyncio.start_server(self._connection, sock=self._listener, limit=4 << 20)
        async with server:
            while True:
                self._alone.clear()
                if self._connected:
                    await self._alone.wait()
                try:
                    async with asyncio.timeout(IDLE):
                        while not self._connected:
                            await asyncio.sleep(0.2)
                except TimeoutError:
                    break
        for gateway in self._gateways.values():
            await gateway.close()

    # -- who may ---------------------------------------------------------------------------

    def owner(self, token: str) -> Owner | None:
        """Give who has a capability; grants are read again when they changed."""
        self._read_grants()
        return self._owners.get(token)

    def _read_grants(self) -> None:
        try:
            stamp = (self.folder / GRANTS).stat().st_mtime_ns
        except OSError:
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        for token, grant in read_grants(self.folder).items():
            known = self._owners.get(token)
            if known is None:
                ledger = BudgetLedger(grant.budget)
                account = self.book.account(token[:_NAMED])
                seconds = max(0.0, time.time() - account.since)
                ledger.carry(account.spent, seconds, account.silent)
                self._owners[token] = Owner(grant, ledger)
            elif known.grant != grant:  # raised by whoever may write there
                known.grant = grant
                known.ledger.set_budget(grant.budget)

    def gateway(self, api_base: str | None, direct: bool) -> Gateway:
        """Give the gateway for a server's address."""
        key = (api_base, direct)
        if key not in self._gateways:
            self._gateways[key] = Gateway(api_base=api_base, direct=direct, cache=False)
        return self._gateways[key]

    def give_key(self, name: str, value: str | None) -> None:
        """Take a key from a person, or let go of it."""
        if value is None:
            os.environ.pop(name, None)
            self.given.discard(name)
        else:
            os.environ[name] = value
            self.given.add(name)
        for gateway in self._gateways.values():
            gateway.forget_places()
        with suppress(OSError):
            self._keys.sendall(json.dumps([name, value]).encode("ascii") + b"\n")

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected += 1
        try:
            async with asyncio.timeout(HELLO):
                if not await self._address.admits(reader, writer):
                    return
                message, _ = await read_frame(reader, 1 << 12)
            owner = self.owner(str(message.get("token")))
            if owner is None or message.get("op") != "hello":
                return
            connection = Connection(self, owner, writer)
            await connection.serve(reader)
        except (TimeoutError, asyncio.IncompleteReadError, OSError, ReplError):
            return
        except asyncio.CancelledError:
            return
        finally:
            writer.close()
            self._connected -= 1
            if not self._connected:
                self._alone.set()


class Connection:
    """One kernel's connection."""

    def __init__(self, worker: Worker, owner: Owner, writer: asyncio.StreamWriter) -> None:
        self._worker, self._owner, self._writer = worker, owner, writer
        self._calls: dict[int, asyncio.Task[None]] = {}
        writer.transport.set_write_buffer_limits(high=PAUSED_AT)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Answer until it ends; calls in flight then end, too."""
        owner = self._owner
        if len(owner.connections) >= MOST_CONNECTIONS:
            self._refuse(0, f"A kernel has no more than {MOST_CONNECTIONS} connections.")
            return
        owner.connections.add(self)
        try:
            while await self._take(reader):
                await self._writer.drain()
        finally:
            owner.connections.discard(self)
            for task in list(self._calls.values()):
                task.cancel()

    async def _take(self, reader: asyncio.StreamReader) -> bool:
        """Take in one frame; False for one that no kernel of ours sends."""
        owner = self._owner
        length = body_size(await reader.readexactly(HEAD))
        if length > wire.MOST_HEAD:
            return False
        message, sizes = unpack(await reader.readexactly(length))
        number, op = message.get("id"), message.get("op")
        if type(number) is not int or not 0 <= number < 1 << 53 or len(sizes) > 1:
            return False
        if op == "cancel":
            if number in self._calls:
                self._calls[number].cancel()
            return not sizes
        size = length + sum(sizes)
        why = ""
        if number in self._calls:
            why = f"There is a call {number} in flight already."
        elif owner.calls >= MOST_CALLS:
            why = f"A kernel has no more than {MOST_CALLS:,} calls in flight."
        elif sum(sizes) > wire.MOST_BODY:
            why = wire.TOO_BIG
        elif owner.held + size > MOST_HELD:
            why = f"The requests in flight of a kernel have no more than {MOST_HELD >> 20} MiB."
        if why:
            await _skip(reader, sum(sizes))
            self._refuse(number, why)
            return True
        owner.held += size
        try:
            parts = [await reader.readexactly(n) for n in sizes]
        except BaseException:
            owner.held -= size
            raise
        owner.calls += 1
        if op != "support":  # the others' are plain: nothing nested is kept while they are answered
            message = {n: v for n, v in message.items() if n in wire.PLAIN and _is_plain(v)}
        task = asyncio.ensure_future(self._answer(number, message, parts))
        self._calls[number] = task
        task.add_done_callback(partial(self._over, number, size))
        return True

    def _over(self, number: int, size: int, task: asyncio.Task[None]) -> None:
        self._calls.pop(number, None)
        self._owner.calls -= 1
        self._owner.held -= size

    def _refuse(self, number: int, why: str) -> None:
        error = wire.error_to(ProviderError(why))
        self._send({"op": "reply", "id": number, "error": error})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer.is_closing():
            return
        for piece in pack(message):
            self._writer.write(piece)
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self._writer.transport.abort()  # which ends its calls, too

    async def _answer(self, number: int, message: dict[str, Any], parts: list[bytes]) -> None:
        reply: dict[str, Any] = {"op": "reply", "id": number}
        try:
            op = OPS.get(str(message.get("op")))
            if op is None:
                raise ModelError(f"The gateway process has no {message.get('op')!r:.40}.")
            reply["value"] = await op(self, number, message, parts)
        except asyncio.CancelledError:
            reply["error"] = wire.error_to(Cancelled("The call was cancelled."))
        except Exception as error:
            reply["error"] = wire.error_to(error)
        try:
            self._send(reply)
        except ReplError:
            self._refuse(number, "The reply is too big for the way to the kernel.")

    # -- what can be asked -------------------------------------------------------------------

    async def _info(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        target = self._target(message)
        provider = target.provider
        return {
            "info": wire.info_to(target.info), "where": repr(provider), "bare": target.bare,
            "concurrency": getattr(provider, "concurrency", None),
            "timed": getattr(provider, "timed", True),
        }  # fmt: skip

    async def _support(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        target = self._target(message)
        ask = getattr(target.provider, "support", None)
        constraint = wire.constraint_from(message["constraint"])
        return "no" if ask is None else ask(target.bare, constraint)

    async def _call(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        run, call, key = (str(message.get(n) or "")[:LONGEST_NAME] for n in ("run", "call", "key"))
        runs = Path(self._owner.grant.runs) if self._owner.grant.runs else runs_dir()
        folder = runs / run if run and _RUN.fullmatch(run) else None
        if message.get("again") and folder is not None:
            async with self._worker.looking:
                known = await asyncio.to_thread(_known, folder, key, call)
            if known is not None:
                return known
        target = self._target(message)
        request = wire.request_from(parts.pop())

        def piece(text: str) -> None:
            self._send({"op": "text", "id": number, "text": text})

        on_text = piece if message.get("stream") else None
        reply = wire.reply_to(await self._complete(target, request, on_text))
        if folder is not None and key:
            if self._owner.grant.closed:
                with suppress(OSError):  # its own is in the box, and is copied here in a moment
                    folder.mkdir(mode=0o700, exist_ok=True)
            await self._worker.journal.write(folder, line_of(call, key, reply, time.time()))
        return reply

    async def _complete(
        self, target: Target, request: CallRequest, on_text: Callable[[str], None] | None
    ) -> Reply:
        """Make one try, covered by the capability's budget."""
        worker, owner = self._worker, self._owner
        worker._read_grants()
        info, ledger = target.info, owner.ledger
        size = size_of(request, info, target.model, 16_384)
        reservation = await ledger.reserve(
            size.prompt + size.output, size.cost, target.model,
            (size.prompt + size.worth, size.least_cost),
        )  # fmt: skip
        call = self._opened(reservation)
        began = time.monotonic()
        first: float | None = None
        usage: Usage | None = None
        whole = False
        said: list[str] = []
        most = size.output

        def heard(text: str) -> None:
            nonlocal first
            if first is None:
                first = time.monotonic() - began
            said.append(text)
            if on_text is not None:
                on_text(text)

        def cut() -> Usage:
            seconds = time.monotonic() - began
            silent = seconds if first is None else first
            guess = cut_bill(request, info, "".join(said), silent, seconds, most)
            if guess.cost is None:
                dear = cost_of(guess.input_tokens, guess.output_tokens, 0, *DEAR) or 0.0
                guess = replace(guess, known_cost=min(dear, reservation.cost))
            return guess

        try:
            limit = limit_of(size, request, info, ledger, reservation)
            if limit is None:
                limit = request.max_tokens
            most = limit or size.output
            sent = replace(request, model=target.bare, max_tokens=limit)
            reply = await target.provider.complete(sent, heard if on_text else None)
            usage = billed(reply.usage, info, time.monotonic() - began)
            whole = True
            return reply
        except ConfigError:
            raise
        except ProviderError as error:
            if error.usage is not None:
                usage, whole = billed(error.usage, info, time.monotonic() - began), True
            elif error.cut:
                usage = cut()
            raise
        except BaseException:  # cancelled, or a fault of ours: it may have been sent
            usage = cut()
            raise
        finally:
            before = ledger.spent.known_cost
            if usage is None:
                ledger.release(reservation)
            else:
                ledger.settle(reservation, usage, whole)
                booked = ledger.spent.known_cost - before
                usage = replace(usage, known_cost=max(usage.known_cost, booked))
            if call:
                worker.book.close(owner.name, call, usage)
            if ledger.silent(target.model):
                worker.book.silent(owner.name, target.model)

    def _opened(self, reservation: Reservation) -> str:
        """Write down what a call may cost; give its name in the book."""
        cost = reservation.cost
        most = Usage(reservation.tokens, 0, 0, cost if reservation.priced else None, cost, 1)
        try:
            return self._worker.book.open(self._owner.name, most)
        except OSError as error:
            if self._owner.grant.budget is None:
                return ""  # there is nothing that it could pass
            self._owner.ledger.release(reservation)
            raise ProviderError(
                "The gateway process can't write down what this call may cost "
                f"({error.strerror}), so it wasn't sent: make room on the disk of "
                f"{self._worker.folder}."
            ) from error

    async def _key(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        if self._owner.grant.closed:
            raise ConfigError(
                "A sandboxed kernel takes no key: set it in the environment that Jupyter is "
                "started from."
            )
        name, value = str(message["name"]), message["value"]
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} isn't the name of a key, such as OPENAI_API_KEY.")
        self._worker.give_key(name, None if value is None else str(value))
        return True

    async def _keys(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        from .._models import key_names

        names = [n for n in key_names() if os.environ.get(n)]
        given = self._worker.given
        return {n: "given here" if n in given else "environment" for n in {*names, *given}}

    async def _status(self, number: int, message: dict[str, Any], parts: list[bytes]) -> Any:
        ledger = self._owner.ledger
        return {"pid": os.getpid(), "keeper": os.getppid(), "budget": self._owner.grant.budget,
                "spent": usage_to_dict(ledger.spent), "dumpable": _dumpable()}  # fmt: skip

    def _target(self, message: dict[str, Any]) -> Target:
        model, owner = str(message["model"]), self._owner
        grant, allowed = owner.grant, owner.grant.models
        base = None if message.get("api_base") is None else str(message["api_base"])
        if len(model) > LONGEST_NAME or len(base or "") > 10 * LONGEST_NAME:
            raise ConfigError(f"No model has a name of more than {LONGEST_NAME} characters.")
        if allowed and not any(fnmatch.fnmatch(model, pattern) for pattern in allowed):
            raise ConfigError(f"This kernel may not call {model!r}; it may call: "
                              + ", ".join(allowed) + ".")  # fmt: skip
        if base is not None and grant.closed and base not in grant.bases:
            raise ConfigError(
                f"This kernel is in a sandbox, and {base!r:.100} wasn't named by you: name it by "
                "`%%rlm --api-base` in a cell of your own."
            )
        name = model, base, bool(message.get("direct", True))
        if name not in owner.names and len(owner.names) >= MOST_NAMES:
            raise ConfigError(f"A kernel calls no more than {MOST_NAMES:,} different models.")
        target = self._worker.gateway(*name[1:])._target(model)
        owner.names.add(name)
        return target


OPS = {
    "info": Connection._info, "support": Connection._support, "call": Connection._call,
    "key": Connection._key, "keys": Connection._keys, "status": Connection._status,
}  # fmt: skip


class Journal:
    """Writes replies beside the logs of their runs; many at once, with one sync."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, folder: Path, line: bytes) -> None:
        """Return when the line is on the disk; a fault of the disk doesn't lose the reply."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((folder, line, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            by_folder: dict[Path, list[bytes]] = {}
            for folder, line, _ in batch:
                by_folder.setdefault(folder, []).append(line)
            for folder, lines in by_folder.items():
                with suppress(OSError):  # the kernel's own log has it in a moment
                    await asyncio.to_thread(append, folder, lines)
            for _, _, done in batch:
                if not done.done():
                    done.set_result(None)


def _known(folder: Path, key: str, call: str) -> dict[str, Any] | None:
    data = find_paid(folder, key, call)
    if data is None:
        return None
    return {**{n: data[n] for n in ("text", "model", "finish", "usage")}, "first_token": None}


async def _skip(reader: asyncio.StreamReader, size: int) -> None:
    """Read over so many bytes."""
    while size:
        piece = await reader.read(min(size, 1 << 16))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _dumpable() -> int | None:
    if sys.platform != "linux":
        return None
    return int(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
