"""bubblewrap: a kernel's own view of the machine, in which only what it may use is there at all.

Guarantees: the folders that are named are there and nothing else (no home folder); its processes
are the only ones it sees, and end with it; there is no network, not even loopback, without ``net``;
its ``/tmp`` and ``/dev/shm`` are its own. (bubblewrap 0.4 or later.)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .policy import Policy
from .python_files import python_files, system_files

_CLOSED = ("/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list")


def wrapped(program: str, command: Sequence[str], policy: Policy, folder: str) -> list[str]:
    """Give the command line that runs a command in the box.

    Args:
        program: bubblewrap itself.
        command: what runs in it.
        policy: what it may do.
        folder: its own: it can be written, and has the same path in the box.
    """
    line = [program, "--die-with-parent", "--new-session", "--unshare-all", "--cap-drop", "ALL"]
    if policy.net:
        line.append("--share-net")
    line += ["--proc", "/proc", "--dev", "/dev"]
    # Root's code would find these open: bubblewrap closes them only on some machines.
    line += ["--ro-bind", "/proc/sys", "/proc/sys"]
    for name in filter(os.path.exists, _CLOSED):
        line += ["--ro-bind", "/dev/null", name]
    for name in ("/tmp", "/run", "/var/tmp"):
        line += ["--tmpfs", name]
    for path in dict.fromkeys([*system_files(policy.net), *python_files(), *policy.read]):
        line += _shown(path, "--ro-bind-try")
    for path in (folder, *policy.write):
        line += ["--bind", path, path]
    return [*line, "--", *command]


def _shown(path: str, how: str) -> list[str]:
    if os.path.islink(path) and not Path(path).parent.is_symlink():
        target = os.readlink(path)
        shown = ["--symlink", target, path]
        real = os.path.realpath(path)
        # /bin -> usr/bin: its target is there already; a link elsewhere needs its target, too.
        return shown if real.startswith("/usr/") else [*shown, how, real, real]
    return [how, path, path]
