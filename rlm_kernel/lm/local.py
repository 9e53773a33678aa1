"""``model="local"``: a language model on this machine, without a key or a network.

Guarantees: the engine runs in a process of its own (``_local_process``); it is started at the
first call, without blocking the loop; when it dies in the middle of a call, that call gets one
clear error that says so, and may be tried again.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ProviderError
from ..protocol import CallRequest, Constraint, ModelInfo, OnText, Reply
from . import weights
from .openai_direct import OpenAIProvider
from .structured import Support

if TYPE_CHECKING:
    from ._local_process import LocalProcess

CONTEXT = 16_384  # tokens
SLOTS = 2  # calls at once: more share one core and only wait longer
IDLE = 600.0  # seconds without a byte: reading a long prompt on one core takes minutes

LOCAL_NOTE = (
    "runs on this machine, no key, nothing leaves it; it finds, extracts and labels, but is weak "
    "at planning: check what it answers"
)


class LocalProvider:
    """Models of this machine; ``"local"`` is the default one, ``"local:NAME"`` another.

    Args:
        threads: that compute; None: ``RLM_LOCAL_THREADS``, or 1.
    """

    concurrency = SLOTS

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads or int(os.environ.get("RLM_LOCAL_THREADS", "1"))
        self._processes: dict[str | None, LocalProcess] = {}
        self._clients: dict[str, OpenAIProvider] = {}

    def __repr__(self) -> str:
        return "LocalProvider()"

    def info(self, model: str) -> ModelInfo:
        """Say what is known; raise ConfigError where the model's weights aren't here."""
        found = weights.find(_name(model))
        window = min(CONTEXT, found.window or CONTEXT)
        note = f"{found.title}; {LOCAL_NOTE}"
        return ModelInfo(model, "local", window, window // 2, 0.0, 0.0, local=True, note=note)

    def support(self, model: str, constraint: Constraint) -> Support:
        """The engine holds replies to every form by itself."""
        return "yes"

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Ask for one completion; the engine is started where it isn't running."""
        process = await asyncio.to_thread(self._process, _name(request.model))
        client = self._client(await asyncio.to_thread(process.ensure), process.key)
        try:
            reply = await client.complete(replace(request, model="local"), on_text)
        except ProviderError as error:
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

        process = self._processes.get(name)
        if process is None:
            found = weights.find(name)
            ctx = min(CONTEXT, found.window or CONTEXT)
            process = acquire(EngineOptions(found.path, ctx, SLOTS, self._threads))
            self._processes[name] = process
        return process

    def _client(self, url: str, key: str) -> OpenAIProvider:
        base = f"{url.rstrip('/')}/v1"
        if base not in self._clients:
            self._clients[base] = OpenAIProvider(base, key, idle_timeout=IDLE)
        return self._clients[base]


def _name(model: str) -> str | None:
    return None if model == "local" else model.removeprefix("local:")
