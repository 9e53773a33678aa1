"""The browser that the JupyterLab tests drive: found, or installed where that is ours to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from _setup import SetupError, say

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install -y --no-install-recommends chromium"


def find() -> str | None:
    """The browser's path, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure() -> None:
    """Install Chromium as root on Debian, where it is one package; elsewhere that's a person's."""
    if find() is not None:
        return
    if not (_is_debian() and hasattr(os, "geteuid") and os.geteuid() == 0):
        raise SetupError(f"There is no Chromium here; on Debian: {INSTALL}")
    say("  installing Chromium")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    last = ""
    for _ in range(2):
        for command in ("apt-get update -q", INSTALL + " -q"):
            done = subprocess.run(
                command.split(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            last = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
        if done.returncode == 0 and find() is not None:
            say("  Chromium is installed")
            return
    raise SetupError(f"Chromium couldn't be installed ({last[:200]}); try: {INSTALL}")


def _is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "\nID=debian\n" in "\n" + release.read_text(encoding="utf-8")
