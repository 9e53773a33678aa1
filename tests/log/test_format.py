"""The same words for the same numbers, everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.log import count_text, duration_text, icon, money_text, oneline, size_text
from rlm_kernel.log.format import capped, clean, cost_text, plural
from rlm_kernel.protocol import Usage


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (None, "cost unknown"), (0.0, "free"), (0.0004, "< $0.001"), (0.0123, "$0.012"),
        (0.5, "$0.50"), (1234.5, "$1,234.50"),
    ],
)  # fmt: skip
def test_money(cost, said):
    assert money_text(cost) == said


def test_an_unknown_cost_is_never_nothing():
    assert cost_text(Usage(calls=1, cost=None)) == "cost unknown"
    assert cost_text(Usage(calls=2, cost=None, known_cost=0.02)) == "at least $0.020"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""), (0.0, "0 ms"), (0.0123, "12 ms"), (0.0996, "0.1 s"), (1.24, "1.2 s"),
        (9.96, "10 s"), (59.4, "59 s"), (59.7, "1 min 00 s"), (83, "1 min 23 s"),
        (3599.7, "1 h 00 min"), (7265, "2 h 01 min"),
    ],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration_text(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (34_400, "34k"), (999_600, "1.0M"),
     (1_200_000, "1.2M"), (3_000_000_000, "3.0G")],
)  # fmt: skip
def test_counts(count, said):
    assert count_text(count) == said


def test_sizes_and_plurals():
    assert size_text(1) == "1 byte"
    assert size_text(1536) == "1.5 KiB"
    assert plural(2, "retry", "retries") == "2 retries"
    assert plural(1200, "call") == "1,200 calls"


def test_every_status_has_an_icon():
    for status in ("ok", "error", "running", "paused", "a word of a later version"):
        assert len(icon(status)) == 1


@given(st.text(st.characters(codec=None, exclude_categories=())), st.integers(1, 80))
def test_foreign_text_cannot_move_the_cursor_or_fail_to_print(text, width):
    line = oneline(text, width)
    assert len(line) <= width
    assert line.isprintable() or not line.encode().isascii()
    for bad in ("\x1b", "\x9b", "\r", "\n", "\b", "\u202e", "\u2066"):
        assert bad not in line
        assert bad == "\n" or bad not in clean(text)
    clean(text).encode()


def test_what_is_cut_is_counted():
    assert capped("abcdef", 4) == "abcd… 2 more characters"
    assert capped("abcd", 4) == "abcd"
