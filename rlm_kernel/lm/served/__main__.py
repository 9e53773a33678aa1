"""The process that keeps the keys: ``python -m rlm_kernel.lm.served FOLDER``.

Guarantees: nobody but root can read its memory or its environment (not dumpable, Linux); a worker
that dies is started again, with the keys that it had been given meanwhile; it ends with a worker
that ended by itself, which is when nobody has been connected for a while.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_DUMPABLE = 4
PATIENCE = 5  # workers that may die within a minute


def close_to_others() -> None:
    """Let no other process of this user look into this one."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    """Serve until nobody needs it any more."""
    close_to_others()
    folder = Path(sys.argv[1])
    listener = socket.socket(fileno=int(os.environ.pop("RLM_GATEWAY_LISTENS")))
    listener.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are for kernels
    deaths: list[float] = []
    while True:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            _work(folder, listener, theirs)
        theirs.close()
        _take_keys(ours)  # until the worker is gone
        ours.close()
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            break
        deaths = [*(d for d in deaths if d > time.monotonic() - 60), time.monotonic()]
        if len(deaths) > PATIENCE:
            break
    for name in ("s", "grants.json", "spent.jsonl"):
        with suppress(OSError):
            (folder / name).unlink()


def _work(folder: Path, listener: socket.socket, keys: socket.socket) -> None:
    code = 1
    try:
        from .worker import serve

        serve(folder, listener, keys)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


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
