"""Takes the README's pictures from the real thing: ``python3 scripts/screenshots.py [FOLDER]``.

Runs the browser tests that show something (``tests/lab/test_looks.py``) and copies their pictures;
it needs what ``python3 scripts/test.py lab`` has made.
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

NAMES = ("panel-light", "panel-dark", "edit", "batch", "children", "widget-lab")


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the README's pictures.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "pictures")
    folder: Path = parser.parse_args().folder
    python = _setup.bin_path(ROOT / ".venv", "python")
    if not python.exists():
        say("There is no .venv yet: `python3 scripts/test.py lab` makes it, with all this needs.")
        return 1
    with tempfile.TemporaryDirectory() as taken:
        environment = {**_setup.clean_environment(), "RLM_SCREENSHOTS": taken}
        environment["PATH"] = os.pathsep.join([str(python.parent), os.environ["PATH"]])
        command = [str(python), "-m", "pytest", "-q", "tests/lab/test_looks.py"]
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        missing = [name for name in NAMES if not Path(taken, f"{name}.png").exists()]
        if code or missing:
            say(f"No picture was replaced; not taken: {', '.join(missing) or 'none'}.")
            return code or 1
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            shutil.copy(Path(taken, f"{name}.png"), folder)
    say(f"{len(NAMES)} pictures are in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
