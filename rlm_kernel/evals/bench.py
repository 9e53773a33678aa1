"""Our times beside the limits (plain asyncio, a bare kernel), measured in one run.

Every row drives the whole runtime by a scripted model behind a server on loopback, in a process of
its own, and measures the limit by the same server right before. Ratios hold on other machines;
seconds don't.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from ..engine import RLM, Run
from ..engine.kernels import kernel_pool
from ..lm import run_sync
from ..protocol import Message
from ..protocol import events as e
from .guarantees import Guarantees
from .large import Large
from .row import Row

CLIENTS = 256  # requests that the plain client has in flight


class Bench(Guarantees, Large):
    """The measurements, over one server.

    Args:
        base: the server's address.
        full: whether the sizes are those that take minutes.
    """

    def __init__(self, base: str, full: bool = False) -> None:
        self.base, self.full = base, full

    def _rlm(self, root: str = "openai/x-root", sub: str = "openai/x-sub50", depth: int = 1,
             turns: int = 1000) -> RLM:  # fmt: skip
        rlm = RLM(model=root, sub_model=sub, api_base=self.base, api_key="none", max_turns=turns,
                  max_depth=depth, budget=None, save=True)  # fmt: skip
        rlm.gateway.cache = False  # or the second of two equal runs would cost nothing
        return rlm

    def _run(self, rlm: RLM, order: str) -> Run:
        run = rlm.run(order, "context")
        if run.status != "done":
            raise RuntimeError(f"{order} ended as {run.status}: {run.reason}")
        return run

    # -- rows -------------------------------------------------------------------------------

    def turn(self) -> Row:
        """The runtime's own time per root turn, with a model that answers at once.

        Its own is what is left of a turn without the time of a plain call of the same chat, which
        is the server's and the wire's.
        """
        turns = 300
        limit = asyncio.run(_bare_turns(self.base, 30)) * 1000
        with self._rlm() as rlm:
            self._run(rlm, "bench:turns=3")
            run = self._run(rlm, f"bench:turns={turns}")
        starts = [logged.time for logged in run.events if isinstance(logged.event, e.TurnStarted)]
        each = [(b - a) * 1000 for a, b in itertools.pairwise(starts)]
        assert run.driver is not None
        chat, at = run.driver.history, [*range(30), *range(turns - 30, turns)]
        calls = asyncio.run(_plain_calls(self.base, chat, at))
        first, last = statistics.median(each[:30]), statistics.median(each[-30:])
        own = [first - statistics.median(calls[:30]), last - statistics.median(calls[30:])]
        return Row("one root turn (1 to 30, 270 to 300)",
                   f"{first:.1f} ms, {last:.1f} ms; {own[0]:.1f} ms, {own[1]:.1f} ms without the "
                   "call",
                   f"{limit:.1f} ms (bare kernel cell + plain call)",
                   f"{first / limit:.2f}, {last / limit:.2f}", "<= 3 ms of its own, flat",
                   own[0] <= 3 and own[1] <= max(3.0, 1.1 * own[0]))  # fmt: skip

    def first_call(self) -> Row:
        """From start() to the first call, with a kernel that stands ready."""
        with self._rlm() as rlm:
            self._run(rlm, "bench:turns=1")
            run_sync(kernel_pool().warm())
            took = []
            for _ in range(3):
                started = time.time()
                run = self._run(rlm, "bench:turns=1")
                first = next(x.time for x in run.events if isinstance(x.event, e.CallStarted))
                took.append(first - started)
        return Row("start to the first call", f"{statistics.median(took):.3f} s", "-", "-",
                   "<= 0.2 s, warm", statistics.median(took) <= 0.2)  # fmt: skip

    def fan_out(self) -> Row:
        """1,000 sub-calls of 50 ms in one batch."""
        with self._rlm() as rlm:
            self._run(rlm, "bench:fan=50")
            plain = asyncio.run(_plain_fan_out(self.base, 1000))
            run = self._run(rlm, "bench:fan=1000")
        started = next(x.time for x in run.events if isinstance(x.event, e.BatchStarted))
        ended = next(x.time for x in run.events if isinstance(x.event, e.BatchEnded))
        ours = ended - started
        return Row("1,000 sub-calls of 50 ms", f"{ours:.2f} s", f"{plain:.2f} s (plain aiohttp)",
                   f"{ours / plain:.2f}", "<= 1.5 x", ours <= 1.5 * plain)  # fmt: skip

    def children(self) -> Row:
        """4 children of 3 turns at 50 ms each."""
        return self._timed("4 children x 3 turns at 50 ms", "bench:children=4,3", "<= 0.6 s")

    def deep(self) -> Row:
        """Children to depth 3, calls of 50 ms one after another."""
        return self._timed("depth 3", "bench:deep=3", "<= 1.0 s")

    def _timed(self, name: str, order: str, asked: str) -> Row:
        with self._rlm("openai/x-root50", "openai/x-root50", depth=4) as rlm:
            self._run(rlm, order)
            run_sync(kernel_pool().warm())
            started = time.perf_counter()
            run = self._run(rlm, order)
            took = time.perf_counter() - started
        calls = [node for node in run.tree.calls if node.role == "root"]
        in_a_row = len(calls) if "deep" in order else 5
        longest = in_a_row * 0.05
        most = float(asked.split()[1])
        return Row(name, f"{took:.2f} s", f"{longest:.2f} s (latency alone)",
                   f"{took / longest:.2f}", asked, took <= most)  # fmt: skip

    def flood(self) -> Row:
        """100 MB printed by one cell."""
        with self._rlm() as rlm:
            self._run(rlm, "bench:turns=1")
            before = _peak()
            run = self._run(rlm, "bench:flood=100")
            after = _peak()
        grew = None if before is None or after is None else after - before
        ended = [x.event for x in run.events if isinstance(x.event, e.CellEnded)]
        told = [x.event for x in run.events if isinstance(x.event, e.TurnEnded)]
        return Row("100 MB printed by a cell",
                   f"{ended[0].seconds:.2f} s, {len(told[0].observation):,} characters to the "
                   f"prompt, peak {'unknown' if grew is None else f'+{grew:.0f} MiB'}",
                   "-", "-", "<= 1 s, <= 100 MiB",
                   ended[0].seconds <= 1 and (grew is None or grew <= 100))  # fmt: skip


ROWS = (
    "turn", "first_call", "fan_out", "children", "deep", "flood", "context", "second_turn", "regex",
    "calls", "siblings", "loop", "death", "memory", "budget", "batch", "key",
)  # fmt: skip
#: Rows that take minutes: only by name, or in full.
LONG = ("leak",)


def measure(
    rows: list[str], tell: Callable[[str], None] = lambda row: None, full: bool = False
) -> Iterator[Row]:
    """Measure rows, one after another.

    Args:
        rows: names from ``ROWS`` and ``LONG``; empty: all of ``ROWS``.
        tell: told each name before it is measured.
        full: all rows, at sizes that take minutes.
    """
    with server() as base:
        bench = Bench(base, full)
        for name in rows or (*ROWS, *(LONG if full else ())):
            tell(name)
            row: Row = getattr(bench, name)()
            yield row


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run the scripted server in a process of its own; give its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rlm_kernel.evals.wire"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def _peak() -> float | None:
    """Give the peak of this process's memory so far, in MiB; None where the system keeps none."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)


async def _plain_fan_out(base: str, count: int) -> float:
    import aiohttp

    room = asyncio.Semaphore(CLIENTS)

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        body = {"model": "x-sub50", "messages": [{"role": "user", "content": f"item {number}"}]}
        async with room, session.post(f"{base}/chat/completions", json=body) as response:
            await response.json()

    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one(session, n) for n in range(50)))
        started = time.perf_counter()
        await asyncio.gather(*(one(session, n) for n in range(count)))
        return time.perf_counter() - started


async def _plain_calls(base: str, chat: list[Message], turns: list[int]) -> list[float]:
    """Give the ms that a plain client takes to ask what a run had asked at these turns."""
    import aiohttp

    took = []
    async with aiohttp.ClientSession() as session:
        for turn in turns:
            body = {"model": "x-root", "messages": chat[: 2 + 2 * turn], "stream": True}
            began = time.perf_counter()
            async with session.post(f"{base}/chat/completions", json=body) as response:
                await response.read()
            took.append((time.perf_counter() - began) * 1000)
    return took


async def _bare_turns(base: str, count: int) -> float:
    """Give the seconds that a call by a plain client and a cell in a bare kernel take together."""
    import aiohttp
    from jupyter_client.manager import AsyncKernelManager

    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready()
        took = []
        async with aiohttp.ClientSession() as session:
            for number in range(count):
                started = time.perf_counter()
                body = {"model": "x-root", "messages": [{"role": "user", "content": "go on"}]}
                async with session.post(f"{base}/chat/completions", json=body) as response:
                    await response.json()
                await client.execute_interactive(f"x = {number}", store_history=False)
                took.append(time.perf_counter() - started)
        return statistics.median(took)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
