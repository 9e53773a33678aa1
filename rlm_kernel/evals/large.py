"""Large contexts and many calls: what grows with them, and what must not."""

from __future__ import annotations

import mmap
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..context.text import Text
from ..engine import RLM
from ..lm import ScriptedModel
from ..protocol import events as e
from .row import Row

LINE = "2026-01-02 12:00:00 INFO worker-7 all quiet, nothing to be said of it today\n"


def write_text(path: Path, size: int) -> None:
    """Write a text of about so many bytes, with an ERROR in every thousandth line."""
    block = LINE * 999 + LINE.replace("INFO", "ERROR")
    with path.open("w", encoding="ascii") as file:
        for _ in range(max(1, size // len(block))):
            file.write(block)


def resident() -> float:
    """Give the memory of this process that is its own (not mapped files), in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Large:
    """The rows; each method measures one. What makes runs over the server is ``Bench``'s."""

    full = False
    _rlm: Callable[..., RLM]
    _run: Callable[..., Any]

    def context(self) -> Row:
        """From a path of 1 GB to the end of the first cell."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "big.txt")
            write_text(path, 1 << 30)
            with path.open("rb") as file:
                began = time.perf_counter()
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    data.find(b"no such thing")
                limit = time.perf_counter() - began
            root = ScriptedModel(["```python\nFINAL(len(context))\n```"] * 2, name="root")
            with RLM(model=root, save=False) as rlm:
                rlm.run("How long?", "short")  # what is imported once
                before = resident()
                began = time.perf_counter()
                run = rlm.run("How long?", path)
                took = time.perf_counter() - began
                grew = resident() - before
        fine = run.status == "done" and took < 3.0 and grew < 100
        return Row("1 GB of text, to its first cell's end", f"{took:.2f} s, +{grew:.0f} MiB",
                   f"{limit:.2f} s (mmap, read once)", f"{took / limit:.1f}",
                   "< 1 s beside reading it, < 100 MiB", fine)  # fmt: skip

    def second_turn(self) -> Row:
        """A trivial turn with 100 MB of context, beside one with none."""

        def turns(context: str) -> float:
            cells = [f"x = {n}" for n in range(40)] + ["FINAL(x)"]
            root = ScriptedModel([f"```python\n{c}\n```" for c in cells], name="root")
            with RLM(model=root, save=False, max_turns=60) as rlm:
                run = rlm.run("Count.", context)
            starts = [x.time for x in run.events if isinstance(x.event, e.TurnStarted)]
            return float(statistics.median(b - a for a, b in pairwise(starts)) * 1000)

        turns("warm")
        small, big = turns("abc"), turns("x" * 100_000_000)
        return Row("a turn with 100 MB of context", f"{big:.2f} ms",
                   f"{small:.2f} ms (3 characters)", f"{big / small:.2f}",
                   "no dependence on the size", big < small * 1.5 + 0.3)  # fmt: skip

    def regex(self) -> Row:
        """A regular expression over a text that stays in its file."""
        size = (2 << 30) if self.full else (256 << 20)
        pattern = r"ERROR worker-\d+"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "big.txt")
            write_text(path, size)
            text = Text(path)

            def ours() -> int:
                return sum(1 for _ in text.finditer(pattern))

            def plain() -> int:
                with path.open("rb") as file, mmap.mmap(
                    file.fileno(), 0, access=mmap.ACCESS_READ
                ) as data:
                    return sum(1 for _ in re.finditer(pattern.encode(), data))

            assert ours() == plain()
            took, limit = _best(ours), _best(plain)
        return Row(f"a regex over {size >> 20:,} MiB", f"{took:.2f} s",
                   f"{limit:.2f} s (mmap + re)", f"{took / limit:.2f}", "<= 1.2 x",
                   took <= 1.25 * limit)  # fmt: skip

    def calls(self) -> Row:
        """10,000 calls in one run: time and memory of the first thousand and of the last."""
        return self._calls(10_000, "10,000 calls in one run")

    def leak(self) -> Row:
        """50,000 calls in one run."""
        return self._calls(50_000, "50,000 calls in one run")

    def _calls(self, count: int, name: str) -> Row:
        seen: list[tuple[int, float, float]] = []
        with self._rlm("openai/x-root", "openai/x-sub") as rlm:
            self._run(rlm, "bench:fan=50")
            run = rlm.start(f"bench:waves={count // 1000}", "context")
            done = [0]

            def look(logged: object) -> None:
                event = logged.event  # type: ignore[attr-defined]
                if isinstance(event, e.BatchEnded):
                    done[0] += 1
                    seen.append((done[0], time.perf_counter(), resident()))

            run.log.listen(look, since=0)
            run.wait()
        if run.status != "done":
            raise RuntimeError(f"{name} ended as {run.status}: {run.reason}")
        took = [b[1] - a[1] for a, b in pairwise(seen)]
        grew = (seen[-1][2] - seen[1][2]) * (1 << 20) / max(1, (len(seen) - 2) * 1000)
        first, last = statistics.median(took[:3]), statistics.median(took[-3:])
        return Row(name, f"{first:.2f} s, then {last:.2f} s a thousand; {grew:,.0f} bytes a call "
                   "stay in the tree and log", f"{first:.2f} s (the first thousand)",
                   f"{last / first:.2f}", "flat", last <= first * 1.25)  # fmt: skip


def _best(function: Callable[[], int], times: int = 3) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        took.append(time.perf_counter() - began)
    return min(took)

