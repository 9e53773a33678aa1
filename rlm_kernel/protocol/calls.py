"""What travels between the engine, the gateway and the providers: requests, replies, usage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls used; adds up.

    ``cost`` is in US dollars and ``None`` as soon as one price in the sum is unknown;
    ``known_cost`` is the sum of the known ones, so that "at least $x" can be said.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = 0.0
    known_cost: float = 0.0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        both = self.cost is not None and other.cost is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            (self.cost or 0.0) + (other.cost or 0.0) if both else None,
            self.known_cost + other.known_cost,
            self.calls + other.calls,
            self.seconds + other.seconds,
        )

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a reply must look like; at most one of the three is set."""

    schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] | None = None
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One completion that is asked for.

    Args:
        messages: the chat, oldest first.
        model: the full name, as a person would write it (``"openai/gpt-5"``, ``"local"``).
        constraint: what the reply must look like, or None.
        max_tokens: the most output tokens, or None for the gateway's default.
        temperature: None leaves the provider's default.
        stop: strings that end the reply.
        timeout: seconds for the whole call, retries not counted; None for the default.
        cache: whether an equal earlier reply may be used.
    """

    messages: tuple[Message, ...]
    model: str
    constraint: Constraint | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    timeout: float | None = None
    cache: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """One completion that came back.

    ``usage.cost`` is what the provider billed where it said so, else from the price map,
    else None. ``value`` is the parsed object where a schema was asked for.
    """

    text: str
    model: str
    usage: Usage
    finish: str = "stop"
    cached: bool = False
    first_token: float | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model before it is called.

    Prices are US dollars per token, None where unknown; ``window`` is in tokens.
    """

    name: str
    provider: str
    window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    local: bool = False
    note: str = ""


OnText = Callable[[str], None]


@runtime_checkable
class Provider(Protocol):
    """The one seam to language models: everything else is the same for all of them."""

    def info(self, model: str) -> ModelInfo:
        """Say what is known of ``model``; never waits for the network."""
        ...

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Give one reply, or raise ``ProviderError``; pieces go to ``on_text`` as they come.

        Cancelling the awaiting task ends the call. Retries, budget, cache and limits are the
        gateway's: a provider tries once.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over a whole tree of calls; None is no limit.

    Args:
        money: US dollars.
        tokens: input and output together.
        calls: completions, the root's own included.
        seconds: wall time from the start of the run (time paused doesn't count).
    """

    money: float | None = 1.0
    tokens: int | None = None
    calls: int | None = 1000
    seconds: float | None = None


@dataclass(slots=True)
class Origin:
    """Where in the tree a call belongs: the node under which its own node is made."""

    run: str
    parent: str
    role: str = "sub"
    depth: int = 0
    name: str = ""
    line: int | None = None
    index: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """Where events go: the log. Thread-safe."""

    def new_id(self, kind: str) -> str:
        """Give a node id that is free in this log: ``call17``."""
        ...

    def emit(self, event: Any) -> object:
        """Write an event, then show it."""
        ...


class Ledger(Protocol):
    """A budget in use: reserve before a call is sent, settle with the bill. Thread-safe."""

    async def reserve(
        self,
        tokens: int,
        cost: float | None,
        model: str = "",
        least: tuple[int, float | None] | None = None,
    ) -> Any:
        """Set an estimate aside, or raise ``BudgetExceeded``; may wait for bills of calls in
        flight. ``least`` would do where no more is left; ``cost`` is None for an unknown price,
        which the bills of ``model`` may tell."""
        ...

    def settle(self, reservation: Any, usage: Usage, whole: bool = True) -> None:
        """Replace an estimate by the bill; not ``whole`` where a call was cut off."""
        ...

    def release(self, reservation: Any) -> None:
        """Give an estimate back: nothing was billed."""
        ...


class GatewayClient(Protocol):
    """The gateway as the engine sees it. Runs on the engine's loop."""

    def info(self, model: str) -> ModelInfo:
        """Say what is known of a model; raise ``ConfigError`` in one sentence if nothing can be."""
        ...

    def key_of(self, request: CallRequest) -> str:
        """Give the key by which the log knows a request: equal for equal requests."""
        ...

    async def call(
        self, request: CallRequest, origin: Origin, ledger: Ledger, sink: Sink
    ) -> Reply:
        """Make one completion with its node, cache, budget, limits and retries; else ModelError."""
        ...

    def cancel(self, node: str) -> bool:
        """Cancel a call in flight; False where there is none of that name."""
        ...

    def retry(self, node: str) -> bool:
        """Try a call in flight again from the start."""
        ...

    def answer(self, node: str, text: str) -> bool:
        """Answer a call in flight by hand."""
        ...

    async def close(self) -> None:
        """Close every provider."""
        ...
