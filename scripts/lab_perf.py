"""Measures the tree in a real browser: ``python scripts/lab_perf.py [--nodes 10000]``.

The real store and view, fed by a kernel that isn't there, with as many events a second as asked
for, while a person presses keys. Prints frames a second, how long a key takes until what it did is
painted, what the page takes more of memory, and how long a recording of as many nodes takes until
its rows are painted. Exits with 1 where a figure misses its goal. It needs Node, Playwright and
Chromium; `scripts/test.py` brings them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / "labextension"
PUSHES = 25  # a second
FRAMES, INPUT_MS, MEMORY_MB, OPENED_MS = 30, 100, 150, 2_000
ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["node", "build.mjs", "perf", folder], cwd=LAB, check=True)
        shutil.copy(LAB / "perf" / "perf.html", folder)
        found = measure(Path(folder), options.nodes, options.rate)
    print(json.dumps(found, indent=2) if options.json else told(found))
    good = (
        found["fewest"] >= FRAMES
        and found["inputLongest"] <= INPUT_MS
        and found["memory_mb"] <= MEMORY_MB
        and found["opened_ms"] <= OPENED_MS
    )
    return 0 if good else 1


def measure(folder: Path, nodes: int, rate: int) -> dict[str, Any]:
    """Feed the page and press keys all the while; give what was measured."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=ARGS
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{(folder / 'perf.html').as_uri()}?show=perf")
            page.wait_for_function("window.rlmPerf !== undefined")
            cdp = page.context.new_cdp_session(page)
            cdp.send("Performance.enable")
            before = _memory(cdp)
            page.evaluate("rlmPerf.mount()")
            page.evaluate(
                "([nodes, per, ms]) => { window.done = null;"
                " rlmPerf.start(nodes, per, ms).then((found) => { window.done = found }) }",
                [nodes, rate // PUSHES, 1000 // PUSHES],
            )
            page.wait_for_selector("[role=treegrid] [role=row][data-key]")
            page.locator("[role=row][tabindex='0']").focus()
            keys = ["ArrowDown", "ArrowDown", "PageDown", "ArrowUp", "End", "Home", "ArrowDown"]
            pressed = 0
            while page.evaluate("window.done === null"):
                page.keyboard.press(keys[pressed % len(keys)])
                pressed += 1
                page.wait_for_timeout(150)
            found: dict[str, Any] = page.evaluate("window.done")
            after = _memory(cdp)
            page.goto(f"{(folder / 'perf.html').as_uri()}?show=open")
            opened = page.evaluate("(nodes) => rlmPerf.open(nodes)", nodes)
            return {
                **found,
                "opened_ms": opened,
                "browser": browser.version,
                "heap_mb": after["heap"] - before["heap"],
                "memory_mb": after["rss"] - before["rss"],
            }
        finally:
            browser.close()


def _memory(cdp: Any) -> dict[str, float]:
    """The page's heap after a collection, and its process's memory, in MB."""
    cdp.send("HeapProfiler.enable")
    cdp.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
    return {"heap": metrics["JSHeapUsedSize"] / 1e6, "rss": _rss(cdp)}


def _rss(cdp: Any) -> float:
    """Resident memory of the renderers that this process started, in MB."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            children.setdefault(parent, []).append(int(folder.name))
    total, waiting = 0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def told(found: dict[str, Any]) -> str:
    """Say the figures, each with its goal."""
    rate = found["events"] / found["seconds"]
    return "\n".join(
        [
            f"{found['nodes']:,} nodes by {found['events']:,} events in {found['seconds']:.1f} s"
            f" ({rate:,.0f} a second), {found['rows']:,} rows; Chromium {found['browser']}",
            f"frames: median {found['median']:.1f} ms, 95 % within {found['p95']:.1f} ms,"
            f" longest {found['longest']:.0f} ms; fewest in a second {found['fewest']}"
            f" (goal: {FRAMES} or more)",
            f"input to paint: median {found['inputMedian']:.0f} ms, 95 % within"
            f" {found['inputP95']:.0f} ms, longest {found['inputLongest']:.0f} ms"
            f" of {found['inputs']} keys (goal: {INPUT_MS} ms)",
            f"memory: the page's process +{found['memory_mb']:.0f} MB (goal: {MEMORY_MB}),"
            f" its heap +{found['heap_mb']:.0f} MB",
            f"a recording of {found['nodes']:,} nodes, unpacked and drawn:"
            f" {found['opened_ms']:.0f} ms (goal: {OPENED_MS:,})",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
