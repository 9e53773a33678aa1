"""Builds the JupyterLab side: ``python3 scripts/build_lab.py``.

Makes ``rlm_kernel/labextension`` (the extension) and ``rlm_kernel/notebook/static`` (the widget)
from ``labextension/``, and shows the extension to the JupyterLab in ``.venv``. It needs Node 20 or
newer, npm, and the network once; what was built from these very sources is left alone. Without Node
everything works but the panel and the widget; a wheel that was built with Node brings both.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import _setup
from _setup import ROOT, SetupError, say

SOURCE = ROOT / "labextension"
EXTENSION = ROOT / "rlm_kernel" / "labextension"
WIDGET = ROOT / "rlm_kernel" / "notebook" / "static"
NODE = 20
WITHOUT = (
    "everything works but the JupyterLab panel, its cells and the live widget; "
    "`python3 scripts/build_lab.py` adds them"
)
# Inside node_modules, so that a fresh `npm ci` makes both stamps void.
_INSTALLED = SOURCE / "node_modules" / ".rlm-kernel-installed"
_BUILT = SOURCE / "node_modules" / ".rlm-kernel-built"


def missing() -> str:
    """What is missing to build, in a few words; empty when nothing is."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"Node {NODE} and npm aren't here"
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    found = re.match(r"v(\d+)", done.stdout)
    if found is None or int(found[1]) < NODE:
        return f"Node {NODE} is needed, this is {done.stdout.strip() or 'broken'}"
    return ""


def is_current() -> bool:
    """Whether what is built was made from the sources as they are."""
    made = (EXTENSION / "package.json").exists() and any(WIDGET.glob("*.js"))
    return made and _read(_BUILT) == _fingerprint(_sources())


def build() -> None:
    """Build the extension and the widget, unless they are current."""
    if is_current():
        return
    if what := missing():
        raise SetupError(f"The JupyterLab extension can't be built: {what}.")
    started = time.monotonic()
    lock = _fingerprint([SOURCE / "package-lock.json"])
    if _read(_INSTALLED) != lock:
        say("  installing what the JupyterLab extension is built with, as its lock says")
        # No package's own script is run: none of ours needs one.
        _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _INSTALLED.write_text(lock, encoding="utf-8")
        say(f"  node_modules is ready ({time.monotonic() - started:.0f} s)")
    _BUILT.unlink(missing_ok=True)
    before = _fingerprint(_sources())
    _npm("run", "build")
    _BUILT.write_text(before, encoding="utf-8")
    say(f"  the JupyterLab extension and the widget are built ({time.monotonic() - started:.0f} s)")


def show(venv: Path) -> None:
    """Let the JupyterLab of an environment find the extension that lies in this checkout."""
    place = venv / "share" / "jupyter" / "labextensions" / "rlm-kernel"
    if not (EXTENSION / "package.json").exists() or place.resolve() == EXTENSION.resolve():
        return
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(EXTENSION, target_is_directory=True)
    except OSError:  # Windows allows links to few; a copy is made again with each build
        shutil.copytree(EXTENSION, place)


def _sources() -> list[Path]:
    names = ["package.json", "package-lock.json", "tsconfig.json", "build.mjs"]
    paths = [SOURCE / name for name in names if (SOURCE / name).exists()]
    for folder in ("src", "style", "schema"):
        paths += [path for path in (SOURCE / folder).rglob("*") if path.is_file()]
    return paths


def _fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(SOURCE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _npm(*words: str) -> None:
    program = shutil.which("npm")
    assert program is not None
    done = subprocess.run(
        [program, *words],
        cwd=SOURCE,
        env={**os.environ, "CI": "true", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        said = "\n".join(f"  npm: {line[:300]}" for line in done.stdout.strip().splitlines()[-15:])
        raise SetupError(
            f"{said}\n`npm {' '.join(words[:2])}` failed in labextension/; what was installed is "
            "kept, run the same command again to go on."
        )


def main() -> int:
    argparse.ArgumentParser(
        description="Build the JupyterLab extension and the widget, where they aren't current."
    ).parse_args()
    try:
        build()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    venv = ROOT / ".venv"
    if _setup.bin_path(venv, "python").exists():
        show(venv)
    say(f"{EXTENSION.relative_to(ROOT)} and {WIDGET.relative_to(ROOT)} are as the sources say.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
