"""One call, from the moment it is in the log to the moment its end is.

Guarantees:
- ``CallStarted`` is emitted before anything is sent; ``CallEnded`` exactly once, on every path;
- each attempt is covered by a reservation, which is settled or given back exactly once, also
  when the call is cancelled, answered by hand or tried again in the middle of an attempt;
- an attempt that was cut off after it was sent is booked at a guess (``_sizing.cut_bill``), as it
  may be billed;
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

from ..errors import BY_A_PERSON, BudgetExceeded, Cancelled, ModelError, ProviderError
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
from ..protocol.events import CallRetried
from . import structured
from ._late import late_import
from ._limits import Throttle
from ._showing import TextFlow, whole
from ._sizing import billed, cut_bill, limit_of, size_of
from .structured import Support

log = logging.getLogger(__name__)

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
        self.flow = TextFlow(node, sink)
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Reply] = self.loop.create_future()
        self._stream = stream
        self._task: asyncio.Task[None] | None = None
        self._reservation: Any = None
        self._sent: float | None = None  # while a try is out
        self._began: float | None = None  # when the newest try was sent
        self._most = 0  # tokens that its reply may have
        self._attempts = 0

    @property
    def first_token(self) -> float | None:
        """Seconds from sending to the first piece of text, of the try that is or was in flight."""
        if self._began is None or self.flow.first is None:
            return None
        return self.flow.first - self._began

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
        self.flow.close()

    def cancel(self, why: str = BY_A_PERSON) -> bool:
        """End the call: whoever waits for it gets ``Cancelled``, which says why."""
        if self.done.done():
            return False
        self.abandon()
        self.done.set_exception(Cancelled(why))
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
        self.flow = TextFlow(self.node, self.sink)
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
                self.done.set_exception(Cancelled("The call was cancelled."))
            raise
        except ModelError as error:
            self._end(task, error)
        except Exception as error:
            log.exception("%s: an error that isn't the provider's", self.node)
            if self._task is task:
                self._settle_cut()
            failed = ModelError(f"The call failed: {type(error).__name__}: {error}")
            failed.__cause__ = error
            self._end(task, failed)
        else:
            self._end(task, reply)
        finally:
            if self._task is task:
                self.flow.close()

    def _end(self, task: asyncio.Task[Any] | None, outcome: Reply | ModelError) -> None:
        if self._task is not task or self.done.done():
            return  # cancelled, answered or begun again in the meantime: its word counts no more
        if isinstance(outcome, ModelError):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)

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
        self.flow.restart()
        size = size_of(request, info, self.target.model, self.policy.max_tokens)
        reservation = await self.ledger.reserve(
            size.prompt + size.output,
            size.cost,
            self.target.model,
            (size.prompt + size.worth, size.least_cost),
        )
        self._reservation = reservation
        limit = limit_of(size, request, info, self.ledger, reservation)
        self._most = size.output if limit is None else limit
        request = replace(request, model=self.target.bare, max_tokens=limit)
        throttle = self.target.throttle
        await throttle.enter(size.prompt)
        try:
            self._sent = self._began = time.monotonic()
            reply = await self._send(request)
        except ModelError as error:
            if self._reservation is reservation:
                self._settle_error(error)
            raise
        finally:
            throttle.leave()
        if self._reservation is not reservation or self._sent is None:
            raise Cancelled("The call was ended by hand.")  # and settled, by ``abandon``
        usage = billed(reply.usage, info, time.monotonic() - self._sent)
        throttle.used(size.prompt, usage.tokens)
        self._settle(usage)
        # ``used``: tries that failed may have been billed, too.
        return Reply(
            whole(reply.text), reply.model, self.used, reply.finish, first_token=self.first_token
        )

    async def _send(self, request: CallRequest) -> Reply:
        provider = self.target.provider
        limit: float | None = None
        if getattr(provider, "timed", True):
            limit = request.timeout if request.timeout is not None else self.policy.call_timeout
        left: float | None = getattr(self.ledger, "seconds_left", _no_limit)()
        soonest = min((x for x in (limit, left) if x is not None), default=None)
        on_text: OnText | None = self.flow.take if self._stream else None
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

    # -- bills -----------------------------------------------------------------------------

    def _settle(self, usage: Usage, whole: bool = True) -> None:
        reservation, self._reservation, self._sent = self._reservation, None, None
        if reservation is not None:
            self.used = self.used + usage
            self.ledger.settle(reservation, usage, whole)

    def _settle_error(self, error: ModelError) -> None:
        if isinstance(error, BudgetExceeded):  # of the gateway process
            self._release()
        elif not isinstance(error, ProviderError):
            self._settle_cut()
        elif error.usage is not None:
            began = time.monotonic() if self._sent is None else self._sent
            self._settle(billed(error.usage, self.target.info, time.monotonic() - began))
        elif error.cut:
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
        seconds = time.monotonic() - self._sent
        first = self.first_token
        silent = seconds if first is None else first
        usage = cut_bill(
            self.request, self.target.info, self.flow.text, silent, seconds, self._most
        )
        self._settle(usage, whole=False)

    def _release(self) -> None:
        reservation, self._reservation, self._sent = self._reservation, None, None
        if reservation is not None:
            self.ledger.release(reservation)


def _no_limit() -> float | None:
    return None


def _support(target: Target, constraint: Constraint) -> Support:
    ask: Callable[[str, Constraint], Support] | None
    ask = getattr(target.provider, "support", None)
    return "no" if ask is None else ask(target.bare, constraint)
