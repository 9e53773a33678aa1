"""The clock of a cell, and its memory limit."""

import asyncio
import resource
import sys

import pytest

from rlm_kernel.repl import limits
from rlm_kernel.repl.limits import Clock, memory_limit


@pytest.fixture
def now(monkeypatch):
    class Now:
        value = 100.0

    monkeypatch.setattr(limits.time, "monotonic", lambda: Now.value)
    return Now


def test_overlapping_calls_are_waited_for_once(now):
    clock = Clock()
    clock.start()
    now.value += 1
    clock.enter()
    now.value += 2
    clock.enter()
    now.value += 3
    clock.leave()
    now.value += 4
    assert clock.waited == 9
    clock.leave()
    now.value += 5
    clock.stop()
    now.value += 100
    assert (clock.seconds, clock.waited) == (15, 9)


def test_a_call_still_in_flight_at_the_end_counts_until_then(now):
    clock = Clock()
    clock.start()
    clock.enter()
    now.value += 2
    clock.stop()
    now.value += 100
    clock.leave()
    assert (clock.seconds, clock.waited) == (2, 2)


def test_a_clock_that_has_not_begun_shows_nothing():
    assert (Clock().seconds, Clock().waited) == (0, 0)


def test_no_limit_is_never_exceeded_and_waits_do_not_count():
    async def scene():
        clock = Clock()
        clock.start()
        clock.enter()
        for limit in (None, 0.02):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await clock.exceeded(limit)
        clock.leave()
        async with asyncio.timeout(5):
            await clock.exceeded(0.02)

    asyncio.run(scene())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")
def test_the_memory_limit_holds_and_is_put_back():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory_limit(64 << 20) as note:
        assert note == ""
        assert resource.getrlimit(resource.RLIMIT_AS) != before
        with pytest.raises(MemoryError):
            bytearray(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_system_without_the_limit_says_so(monkeypatch):
    monkeypatch.setattr(limits, "address_space", lambda: None)
    with memory_limit(1) as note:
        assert "without one" in note
    with memory_limit(None) as note:
        assert note == ""
