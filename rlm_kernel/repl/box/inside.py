"""What a kernel's process does to put itself into its box, in two steps.

``first`` comes before any thread and before code is loaded that could be anybody's; ``then`` when
the kernel has opened the sockets that it needs, before anything of a run reaches it. Either one
that fails ends the process: a kernel is never less boxed than was said.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from . import landlock, seccomp
from .policy import Policy
from .python_files import python_files, system_files

VARIABLE = "RLM_BOX"
_PR_SET_PDEATHSIG = 1
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_OWN_IN_BUBBLEWRAP = ("/dev", "/tmp", "/run", "/var/tmp")
_ABOUT_THE_MACHINE = (
    "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version", "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu", "/sys/fs/cgroup",
)  # fmt: skip


def end_with_parent() -> None:
    """Have this process killed when the one that started it is gone."""
    if sys.platform == "linux":  # elsewhere the channel's end and ipykernel's poller see to it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def first() -> Policy:
    """Give the policy of this process, and bring its view of the files in force."""
    policy = Policy.from_json(os.environ.pop(VARIABLE, '{"read": [], "write": []}'))
    if policy.method == "landlock":
        read = [*system_files(policy.net), *python_files(), *policy.read, *_ABOUT_THE_MACHINE]
        own = f"/proc/{os.getpid()}"
        _landlock([*read, own], [*policy.write, *_DEVICES], net=policy.net)
    elif policy.method == "bubblewrap" and landlock.abi():
        # What is handed over to be read lies outside of the box's view, where no mount of ours is
        # read-only: by its name in /proc/self/fd it could be opened again to be written.
        _landlock(["/"], [*policy.write, *_OWN_IN_BUBBLEWRAP], net=True)
    return policy


def _landlock(read: list[str], write: list[str], *, net: bool) -> None:
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("Landlock holds one thread, and this process has more already.")
    landlock.restrict(read, write, net=net)


def then(policy: Policy) -> None:
    """Bring the limits and the filter on system calls in force, for every thread."""
    if policy.method in ("bubblewrap", "landlock"):
        from . import rlimits  # Windows lacks what it imports, and has no box

        rlimits.limit(policy)
        seccomp.install(policy.net, policy.local)
