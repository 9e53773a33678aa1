"""``model="local"``: a language model on this machine, without a key or a network.

Guarantees: the engine runs in a process of its own (``_local_process``); it is started at the
first call, without blocking the loop; when it dies in the middle of a call, that call gets one
clear error that says so, and may be tried again. A reply that the engine cut short for want of
memory is an error too, never passed off as a whole one.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ConfigError, ProviderError
from ..protocol import CallRequest, Constraint, ModelInfo, OnText, Reply, Usage
from . import weights
from ._room import Room
from .openai_direct import OpenAIProvider
from .structured import Support
from .tokens import upper_messages

if TYPE_CHECKING:
    from ._local_process import LocalProcess

CONTEXT = 16_384  # tokens
SLOTS = 2  # calls at once: more share one core and only wait longer
REPLY = 1024  # tokens of a reply where no number is asked for: minutes, not hours, when it rambles
TEMPERATURE = 0.0  # where none is asked for: a small model that samples picks distractors
IDLE = 600.0  # seconds without a byte: reading a long prompt on one core takes minutes

LOCAL_NOTE = (
    "runs on this machine, no key, nothing leaves it; it finds, extracts and labels, but is weak "
    "at planning: check what it answers"
)


def _threads() -> int:
    said = os.environ.get("RLM_LOCAL_THREADS", "").strip() or "1"
    if not said.isdecimal() or int(said) < 1:
        raise ConfigError(f"RLM_LOCAL_THREADS is a whole number from 1 on, not {said!r}.")
    return int(said)


class LocalProvider:
    """Models of this machine; ``"local"`` is the default one, ``"local:NAME"`` another.

    Args:
        threads: that compute; None: ``RLM_LOCAL_THREADS``, or 1. More than one helps only on a
            machine that does nothing else.
        context: tokens that the calls in flight share; at most the model's own window is used.
    """

    concurrency = SLOTS

    def __init__(self, *, threads: int | None = None, context: int = CONTEXT) -> None:
        self._threads = threads or _threads()
        self._context = context
        self._lock = threading.Lock()
        self._processes: dict[str | None, LocalProcess] = {}
        self._rooms: dict[str, Room] = {}
        self._clients: dict[str, OpenAIProvider] = {}

    def __repr__(self) -> str:
        return "LocalProvider()"

    def info(self, model: str) -> ModelInfo:
        """Say what is known; raise ConfigError where the weights or the engine aren't here."""
        from ._local_process import need_engine

        found = weights.find(_name(model), check=False)
        need_engine()
        window = min(self._context, found.window or self._context)
        note = f"{found.title}; {LOCAL_NOTE}"
        output = min(REPLY, window // 2)
        return ModelInfo(model, "local", window, output, 0.0, 0.0, local=True, note=note)

    def support(self, model: str, constraint: Constraint) -> Support:
        """The engine holds replies to every form; a choice is better where it is also named."""
        return "maybe" if constraint.choices is not None else "yes"

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Ask for one completion; the engine is started where it isn't running."""
        process = await asyncio.to_thread(self._process, _name(request.model))
        client = self._client(await asyncio.to_thread(process.ensure), process.key)
        ctx = process.options.ctx
        sent = _sent(request)
        async with self._room(client, ctx).take(
            upper_messages(request.messages) + (request.max_tokens or REPLY)
        ):
            try:
                reply = await client.complete(sent, on_text)
            except ProviderError as error:
                squeezed = error.status == 500 and "context size" in str(error).lower()
                if squeezed or _cut(getattr(error, "usage", None), "length", sent, ctx):
                    raise _no_room() from error
                if error.kind not in ("connect", "malformed", "server"):
                    raise
                death = await asyncio.to_thread(process.death, 1.0)
                if death is None:
                    raise
                raise ProviderError(
                    f"The local model's engine ended in the middle of a call. {death}",
                    kind="server", retryable=True,
                ) from error  # fmt: skip
        process.replied()
        if _cut(reply.usage, reply.finish, sent, ctx):
            raise _no_room()
        usage = replace(reply.usage, cost=0.0, known_cost=0.0)
        return replace(reply, model=request.model, usage=usage)

    async def close(self) -> None:
        """Let go of the engines."""
        from ._local_process import release

        clients, self._clients = list(self._clients.values()), {}
        processes, self._processes = list(self._processes.values()), {}
        for client in clients:
            await client.close()
        for process in processes:
            await asyncio.to_thread(release, process)

    def _process(self, name: str | None) -> LocalProcess:
        from ._local_process import EngineOptions, acquire

        with self._lock:  # first calls come several at a time, each in a thread
            process = self._processes.get(name)
            if process is None:
                found = weights.find(name, check=False)  # checked when it is started
                ctx = min(self._context, found.window or self._context)
                process = acquire(EngineOptions(found.path, ctx, SLOTS, self._threads))
                self._processes[name] = process
            return process

    def _room(self, client: OpenAIProvider, ctx: int) -> Room:
        return self._rooms.setdefault(client.api_base, Room(ctx))

    def _client(self, url: str, key: str) -> OpenAIProvider:
        base = f"{url.rstrip('/')}/v1"
        if base not in self._clients:
            self._clients[base] = OpenAIProvider(base, key, idle_timeout=IDLE)
        return self._clients[base]


def choices_grammar(choices: Sequence[str]) -> str:
    """Give the grammar (GBNF) of exactly one of some texts: a few tokens, where JSON takes ten."""
    return "root ::= " + " | ".join(f'"{_QUOTED.sub(_quote, c)}"' for c in choices)


_QUOTED = re.compile(r'[\x00-\x1f\x7f"\\]')


def _quote(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02X}"


def _sent(request: CallRequest) -> CallRequest:
    """Give what is sent: the engine's name, a choice as a grammar, a limit, a temperature."""
    constraint = request.constraint
    if constraint is not None and constraint.choices is not None:
        constraint = Constraint(grammar=choices_grammar(constraint.choices))
    limit = request.max_tokens or REPLY
    heat = TEMPERATURE if request.temperature is None else request.temperature
    return replace(
        request, model="local", constraint=constraint, max_tokens=limit, temperature=heat
    )


def _cut(usage: Usage | None, finish: str, sent: CallRequest, ctx: int) -> bool:
    """Say whether a reply ended before its limit and before the window: others took the room."""
    if usage is None or finish != "length" or sent.max_tokens is None:
        return False
    return usage.output_tokens < sent.max_tokens and usage.tokens < ctx - 8


def _no_room() -> ProviderError:
    return ProviderError(
        "The local engine had no room left beside another long call and cut this one short; "
        "the same call fits when it is alone.",
        kind="server",
        retryable=True,
    )


def _name(model: str) -> str | None:
    return None if model == "local" else model.removeprefix("local:")
