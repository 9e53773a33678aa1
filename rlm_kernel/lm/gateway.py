"""The gateway: the only part that talks to language models.

Every call gets a node in the log, from its start to its end; is covered by the budget before it is
sent; comes from the cache where an equal one is paid for; waits its turn within the limits of its
model; is tried again where that may help; and ends in a reply or a ``ModelError`` of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Enum, Float, Int, Unicode
from traitlets.config import Configurable

from ..errors import BY_A_PERSON, Cancelled, ConfigError, ModelError, ProviderError, error_kind
from ..log import runs_dir
from ..protocol import (
    CallRequest,
    Ledger,
    ModelInfo,
    Origin,
    Provider,
    Reply,
    Sink,
    Usage,
    usage_to_dict,
)
from ..protocol.events import CallEnded, CallStarted
from ..protocol.live import Live
from ._cache import ReplyCache, cache_key
from ._flight import Flight, Policy, Target
from ._limits import Throttle, matching
from ._models import THREE_WAYS, Place, place
from .human import HumanModel
from .served.client import installed, making

if TYPE_CHECKING:
    from traitlets.config import Config

_FEW = 16  # calls in flight up to which a person can look at one while it comes in
_STREAMED = ("root", "closing")
_NO_CHOICES: list[str] = []  # one for all: every list that is kept slows the garbage collector
_CLOSED = "The call was cancelled before its reply was whole: the gateway was closed."


class Gateway(Live, Configurable):
    """Completions from every model there is, with their budget, cache, limits and retries.

    Args:
        api_base: address of an OpenAI-compatible server that every model's name is meant for.
        api_key: the key for it (or for the models' own provider).
        providers: more providers by name; ``"NAME"`` and ``"NAME/…"`` are then models.
        can_answer: says whether a person is there to answer calls of ``model="human"``.
        config: traitlets' configuration.
    """

    direct = Bool(
        True, help="Call OpenAI-compatible servers directly instead of through litellm."
    ).tag(config=True)
    stream = Enum(
        ["root", "few", "all", "off"],
        "root",
        help="Whose replies are shown as they come in: the root's, those of calls as well while "
        "few are in flight, everybody's, or nobody's.",
    ).tag(config=True)
    concurrency = Dict(
        value_trait=Int(),
        key_trait=Unicode(),
        help="Most calls in flight by model pattern, such as {'anthropic/*': 16}; by default 256 "
        "on the direct path and 64 elsewhere. Halved while a provider asks for fewer.",
    ).tag(config=True)
    requests_per_minute = Dict(
        value_trait=Float(),
        key_trait=Unicode(),
        help="Most requests a minute by model pattern, such as {'openai/gpt-5*': 500}.",
    ).tag(config=True)
    tokens_per_minute = Dict(
        value_trait=Float(),
        key_trait=Unicode(),
        help="Most tokens a minute, in and out, by model pattern.",
    ).tag(config=True)
    prices = Dict(
        key_trait=Unicode(),
        help="Prices in US dollars per million tokens, in and out, by model pattern, where the "
        "price map has none or another: {'openai/my-model': [0.2, 0.8]}.",
    ).tag(config=True)
    windows = Dict(
        value_trait=Int(),
        key_trait=Unicode(),
        help="Windows in tokens by model pattern, where they aren't known.",
    ).tag(config=True)
    max_retries = Int(5, help="Most further tries of a call that failed.").tag(config=True)
    retry_base = Float(
        0.5, help="Seconds: tries wait a random time up to this times 2, 4, 8, …"
    ).tag(config=True)
    max_retry_wait = Float(
        90.0, help="Most seconds to wait for a further try; a provider that asks more is an error."
    ).tag(config=True)
    call_timeout = Float(600.0, help="Most seconds for one try of a call.").tag(config=True)
    idle_timeout = Float(
        120.0, help="Seconds without a byte after which a streaming reply counts as hung."
    ).tag(config=True)
    max_tokens = Int(
        16_384,
        help="Most tokens of a reply, where a call names no number and a budget depends on it.",
    ).tag(config=True)
    cache = Bool(True, help="Use replies that were already paid for.").tag(config=True)
    cache_size = Int(64 << 20, help="Bytes of replies kept in memory.").tag(config=True)
    cache_dir = Unicode(
        "", help="A folder in which replies are kept for later sessions; empty for none."
    ).tag(config=True)

    def __init__(
        self,
        api_base: str | None = None,
        api_key: str | None = None,
        providers: Mapping[str, Provider] | None = None,
        can_answer: Callable[[], bool] | None = None,
        config: Config | None = None,
        **traits: Any,
    ) -> None:
        if config is not None:
            traits["config"] = config
        super().__init__(**traits)
        self.api_base = api_base
        self.served = None if api_key else installed()
        self._api_key = api_key
        self._lock = threading.RLock()
        self._named: dict[str, Provider] = {"human": HumanModel(can_answer)}
        self._named.update(providers or {})
        self._made: dict[Any, Provider] = {}
        self._targets: dict[str, Target] = {}
        self._flights: dict[str, Flight] = {}
        self._cache = ReplyCache(self.cache_size, self.cache_dir or None)

    # -- models ----------------------------------------------------------------------------

    def register(self, provider: Provider, name: str | None = None) -> str:
        """Make a provider known; give the name under which it is a model.

        Args:
            provider: the provider; one that is known already keeps its name.
            name: by default the provider's own ``name``; a number is added where it is taken.
        """
        with self._lock:
            for known, other in self._named.items():
                if other is provider and name in (None, known):
                    return known
            wanted = name or getattr(provider, "name", "") or type(provider).__name__.lower()
            free, number = wanted, 1
            while free in self._named:
                number += 1
                free = f"{wanted}-{number}"
            self._named[free] = provider
            return free

    def name_of(self, model: str | Provider) -> str:
        """Give the name that stands for a model, given by name or as a provider, in requests."""
        return model if isinstance(model, str) else self.register(model)

    def resolve(self, model: str | Provider) -> tuple[Provider, str]:
        """Find the provider of a model, and the name that the provider knows it by.

        Raises:
            ConfigError: nothing is known of the name, or its key is missing.
        """
        target = self._target(self.name_of(model))
        return target.provider, target.bare

    def info(self, model: str | Provider) -> ModelInfo:
        """Say what is known of a model, without the network.

        Raises:
            ConfigError: nothing is known of the name, or its key is missing.
        """
        return self._target(self.name_of(model)).info

    def _target(self, model: str) -> Target:
        with self._lock:
            target = self._targets.get(model)
            if target is None:
                provider, bare = self._find(model)
                info = self._adjust(model, provider.info(bare))
                own = getattr(provider, "concurrency", None)
                limit = matching(self.concurrency, model) or own or 64
                throttle = Throttle(
                    limit,
                    matching(self.requests_per_minute, model),
                    matching(self.tokens_per_minute, model),
                )
                target = self._targets[model] = Target(model, bare, provider, info, throttle)
            return target

    def _find(self, model: str) -> tuple[Provider, str]:
        prefix, _, rest = model.partition("/")
        if model in self._named:
            return self._named[model], model
        if rest and prefix in self._named:
            return self._named[prefix], rest
        local = model == "local" or model.startswith("local:")
        # A kernel in a box has no weights, and may start no engine: those are the process's too.
        if local and not (self.served is not None and self.served.boxed):
            return self._once("local", _local), model.partition(":")[2] or "local"
        if self.served is not None:
            from .served.remote import RemoteProvider

            base = None if local else self.api_base
            remote = RemoteProvider(self.served, model, base, self.direct)
            return remote, remote.bare
        found = place(model, self.api_base, self._api_key, self.direct)
        if found.path == "direct":
            return self._once(replace(found, name=""), lambda: self._direct(found)), found.name
        return self._once(replace(found, name=""), lambda: _litellm(found)), found.name

    def _once(self, key: Any, make: Callable[[], Provider]) -> Provider:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def forget_places(self) -> None:
        """Look anew where models are, and with which keys, at the next call of each."""
        with self._lock:
            self._targets.clear()

    def _direct(self, found: Place) -> Provider:
        from .openai_direct import OPENAI, OpenAIProvider

        return OpenAIProvider(
            found.api_base or OPENAI, found.api_key, idle_timeout=self.idle_timeout
        )

    def _adjust(self, model: str, info: ModelInfo) -> ModelInfo:
        """Put in what the configuration says of a model."""
        window = matching(self.windows, model)
        price = matching(self.prices, model)
        if price is not None:
            try:
                per_in, per_out = (float(x) / 1e6 for x in price)
            except (TypeError, ValueError) as error:
                msg = (
                    f"prices[{model!r}] takes two numbers: dollars per million tokens, in and out."
                )
                raise ConfigError(msg) from error
            info = replace(info, input_price=per_in, output_price=per_out)
        return info if window is None else replace(info, window=window)

    # -- calls -----------------------------------------------------------------------------

    async def call(self, request: CallRequest, origin: Origin, ledger: Ledger, sink: Sink) -> Reply:
        """Make one completion, with its node.

        Raises:
            ModelError: there is no reply; the log says why, too.
        """
        node = sink.new_id("call")
        last = request.messages[-1]["content"] if request.messages else ""
        sink.emit(
            CallStarted(
                node=node,
                parent=origin.parent,
                role=origin.role,
                model=request.model,
                prompt=last,
                name=origin.name,
                depth=origin.depth,
                line=origin.line,
                index=origin.index,
                note=str(origin.extra.get("note", "")),
                choices=list(choices) if (choices := _choices_of(request)) else _NO_CHOICES,
            )
        )
        flight: Flight | None = None
        key = ""
        ended: CallEnded | None = None
        try:
            target = self._target_for_call(request.model)
            key = cache_key(request, _where(target.provider))
            making.set((_run_of(sink), key))
            kept = self.cache and request.cache and getattr(target.provider, "cacheable", True)
            if kept:
                reply = await self._cached(key)
                if reply is not None:
                    ended = _ended(node, reply, key)
                    return reply
            flight = Flight(
                node, request, target, self._policy(), ledger, sink, self._streams(origin.role)
            )
            self._flights[node] = flight
            flight.start()
            reply = await flight.done
            ended = _ended(node, reply, key)
            if kept and reply.finish in ("stop", "") and reply.model != "human":
                await self._keep(key, reply)
            return reply
        except asyncio.CancelledError as error:
            if flight is not None:
                flight.abandon()
            why = BY_A_PERSON if BY_A_PERSON in error.args else "The call was cancelled."
            ended = ended or _failed(node, Cancelled(why), flight, key)
            raise
        except BaseException as error:
            if flight is not None:
                flight.abandon()
            ended = ended or _failed(node, error, flight, key)
            raise
        finally:
            self._flights.pop(node, None)
            if ended is not None:
                sink.emit(ended)

    def key_of(self, request: CallRequest) -> str:
        """Give the key by which the log knows a request; raises as ``call`` does."""
        return cache_key(request, _where(self._target_for_call(request.model).provider))

    def _target_for_call(self, model: str) -> Target:
        try:
            return self._target(model)
        except ConfigError as error:
            raise ProviderError(str(error), kind="model") from error

    def _streams(self, role: str) -> bool:
        few = self.stream == "few" and len(self._flights) < _FEW
        return few or self.stream == "all" or (self.stream != "off" and role in _STREAMED)

    def _policy(self) -> Policy:
        return Policy(
            self.max_retries,
            self.retry_base,
            self.max_retry_wait,
            self.call_timeout,
            self.max_tokens,
        )

    async def _cached(self, key: str) -> Reply | None:
        reply = self._cache.get(key)
        if reply is None and self._cache.folder is not None:
            reply = await asyncio.to_thread(self._cache.load, key)
            if reply is not None:
                self._cache.put(key, reply)
        if reply is None:
            return None
        return replace(reply, usage=Usage(calls=1), cached=True, first_token=None)

    async def _keep(self, key: str, reply: Reply) -> None:
        self._cache.put(key, reply)
        if self._cache.folder is not None:
            await asyncio.to_thread(self._cache.store, key, reply)

    # -- from outside: any thread ----------------------------------------------------------

    def cancel(self, node: str) -> bool:
        """Cancel a call in flight; False where there is none of that name."""
        return self._steer(node, Flight.cancel)

    def retry(self, node: str) -> bool:
        """Try a call in flight again from the start; False where there is none of that name."""
        return self._steer(node, Flight.retry)

    def answer(self, node: str, text: str) -> bool:
        """Answer a call in flight by hand.

        Returns:
            False where there is none of that name, or the text hasn't the form the call asks for.
        """
        return self._steer(node, lambda flight: flight.answer(text))

    def in_flight(self) -> list[str]:
        """Give the nodes of the calls in flight, oldest first."""
        return list(self._flights)

    def _steer(self, node: str, action: Callable[[Flight], bool]) -> bool:
        flight = self._flights.get(node)
        if flight is None or flight.done.done():
            return False
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is flight.loop:
            return action(flight)

        async def on_its_loop() -> bool:
            return action(flight)

        coro = on_its_loop()
        try:
            return asyncio.run_coroutine_threadsafe(coro, flight.loop).result(10)
        except (RuntimeError, TimeoutError):  # its loop is gone, or stuck: it can't be steered
            coro.close()
            return False

    async def close(self) -> None:
        """Cancel what is in flight and close every provider."""
        for node in list(self._flights):
            self._steer(node, lambda flight: flight.cancel(_CLOSED))
        with self._lock:
            providers = [*self._made.values(), *self._named.values()]
            self._made.clear()
            self._targets.clear()
        for provider in providers:
            with contextlib.suppress(ModelError):
                await provider.close()


def _choices_of(request: CallRequest) -> Sequence[str] | None:
    return request.constraint.choices if request.constraint is not None else None


def _run_of(sink: Sink) -> str:
    """Give the name of the folder in which a log is kept among all runs, else nothing."""
    folder = getattr(sink, "folder", None)
    return "" if folder is None else _kept_as(folder, os.environ.get("RLM_HOME"))


@functools.lru_cache(maxsize=64)  # asked at each call, and where runs are kept takes a while to say
def _kept_as(folder: Path, home: str | None) -> str:
    return folder.name if folder.parent == runs_dir() else ""


def _where(provider: Provider) -> str:
    """Say who answers, the same in every process: no object's address."""
    kind = type(provider)
    plain = kind.__repr__ is object.__repr__
    return f"{kind.__module__}.{kind.__qualname__}" if plain else repr(provider)


def _ended(node: str, reply: Reply, key: str) -> CallEnded:
    return CallEnded(
        node=node,
        status="ok",
        text=reply.text,
        model=reply.model,
        finish=reply.finish,
        cached=reply.cached,
        key=key,
        usage=usage_to_dict(reply.usage),
        first_token=reply.first_token,
    )


def _failed(node: str, error: BaseException, flight: Flight | None, key: str) -> CallEnded:
    cancelled = isinstance(error, Cancelled)
    return CallEnded(
        node=node,
        status="cancelled" if cancelled else "error",
        text=flight.flow.text if flight is not None else "",
        key=key,
        usage=usage_to_dict(flight.used if flight is not None else Usage()),
        first_token=flight.first_token if flight is not None else None,
        error=str(error),
        error_kind=error_kind(error),
    )


def _local() -> Provider:
    try:
        from .local import LocalProvider
    except ImportError as error:
        msg = f'The local model isn\'t installed: pip install "rlm-kernel[local]". {THREE_WAYS}'
        raise ConfigError(msg) from error
    provider: Provider = LocalProvider()
    return provider


def _litellm(found: Place) -> Provider:
    from .litellm_provider import LiteLLMProvider

    return LiteLLMProvider(found.api_base, found.api_key)
