"""Budgets as people write them, ``"$2, 500 calls, 10 min"``, and what is said about them."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from ..errors import ConfigError
from ..log.format import plural
from ..protocol import Budget, Usage

_NUMBER = r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<scale>[kKmM](?![a-zA-Z]))?"
_MONEY = re.compile(
    rf"^(?:US)?\$\s*{_NUMBER}$|^(?P<n2>\d+(?:\.\d*)?|\.\d+)\s*(?:\$|USD|dollars?)?$", re.I
)
_COUNT = re.compile(rf"^{_NUMBER}\s*(?P<unit>[a-zA-Z]+)$")
_SCALE = {"k": 1e3, "m": 1e6}
_SECONDS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
}  # fmt: skip
_UNLIMITED = {"none", "unlimited", "no limit", "inf"}


def parse_budget(value: Any, base: Budget | None = None) -> Budget:
    """Read a budget.

    Args:
        value: ``"$1"``, ``0.5`` (dollars), ``"200 calls"``, ``"1M tokens"``, ``"10 min"``, several
            with commas; a ``Budget``; None or ``"unlimited"`` for no limit at all.
        base: what a text leaves open; by default $1 and 1,000 calls.

    Raises:
        ConfigError: it isn't a budget.
    """
    if isinstance(value, Budget):
        return value
    if value is None or (isinstance(value, str) and value.strip().lower() in _UNLIMITED):
        return Budget(money=None, tokens=None, calls=None, seconds=None)
    budget = base if base is not None else Budget()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise _nonsense(value)
        return replace(budget, money=float(value))
    if not isinstance(value, str):
        raise _nonsense(value)
    text = re.sub(r"(?<=\d)[,_](?=\d{3}(?!\d))", "", value)  # 1,000 calls
    parts = [p for p in (p.strip() for p in re.split(r"[,;+]|\band\b", text)) if p]
    if not parts:
        raise _nonsense(value)
    seen: set[str] = set()
    for part in parts:
        name, amount = _part(part, value)
        if name in seen:
            raise _nonsense(value)
        seen.add(name)
        budget = replace(budget, **{name: amount})
    return budget


def _part(part: str, whole: str) -> tuple[str, Any]:
    if found := _MONEY.match(part):
        number = found["number"] or found["n2"]
        return "money", float(number) * _SCALE.get((found["scale"] or "").lower(), 1)
    if found := _COUNT.match(part):
        amount = float(found["number"]) * _SCALE.get((found["scale"] or "").lower(), 1)
        unit = found["unit"].lower()
        if unit in {"call", "calls"}:
            return "calls", int(amount)
        if unit in {"token", "tokens", "tok"}:
            return "tokens", int(amount)
        if unit in _SECONDS:
            return "seconds", amount * _SECONDS[unit]
    raise _nonsense(whole)


def _nonsense(value: Any) -> ConfigError:
    return ConfigError(
        f'{value!r} isn\'t a budget: write money ("$1"), calls ("200 calls"), tokens '
        '("1M tokens"), time ("10 min"), or several of them with commas.'
    )


def money_text(dollars: float) -> str:
    """Write dollars with the digits that tell something: ``$1.00``, ``$0.0123``."""
    if dollars == 0 or dollars >= 0.1:
        return f"${dollars:,.2f}"
    return f"${dollars:.4f}" if dollars >= 0.001 else f"${dollars:.2g}"


def budget_text(budget: Budget) -> str:
    """Write a budget as a person would: ``"$1.00, 1,000 calls"``."""
    parts = []
    if budget.money is not None:
        parts.append(money_text(budget.money))
    if budget.tokens is not None:
        parts.append(f"{budget.tokens:,} tokens")
    if budget.calls is not None:
        parts.append(plural(budget.calls, "call"))
    if budget.seconds is not None:
        parts.append(f"{budget.seconds:g} s")
    return ", ".join(parts) or "no limit"


def left_text(budget: Budget, used: Usage, seconds: float) -> str:
    """Say what is left of each limit; empty where there is none."""
    parts = []
    if budget.money is not None:
        unsure = " at most" if used.cost is None else ""
        parts.append(f"{money_text(max(0.0, budget.money - used.known_cost))}{unsure}")
    if budget.tokens is not None:
        parts.append(f"{max(0, budget.tokens - used.tokens):,} tokens")
    if budget.calls is not None:
        parts.append(plural(max(0, budget.calls - used.calls), "call"))
    if budget.seconds is not None:
        parts.append(f"{max(0.0, budget.seconds - seconds):.0f} s")
    return ", ".join(parts)


def refusal_text(budget: Budget, used: Usage, seconds: float, what: str, need: float) -> str:
    """Say which limit doesn't cover a call.

    Args:
        budget, used, seconds: the limits, and what is used of them.
        what: ``"money"``, ``"tokens"``, ``"calls"`` or ``"seconds"``.
        need: the most that the call would use, in dollars or tokens.
    """
    about = ""
    if what == "money":
        limit, spent = money_text(budget.money or 0.0), money_text(used.known_cost)
        about = f", up to {money_text(need)} needed" if need else ""
    elif what == "tokens":
        limit, spent = f"{budget.tokens:,} tokens", f"{used.tokens:,}"
        about = f", up to {need:,.0f} needed"
    elif what == "calls":
        limit, spent = plural(budget.calls or 0, "call"), f"{used.calls:,}"
    else:
        limit, spent = f"{budget.seconds:g} s", f"{seconds:.0f} s"
    return (
        f"The budget of {limit} doesn't cover this call ({spent} used{about}): it was not "
        "sent. Replies already paid for are kept; set a larger budget to go on."
    )


def unpriced_text(model: str) -> str:
    """Say that money can't be enforced for a model."""
    return (
        f"The price of {model or 'this model'} is unknown and its bills don't tell it: the "
        "money budget can't hold for it; limits on calls, tokens and time do."
    )
