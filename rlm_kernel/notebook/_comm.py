"""The comm over which the kernel pushes, and over which requests may come as well.

Its id is fixed and nobody opens it, so that a page that is loaded again finds it without a word.

Guarantees:
- any thread may send; what is sent names no cell, so that no front end takes it for a cell's
  output (ipykernel would put in whichever request came last);
- a page that closes or opens a comm of this id ends nothing: it is one for all pages;
- messages that come are handled where they arrive, on every ipykernel: it is none of its own comms,
  so that 7.4 doesn't route them to the shell that sent last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from comm.base_comm import BaseComm

from ..protocol.front import COMM_ID, COMM_TARGET

if TYPE_CHECKING:
    from .hub import Hub


class FixedComm(BaseComm):
    """One comm for all pages.

    Args:
        kernel: sends.
        hub: answers.
    """

    def __init__(self, kernel: Any, hub: Hub) -> None:
        super().__init__(target_name=COMM_TARGET, comm_id=COMM_ID, primary=False)
        self._kernel = kernel
        self._hub = hub

    def register(self) -> None:
        """Have what pages send to this id come here."""
        self._closed = False
        self._kernel.comm_manager.register_comm(self)

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Any = None,
        **keys: Any,
    ) -> None:
        """Send a message without a parent."""
        if msg_type != "comm_msg":
            return  # opened and closed by nobody
        self._kernel.session.send(
            self._kernel.iopub_socket,
            msg_type,
            {"comm_id": self.comm_id, "data": {} if data is None else data, **keys},
            metadata=metadata,
            ident=self.topic,
            buffers=buffers,
        )

    def handle_msg(self, msg: Any) -> None:
        """Answer a request; unlike other comms' messages it fires no events of a cell."""
        self._hub.heard = True
        self._hub.submit(
            msg["content"].get("data"), lambda reply: self.send({"kind": "reply", **reply})
        )

    def handle_close(self, msg: Any) -> None:
        """Stay: another page may be there."""
        self.register()


def install(shell: Any, hub: Hub) -> Callable[[], None] | None:
    """Push over the comm, and answer what comes over it.

    Args:
        shell: the shell of an ipykernel.
        hub: pushes and answers.

    Returns:
        What takes it away again; None where this shell has no kernel with comms.
    """
    kernel = getattr(shell, "kernel", None)
    manager = getattr(kernel, "comm_manager", None)
    if manager is None or getattr(kernel, "iopub_socket", None) is None:
        return None
    comm = FixedComm(kernel, hub)
    comm.register()

    def opened(other: Any, msg: Any) -> None:
        """A page opened a comm of our target, though none has to: ours stays the one."""
        other._closed = True  # without a word: a close would end the page's side
        manager.comms.pop(other.comm_id, None)
        comm.register()

    before = manager.targets.get(COMM_TARGET)
    manager.register_target(COMM_TARGET, opened)
    unsubscribe = hub.subscribe(comm.send)

    def uninstall() -> None:
        unsubscribe()
        if manager.targets.get(COMM_TARGET) is opened:
            del manager.targets[COMM_TARGET]
            if before is not None:
                manager.targets[COMM_TARGET] = before
        if manager.comms.get(COMM_ID) is comm:
            del manager.comms[COMM_ID]
        comm._closed = True

    return uninstall
