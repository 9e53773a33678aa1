"""Takes the pictures of docs/ from the real thing: ``python3 scripts/screenshots.py``.

Runs the browser tests that show something and copies the pictures that are there; it needs what
``python3 scripts/test.py lab`` has made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import _setup
from _setup import ROOT, say

FOLDER = ROOT / "docs"
TESTS = ("tests/lab/test_looks.py", "tests/lab/test_as_it_was.py", "tests/lab/test_latent.py")


def main() -> int:
    argparse.ArgumentParser(description="Take the pictures of docs/.").parse_args()
    names = sorted(path.name for path in FOLDER.glob("*.png"))
    python = _setup.bin_path(ROOT / ".venv", "python")
    if not python.exists():
        say("There is no .venv yet: `python3 scripts/test.py lab` makes it, with all this needs.")
        return 1
    with tempfile.TemporaryDirectory() as taken:
        environment = {**_setup.clean_environment(), "RLM_SCREENSHOTS": taken}
        environment["PATH"] = os.pathsep.join([str(python.parent), os.environ["PATH"]])
        command = [str(python), "-m", "pytest", "-q", *TESTS]
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        missing = [name for name in names if not Path(taken, name).exists()]
        if code or missing:
            say(f"No picture was replaced; not taken: {', '.join(missing) or 'none'}.")
            return code or 1
        FOLDER.mkdir(exist_ok=True)
        for name in names:
            shutil.copy(Path(taken, name), FOLDER)
    say(f"{len(names)} pictures are in {FOLDER.name}/.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
