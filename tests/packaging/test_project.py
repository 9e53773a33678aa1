"""The project's own files: locks that fit, no machine's path, the two commands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(lock: Path) -> dict[str, list[str]]:
    """A lock's versions by package; one package may have one for each Python."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"(?m)^([a-z0-9.\-]+)==([^\s;\\]+)", lock.read_text()):
        found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.stem)
def test_a_lock_fits_what_the_package_asks_for(lock: Path) -> None:
    extras = {"run": ["local"], "lab": ["lab", "local"], "test": ["lab", "local", "otel", "test"]}
    wanted = list(PROJECT["dependencies"])
    for extra in extras.get(lock.stem, []):
        wanted += PROJECT["optional-dependencies"][extra]
    locked = pins(lock)
    for text in wanted:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{text} is missing: run scripts/lock.py"
        assert all(v in requirement.specifier for v in versions), f"{text}: {versions}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.stem)
def test_a_lock_holds_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "torch" not in pins(lock)
    entries = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_whatever_is_imported_is_a_declared_dependency() -> None:
    texts = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    renamed = {"markdown_it": "markdown-it-py", "zmq": "pyzmq"}
    renamed |= {"openinference": "openinference-instrumentation"}
    renamed |= {"opentelemetry": "opentelemetry-sdk"}
    ours = sys.stdlib_module_names | {"rlm_kernel"}
    missing = {
        f"{path.relative_to(ROOT)} imports {top}"
        for path in ROOT.glob("rlm_kernel/**/*.py")
        for top in imported(path.read_text(encoding="utf-8")) - ours
        if canonicalize_name(renamed.get(top, top)) not in declared
    }
    assert missing == set()


def imported(text: str) -> set[str]:
    """The top-level packages that a module's text imports, late imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_the_older_kernels_are_in_the_matrix() -> None:
    kernels = {lock.stem: pins(lock)["ipykernel"][0] for lock in LOCKS}
    assert kernels["ipykernel-6.31"].startswith("6.31.")
    assert kernels["ipykernel-7.3"].startswith("7.3.")
    assert kernels["test"].startswith("7.4.")


def test_litellm_stays_below_what_was_reviewed() -> None:
    (text,) = (d for d in PROJECT["dependencies"] if d.startswith("litellm"))
    specifier = Requirement(text).specifier
    assert "1.106.2" in specifier
    # Versions that carried malware.
    assert not [bad for bad in ("1.82.7", "1.82.8", "1.107.0") if bad in specifier]


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this isn't a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [p for p in paths if p.is_file() and p.stat().st_size < 2_000_000]


def test_no_tracked_file_names_a_path_of_a_machine_or_an_index() -> None:
    # Put together here, so that this file doesn't find itself; a bare "/home/" is no path yet.
    folders = "|".join(["ro" + "ot", "ho" + "me", "wo" + "rk"])
    pattern = re.compile(rf"(?<![\w.}}])/({folders})/\w|pypi" + r"\.org|pythonho" + "sted")
    wrong = []
    for path in tracked_files():
        for number, line in enumerate(path.read_bytes().decode("utf-8", "ignore").splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert wrong == []


def test_ci_runs_the_readmes_test_command() -> None:
    command = "python3 scripts/test.py"
    assert command in (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in readme
    assert "python3 scripts/first_run.py" in readme
