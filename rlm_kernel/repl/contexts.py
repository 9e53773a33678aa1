"""The value that code sees as ``context``, from what was loaded."""

from __future__ import annotations

from typing import Any


def live_value(loaded: Any) -> Any:
    """Give the value of a loaded context by reference (anything else is the value itself)."""
    return getattr(loaded, "value", loaded)
