"""Which executions were sent before the last question was over, as Run All sends them.

Times are compared as the front end that sent both gives them: its clock need not be ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any


class LastQuestion:
    """Remembers when the last ``%%rlm`` cell was sent, and how long it took."""

    def __init__(self) -> None:
        self._sent: datetime | None = None
        self._session = ""
        self._began = self._ended = 0.0

    @contextmanager
    def during(self, parent: Mapping[str, Any] | None) -> Iterator[None]:
        """Note a question for as long as its cell runs; ``parent`` is its request."""
        self._session, self._sent = _sent(parent)
        self._began, self._ended = time.monotonic(), float("inf")
        try:
            yield
        finally:
            self._ended = time.monotonic()

    def precedes(self, parent: Mapping[str, Any] | None) -> bool:
        """Say whether a request was sent before the last question's cell was over."""
        session, sent = _sent(parent)
        if self._sent is None or sent is None or session != self._session:
            return False
        took = min(self._ended, time.monotonic()) - self._began
        return sent < self._sent + timedelta(seconds=took)


def _sent(parent: Mapping[str, Any] | None) -> tuple[str, datetime | None]:
    header = (parent or {}).get("header") or {}
    date = header.get("date")
    known = isinstance(date, datetime) and date.tzinfo is not None
    return str(header.get("session") or ""), date if known else None
