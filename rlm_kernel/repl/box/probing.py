"""What can hold a kernel on this machine, found by trying it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from ...errors import ConfigError
from . import landlock, seccomp
from .bubblewrap import wrapped
from .policy import Method, Policy

BOXED = "RLM_BOXED"  # in the environment of a kernel that a box holds: by which method
NO_BOX = (
    "Nothing on this machine can hold the code of a run in a sandbox ({why}), so nothing was "
    'started. {install} the code run with all your rights: sandbox="none" (--sandbox none).'
)


@dataclass(frozen=True, slots=True)
class Found:
    """What works here, and why the rest doesn't."""

    bubblewrap: bool
    landlock: int  # its version; 0: it can't be used
    problems: tuple[str, ...] = ()

    @property
    def best(self) -> Method:
        """What holds a kernel best."""
        return "bubblewrap" if self.bubblewrap else "landlock" if self.landlock else "none"


@functools.cache
def look() -> Found:
    """Try what there is, once in a process."""
    problems = []
    if not seccomp.SUPPORTED:
        return Found(False, 0, ("the filter on system calls is for Linux on x86_64 and aarch64",))
    problem = _try_bubblewrap()
    if problem:
        problems.append(problem)
    version = landlock.abi()
    if not version:
        problems.append("Linux here has no Landlock")
    return Found(not problem, version, tuple(problems))


def _try_bubblewrap() -> str:
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap isn't installed"
    with tempfile.TemporaryDirectory(prefix="rlm-try-") as folder:
        command = wrapped(program, ["/bin/true"], Policy("bubblewrap"), folder)
        try:
            done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap doesn't start ({type(error).__name__})"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"bubblewrap doesn't work ({said[-1] if said else f'exit code {done.returncode}'})"


def held_here() -> str:
    """Give what holds this process already, as its launcher says; ``"none"``: nothing does."""
    method = os.environ.get(BOXED, "none")
    return method if method in ("bubblewrap", "landlock") else "none"


def choose(wanted: str) -> Method:
    """Give what is to hold a kernel.

    Args:
        wanted: ``"auto"``, the best there is, or a method by its name.

    Raises:
        ConfigError: it can't be had here; says what can be done.
    """
    if wanted == "none":
        return "none"
    if held_here() != "none":  # there is no box within the box, and none is needed
        return "inherited"
    found = look()
    why = "; ".join(found.problems)
    if wanted == "auto":
        if found.best == "none":
            install = "Install bubblewrap, or let" if sys.platform == "linux" else "You can let"
            raise ConfigError(NO_BOX.format(why=why, install=install))
        return found.best
    works = found.bubblewrap if wanted == "bubblewrap" else bool(found.landlock)
    if not works:
        other = f", or take what works: {found.best}" if found.best != "none" else ""
        raise ConfigError(
            f'sandbox="{wanted}" can\'t be had on this machine ({why}): install it{other}, or let '
            'the code run with all your rights: sandbox="none" (--sandbox none).'
        )
    return "bubblewrap" if wanted == "bubblewrap" else "landlock"


_WORDS = {
    "inherited": "the notebook's own",
    "bubblewrap": "no home folder, no network, none of your other processes",
    "landlock": "only its own files can be changed, no network; names of processes can be seen",
    "none": "code runs with all your rights",
}


def words(method: str) -> str:
    """Say what holds a kernel, in a few words."""
    return f"{method}: {_WORDS[method]}" if method in _WORDS else method
