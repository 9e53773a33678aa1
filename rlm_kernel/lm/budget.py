"""The budget of a tree of calls: set aside before a call is sent, settled with the bill.

Guarantees, whatever the interleaving of threads and calls:
- what is spent and set aside together never passes a limit, so as long as no bill passes what
  was set aside for it, nothing is spent beyond; a bill that does is booked all the same;
- a call waits only while calls in flight may still give something back; once none can, it is
  refused with ``BudgetExceeded``, each call on its own;
- where a price isn't known, one call goes out with all that is left set aside for it; each bill
  that tells a price lets one more out at a time (1, 2, 4, …), each held to be as dear as the
  dearest so far, by the call and by the token; a bill that tells no price means that money
  can't be enforced for that model, which is said once;
- a child's ledger draws on its parent's as well, in one step.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import BudgetExceeded
from ..protocol import Budget, Usage
from ..protocol.live import Live
from ._budget_text import (
    budget_text,
    left_text,
    parse_budget,
    refusal_text,
    unpriced_text,
)

__all__ = ["BudgetLedger", "Reservation", "budget_text", "parse_budget"]

_EPS = 1e-9  # dollars: sums of floats


@dataclass(eq=False, slots=True)
class Reservation:
    """What was set aside for one call; ``cost`` in US dollars."""

    ledger: BudgetLedger
    model: str
    tokens: int
    cost: float
    priced: bool  # by the caller's price, not by bills
    open: bool = True


@dataclass(slots=True)
class _Prices:
    """What bills have shown of a model whose price isn't known."""

    dearest: float | None = None  # dollars a call
    rate: float = 0.0  # dollars a token set aside
    bills: int = 0
    flying: int = 0
    silent: bool = False  # the bills tell no price


@dataclass(eq=False, slots=True)
class _Waiter:
    ledger: BudgetLedger
    model: str
    tokens: int
    cost: float | None
    least: tuple[int, float | None] | None
    future: asyncio.Future[None]
    thread: int = field(default_factory=threading.get_ident)
    granted: Reservation | None = None
    refused: BudgetExceeded | None = None
    dead: bool = False


@dataclass(slots=True)
class _Tree:
    """What all ledgers of one tree share."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    queues: dict[str, deque[_Waiter]] = field(default_factory=dict)
    prices: dict[str, _Prices] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class BudgetLedger(Live):
    """A budget in use. Thread-safe.

    Args:
        budget: the limits; text such as ``"$1"`` is parsed.
        parent: the ledger that this one draws on as well.
        on_note: takes a sentence for the person watching, such as that money can't be enforced.
    """

    def __init__(
        self,
        budget: Budget | str | float | None = "$1",
        parent: BudgetLedger | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.budget = parse_budget(budget)
        self.parent = parent
        self.on_note = on_note
        self._tree: _Tree = parent._tree if parent is not None else _Tree()
        self._spent = Usage()
        self._calls = self._tokens = 0
        self._money = 0.0
        self._started = time.monotonic()
        self._pauses = 0
        self._paused_at: float | None = None
        self._paused = 0.0
        self._refused: Counter[str] = Counter()

    # -- what is known of it ---------------------------------------------------------------

    @property
    def spent(self) -> Usage:
        """What the bills so far add up to."""
        return self._spent

    @property
    def reserved(self) -> Usage:
        """What is set aside for calls in flight."""
        with self._tree.lock:
            return Usage(
                input_tokens=self._tokens,
                cost=self._money,
                known_cost=self._money,
                calls=self._calls,
            )

    @property
    def seconds(self) -> float:
        """Wall time used, pauses not counted."""
        with self._tree.lock:
            now = self._paused_at if self._paused_at is not None else time.monotonic()
            return now - self._started - self._paused

    def carry(self, usage: Usage, seconds: float, silent: Iterable[str] = ()) -> None:
        """Count what a run had used before this process took it over.

        Args:
            usage: what was spent.
            seconds: wall time.
            silent: models whose bills had told no price.
        """
        with self._tree.lock:
            self._spent = self._spent + usage
            self._started -= seconds
            for model in silent:
                self._tree.prices.setdefault(model, _Prices()).silent = True

    def silent(self, model: str) -> bool:
        """Say whether a model's bills tell no price: money can't be enforced for it."""
        with self._tree.lock:
            prices = self._tree.prices.get(model)
            return prices is not None and prices.silent

    def seconds_left(self) -> float | None:
        """Give the wall time left, over the parents too; None for no limit."""
        left = [
            ledger.budget.seconds - ledger.seconds
            for ledger in self._chain()
            if ledger.budget.seconds is not None
        ]
        return min(left) if left else None

    @property
    def bounds_tokens(self) -> bool:
        """Whether a limit of tokens holds, here or further up."""
        return any(ledger.budget.tokens is not None for ledger in self._chain())

    def meters(self) -> dict[str, tuple[float | None, float | None]]:
        """Give what is used and the limit (None: no limit) of each thing that can be limited.

        Money is in US dollars and None as soon as one price in the sum is unknown; seconds are
        wall time without pauses. What is set aside for calls in flight isn't counted.
        """
        with self._tree.lock:
            spent, limits = self._spent, self.budget
            return {
                "money": (spent.cost, limits.money),
                "calls": (spent.calls, limits.calls),
                "tokens": (spent.tokens, limits.tokens),
                "seconds": (round(self.seconds, 3), limits.seconds),
            }

    def refused(self) -> dict[str, int]:
        """Give how many calls were refused for want of each thing, since the limits were set."""
        with self._tree.lock:
            return dict(self._refused)

    def remaining_text(self) -> str:
        """Say what is left: ``"$0.62, 812 calls left"``."""
        with self._tree.lock:
            left = left_text(self.budget, self._spent, self.seconds)
            if not left and self.parent is not None:
                return self.parent.remaining_text()
            return f"{left} left" if left else "no limit"

    # -- changing it -----------------------------------------------------------------------

    def set_budget(self, budget: Budget | str | float | None) -> Budget:
        """Set the limits anew; what isn't named in a text stays, what was used stays used."""
        new = parse_budget(budget, base=self.budget)
        with self._tree.lock:
            self.budget = new
            self._refused.clear()
            self._pump()
        return new

    def pause(self) -> None:
        """Stop the clock, until ``resume`` was called as often."""
        with self._tree.lock:
            self._pauses += 1
            if self._paused_at is None:
                self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let the clock go on where nothing else keeps it."""
        with self._tree.lock:
            self._pauses = max(self._pauses - 1, 0)
            if self._paused_at is not None and not self._pauses:
                self._paused += time.monotonic() - self._paused_at
                self._paused_at = None

    # -- calls -----------------------------------------------------------------------------

    async def reserve(
        self,
        tokens: int,
        cost: float | None,
        model: str = "",
        least: tuple[int, float | None] | None = None,
    ) -> Reservation:
        """Set an estimate aside before a call is sent.

        Args:
            tokens: the most tokens, in and out, that the call should use.
            cost: the most it should cost in US dollars, None where no price is known.
            model: whose price the bill will tell.
            least: tokens and cost that would do when no more is left and nothing is in flight;
                the reservation then says how much there is.

        Raises:
            BudgetExceeded: it isn't covered, and no call in flight can change that.
        """
        waiter = _Waiter(
            self, model, tokens, cost, least, asyncio.get_running_loop().create_future()
        )
        tree = self._tree
        with tree.lock:
            queue = tree.queues.get(model)
            if not queue and self._decide(waiter):
                return self._outcome(waiter)
            tree.queues.setdefault(model, deque()).append(waiter)
        while True:
            try:
                left = self.seconds_left()
                if left is None:
                    await waiter.future
                else:
                    async with asyncio.timeout(left):
                        await asyncio.shield(waiter.future)
                return self._outcome(waiter)
            except TimeoutError:
                with tree.lock:  # nothing but the clock can have run out (or been paused since)
                    self._pump()
                    if waiter.granted is not None or waiter.refused is not None:
                        return self._outcome(waiter)
            except asyncio.CancelledError:
                with tree.lock:
                    waiter.dead = True
                    if waiter.granted is not None:
                        self.release(waiter.granted)
                    else:
                        self._pump()
                raise

    def settle(self, reservation: Any, usage: Usage, whole: bool = True) -> None:
        """Replace an estimate by the bill.

        Args:
            reservation: what ``reserve`` gave; settling twice does nothing.
            usage: the bill.
            whole: False for a call that was cut off, whose bill is only guessed: it then says
                nothing about prices, and an unknown cost is taken to be what was set aside.
        """
        with self._tree.lock:
            if not self._give_back(reservation):
                return
            paid = max(usage.known_cost, usage.cost or 0.0)
            prices = self._tree.prices.get(reservation.model)
            note = ""
            if not reservation.priced and prices is not None:
                if whole and usage.cost is not None:
                    prices.bills += 1
                    prices.silent = False
                    prices.dearest = max(prices.dearest or 0.0, usage.cost)
                    prices.rate = max(
                        prices.rate, usage.cost / max(1, reservation.tokens, usage.tokens)
                    )
                elif whole and prices.dearest is None:
                    prices.silent = True
                    note = self._unpriced(reservation.model)
                elif usage.cost is None and prices.dearest is not None:
                    paid = max(paid, min(reservation.cost, prices.dearest))
            booked = Usage(
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens,
                usage.cost,
                paid,
                usage.calls,
                usage.seconds,
            )
            for ledger in reservation.ledger._chain():
                ledger._spent = ledger._spent + booked
            self._pump()
        if note:
            self._say(note)

    def release(self, reservation: Any) -> None:
        """Give an estimate back: nothing was billed."""
        with self._tree.lock:
            if self._give_back(reservation):
                self._pump()

    # -- inside, with the lock held --------------------------------------------------------

    def _chain(self) -> Iterator[BudgetLedger]:
        ledger: BudgetLedger | None = self
        while ledger is not None:
            yield ledger
            ledger = ledger.parent

    def _outcome(self, waiter: _Waiter) -> Reservation:
        if waiter.refused is not None:
            raise waiter.refused
        assert waiter.granted is not None
        return waiter.granted

    def _give_back(self, reservation: Reservation) -> bool:
        if not reservation.open:
            return False
        reservation.open = False
        for ledger in reservation.ledger._chain():
            ledger._calls -= 1
            ledger._tokens -= reservation.tokens
            ledger._money -= reservation.cost
            if not ledger._calls:
                ledger._money = 0.0  # what sums of floats left over
        if not reservation.priced:
            self._tree.prices[reservation.model].flying -= 1
        return True

    def _pump(self) -> None:
        """Decide about those who wait, in order, until one has to wait on."""
        for model in list(self._tree.queues):
            queue = self._tree.queues[model]
            while queue:
                waiter = queue[0]
                if waiter.dead:
                    queue.popleft()
                    continue
                if not waiter.ledger._decide(waiter):
                    break
                queue.popleft()
                if waiter.thread == threading.get_ident():
                    _finish(waiter.future)
                else:
                    waiter.future.get_loop().call_soon_threadsafe(_finish, waiter.future)
            if not queue:
                del self._tree.queues[model]

    def _decide(self, waiter: _Waiter) -> bool:
        """Grant or refuse; False when it has to wait."""
        chain = list(self._chain())
        cost, priced = waiter.cost, waiter.cost is not None
        prices = _Prices()
        if cost is None:
            prices = self._tree.prices.setdefault(waiter.model, _Prices())
            limited = any(ledger.budget.money is not None for ledger in chain)
            if not limited or prices.silent:
                cost = 0.0
            elif prices.dearest is not None:
                if prices.flying > prices.bills:
                    return False
                cost = max(prices.dearest, prices.rate * waiter.tokens)
            elif prices.flying:
                return False
            else:
                return self._probe(waiter, chain, prices)
        tokens = waiter.tokens
        least_tokens, least_cost = waiter.least or (tokens, cost)
        if least_cost is None or not priced:
            least_cost = cost
        for ledger in chain:
            room, why, flying = ledger._room(tokens, cost)
            if not why:
                continue
            if flying:
                return False
            left_tokens, left_money = ledger._left()
            if room and least_tokens <= left_tokens and least_cost <= left_money + _EPS:
                tokens = min(tokens, int(min(left_tokens, 2**62)))
                cost = min(cost, max(0.0, left_money))
                continue
            waiter.refused = ledger._refusal(why, tokens if why == "tokens" else cost)
            return True
        self._grant(waiter, chain, tokens, cost, priced)
        if not priced:
            prices.flying += 1
        return True

    def _probe(self, waiter: _Waiter, chain: list[BudgetLedger], prices: _Prices) -> bool:
        """The first call of a model without a price: alone, with all the money that is left."""
        money = min(ledger._left()[1] for ledger in chain)
        tokens = waiter.tokens
        for ledger in chain:
            room, why, flying = ledger._room(tokens, 0.0)
            if not room or why or money <= _EPS:
                if flying:
                    return False
                least = waiter.least[0] if waiter.least else tokens
                if room and money > _EPS and least <= ledger._left()[0]:
                    tokens = int(min(tokens, ledger._left()[0]))
                    continue
                waiter.refused = ledger._refusal(why or "money", tokens if why == "tokens" else 0.0)
                return True
        prices.flying += 1
        self._grant(waiter, chain, tokens, money, False)
        return True

    def _grant(
        self,
        waiter: _Waiter,
        chain: list[BudgetLedger],
        tokens: int,
        cost: float,
        priced: bool,
    ) -> None:
        for ledger in chain:
            ledger._calls += 1
            ledger._tokens += tokens
            ledger._money += cost
        waiter.granted = Reservation(self, waiter.model, tokens, cost, priced)

    def _left(self) -> tuple[float, float]:
        """Give tokens and money neither spent nor set aside."""
        b = self.budget
        tokens = float("inf") if b.tokens is None else b.tokens - self._spent.tokens - self._tokens
        money = float("inf") if b.money is None else b.money - self._spent.known_cost - self._money
        return tokens, money

    def _room(self, tokens: int, cost: float) -> tuple[bool, str, bool]:
        """Say whether less might do, what is too short, and whether waiting may help."""
        b = self.budget
        if b.seconds is not None and self.seconds >= b.seconds:
            return False, "seconds", False
        if b.calls is not None and self._spent.calls + self._calls + 1 > b.calls:
            return False, "calls", self._calls > 0
        left_tokens, left_money = self._left()
        if tokens > left_tokens:
            return True, "tokens", self._calls > 0
        if cost > left_money + _EPS:
            return True, "money", self._calls > 0
        return True, "", False

    def _refusal(self, what: str, need: float) -> BudgetExceeded:
        self._refused[what] += 1
        return BudgetExceeded(refusal_text(self.budget, self._spent, self.seconds, what, need))

    def _unpriced(self, model: str) -> str:
        if model in self._tree.told or all(x.budget.money is None for x in self._chain()):
            return ""
        self._tree.told.add(model)
        return unpriced_text(model)

    def _say(self, note: str) -> None:
        for ledger in self._chain():
            if ledger.on_note is not None:
                ledger.on_note(note)
                return


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
