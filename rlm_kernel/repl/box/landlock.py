"""Landlock: the files and ports that a process, and whatever it starts, may use from then on.

Guarantees, where ``abi()`` is at least 1 (Linux 5.13): files outside of the rules can't be opened,
made, moved or removed; other processes can't be looked into. From 4 on (6.7) no TCP port can be
bound or connected to, from 6 on (6.12) no signal and no abstract socket reaches out. It holds the
calling thread and what it starts, so it comes before any other thread.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ACCESS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP = 3
_SCOPED = 3  # abstract sockets, signals
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


def abi() -> int:
    """Give what Linux here offers of it, as its version; 0: nothing."""
    if sys.platform != "linux":
        return 0
    version = ctypes.CDLL(None, use_errno=True).syscall(_CREATE, None, 0, _VERSION)
    return max(0, int(version))


def restrict(read: Iterable[str], write: Iterable[str], *, net: bool) -> None:
    """Hold this process to these files, for good.

    Args:
        read: files and folders it may read and run; those that aren't there are left out.
        write: those it may change as well.
        net: whether it may use TCP.

    Raises:
        OSError: Linux doesn't take it.
    """
    version = abi()
    if version == 0:
        raise OSError("Linux here has no Landlock.")
    handled = _ACCESS[max(v for v in _ACCESS if v <= version)]
    attributes = struct.pack(
        "QQQ", handled, 0 if net or version < 4 else _TCP, _SCOPED if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _call(_CREATE, ctypes.c_char_p(attributes), size, 0)
    try:
        for path in read:
            _allow(rules, path, handled & _READING)
        for path in write:
            _allow(rules, path, handled)
        from .seccomp import no_new_privileges

        no_new_privileges()
        _call(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                access &= _OF_FILES
            _call(_ADD, rules, _PATH_BENEATH, ctypes.c_char_p(struct.pack("=Qi", access, place)), 0)
        finally:
            os.close(place)


def _call(number: int, *args: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = int(libc.syscall(number, *args))
    if given < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return given
