"""Mending ipykernel 7.0 to 7.3, which now and then stop reading the shell channel for good.

They send replies past the stream that reads the same socket, and that takes the socket's wake-up
away: a request that arrives meanwhile stays unread, the kernel is idle, and every cell after it
waits forever (https://github.com/ipython/ipykernel/pull/1529, mended in 7.4). With requests over
the control channel beside the cells, as ours are, it happens within minutes. So replies are sent
by the stream, as 7.4 does.

Guarantees:
- replies keep their order: one thread sends them, before and after;
- other ipykernels, and those that lack a part of this, aren't touched;
- it stays when the extension is unloaded.
"""

from __future__ import annotations

from typing import Any


def send_by_stream(kernel: Any) -> bool:
    """Have a kernel's replies sent by the stream that reads the shell channel.

    Args:
        kernel: an ipykernel, or None outside of one; called on its main thread.

    Returns:
        Whether it was changed.
    """
    thread = getattr(kernel, "shell_channel_thread", None)
    stream = getattr(kernel, "shell_stream", None)
    if thread is None or stream is None or not hasattr(thread, "_shell_socket"):
        return False  # 6.x, 7.4 and later, or no kernel
    manager = thread.manager
    replies = getattr(getattr(manager, "_main_to_shell_channel", None), "to_stream", None)
    if replies is None or "_send_on_shell_channel" in vars(manager):
        return False  # another one; or mended already
    manager._send_on_shell_channel = stream.send_multipart  # for subshells made later
    # Only that thread may touch the two streams.
    thread.io_loop.add_callback(lambda: replies.on_recv(stream.send_multipart, copy=False))
    return True
