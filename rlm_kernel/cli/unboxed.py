"""Where nothing can hold the code: asking a person once whether it may run all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs

from ..repl.box import look
from .streams import say


def needed() -> bool:
    """Whether nothing on this machine can hold the code of a run."""
    return look().best == "none"


def allowed() -> bool:
    """Whether the person has allowed it before, or does now; False where nobody can be asked."""
    remembered = _file()
    if remembered.exists():
        return True
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    why = "; ".join(look().problems)
    say(f"No sandbox works on this machine ({why}). The model's code would run with all your "
        "rights: it could read your files and use your network.")  # fmt: skip
    say("Run it all the same, now and from now on? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return False
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(
        "Code runs without a sandbox where none works, as was allowed on the command line. "
        "Remove this file to be asked again.\n",
        encoding="utf-8",
    )
    return True


def _file() -> Path:
    return Path(platformdirs.user_config_path("rlm-kernel"), "runs-without-sandbox")
