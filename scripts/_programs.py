"""Programs that tests need and pip can't bring: found, or installed where that is ours to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from _setup import SetupError, say

_one_at_a_time = threading.Lock()  # as apt has it


@dataclass(frozen=True)
class Program:
    """One of them.

    Args:
        title: as a person says it.
        package: Debian's.
        names: of the command, the likeliest first.
    """

    title: str
    package: str
    names: tuple[str, ...]

    @property
    def install(self) -> str:
        """The command that installs it on Debian."""
        return f"apt-get install -y --no-install-recommends {self.package}"

    def find(self) -> str | None:
        """Its path, if it is there."""
        return next((path for name in self.names if (path := shutil.which(name))), None)

    def ensure(self) -> None:
        """Install it as root on Debian, where it is one package; elsewhere that's a person's."""
        if self.find() is not None:
            return
        if not (_is_debian() and hasattr(os, "geteuid") and os.geteuid() == 0):
            raise SetupError(f"There is no {self.title} here; on Debian: {self.install}")
        with _one_at_a_time:
            say(f"  installing {self.title}")
            last = self._installed()
        if last:
            raise SetupError(f"{self.title} couldn't be installed ({last}); try: {self.install}")
        say(f"  {self.title} is installed")

    def _installed(self) -> str:
        """Try twice; give why not, or ``""``."""
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        last = ""
        for _ in range(2):
            for command in ("apt-get update -q", self.install + " -q"):
                done = subprocess.run(
                    command.split(),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                )
                last = (done.stdout.strip().splitlines() or ["no reason given"])[-1][:200]
            if done.returncode == 0 and self.find() is not None:
                return ""
        return last


CHROMIUM = Program("Chromium", "chromium", ("chromium", "chromium-browser", "google-chrome"))
BUBBLEWRAP = Program("bubblewrap", "bubblewrap", ("bwrap",))


def bring(*programs: Program) -> None:
    """Bring what can be brought, one after another, and say what can't."""
    for program in programs:
        try:
            program.ensure()
        except SetupError as error:
            say(str(error))


def boxes() -> tuple[Program, ...]:
    """Give what holds code in a box here."""
    return (BUBBLEWRAP,) if sys.platform == "linux" else ()


def _is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "\nID=debian\n" in "\n" + release.read_text(encoding="utf-8")
