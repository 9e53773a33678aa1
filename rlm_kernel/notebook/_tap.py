"""Hearing our own comms while a cell runs, on ipykernel 7 and later.

There a thread of the kernel's reads the shell channel and hands each message on to the thread that
runs cells, where a comm's message waits for the end of the cell. JupyterLab can send it to a
thread of its own (a subshell), VS Code can't, and ipykernel 7.4 sends it back to the busy one.
This listens on the first of these threads and takes out the messages of our comms.

Guarantees:
- a message is handled once: what isn't taken goes its usual way untouched, also when taking it
  fails; what is taken doesn't;
- only messages with a valid signature are taken, each once: a signature that was taken is kept in
  the session's history, one that was only looked at isn't;
- where ipykernel lacks a part of this (6.x, in-process kernels, a later rewrite) nothing is
  changed, ``live`` is False and messages come between cells, as always;
- ``close`` puts everything back.

No status is published for what was taken: an *idle* would tell front ends that the running cell
is over.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from typing import Any

Take = Callable[[dict[str, Any]], bool]

_NAME = "shell_channel_thread_main"  # the method of ipykernel's that reads the shell channel
_log = logging.getLogger(__name__)


class Tap:
    """Takes the messages of some comms from a kernel's shell channel.

    Args:
        kernel: an ipykernel, or None outside of one.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._takers: dict[str, Take] = {}
        self._usual: Callable[[Any], Awaitable[None]] | None = None

    @property
    def live(self) -> bool:
        """Whether messages are heard while a cell runs."""
        return self._usual is not None

    def open(self) -> bool:
        """Start to listen; say whether that is possible here."""
        kernel = self._kernel
        thread = getattr(kernel, "shell_channel_thread", None)
        usual = getattr(kernel, _NAME, None)
        stream = getattr(kernel, "shell_stream", None)
        if self.live or thread is None or usual is None or stream is None:
            return self.live
        if not hasattr(thread, "io_loop") or not hasattr(kernel.session, "feed_identities"):
            return False
        self._usual = usual
        vars(kernel)[_NAME] = self._hear  # for a kernel that has yet to start
        if stream.receiving():
            self._read_by(self._hear)
        return True

    def close(self) -> None:
        """Stop to listen."""
        usual, self._takers = self._usual, {}
        # Whoever came after us calls us, and we pass everything on.
        if usual is None or vars(self._kernel).get(_NAME) != self._hear:
            return
        self._usual = None
        del vars(self._kernel)[_NAME]
        if getattr(self._kernel, _NAME) != usual:
            vars(self._kernel)[_NAME] = usual
        if self._kernel.shell_stream.receiving():
            self._read_by(usual)

    def add(self, comm_id: str, take: Take) -> None:
        """Have the data of a comm's messages given to ``take``.

        Args:
            comm_id: the comm.
            take: is called on the thread that reads the channel, so it must be quick; says whether
                it has taken the message.
        """
        self._takers = {**self._takers, comm_id: take}  # read by another thread

    def remove(self, comm_id: str) -> None:
        """Let a comm's messages go their usual way again."""
        self._takers = {key: take for key, take in self._takers.items() if key != comm_id}

    # -- on the thread that reads the channel -----------------------------------------------------

    async def _hear(self, msg: Any) -> None:
        usual = self._usual
        taken = False
        try:
            taken = self._take(msg)
        except Exception:
            _log.warning("A message of a comm goes its usual way", exc_info=True)
        if not taken:
            if usual is None:  # closed between the two
                usual = getattr(self._kernel, _NAME)
            await usual(msg)

    def _take(self, msg: Sequence[Any]) -> bool:
        takers, session = self._takers, self._kernel.session
        if not takers:
            return False
        _, frames = session.feed_identities(msg, copy=False)
        if len(frames) < 5 or b"comm_msg" not in frames[1].bytes:
            return False
        parts = [frame.bytes for frame in frames[:5]]
        if session.unpack(parts[1]).get("msg_type") != "comm_msg":
            return False
        content = session.unpack(parts[4])
        take = takers.get(content.get("comm_id"))
        if take is None or not self._valid(session, parts):
            return False
        if not take(content.get("data") or {}):
            return False
        if session.auth is not None:
            session.digest_history.add(parts[0])
        return True

    def _valid(self, session: Any, parts: list[bytes]) -> bool:
        """Whether a signature is right and new; one that isn't is for ipykernel to refuse."""
        if session.auth is None:
            return True
        if parts[0] in session.digest_history:
            return False
        return compare_digest(parts[0], session.sign(parts[1:]))

    def _read_by(self, reader: Callable[[Any], Awaitable[None]]) -> None:
        kernel = self._kernel
        kernel.shell_channel_thread.io_loop.add_callback(
            lambda: kernel.shell_stream.on_recv(reader, copy=False)
        )


def answer_where_sent(comm: Any) -> None:
    """Have a comm's messages handled on the shell that the front end names.

    ipykernel 7.4 sends them to the shell that last wrote to the comm, which is the busy one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
