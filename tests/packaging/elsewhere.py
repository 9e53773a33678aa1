"""Shows rlm_kernel's own modules a standard library as on another system.

``python elsewhere.py SYSTEM MODULE ARGUMENTS…`` runs a module so, ``python elsewhere.py SYSTEM``
imports all of them. Only our modules see it: what others import stays as it is.
"""

from __future__ import annotations

import builtins
import importlib
import os
import pkgutil
import runpy
import signal
import socket
import sys
import types
from typing import Any

_NOT_ON_WINDOWS = {
    "os": (
        os,
        """fork forkpty setsid setpgid getpgid getpgrp killpg getuid geteuid getgid getegid
        getgroups setuid setgid chown fchown lchown mkfifo mknod uname statvfs fstatvfs nice
        sched_getaffinity memfd_create pidfd_open posix_fallocate sendfile openpty sync wait WNOHANG
        WIFEXITED WIFSIGNALED WEXITSTATUS WTERMSIG O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK
        O_PATH O_TMPFILE O_NOCTTY O_SYNC O_DSYNC pread pwrite preadv pwritev readv writev getxattr
        setxattr register_at_fork posix_spawn lockf copy_file_range eventfd getloadavg fchdir
        fdatasync sysconf pathconf environb""",
    ),
    "signal": (
        signal,
        """SIGHUP SIGKILL SIGCHLD SIGSTOP SIGCONT SIGALRM SIGPIPE SIGUSR1 SIGUSR2 SIGQUIT SIGTSTP
        SIGWINCH SIGXCPU SIGXFSZ SIGBUS SIGSYS pthread_kill pthread_sigmask alarm setitimer
        getitimer siginterrupt sigwait SIG_BLOCK SIG_SETMASK SIG_UNBLOCK pause""",
    ),
    "socket": (
        socket,
        """AF_UNIX send_fds recv_fds SO_PEERCRED SCM_RIGHTS SO_REUSEPORT MSG_DONTWAIT MSG_NOSIGNAL
        CMSG_LEN CMSG_SPACE SOCK_CLOEXEC SOCK_NONBLOCK""",
    ),
}
_NOT_ON_MACOS = {
    "os": (
        os,
        """sched_getaffinity memfd_create pidfd_open posix_fallocate O_PATH O_TMPFILE fdatasync
        getxattr setxattr eventfd copy_file_range""",
    ),
    "signal": (signal, "sigtimedwait SIGSTKFLT"),
    "socket": (socket, "SO_PEERCRED SOCK_CLOEXEC SOCK_NONBLOCK MSG_NOSIGNAL"),
}
_POSIX = "fcntl resource pwd grp termios tty pty syslog posix readline"
#: By system: ``sys.platform``, ``os.name``, what its modules lack, and the modules that it lacks.
SYSTEMS: dict[str, tuple[str, str, dict[str, tuple[Any, str]], str]] = {
    "windows": ("win32", "nt", _NOT_ON_WINDOWS, _POSIX),
    "macos": ("darwin", "posix", _NOT_ON_MACOS, "spwd"),
}


class _Shown(types.ModuleType):
    """A module without some of its names."""

    def __init__(self, real: types.ModuleType, lacks: frozenset[str], **other: object) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(other)
        self.__dict__["_real"], self.__dict__["_lacks"] = real, lacks

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} there")
        return getattr(self._real, name)


def _msvcrt() -> types.ModuleType:
    """Give what we use of a module that only Windows has."""
    import fcntl

    module = types.ModuleType("msvcrt")
    module.LK_NBLCK = 2  # type: ignore[attr-defined]
    module.locking = lambda fd, mode, size: fcntl.flock(  # type: ignore[attr-defined]
        fd, fcntl.LOCK_EX | fcntl.LOCK_NB
    )
    return module


def show(system: str) -> None:
    """Show our modules, from now on, what that system has."""
    platform, name, lacking, absent = SYSTEMS[system]
    shown: dict[str, types.ModuleType] = {
        module: _Shown(real, frozenset(lacks.split()), **({"name": name} if module == "os" else {}))
        for module, (real, lacks) in lacking.items()
    }
    shown["sys"] = _Shown(sys, frozenset({"getandroidapilevel"}), platform=platform)
    if system == "windows":
        shown["msvcrt"] = _msvcrt()
    refused = frozenset(absent.split())
    real_import = builtins.__import__

    def imported(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        ours = str((globals or {}).get("__name__", "")).partition(".")[0] in ("rlm_kernel", "rlm")
        ours = ours or str((globals or {}).get("__package__", "")).startswith("rlm_kernel")
        if ours and not level:
            if name in refused:
                raise ModuleNotFoundError(f"No module named {name!r} there", name=name)
            if name in shown:
                return shown[name]
        return real_import(name, globals, locals, fromlist, level)

    builtins.__import__ = imported


def main() -> None:
    """Do what the arguments say."""
    show(sys.argv[1])
    if sys.argv[2:]:
        del sys.argv[:2]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    import rlm_kernel

    for module in pkgutil.walk_packages(rlm_kernel.__path__, "rlm_kernel."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except (ImportError, AttributeError) as error:
                print(f"{module.name}: {error}")


if __name__ == "__main__":
    main()
