"""What a log says was used: never less than nothing, whoever wrote it."""

from __future__ import annotations

from typing import Any

from ..protocol import Usage

MOST = 10**15  # of anything; a number above it isn't meant
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "calls")


def recorded_usage(data: Any) -> Usage:
    """Rebuild a usage; what isn't a finite number from 0 on is taken as not told.

    Args:
        data: as ``usage_to_dict`` gives it, or whatever else stands there.
    """
    told = data if isinstance(data, dict) else {}
    cost = None if told.get("cost", 0.0) is None else _number(told.get("cost"))
    return Usage(
        **{name: recorded_count(told.get(name)) for name in _COUNTS},
        cost=cost,
        known_cost=max(_number(told.get("known_cost")), cost or 0.0),  # which budgets go by
        seconds=_number(told.get("seconds")),
    )


def recorded_number(value: Any) -> float | None:
    """Give a number that a log tells, None where it is no finite one from 0 on."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return value if plain and 0 <= value <= MOST else None  # which NaN isn't


def recorded_count(value: Any) -> int:
    """Give a whole number that a log tells, 0 where it is none from 0 on."""
    return int(_number(value))


def _number(value: Any) -> float:
    return recorded_number(value) or 0.0
