"""What the tests of this room share."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from rlm_kernel.lm import BudgetLedger, Gateway
from rlm_kernel.protocol import CallRequest, Event, Origin, Reply

ORIGIN = Origin("run1", "turn1", role="sub")
ROOT = Origin("run1", "turn1", role="root")
SERVED_KEY = "sk-planted-for-the-gateway-0123456789"  # of the gateway process


class ListSink:
    """A log in memory."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._numbers = itertools.count(1)
        self.changed = threading.Condition()

    def new_id(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    def emit(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def of(self, kind: str) -> list[Any]:
        return [e for e in self.events if e.type == kind]


def ask(prompt: str, model: str = "openai/x-sub", **more: Any) -> CallRequest:
    return CallRequest(({"role": "user", "content": prompt},), model, **more)


async def call(
    gateway: Gateway,
    request: CallRequest,
    ledger: BudgetLedger | None = None,
    sink: ListSink | None = None,
    origin: Origin = ORIGIN,
) -> Reply:
    return await gateway.call(request, origin, ledger or BudgetLedger(None), sink or ListSink())
