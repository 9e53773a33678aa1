"""What the README's two commands share: an environment of this checkout, installed from a lock.

Only the standard library, since it runs before anything is installed. An environment that is as the
lock says is left alone; one that was interrupted half-way is finished or made anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ((3, 11), (3, 12), (3, 13))
_STAMP = "rlm-kernel.lock"
#: Locks that hold all of another one, with the same versions.
_LARGER = {"run": ["lab", "test"], "lab": ["test"]}
_CHECK = "import sys, venv, ensurepip; print(*sys.version_info[:2])"


class SetupError(Exception):
    """Why the environment can't be made: one sentence, with what to do."""


def say(text: str) -> None:
    # On a terminal another thread's progress may stand in this line.
    print(f"\r{text:<60}" if sys.stdout.isatty() else text, flush=True)


def together(*steps: Callable[[], object]) -> None:
    """Do the steps at once, each to its end; then raise what the first of them that failed said."""
    with ThreadPoolExecutor(len(steps)) as pool:
        done = [pool.submit(step) for step in steps]
    for step in done:
        step.result()


def clean_environment() -> dict[str, str]:
    """This process's variables without those that would bend another interpreter or its pip."""
    drop = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES"}
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def find_python() -> str:
    """A Python this project runs on: this one, else the first of the right age on PATH."""
    candidates = [sys.executable]
    candidates += [f"python{major}.{minor}" for major, minor in reversed(VERSIONS)]
    no_venv = False
    for name in candidates:
        path = shutil.which(name)
        if path is None:
            continue
        done = subprocess.run([path, "-c", _CHECK], capture_output=True, text=True)
        words = done.stdout.split()
        if done.returncode == 0 and tuple(map(int, words)) in VERSIONS:
            return path
        no_venv = no_venv or "ModuleNotFoundError" in done.stderr
    if no_venv:
        raise SetupError(
            "This Python has no venv module; on Debian and Ubuntu `apt install python3-venv` "
            "brings it, then run the same command again."
        )
    here = ".".join(map(str, sys.version_info[:3]))
    raise SetupError(
        f"rlm-kernel needs Python 3.11, 3.12 or 3.13, this is {here} and no other is on PATH; "
        "install one and run this script with it."
    )


def bin_path(venv: Path, name: str) -> Path:
    """Where an environment keeps a program."""
    if os.name == "nt":
        return venv / "Scripts" / f"{name}.exe"
    return venv / "bin" / name


def ensure(venv: Path, lock: str, *, free_gb: float = 2.0, compiled: bool = True) -> Path:
    """Make ``venv`` hold exactly what ``requirements/<lock>.txt`` says and this checkout, editable.

    Args:
        venv: the environment's folder.
        lock: the lock's name.
        free_gb: the disk space that must be free before anything is installed, in gigabytes.
        compiled: whether bytecode is made now; without, installing takes half the time.

    Returns:
        The environment's Python.
    """
    python = bin_path(venv, "python")
    stamp = venv / _STAMP
    larger = _LARGER.get(lock, [])
    if _read(stamp) in [_fingerprint(name) for name in [lock, *larger]] and _runs(python):
        return python
    started = time.monotonic()
    if shutil.disk_usage(ROOT).free < free_gb * 1e9:
        raise SetupError(
            f"Less than {free_gb:g} GB are free in {ROOT}; make room, then run the same again."
        )
    if not _runs(python):
        say(f"  making {venv.name}")
        _make(venv)
    count = sum(1 for line in _lock_path(lock).read_text().splitlines() if line[:1].isalnum())
    say(f"  installing {count} packages into {venv.name}, each checked against its hash")
    stamp.unlink(missing_ok=True)
    common = [str(python), "-m", "pip", "install", "--progress-bar=off", "--no-deps"]
    common += [] if compiled else ["--no-compile"]
    # Wheels only: what is built from source would need build tools, and those have no hashes here.
    locked = ["--only-binary=:all:", "--require-hashes", "-r", str(_lock_path(lock))]
    _pip(common + locked, count)
    _pip([*common, "--no-build-isolation", "--no-index", "--editable", str(ROOT)], 0)
    stamp.write_text(_fingerprint(lock), encoding="utf-8")
    say(f"  {venv.name} is ready ({time.monotonic() - started:.0f} s)")
    return python


def _lock_path(lock: str) -> Path:
    return ROOT / "requirements" / f"{lock}.txt"


def _fingerprint(lock: str) -> str:
    """What an environment is made from: it changes with the lock and with the package's data."""
    digest = hashlib.sha256()
    kernelspec = sorted((ROOT / "rlm_kernel" / "notebook" / "kernelspec").glob("*"))
    for path in [_lock_path(lock), ROOT / "pyproject.toml", ROOT / "hatch_build.py", *kernelspec]:
        digest.update(path.read_bytes())
    # An editable installation knows where the checkout lies.
    return f"{lock} {digest.hexdigest()} {ROOT}"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _runs(python: Path) -> bool:
    if not python.exists():
        return False
    command = [str(python), "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, env=clean_environment()).returncode == 0


def _make(venv: Path) -> None:
    command = [find_python(), "-m", "venv", "--clear", str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no reason given"]
        raise SetupError(
            f"Python couldn't make an environment in {venv} ({last[0].strip()}); on Debian and "
            "Ubuntu `apt install python3-venv` may be what is missing."
        )


#: What pip's words mean, the first that matches.
_REASONS = [
    ("No space left on device", "the disk is full: make room"),
    ("DO NOT MATCH THE HASHES", "a download doesn't match its hash: don't use this index or proxy"),
    ("NewConnectionError", "the package index can't be reached: check the network"),
    ("ConnectTimeoutError", "the package index can't be reached: check the network"),
    ("NameResolutionError", "the package index can't be reached: check the network"),
    ("Max retries exceeded", "the package index can't be reached: check the network"),
    ("ReadTimeoutError", "the package index is too slow: check the network"),
    ("(from versions: none)", "the package index can't be reached or lacks it: check the network"),
    ("No matching distribution", "there's no wheel of it for this Python or system"),
]


def _pip(command: list[str], count: int) -> None:
    """Run pip, showing how far it is, and turn its failure into one sentence."""
    lines: list[str] = []
    seen = 0
    # A line that is drawn over would be mixed up with those of other threads.
    alone = threading.current_thread() is threading.main_thread()
    terminal = alone and sys.stdout.isatty()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                seen += 1
                name = line.replace("already satisfied:", "").split()[1].split("==")[0]
                if terminal:
                    print(f"\r  {seen}/{count} {name:<40.40}", end="", flush=True)
                elif seen % 50 == 0:
                    say(f"  {Path(command[0]).parent.parent.name}: {seen}/{count}")
    if terminal and seen:
        print("\r" + " " * 60 + "\r", end="", flush=True)
    if process.returncode == 0:
        return
    text = "".join(lines)
    errors = [line.strip() for line in lines if line.startswith("ERROR")][-3:] or lines[-3:]
    said = "\n".join(f"  pip: {line.strip()[:300]}" for line in errors)
    reason = next((why for mark, why in _REASONS if mark in text), "pip says why")
    raise SetupError(
        f"{said}\nInstalling stopped, {reason}; what was installed is kept, "
        "run the same command again to go on."
    )
