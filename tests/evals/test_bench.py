"""The table of the bench: its rows, and those of it that are yes or no."""

from __future__ import annotations

import pytest

from rlm_kernel.evals.bench import LONG, ROWS, Bench, measure


def test_every_row_is_there_and_says_what_it_is() -> None:
    for name in (*ROWS, *LONG):
        assert (getattr(Bench, name).__doc__ or "").strip(), name


@pytest.mark.parametrize("name", ["loop", "death", "memory", "budget", "batch", "key", "siblings"])
def test_what_must_hold_holds(name: str) -> None:
    (row,) = measure([name])
    assert row.fine, row
    assert row.name
    assert row.asked


def test_a_measured_row_stands_beside_its_limit() -> None:
    (row,) = measure(["second_turn"])
    assert "ms" in row.ours
    assert "ms" in row.limit
    assert row.fine is not None
