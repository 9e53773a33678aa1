"""The budget: nothing is spent beyond it, nothing waits for ever."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import BudgetExceeded, ConfigError
from rlm_kernel.lm import BudgetLedger, budget_text, parse_budget
from rlm_kernel.protocol import Budget, Usage


def billed(cost: float | None, tokens: int = 10) -> Usage:
    return Usage(tokens, 0, 0, cost, cost or 0.0, 1)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("$1", Budget(money=1.0)),
        ("0.5", Budget(money=0.5)),
        (0.5, Budget(money=0.5)),
        (2, Budget(money=2.0)),
        ("2.50 USD", Budget(money=2.5)),
        ("200 calls", Budget(calls=200)),
        ("1,500 calls", Budget(calls=1500)),
        ("1M tokens", Budget(tokens=1_000_000)),
        ("1.5k tokens", Budget(tokens=1500)),
        ("10 min", Budget(seconds=600.0)),
        ("$2, 500 calls, 10 min", Budget(money=2.0, calls=500, seconds=600.0)),
        ("$1,000 and 90 s", Budget(money=1000.0, seconds=90.0)),
        ("$0", Budget(money=0.0)),
        (None, Budget(money=None, calls=None)),
        ("unlimited", Budget(money=None, calls=None)),
        (Budget(tokens=5), Budget(tokens=5)),
    ],
)
def test_budgets_are_read_as_people_write_them(text: Any, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text",
    ["lots", "", "$", "-1", -1, True, math.nan, math.inf, "5 apples", "$1, $2", "$1,200 calls",
     ["$1"], "1 2 calls", "$1e9", "£5"],
)  # fmt: skip
def test_what_is_not_a_budget_is_refused_in_a_sentence(text: Any) -> None:
    with pytest.raises(ConfigError, match="isn't a budget"):
        parse_budget(text)


@given(st.text(max_size=30))
def test_any_text_is_a_budget_or_a_config_error(text: str) -> None:
    try:
        budget = parse_budget(text)
    except ConfigError:
        return
    assert all(x is None or x >= 0 for x in (budget.money, budget.tokens, budget.calls))
    assert budget_text(budget)


def test_what_a_text_leaves_open_stays_when_the_budget_is_set_anew() -> None:
    ledger = BudgetLedger("$3, 7 calls")
    assert ledger.set_budget("9 calls") == Budget(money=3.0, calls=9)
    assert ledger.remaining_text() == "$3.00, 9 calls left"


def test_a_reservation_is_given_back_or_settled_once() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1, 10 calls")
        one = await ledger.reserve(100, 0.4)
        two = await ledger.reserve(100, 0.4)
        assert ledger.reserved.cost == pytest.approx(0.8)
        ledger.settle(one, billed(0.1))
        ledger.settle(one, billed(0.1))
        ledger.release(one)
        ledger.release(two)
        ledger.release(two)
        assert ledger.spent.cost == pytest.approx(0.1)
        assert ledger.spent.calls == 1
        assert ledger.reserved.calls == 0
        assert ledger.reserved.known_cost == 0.0

    asyncio.run(main())


def test_a_call_waits_while_one_in_flight_may_give_something_back() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1")
        first = await ledger.reserve(1, 0.9)
        second = asyncio.create_task(ledger.reserve(1, 0.9))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not second.done()
        ledger.settle(first, billed(0.05))
        ledger.settle(await second, billed(0.05))
        third = await ledger.reserve(1, 0.9)
        fourth = asyncio.create_task(ledger.reserve(1, 0.9))
        await asyncio.sleep(0)
        ledger.settle(third, billed(0.9))
        with pytest.raises(BudgetExceeded, match="was not sent"):
            await fourth

    asyncio.run(main())


def test_a_smaller_grant_is_given_when_nothing_is_in_flight() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1, 1000 tokens")
        grant = await ledger.reserve(5000, 4.0, least=(200, 0.2))
        assert (grant.tokens, grant.cost) == (1000, 1.0)
        ledger.settle(grant, billed(0.9, 500))
        with pytest.raises(BudgetExceeded):
            await ledger.reserve(5000, 4.0, least=(200, 0.2))

    asyncio.run(main())


def test_a_waiting_call_that_is_cancelled_takes_nothing_with_it() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1")
        first = await ledger.reserve(1, 1.0)
        second = asyncio.create_task(ledger.reserve(1, 1.0))
        third = asyncio.create_task(ledger.reserve(1, 0.5))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        ledger.settle(first, billed(0.5))
        grant = await asyncio.wait_for(third, 5)
        assert ledger.reserved.cost == pytest.approx(0.5)
        # granted and cancelled in the same breath: given back all the same
        fourth = asyncio.create_task(ledger.reserve(1, 0.5))
        await asyncio.sleep(0)
        ledger.release(grant)
        fourth.cancel()
        await asyncio.gather(fourth, return_exceptions=True)
        assert ledger.reserved.calls == 0

    asyncio.run(main())


def test_a_raised_budget_lets_the_waiting_go_on() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1")
        await ledger.reserve(1, 1.0)
        waiting = asyncio.create_task(ledger.reserve(1, 1.0))
        await asyncio.sleep(0)
        ledger.set_budget("$2")
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_a_child_draws_on_its_parent_too() -> None:
    async def main() -> None:
        parent = BudgetLedger("$1")
        child = BudgetLedger("$5", parent=parent)
        small = BudgetLedger("$0.10", parent=parent)
        child.settle(await child.reserve(1, 0.7), billed(0.7))
        assert parent.spent.cost == pytest.approx(0.7)
        with pytest.raises(BudgetExceeded, match=r"\$1\.00"):
            await child.reserve(1, 0.7)
        with pytest.raises(BudgetExceeded, match=r"\$0\.10"):
            await small.reserve(1, 0.2)
        assert parent.reserved.calls == child.reserved.calls == small.reserved.calls == 0
        assert BudgetLedger(None, parent=parent).remaining_text() == parent.remaining_text()

    asyncio.run(main())


def test_unknown_prices_go_out_one_two_four_at_a_time() -> None:
    """100 calls of $0.01 on a budget of $0.10: ten are paid for, ninety are refused."""

    async def main() -> None:
        ledger = BudgetLedger("$0.10")
        flying = most = 0
        waves: list[int] = []

        async def one() -> bool:
            nonlocal flying, most
            try:
                grant = await ledger.reserve(100, None, "m")
            except BudgetExceeded:
                return False
            flying += 1
            waves.append(flying)
            for _ in range(5):
                await asyncio.sleep(0)
            flying -= 1
            ledger.settle(grant, billed(0.01, 100))
            return True

        done = await asyncio.gather(*(one() for _ in range(100)))
        assert sum(done) == 10
        assert ledger.spent.known_cost == pytest.approx(0.10)
        assert waves[0] == 1
        assert 2 in waves
        assert max(waves) <= 8

    asyncio.run(main())


def test_bills_without_a_price_are_said_once_and_calls_still_count() -> None:
    async def main() -> None:
        notes: list[str] = []
        ledger = BudgetLedger("$1, 4 calls", on_note=notes.append)
        first = await ledger.reserve(10, None, "m")
        others = [asyncio.create_task(ledger.reserve(10, None, "m")) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(t.done() for t in others)
        ledger.settle(first, billed(None))
        for _ in range(5):
            await asyncio.sleep(0)
        granted = [t for t in others if t.done()]
        assert len(granted) == 3  # all at once, as far as the calls go
        for task in granted:
            ledger.settle(task.result(), billed(None))
        results = await asyncio.gather(*others, return_exceptions=True)
        assert sum(isinstance(r, BudgetExceeded) for r in results) == 2
        assert len(notes) == 1
        assert "price of m is unknown" in notes[0]
        assert ledger.spent.cost is None

    asyncio.run(main())


def test_a_call_that_was_cut_off_says_nothing_about_prices() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1")
        ledger.settle(await ledger.reserve(10, None, "m"), billed(0.2), whole=True)
        ledger.settle(await ledger.reserve(10, None, "m"), billed(None), whole=False)
        assert ledger.spent.known_cost == pytest.approx(0.4)  # held to be as dear as the other
        notes: list[str] = []
        fresh = BudgetLedger("$1", on_note=notes.append)
        fresh.settle(await fresh.reserve(10, None, "m"), billed(None), whole=False)
        fresh.settle(await fresh.reserve(10, None, "m"), billed(0.0), whole=False)
        again = await fresh.reserve(10, None, "m")
        assert again.cost == pytest.approx(1.0)  # still the first: alone, with all that is left
        assert not notes

    asyncio.run(main())


def test_time_runs_out_but_not_while_paused() -> None:
    async def main() -> None:
        ledger = BudgetLedger("100 s")
        ledger.pause()
        ledger._started -= 1000.0
        ledger._paused_at = ledger._started + 1.0
        assert ledger.seconds == pytest.approx(1.0)
        ledger.resume()
        assert ledger.seconds == pytest.approx(1.0, abs=1.0)
        grant = await ledger.reserve(1, 0.0)
        ledger.release(grant)
        ledger._started -= 1000.0
        with pytest.raises(BudgetExceeded, match="100 s"):
            await ledger.reserve(1, 0.0)

    asyncio.run(main())


def test_a_call_waiting_for_money_is_refused_when_its_time_is_over() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1, 0.05 s")
        await ledger.reserve(1, 1.0)
        with pytest.raises(BudgetExceeded, match=r"0\.05 s"):
            await asyncio.wait_for(ledger.reserve(1, 1.0), 10)

    asyncio.run(main())


def test_bills_may_come_from_other_threads() -> None:
    async def main() -> None:
        ledger = BudgetLedger("$1")
        grant = await ledger.reserve(1, 1.0)
        waiting = asyncio.create_task(ledger.reserve(1, 1.0))
        await asyncio.sleep(0)
        thread = threading.Thread(target=ledger.release, args=(grant,))
        thread.start()
        await asyncio.wait_for(waiting, 10)
        thread.join()

    asyncio.run(main())


_call = st.tuples(
    st.sampled_from(["a", "b", "?"]),  # a model; "?" has no price
    st.floats(0.0, 0.6),  # set aside
    st.floats(0.0, 1.0),  # of which billed
    st.integers(0, 4),  # turns of the loop in flight
    st.sampled_from(["settle", "settle", "settle", "release", "cut", "cancel"]),
    st.sampled_from([0, 1]),  # from the parent's ledger or the child's
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_call, max_size=25), st.floats(0.05, 2.0), st.integers(0, 15))
def test_no_interleaving_spends_beyond_the_budget(
    calls: list[Any], money: float, count: int
) -> None:
    async def main() -> None:
        top = BudgetLedger(Budget(money=money, calls=count))
        ledgers = (top, BudgetLedger(Budget(money=money / 2, calls=None), parent=top))
        unknown = 0.05  # what each call of unknown price costs

        def holds() -> None:
            for ledger in ledgers:
                limit = ledger.budget.money or 0.0
                assert ledger.spent.known_cost + ledger.reserved.known_cost <= limit + 1e-6
            assert top.spent.calls + top.reserved.calls <= count

        async def one(model: str, aside: float, part: float, turns: int, end: str, who: int) -> str:
            ledger = ledgers[who]
            priced = model != "?"
            try:
                grant = await ledger.reserve(100, aside if priced else None, model)
            except BudgetExceeded:
                return "refused"
            holds()
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                ledger.release(grant)
                raise
            cost = grant.cost * part if priced else unknown
            if end == "release":
                ledger.release(grant)
            else:
                # a probe's bill can't be bounded by anybody: keep it within what is left
                ledger.settle(grant, billed(min(cost, grant.cost), 100), end != "cut")
            holds()
            return "sent"

        tasks = [asyncio.create_task(one(*c)) for c in calls]
        for task, c in zip(tasks, calls, strict=True):
            if c[4] == "cancel":
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        holds()
        assert top.reserved.calls == 0
        for task in tasks:
            if not task.cancelled():
                assert task.exception() is None

    asyncio.run(main())


def test_the_clock_stands_until_nothing_keeps_it() -> None:
    ledger = BudgetLedger("100 s")
    ledger.pause()
    ledger.pause()
    ledger.resume()
    before = ledger.seconds
    ledger._started -= 10.0
    assert ledger._paused_at is not None
    ledger._paused_at -= 10.0
    assert ledger.seconds == pytest.approx(before, abs=0.001)
    ledger.resume()
    assert ledger._paused_at is None
    ledger.resume()  # once too often is nothing
    ledger.pause()
    assert ledger._paused_at is not None
