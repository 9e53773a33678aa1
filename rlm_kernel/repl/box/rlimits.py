"""The limits on what a kernel in a box may use up of the machine: memory, processor, files."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from .policy import Policy


def limit(policy: Policy) -> None:
    """Set the limits on this process and whatever it starts; none can be raised again."""
    _most(resource.RLIMIT_CORE, 0)
    _most(resource.RLIMIT_DATA, policy.memory)  # not AS: a context of any size is mapped
    _most(resource.RLIMIT_CPU, policy.cpu)
    _most(resource.RLIMIT_FSIZE, policy.file_size)
    running = 0 if policy.method == "bubblewrap" else _threads_of_the_user()
    _most(resource.RLIMIT_NPROC, running + policy.processes)


def _most(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _threads_of_the_user() -> int:
    """Count them: the limit on processes is one for all of a user's."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                count += len(os.listdir(folder / "task"))
    return count
