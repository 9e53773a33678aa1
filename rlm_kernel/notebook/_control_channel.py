"""Requests over the control channel, which the kernel reads while a cell runs.

Guarantees:
- the channel is never kept: interrupts, the debugger and a shutdown get through whatever a
  request waits for;
- every request gets one reply, sent on the channel's own loop, whichever thread made it;
- the *idle* that ends a control request doesn't stand while a cell runs (see ``_busy``), neither
  that of ours nor that of JupyterLab's own for a subshell, which a widget shown by a cell brings;
- ``uninstall`` puts back what was there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..protocol.front import REPLY, REQUEST
from ._busy import Busy

if TYPE_CHECKING:
    from .hub import Hub

_SUBSHELLS = ("create_subshell_request", "delete_subshell_request", "list_subshell_request")


def install(shell: Any, hub: Hub) -> Callable[[], None] | None:
    """Have the control channel's requests answered by the hub.

    Args:
        shell: the shell of an ipykernel.
        hub: answers.

    Returns:
        What takes it away again; None where this kernel has no control channel of its own.
    """
    kernel = getattr(shell, "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    loop = getattr(getattr(kernel, "control_thread", None), "io_loop", None)
    if kernel is None or handlers is None or loop is None:
        return None
    busy = Busy(shell)
    busy.open()

    def handler(stream: Any, ident: Any, parent: Any) -> None:
        """Called by ipykernel on the control thread, before it says *idle*."""

        def send(reply: dict[str, Any]) -> None:
            kernel.session.send(stream, REPLY, reply, parent, ident)

        loop.add_callback(busy.repair)  # the loop comes to it after the *idle*
        hub.heard = True  # a widget isn't: it places no cells
        hub.submit(parent.get("content"), lambda reply: loop.add_callback(send, reply))

    def repaired(usual: Callable[..., Any]) -> Callable[..., Any]:
        async def then_busy(*args: Any) -> None:
            done = usual(*args)
            if inspect.isawaitable(done):
                await done
            loop.add_callback(busy.repair)

        return then_busy

    before = handlers.get(REQUEST)
    handlers[REQUEST] = handler
    usual = {name: handlers[name] for name in _SUBSHELLS if name in handlers}
    ours = {name: repaired(one) for name, one in usual.items()}
    handlers.update(ours)

    def uninstall() -> None:
        for name, one in ours.items():
            if handlers.get(name) is one:
                handlers[name] = usual[name]
        if handlers.get(REQUEST) is handler:
            del handlers[REQUEST]
            if before is not None:
                handlers[REQUEST] = before
        busy.close()

    return uninstall
