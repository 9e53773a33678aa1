"""Where runs are kept on disk."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import platformdirs

from ..errors import RecordingError

LOG_NAME = "log.jsonl"  # in a run's folder
BLOBS = "blobs"

def runs_dir() -> Path:
    """Give the folder that holds the folders of runs; it is not created.

    Returns:
        ``$RLM_HOME/runs`` where RLM_HOME is set, else the user's data folder.

    Raises:
        RecordingError: RLM_HOME is in a home folder that nobody has.
    """
    home = os.environ.get("RLM_HOME", "").strip()
    try:
        base = Path(home).expanduser() if home else platformdirs.user_data_path("rlm-kernel")
    except RuntimeError:
        raise RecordingError(f"RLM_HOME is {home!r}, and nobody has that home folder.") from None
    return base / "runs"


def sandboxed_dir() -> Path:
    """Give the folder below which boxed notebook kernels keep their runs; they write it."""
    return runs_dir().parent / "sandboxed"


def is_sandboxed(folder: Path) -> bool:
    """Whether a folder is a boxed notebook kernel's, by whatever way it is named."""
    place = sandboxed_dir().resolve()
    whole = folder.absolute()
    # A link in there leads anywhere: each step of the way counts, not only where it ends.
    return any(step.resolve().is_relative_to(place) for step in (whole, *whole.parents))


def new_run_folder(title: str = "", base: Path | None = None) -> Path:
    """Create a folder for one run, named so that names sort by time and can be read.

    Args:
        title: words that go into the name, such as the question.
        base: the folder to make it in; ``runs_dir()`` by default.

    Returns:
        The folder, empty, readable by its owner only.
    """
    base = runs_dir() if base is None else base
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = re.findall(r"[a-z0-9]+", title.lower())
    slug = "-".join(words)[:40].strip("-") or "run"
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        tail = "" if number == 1 else f"_{number}"
        folder = base / f"{stamp}_{slug}{tail}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            continue
        return folder
