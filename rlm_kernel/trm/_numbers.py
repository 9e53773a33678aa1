"""Numbers that a person gives, looked at before anything is done with them."""

from __future__ import annotations

import operator
from math import inf, nan
from typing import Any

from ..errors import ConfigError

_MOST = 2**63 - 1


def whole(name: str, given: Any, least: int = 0, most: int = _MOST) -> int:
    """Give a whole number.

    Args:
        name: as a person knows it.
        given: by a person.
        least: that it can be.
        most: that it can be.

    Raises:
        ConfigError: it is none, or beyond these.
    """
    try:
        found = operator.index(given)
    except TypeError:
        found = least - 1
    if not least <= found <= most:
        upto = f" and at most {most:,}" if found > most else ""
        raise ConfigError(f"{name} is a whole number, at least {least}{upto}, not {given!r:.60}.")
    return found


def number(name: str, given: Any, least: float = -inf, most: float = inf) -> float:
    """Give a number that may have a fraction; arguments and errors as for ``whole``."""
    try:
        found = nan if isinstance(given, str) else float(given)
    except (TypeError, ValueError, OverflowError):
        found = nan
    if not least <= found <= most:
        beyond = f", at least {least:g}" if least > -inf else ""
        beyond += f" and at most {most:g}" if found > most else ""
        raise ConfigError(f"{name} is a number{beyond}, not {given!r:.60}.")
    return found
