"""No interleaving of calls, bills, faults, cancels and deaths of the worker passes the cap."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import ProviderError
from rlm_kernel.lm._flight import Target
from rlm_kernel.lm._limits import Throttle
from rlm_kernel.lm.served.address import SOCKET, Address
from rlm_kernel.lm.served.place import SPENT, Grant, write_grants
from rlm_kernel.lm.served.worker import Connection, Worker
from rlm_kernel.lm.tokens import estimate_messages
from rlm_kernel.protocol import CallRequest, ModelInfo, OnText, Reply, Usage

PRICE, MONEY, CALLS = 0.001, 1.5, 6  # dollars a token; the cap
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["call", "call", "bill", "fail", "cancel", "kill"]),
              st.integers(0, 5)),
    max_size=30,
)  # fmt: skip


class Metered:
    """A provider that bills all that it may write."""

    def __init__(self) -> None:
        self.gates: list[tuple[asyncio.Future[str], float]] = []
        self.billed, self.calls = 0.0, 0

    def info(self, model: str) -> ModelInfo:
        return ModelInfo("m", "test", window=10_000, input_price=PRICE, output_price=PRICE)

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        prompt = estimate_messages(request.messages)
        assert request.max_tokens is not None
        gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        bill = (prompt + request.max_tokens) * PRICE
        self.gates.append((gate, bill))
        try:
            await gate
        except asyncio.CancelledError:
            self.calls += 1
            self.billed += prompt * PRICE  # it stopped at once
            raise
        finally:
            self.gates.remove((gate, bill))
        self.calls += 1
        self.billed += bill
        return Reply("x", "m", Usage(prompt, request.max_tokens, 0, bill, bill, 1))

    async def close(self) -> None:
        pass


class Life:
    """One worker, as far as its calls go."""

    def __init__(self, folder: Path, provider: Metered, throttle: Throttle) -> None:
        folder.mkdir(exist_ok=True)
        write_grants(folder, {"t": Grant("t", f"${MONEY}, {CALLS} calls")})
        self.worker = Worker(Address(folder / SOCKET), socket.socket(), socket.socket())
        owner = self.worker.owner("t")
        assert owner is not None
        self.connection = Connection(self.worker, owner, MagicMock())
        self.target = Target("m", "m", provider, provider.info("m"), throttle)
        self.tasks: list[asyncio.Task[Any]] = []

    def call(self, size: int) -> None:
        request = CallRequest(({"role": "user", "content": "x"},), "m", max_tokens=50 + 100 * size)
        self.tasks.append(
            asyncio.ensure_future(self.connection._complete(self.target, request, None))
        )

    def over(self) -> None:
        self.worker._listener.close()
        self.worker._keys.close()


@settings(max_examples=200, deadline=None)
@given(actions=ACTIONS)
def test_the_cap_holds(actions: list[tuple[str, int]], tmp_path_factory: Any) -> None:
    places = tmp_path_factory.mktemp("lives")

    async def main() -> None:
        billed, calls = 0.0, 0
        provider, throttle = Metered(), Throttle(100, None, None)
        life, number = Life(places / "0", provider, throttle), 0
        for action, which in actions:
            if action == "call":
                life.call(which)
            elif action == "kill":  # what is in flight is billed, and nothing more is written
                number += 1
                (places / str(number)).mkdir()
                shutil.copy(life.worker.folder / SPENT, places / str(number) / SPENT)
                billed += provider.billed + sum(bill for _, bill in provider.gates)
                calls += provider.calls + len(provider.gates)
                for task in life.tasks:
                    task.cancel()
                await asyncio.gather(*life.tasks, return_exceptions=True)
                life.over()
                provider = Metered()
                life = Life(places / str(number), provider, throttle)
            elif action == "cancel" and life.tasks:
                life.tasks[which % len(life.tasks)].cancel()
            elif action in ("bill", "fail") and provider.gates:
                gate, _ = provider.gates[which % len(provider.gates)]
                if gate.done():
                    pass
                elif action == "bill":
                    gate.set_result("")
                else:
                    gate.set_exception(ProviderError("no", kind="server", status=500))
            for _ in range(5):
                await asyncio.sleep(0)
        billed += provider.billed + sum(bill for _, bill in provider.gates)
        calls += provider.calls + len(provider.gates)
        for task in life.tasks:
            task.cancel()
        await asyncio.gather(*life.tasks, return_exceptions=True)
        life.over()
        assert billed <= MONEY + 1e-9
        assert calls <= CALLS

    asyncio.run(main())


def test_the_test_can_fail(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    """Calls in flight at a death that were not booked would pass the cap."""
    monkeypatch.setattr(Connection, "_opened", lambda self, reservation: "")
    act = [("call", 0), ("kill", 0)] * 7
    with pytest.raises(AssertionError):
        test_the_cap_holds.hypothesis.inner_test(act, tmp_path_factory)  # type: ignore[attr-defined]
