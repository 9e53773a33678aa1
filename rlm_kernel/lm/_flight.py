"""One call, from the moment it is in the log to the moment its end is.

Guarantees:
- ``CallStarted`` is emitted before anything is sent; ``CallEnded`` exactly once, on every path;
- each attempt is covered by a reservation, which is settled or given back exactly once, also
  when the call is cancelled, answered by hand or tried again in the middle of an attempt;
- an attempt that was cut off after it was sent is booked at a guess, as it may be billed;
- cancel, retry and answer do what they say or return False: a call that is over stays over.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import Cancelled, ModelError, ProviderError
from ..protocol import (
    CallRequest,
    Constraint,
    Ledger,
    ModelInfo,
    OnText,
    Provider,
    Reply,
    Sink,
    Usage,
)
from ..protocol.events import CallRetried, CallText
from . import structured
from ._late import late_import
from ._limits import Throttle
from .pricing import cost_of
from .structured import Support
from .tokens import estimate, estimate_messages, upper_messages

log = logging.getLogger(__name__)

TEXT_EVERY = 0.05  # seconds between pieces shown
LEAST_OUTPUT = 1024  # tokens of output below which a call isn't worth sending
UNKNOWN_OUTPUT = 4096  # tokens of output where the window isn't known
# Of these, more tries seldom help: a server that isn't there, a hang, a reply that isn't one.
_FEW_TRIES = {"connect": 2, "timeout": 1, "malformed": 3}


@dataclass(frozen=True, slots=True)
class Policy:
    """How often, how long and how a call is tried; times in seconds."""

    max_retries: int
    retry_base: float
    max_retry_wait: float
    call_timeout: float
    max_tokens: int


@dataclass(slots=True)
class Target:
    """Where a call goes."""

    model: str
    bare: str
    provider: Provider
    info: ModelInfo
    throttle: Throttle


class Flight:
    """A call in flight. Lives on one event loop; only ``stop``'s callers may be elsewhere."""

    def __init__(
        self,
        node: str,
        request: CallRequest,
        target: Target,
        policy: Policy,
        ledger: Ledger,
        sink: Sink,
        stream: bool,
    ) -> None:
        self.node = node
        self.request = request
        self.target = target
        self.policy = policy
        self.ledger = ledger
        self.sink = sink
        self.used = Usage()
        self.first_token: float | None = None
        self._pieces: list[str] = []  # of the attempt in flight, as far as it has streamed in
        self._hidden: list[str] = []  # those of them not yet shown
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Reply] = self.loop.create_future()
        self._stream = stream
        self._task: asyncio.Task[None] | None = None
        self._reservation: Any = None
        self._sent: float | None = None
        self._tokens = 0  # of the prompt, at most
        self._flush: asyncio.TimerHandle | None = None
        self._last_shown = 0.0
        self._attempts = 0

    @property
    def text(self) -> str:
        """The reply in flight, as far as it has streamed in."""
        return _whole("".join(self._pieces))

    # -- from outside ----------------------------------------------------------------------

    def start(self) -> None:
        """Begin, or begin again."""
        self._task = self.loop.create_task(self._drive(), name=self.node)

    def abandon(self) -> None:
        """End the attempt in flight, if there is one, and book what it may have cost."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
        self._settle_cut()
        self._stop_showing()

    def cancel(self) -> bool:
        """End the call: whoever waits for it gets ``Cancelled``."""
        if self.done.done():
            return False
        self.abandon()
        self.done.set_exception(
            Cancelled(f"{self.node} was cancelled before its reply was whole; all else is kept.")
        )
        return True

    def retry(self) -> bool:
        """Begin the call again."""
        if self.done.done():
            return False
        self.abandon()
        self._attempts += 1
        self.sink.emit(
            CallRetried(node=self.node, attempt=self._attempts, error="tried again by hand")
        )
        self.first_token = None
        self.start()
        return True

    def answer(self, text: str) -> bool:
        """End the call with a person's words; False where they haven't the form asked for."""
        if self.done.done():
            return False
        value = None
        if self.request.constraint is not None:
            try:
                text, value = structured.check(self.request.constraint, text)
            except ValueError:
                return False
        self.abandon()
        usage = self.used if self.used.calls else replace(self.used, calls=1)
        self.done.set_result(Reply(text, "human", usage, value=value))
        return True

    # -- the work --------------------------------------------------------------------------

    async def _drive(self) -> None:
        task = asyncio.current_task()
        try:
            reply = await self._work()
        except asyncio.CancelledError:
            if self._task is task and not self.done.done():  # cancelled, and not by us
                self._settle_cut()
                self.done.set_exception(Cancelled(f"{self.node} was cancelled."))
            raise
        except ModelError as error:
            self._fail(error)
        except Exception as error:
            log.exception("%s: an error that isn't the provider's", self.node)
            self._settle_cut()
            failed = ModelError(f"{self.node} failed: {type(error).__name__}: {error}")
            failed.__cause__ = error
            self._fail(failed)
        else:
            if self._task is task and not self.done.done():
                self.done.set_result(reply)
        finally:
            if self._task is task:
                self._stop_showing()

    def _fail(self, error: ModelError) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    async def _work(self) -> Reply:
        constraint = self.request.constraint
        request = self.request
        if constraint is None:
            return await self._tries(request)
        if constraint.schema is not None:
            await late_import("jsonschema")
        structured.validate(constraint)
        support = _support(self.target, constraint)
        if constraint.grammar is not None and support != "yes":
            msg = (
                f"{self.target.model} takes no grammar=: use choices= or schema=, or a server "
                "that takes grammars (llama.cpp's, the local model)."
            )
            raise ProviderError(msg, kind="refused")
        request = structured.prepare(request, support)
        problem = ""
        for _ in range(1 + structured.FIXES):
            reply = await self._tries(request)
            try:
                text, value = structured.check(constraint, reply.text)
            except ValueError as error:
                problem = str(error)
                request = structured.again(request, reply.text, problem)
                continue
            return replace(reply, text=text, value=value)
        msg = (
            f"{self.target.model} gave no reply of the form asked for in "
            f"{1 + structured.FIXES} tries: {problem}"
        )
        raise ProviderError(msg, kind="malformed")

    async def _tries(self, request: CallRequest) -> Reply:
        seen: dict[str, int] = {}
        tries = 0
        while True:
            try:
                return await self._once(request)
            except ProviderError as error:
                tries += 1
                seen[error.kind] = seen.get(error.kind, 0) + 1
                limit = min(self.policy.max_retries, _FEW_TRIES.get(error.kind, tries))
                wait = self._wait(error, tries)
                if (
                    not error.retryable
                    or seen[error.kind] > limit
                    or tries > self.policy.max_retries
                ):
                    raise
                if wait > self.policy.max_retry_wait:
                    raise ProviderError(
                        f"{error} It asks to wait {wait:.0f} s, more than max_retry_wait.",
                        status=error.status,
                        retry_after=error.retry_after,
                        kind=error.kind,
                    ) from error
                if error.kind == "rate":
                    self.target.throttle.refused(wait)
                self._attempts += 1
                self.sink.emit(
                    CallRetried(node=self.node, attempt=self._attempts, wait=wait, error=str(error))
                )
            await asyncio.sleep(wait)

    def _wait(self, error: ProviderError, tries: int) -> float:
        """Full jitter over an exponential; a provider that names a time gets it, and a little."""
        ceiling = min(self.policy.retry_base * 2.0**tries, self.policy.max_retry_wait)
        jitter = random.uniform(0.0, ceiling)
        if error.retry_after is not None:
            return error.retry_after + min(jitter, 1.0)
        return jitter

    async def _once(self, request: CallRequest) -> Reply:
        """One attempt: reserve, wait for a place, send, settle."""
        info = self.target.info
        self._pieces, self._hidden = [], []
        self._tokens = upper_messages(request.messages)
        output, worth, asked = self._output(request)
        cost = cost_of(self._tokens, output, 0, info.input_price, info.output_price)
        least = cost_of(self._tokens, worth, 0, info.input_price, info.output_price)
        reservation = await self.ledger.reserve(
            self._tokens + output, cost, self.target.model, (self._tokens + worth, least)
        )
        self._reservation = reservation
        limit = self._limit(request, reservation, output, asked, cost)
        request = replace(request, model=self.target.bare, max_tokens=limit)
        throttle = self.target.throttle
        await throttle.enter(self._tokens)
        try:
            self._sent = time.monotonic()
            reply = await self._send(request)
        except ProviderError as error:
            if self._reservation is reservation:
                self._settle_error(error)
            raise
        finally:
            throttle.leave()
        if self._reservation is not reservation or self._sent is None:
            raise Cancelled(f"{self.node} was ended by hand.")  # and settled, by ``abandon``
        usage = self._billed(reply.usage, time.monotonic() - self._sent)
        throttle.used(self._tokens, usage.tokens)
        self._settle(usage)
        # ``used``: tries that failed may have been billed, too.
        return Reply(
            _whole(reply.text), reply.model, self.used, reply.finish, first_token=self.first_token
        )

    async def _send(self, request: CallRequest) -> Reply:
        provider = self.target.provider
        limit: float | None = None
        if getattr(provider, "timed", True):
            limit = request.timeout if request.timeout is not None else self.policy.call_timeout
        left: float | None = getattr(self.ledger, "seconds_left", _no_limit)()
        soonest = min((x for x in (limit, left) if x is not None), default=None)
        on_text: OnText | None = self._take_text if self._stream else None
        try:
            async with asyncio.timeout(soonest) as timer:
                return await provider.complete(request, on_text)
        except TimeoutError as error:
            if not timer.expired():
                raise ProviderError(
                    f"{self.target.model} took too long ({error}).", kind="timeout", retryable=True
                ) from error
            if left is not None and soonest == left:
                raise ProviderError(
                    f"{self.target.model} had not answered when the budget's time was over.",
                    kind="timeout",
                ) from error
            raise ProviderError(
                f"{self.target.model} gave no whole reply within {soonest:g} s.",
                kind="timeout",
                retryable=True,
            ) from error

    # -- how much may come back ------------------------------------------------------------

    def _output(self, request: CallRequest) -> tuple[int, int, bool]:
        """Give the tokens of output to set aside, those that would do, and if it was asked."""
        info = self.target.info
        if request.max_tokens is not None:
            return request.max_tokens, min(request.max_tokens, LEAST_OUTPUT), True
        output = (
            self.policy.max_tokens if info.window else min(self.policy.max_tokens, UNKNOWN_OUTPUT)
        )
        if info.max_output:
            output = min(output, info.max_output)
        if info.window:
            guess = estimate_messages(request.messages)
            if guess > info.window * 1.5:
                raise ProviderError(
                    f"The prompt is about {guess:,} tokens and the window of {self.target.model} "
                    f"is {info.window:,}: it was not sent. Split it.",
                    kind="window",
                )
            output = min(output, max(256, info.window - guess * 21 // 20 - 64))
        return output, min(output, LEAST_OUTPUT), False

    def _limit(
        self, request: CallRequest, reservation: Any, output: int, asked: bool, cost: float | None
    ) -> int | None:
        """Give the max_tokens to send, so that the reply can't pass what was set aside for it."""
        info = self.target.info
        budget = getattr(self.ledger, "budget", None)
        by_tokens = getattr(budget, "tokens", None) is not None
        if not asked and not cost and not by_tokens and not (info.local and info.window):
            return None  # nothing depends on it, and the server knows its window better
        limit = output
        tokens = getattr(reservation, "tokens", None)
        if tokens is not None:
            limit = min(limit, tokens - self._tokens)
        money = getattr(reservation, "cost", None)
        if cost and money is not None and money < cost and info.output_price:
            money -= self._tokens * (info.input_price or 0.0)
            limit = min(limit, int(money / info.output_price))
        return max(1, limit)

    # -- bills -----------------------------------------------------------------------------

    def _settle(self, usage: Usage, whole: bool = True) -> None:
        reservation, self._reservation, self._sent = self._reservation, None, None
        if reservation is not None:
            self.used = self.used + usage
            self.ledger.settle(reservation, usage, whole)

    def _billed(self, usage: Usage, seconds: float) -> Usage:
        """Put the price into a bill that doesn't tell it, where it is known."""
        cost = usage.cost
        if cost is None:
            info = self.target.info
            cost = cost_of(
                usage.input_tokens, usage.output_tokens, usage.cached_tokens,
                info.input_price, info.output_price,
            )  # fmt: skip
        return Usage(
            usage.input_tokens, usage.output_tokens, usage.cached_tokens,
            cost, cost or 0.0, 1, seconds,
        )  # fmt: skip

    def _settle_error(self, error: ProviderError) -> None:
        if error.usage is not None:
            began = time.monotonic() if self._sent is None else self._sent
            self._settle(self._billed(error.usage, time.monotonic() - began))
        elif error.kind == "timeout" or (error.kind == "malformed" and error.status == 200):
            self._settle_cut()
        else:
            self._release()

    def _settle_cut(self) -> None:
        """Book an attempt that was cut off: it was perhaps billed for what it did until then."""
        if self._reservation is None:
            return
        if self._sent is None:
            self._release()
            return
        info = self.target.info
        tokens_in = estimate_messages(self.request.messages)
        tokens_out = estimate(self.text)
        cost = cost_of(tokens_in, tokens_out, 0, info.input_price, info.output_price)
        seconds = time.monotonic() - self._sent
        usage = Usage(tokens_in, tokens_out, 0, cost, cost or 0.0, 1, seconds)
        self._settle(usage, whole=False)

    def _release(self) -> None:
        reservation, self._reservation, self._sent = self._reservation, None, None
        if reservation is not None:
            self.ledger.release(reservation)

    # -- showing the text as it comes ------------------------------------------------------

    def _take_text(self, piece: str) -> None:
        if self.done.done() or not piece:
            return
        if self.first_token is None and self._sent is not None:
            self.first_token = time.monotonic() - self._sent
        self._pieces.append(piece)
        self._hidden.append(piece)
        if self._flush is None:
            wait = self._last_shown + TEXT_EVERY - self.loop.time()
            if wait <= 0:
                self._show()
            else:
                self._flush = self.loop.call_later(wait, self._show)

    def _show(self) -> None:
        self._flush = None
        self._last_shown = self.loop.time()
        if self._hidden and not self.done.done():
            piece, self._hidden = "".join(self._hidden), []
            self.sink.emit(CallText(node=self.node, text=_whole(piece)))

    def _stop_showing(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None


def _no_limit() -> float | None:
    return None


def _support(target: Target, constraint: Constraint) -> Support:
    ask: Callable[[str, Constraint], Support] | None
    ask = getattr(target.provider, "support", None)
    return "no" if ask is None else ask(target.bare, constraint)


def _whole(text: str) -> str:
    """Replace lone surrogates, which a reply may hold as JSON escapes and no file can."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text
