"""The ways between a shell's hub and its front ends, as far as this shell has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _comm, _control_channel

if TYPE_CHECKING:
    from .hub import Hub


def connect(shell: Any, hub: Hub) -> Callable[[], None]:
    """Connect a hub to the front ends of its shell; plain IPython has none.

    Close the hub first and then call what this gives: the goodbye goes over these ways.

    Returns:
        What takes the connections away again.
    """
    ends = [install(shell, hub) for install in (_control_channel.install, _comm.install)]

    def disconnect() -> None:
        for end in ends:
            if end is not None:
                end()

    return disconnect
