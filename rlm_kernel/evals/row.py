"""One measurement of the bench."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: ours, the limit beside it, and what is asked of us.

    ``fine``: whether what is asked is reached; None where the row doesn't tell.
    """

    name: str
    ours: str
    limit: str
    ratio: str
    asked: str
    fine: bool | None = None
