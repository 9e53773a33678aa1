"""The process that keeps the keys: ``python -m rlm_kernel.lm.served ADDRESS``.

Guarantees: nobody but root can read its memory or its environment (not dumpable, Linux); a worker
that dies is started again, with the keys that it had been given meanwhile; it ends with a worker
that ended by itself, which is when nobody has been connected for a while. Where a process can't
fork, it is its own worker.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from .address import Address
from .place import GRANTS, SPENT

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
PATIENCE = 5  # workers that may die within a minute


def close_to_others() -> None:
    """Let no other process of this user look into this one."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    """Serve until nobody needs it any more."""
    close_to_others()
    address = Address(Path(sys.argv[1]))
    inherited = os.environ.pop("RLM_GATEWAY_LISTENS", "")
    listener = socket.socket(fileno=int(inherited)) if inherited else address.listen()
    listener.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are for kernels
    if hasattr(os, "fork"):
        _keep(address, listener)
    else:
        nobody, keys = socket.socketpair()
        nobody.close()
        _work(address, listener, keys)
    for name in (address.path.name, GRANTS, SPENT):
        with suppress(OSError):
            address.path.with_name(name).unlink()


def _keep(address: Address, listener: socket.socket) -> None:
    """Have a worker, until one has ended by itself."""
    deaths: list[float] = []
    while True:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            os._exit(_work(address, listener, theirs))
        theirs.close()
        _take_keys(ours)  # until the worker is gone
        ours.close()
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            break
        deaths = [*(d for d in deaths if d > time.monotonic() - 60), time.monotonic()]
        if len(deaths) > PATIENCE:
            break


def _work(address: Address, listener: socket.socket, keys: socket.socket) -> int:
    """Serve; give an exit code."""
    try:
        from .worker import serve

        serve(address, listener, keys)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


def _take_keys(end: socket.socket) -> None:
    """Keep what a person gives the worker by ``%rlm key``, for the next worker."""
    with end.makefile("rb") as lines:
        for line in lines:
            with suppress(ValueError):
                name, value = json.loads(line)
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


if __name__ == "__main__":
    main()
