"""Finding or starting the gateway process of a kernel. Imports little: a kernel waits for it.

A Unix socket is made here and inherited by the process, so that nobody waits until that is up: who
connects meanwhile is answered when it is. On loopback the process makes its own, which is waited
for: where there are no Unix sockets, nothing like them can be inherited.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from .address import HAS_UNIX, PORT, SOCKET, Address
from .place import (
    LOG,
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
PATIENCE = 30.0  # seconds until it listens on loopback


def gateway_for(
    connection_file: str,
    budget: str | None = None,
    runs: str | None = None,
    *,
    unix: bool = HAS_UNIX,
) -> dict[str, str]:
    """Give what a kernel needs in its environment to reach its gateway, starting that if need be.

    Args:
        connection_file: of the kernel; a restarted kernel has the same, and so the same gateway.
        budget: what the kernel may spend; None: no limit beside that of its runs.
        runs: the folder of its runs, for a kernel in a box; None: it isn't in one.
        unix: whether it is reached over a Unix socket; False: over loopback.

    Raises:
        OSError: it can't be started.
    """
    folder = folder_for(connection_file)
    make_private(folder)
    address = Address(folder / (SOCKET if unix else PORT))
    there = address.answers()
    grants = read_grants(folder) if there else {}
    grant = next(iter(grants.values()), None)
    if grant is None:
        grant = Grant(new_token(), budget, runs=runs, closed=runs is not None)
        write_grants(folder, {grant.token: grant})
    if not there:
        start(address)
    return {ADDRESS: str(address.path), CAPABILITY: grant.token}


def start(address: Address) -> None:
    """Start the process that serves at an address; it goes on without us.

    Raises:
        OSError: it can't be started.
    """
    if address.unix:
        with address.listen() as listener:
            _launch(address, {LISTENING: str(listener.fileno())}, [listener.fileno()])
        return
    address.path.unlink(missing_ok=True)
    process = _launch(address, {}, [])
    until = time.monotonic() + PATIENCE
    while not address.path.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise OSError(f"it didn't start; {address.path.parent / LOG} may say why")
        time.sleep(0.01)


def _launch(
    address: Address, more: dict[str, str], inherited: list[int]
) -> subprocess.Popen[bytes]:
    env = {**os.environ, **more}
    root = str(Path(__file__).resolve().parents[3])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
    log = os.open(address.path.with_name(LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # On Windows a console of its own, that nobody sees, keeps Ctrl-C of ours away.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "rlm_kernel.lm.served", str(address.path)],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherited,
            start_new_session=True, creationflags=flags, cwd=os.path.abspath(os.sep),
        )  # fmt: skip
    finally:
        os.close(log)
