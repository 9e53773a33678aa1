"""The filter on system calls: what a kernel in a box may not ask of Linux, whatever it runs.

Guarantees, from the moment it is installed, for every thread and for whatever they start:
- no new socket, except a pair of streams of one's own, which reach nobody else (with ``net``:
  internet sockets, none to paths);
- no look into other processes, no new namespaces, no mounts, no kernel modules, no io_uring;
- the calls of another architecture (32 bit, x32) are refused, all of them.

Refused calls fail with EPERM. The numbers are those of Linux's tables for x86_64 and aarch64;
elsewhere there is no filter, and ``SUPPORTED`` says so. (seccomp(2), Linux 3.17.)
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_TSYNC = 1
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_STREAM, _NONBLOCK, _CLOEXEC = 1, 0o4000, 0o2000000  # a socket's type, and what is or-ed to it
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # put input into a terminal

#: name: (x86_64, aarch64); None: not there.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "mknod": (133, None), "mknodat": (259, 33),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
    "quotactl": (179, 60), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None),
    "ioperm": (173, None), "vhangup": (153, 58), "personality": (135, 92),
}  # fmt: skip
_SOCKET, _PAIR, _CLONE, _CLONE3, _PRLIMIT, _IOCTL, _SECCOMP = (
    (41, 198), (53, 199), (56, 220), (435, 435), (302, 261), (16, 29), (317, 277),
)  # fmt: skip
_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
SUPPORTED = sys.platform == "linux" and platform.machine() in _ARCHES and sys.maxsize > 2**32

_Rule = tuple[int, int, int, int]


def program(net: bool, machine: str = "", local: bool = False) -> list[_Rule]:
    """Give the filter as instructions: code, jump if true, jump if false, operand.

    Args:
        net: whether internet sockets may be made.
        machine: whose numbers; empty: this one's.
        local: whether sockets may be made that a network of its own holds.
    """
    which, arch = _ARCHES[machine or platform.machine()]
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    rules: list[_Rule] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), refuse,
                          (_LOAD, 0, 0, _NR)]  # fmt: skip
    if which == 0:
        rules += [(_AT_LEAST, 0, 1, _X32), refuse]
    for numbers in _REFUSED.values():
        number = numbers[which]
        if number is not None:
            rules += [(_EQUAL, 0, 1, number), refuse]
    # Without an answer, glibc takes clone() instead, whose flags can be looked at.
    rules += [(_EQUAL, 0, 1, _CLONE3[which]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    allowed = [_AF_INET, _AF_INET6, _AF_NETLINK] if net or local else []
    allowed += [_AF_UNIX] if local else []
    if not allowed:
        rules += [(_EQUAL, 0, 1, _SOCKET[which]), refuse]
    else:
        checks = [(_EQUAL, len(allowed) - i, 0, family) for i, family in enumerate(allowed)]
        rules += _call(_SOCKET[which], [(_LOAD, 0, 0, _ARG0), *checks, refuse])
    # One of datagrams could be connected to, or send to, any socket of datagrams at a path.
    streams = [_STREAM | more for more in (0, _NONBLOCK, _CLOEXEC, _NONBLOCK | _CLOEXEC)]
    checks = [(_EQUAL, len(streams) - i, 0, kind) for i, kind in enumerate(streams)]
    rules += _call(_PAIR[which], [(_LOAD, 0, 0, _ARG1), *checks, refuse])
    rules += _call(_CLONE[which], [(_LOAD, 0, 0, _ARG0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse])
    # Of other processes, limits may not be set.
    rules += _call(_PRLIMIT[which], [(_LOAD, 0, 0, _ARG0), (_EQUAL, 1, 0, 0), refuse])
    rules += _call(_IOCTL[which], [(_LOAD, 0, 0, _ARG1), (_EQUAL, 1, 0, _TIOCSTI),
                                   (_EQUAL, 0, 1, _TIOCLINUX), refuse])  # fmt: skip
    return [*rules, (_RETURN, 0, 0, _ALLOW)]


def _call(number: int, then: list[_Rule]) -> list[_Rule]:
    """Look at the arguments of one call, and allow it where that doesn't refuse it."""
    body: list[_Rule] = [*then, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def install(net: bool, local: bool = False) -> None:
    """Put the filter on every thread of this process, for good.

    Raises:
        OSError: Linux doesn't take it.
    """
    no_new_privileges()
    rules = program(net, local=local)
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    whole = Program(len(rules), ctypes.addressof(buffer))
    number = _SECCOMP[_ARCHES[platform.machine()][0]]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, _SET_MODE_FILTER, _TSYNC, ctypes.byref(whole)):
        code_ = ctypes.get_errno()
        raise OSError(code_, f"seccomp: {os.strerror(code_)}")


def no_new_privileges() -> None:
    """Nothing that this process starts gets more rights than it has (setuid programs don't)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"no_new_privs: {os.strerror(code)}")
