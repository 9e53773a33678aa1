"""Products on one thread: for as long as somebody computes, and as it was before afterwards."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from rlm_kernel import trm
from rlm_kernel.trm import net
from rlm_kernel.trm._blas import one_thread


def threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two() -> object:
    if not threads():
        pytest.skip("this numpy has a BLAS that nobody can ask")
    with threadpool_limits(2, "blas"):
        yield


def test_a_solve_computes_on_one_thread_and_puts_back_what_was_there(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    apply = net.Net.apply

    def watched(of: net.Net, h: np.ndarray) -> np.ndarray:
        seen.update(threads())
        return apply(of, h)

    monkeypatch.setattr(net.Net, "apply", watched)
    trm.solve(trm.puzzle("sudoku4"), steps=1)
    assert (seen, threads()) == ({1}, {2})


def test_two_at_once_leave_what_was_there() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with one_thread():
        thread.start()
        assert entered.wait(30)
        with one_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}
    leave.set()
    thread.join()
    assert threads() == {2}
