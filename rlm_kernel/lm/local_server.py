"""The local engine: llama.cpp's server in a process of its own, on loopback.

A program, run by ``local.py`` as a file and importing nothing of rlm_kernel: a native crash costs
no kernel, and nothing that lies in the person's working folder can shadow what it imports.

Guarantees:
- it listens on 127.0.0.1 only, on a port the system gives, and asks for the key that is the first
  line of its stdin (so that no process list and no environment shows it);
- its first and only line on stdout is JSON: ``{"url": …, "ctx": …}`` once it can answer;
- it ends when the process that started it ends, however that ended, also while it loads.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(argv: list[str] | None = None) -> int:
    """Load the model, say where it is served, and serve it until the parent is gone."""
    options = _parse(argv)
    parent = os.getppid()
    key = _first_line()
    _die_with_parent(signal.SIGKILL)
    # The engine may print: keep stdout for the one line, and let the rest go to stderr.
    announce = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    server = _serve(options, key)
    # Loading holds the GIL, so that only the system's signal can end it; from here on the watcher
    # does. The signal goes when the *thread* that started us ends, which may be long before the
    # process does: it must not stay set.
    _die_with_parent(0)
    announce.write(json.dumps({"url": server.listening_address, "ctx": options.ctx}) + "\n")
    announce.close()
    while True:
        threading.Event().wait(3600)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local_server", description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--ctx", type=int, default=16384, help="tokens that all requests share")
    parser.add_argument("--parallel", type=int, default=2, help="requests served at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    parser.add_argument("--cache-mib", type=int, default=1024, help="memory for old prompts")
    return parser.parse_args(argv)


def _first_line() -> str:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)  # unbuffered: what follows is for the watcher
        if not byte:
            sys.exit("local_server: no key on stdin")
        line += byte
    return line.decode().strip()


def _serve(options: argparse.Namespace, key: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {"local"}
    params.n_ctx = options.ctx
    params.n_parallel = options.parallel
    params.kv_unified = True  # else each request gets n_ctx / n_parallel
    params.n_batch = params.n_ubatch = 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.cache_ram_mib = options.cache_mib  # the engine's own default is 8 GiB
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.offline = True
    params.verbosity = 1  # errors only
    params.api_keys = [key]
    return xllamacpp.Server(params)


def _watch(parent: int) -> None:
    """End this process when stdin is closed or the parent is another."""
    while os.getppid() == parent:
        if sys.platform == "win32":
            os.read(0, 1)
            break
        ready, _, _ = select.select([0], [], [], 1.0)
        if ready and not os.read(0, 4096):
            break
    os._exit(0)


def _die_with_parent(signum: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc: the watcher is left
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
