"""The ways by which a cell could reach into the page that shows it, shut while a model's cell runs.

What it displays goes through ``safe``; widgets and comms of its own don't open, and what it would
put into the next input or the page is dropped. This holds what a model's code does by the ordinary
ways, and what the libraries that it uses do. It doesn't hold code that sets out to break it: that
code runs in the same process, as the person.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shut(shell: Any) -> Iterator[None]:
    """Shut them in this shell for a while."""
    with _no_comms(), _no_payloads(shell):
        yield


@contextmanager
def _no_comms() -> Iterator[None]:
    comm: Any = sys.modules.get("comm")
    if comm is None:
        yield
        return
    ipykernel: Any = sys.modules.get("ipykernel.comm.comm")
    before = comm.create_comm
    comm.create_comm = comm.DummyComm
    base = getattr(ipykernel, "BaseComm", None)
    publish = getattr(base, "publish_msg", None)
    if base is not None and publish is not None:
        import threading

        main = threading.current_thread()

        def publish_msg(self: Any, msg_type: str, *args: Any, **kwargs: Any) -> None:
            # Ours send from threads of their own, and were open before the cell began.
            if msg_type == "comm_open" and threading.current_thread() is main:
                return
            publish(self, msg_type, *args, **kwargs)

        base.publish_msg = publish_msg
    try:
        yield
    finally:
        comm.create_comm = before
        if base is not None and publish is not None:
            base.publish_msg = publish


@contextmanager
def _no_payloads(shell: Any) -> Iterator[None]:
    manager = getattr(shell, "payload_manager", None)
    if manager is None:
        yield
        return
    write = manager.write_payload

    def write_payload(data: Any, single: bool = True) -> None:
        if isinstance(data, dict) and data.get("source") == "page":
            text = data.get("data", {}).get("text/plain", "")
            write({**data, "data": {"text/plain": text}}, single)

    manager.write_payload = write_payload
    try:
        yield
    finally:
        del manager.write_payload
