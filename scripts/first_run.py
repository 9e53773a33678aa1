"""From nothing to the first answer: ``python3 scripts/first_run.py``.

Makes ``.venv``, installs rlm-kernel and the local model's engine from the lock, fetches the model's
weights once, and asks a question over a long text, with that model as root and as sub-model. It
needs Python 3.11 to 3.13, the network for the first time, and about 3 GB of disk; no key, no Node.
Where Node 20 and npm are, the JupyterLab extension is built meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time

import _setup
import build_lab


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Install rlm-kernel into .venv, fetch the local model, answer a first question."
    )
    parser.add_argument("--install-only", action="store_true", help="stop after installing")
    parser.add_argument(
        "--lab", action="store_true", help="install JupyterLab and Notebook into .venv as well"
    )
    parser.add_argument("--weights", metavar="GGUF", help="take the model's weights from this file")
    options = parser.parse_args()

    started = time.monotonic()
    venv = _setup.ROOT / ".venv"

    def step(number: int, text: str) -> None:
        _setup.say(f"[{number}/3] {text} ({time.monotonic() - started:.0f} s so far)")

    building = threading.Thread(target=_build, daemon=True)
    building.start()
    try:
        step(1, "Installing rlm-kernel")
        _setup.ensure(venv, "lab" if options.lab else "run", free_gb=3.0)
    except _setup.SetupError as error:
        print(error, file=sys.stderr)
        return 1
    program = str(_setup.bin_path(venv, "rlm-kernel"))
    environment = _setup.clean_environment()
    if not options.install_only:
        step(2, "Fetching the local model, once")
        pull = [program, "models", "pull"]
        if options.weights:
            pull += ["--from", options.weights]
        code = subprocess.run(pull, env=environment).returncode
        if code:
            return code
        step(3, "Asking a question over a long text")
        code = subprocess.run([program, "demo"], env=environment).returncode
        if code:
            return code
    building.join()
    build_lab.show(venv)
    lab = f"{_setup.bin_path(venv, 'jupyter')} lab"
    after = lab if options.lab else f"{program} --help"
    _setup.say(f"Done in {time.monotonic() - started:.0f} s. Next: {after}")
    return 0


def _build() -> None:
    """Build the JupyterLab extension, or say in one line why there is none."""
    if build_lab.is_current():
        return
    if what := build_lab.missing():
        _setup.say(f"  The JupyterLab extension isn't built: {what}; {build_lab.WITHOUT}.")
        return
    try:
        build_lab.build()
    except (_setup.SetupError, OSError) as error:
        _setup.say(f"{error}\n  The JupyterLab extension isn't built; {build_lab.WITHOUT}.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
