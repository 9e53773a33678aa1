"""Finding or starting the gateway process of a kernel. Imports little: a kernel waits for it.

The socket is made here and inherited by the process, so that nobody waits until that is up: who
connects meanwhile is answered when it is.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from .place import (
    LOG,
    SOCKET,
    Grant,
    folder_for,
    make_private,
    new_token,
    read_grants,
    write_grants,
)

ADDRESS, CAPABILITY = "RLM_GATEWAY", "RLM_GATEWAY_CAPABILITY"
DESCRIPTOR = "RLM_GATEWAY_DESCRIPTOR"  # of the end at which a boxed kernel asks for connections
LISTENING = "RLM_GATEWAY_LISTENS"


def gateway_for(
    connection_file: str, budget: str | None = None, runs: str | None = None
) -> dict[str, str]:
    """Give what a kernel needs in its environment to reach its gateway, starting that if need be.

    Args:
        connection_file: of the kernel; a restarted kernel has the same, and so the same gateway.
        budget: what the kernel may spend; None: no limit beside that of its runs.
        runs: the folder of its runs, for a kernel in a box; None: it isn't in one.

    Raises:
        OSError: it can't be started.
    """
    folder = folder_for(connection_file)
    make_private(folder)
    address = folder / SOCKET
    there = _listens(address)
    grants = read_grants(folder) if there else {}
    grant = next(iter(grants.values()), None)
    if grant is None:
        grant = Grant(new_token(), budget, runs=runs, closed=runs is not None)
        write_grants(folder, {grant.token: grant})
    if not there:
        start(folder)
    return {ADDRESS: str(address), CAPABILITY: grant.token}


def _listens(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(address))
        return True
    return False


def start(folder: Path) -> None:
    """Start the process that serves from a folder; it goes on without us."""
    address = folder / SOCKET
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        mask = os.umask(0o177)
        try:
            listener.bind(str(address))
        finally:
            os.umask(mask)
        listener.listen(512)
        env = dict(os.environ)
        env[LISTENING] = str(listener.fileno())
        root = str(Path(__file__).resolve().parents[3])
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        log = os.open(folder / LOG, flags, 0o600)
        try:
            subprocess.Popen(
                [sys.executable, "-m", "rlm_kernel.lm.served", str(folder)],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[listener.fileno()], start_new_session=True, cwd="/",
            )  # fmt: skip
        finally:
            os.close(log)
