"""The README's two commands: what they say when something is missing or went wrong."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("test", monkeypatch)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("_setup", monkeypatch)


REPORT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><failure message="no"/></testcase>
<testcase name="d"><error message="no"/></testcase>
<testcase name="e"><skipped message="only on Windows"/></testcase>
<testcase name="f"><skipped message="NOT RUN: the browser tests; apt install chromium"/></testcase>
<testcase name="g"><skipped message="NOT RUN: the browser tests; apt install chromium"/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_counted_and_tells_what_did_not_run(
    runner: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    result = runner.read_report("lab", path)
    assert (result.passed, result.failed, result.skipped) == (2, 2, 3)
    assert result.not_run == ["the browser tests; apt install chromium"]


@pytest.mark.parametrize(("ci", "code"), [(False, 0), (True, 1)])
def test_what_did_not_run_is_said_last_and_fails_in_ci(
    runner: ModuleType, capsys: pytest.CaptureFixture[str], ci: bool, code: int
) -> None:
    results = [
        runner.Result("log", passed=3),
        runner.Result("lab", passed=1, skipped=1, not_run=["browsers; apt install chromium"]),
    ]
    assert runner.summary(results, [], ci, 1.0) == code
    lines = capsys.readouterr().out.splitlines()
    assert "4 passed, 0 failed, 1 skipped" in lines
    assert "NOT RUN: browsers (to run it: apt install chromium)" in lines[-2:]


@pytest.mark.parametrize(
    "counts", [{"passed": 2, "failed": 1}, {"passed": 0}], ids=["a failure", "no test at all"]
)
def test_a_failure_and_an_empty_run_are_failures_everywhere(
    runner: ModuleType, counts: dict[str, int]
) -> None:
    assert runner.summary([runner.Result("log", **counts)], [], False, 1.0) == 1


def test_a_pytest_that_breaks_is_a_failure(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    suites = runner.Suites(False, ["--no-such-option"])
    suites.python = Path(sys.executable)
    assert suites._pytest("log").failed == 1


def test_suites_run_side_by_side_and_each_is_told_whole_in_the_order_that_was_asked_for(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner.os, "cpu_count", lambda: 2)
    both = threading.Barrier(2)

    def run(self: object, name: str, output: BinaryIO | None) -> object:
        code = f"print('{name} begins', flush=True); print('{name} ends')"
        both.wait(20)  # neither ends before the other has begun
        subprocess.run([sys.executable, "-c", code], stdout=output, check=True)
        return runner.Result(name, passed=1)

    monkeypatch.setattr(runner.Suites, "_pytest", run)
    results = runner.Suites(False, []).run_all(["log", "engine"])
    assert [one.name for one in results] == ["log", "engine"]
    said = capfd.readouterr().out
    assert "log begins\nlog ends\n" in said
    assert "engine begins\nengine ends\n" in said


def test_an_unknown_suite_is_one_sentence_with_the_names(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["test.py", "lgo"])
    assert runner.main() == 2
    assert "There is no suite 'lgo'; the suites are: lint, types, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "doesn't match its hash"),
        ("ERROR: No matching distribution found for x==1", "no wheel of it"),
        ("ERROR: no version for x==1 (from versions: none)", "check the network"),
        ("NameResolutionError(...)\nERROR: No matching distribution found", "check the network"),
    ],
)
def test_pips_failure_becomes_one_sentence_with_what_to_do(
    setup: ModuleType, printed: str, reason: str
) -> None:
    code = f"import sys; print({printed!r}); sys.exit(1)"
    with pytest.raises(setup.SetupError, match=reason) as caught:
        setup._pip([sys.executable, "-c", code], 1)
    assert "what was installed is kept, run the same command again" in str(caught.value)


def test_a_full_disk_is_said_before_anything_is_installed(
    setup: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(setup.SetupError, match=r"Less than 1e\+09 GB are free"):
        setup.ensure(tmp_path / "venv", "run", free_gb=1e9)
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(("stamped", "again"), [("run", False), ("test", False), ("other", True)])
def test_an_environment_is_installed_again_only_where_its_lock_changed(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stamped: str, again: bool
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(setup, "_runs", lambda python: True)
    monkeypatch.setattr(setup, "_pip", lambda command, count: commands.append(command))
    text = setup._fingerprint(stamped) if stamped != "other" else "an older lock"
    (tmp_path / "rlm-kernel.lock").write_text(text)
    setup.ensure(tmp_path, "run", free_gb=0)
    assert bool(commands) is again
    if again:
        assert "--require-hashes" in commands[0]
        assert setup._read(tmp_path / "rlm-kernel.lock") == setup._fingerprint("run")


def test_an_installation_that_stops_half_way_is_not_taken_for_done(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(command: list[str], count: int) -> None:
        msg = "stopped"
        raise setup.SetupError(msg)

    monkeypatch.setattr(setup, "_runs", lambda python: True)
    monkeypatch.setattr(setup, "_pip", stop)
    (tmp_path / "rlm-kernel.lock").write_text("an older lock")
    with pytest.raises(setup.SetupError):
        setup.ensure(tmp_path, "run", free_gb=0)
    assert not (tmp_path / "rlm-kernel.lock").exists()


def test_a_python_that_is_too_old_is_one_sentence(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "VERSIONS", ((9, 9),))
    with pytest.raises(setup.SetupError, match=r"needs Python 3\.11, 3\.12 or 3\.13, this is 3\."):
        setup.find_python()
