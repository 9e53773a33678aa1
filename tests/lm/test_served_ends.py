"""Connections that are given to a kernel which may make none."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from rlm_kernel.lm.served import ends as ends_
from rlm_kernel.lm.served.ends import Asker, Giver


def test_each_that_is_asked_for_is_let_in_and_where_nobody_listens_that_is_an_error(
    tmp_path: Path,
) -> None:
    address = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(4)
        giver = Giver(str(address), "the capability")
        asker = Asker(giver.theirs)
        for _ in range(3):
            made = asker.take()
            there, _ = listener.accept()
            assert b"the capability" in there.recv(1000)
            there.sendall(b"in")
            assert made.recv(10) == b"in"
            assert not made.get_inheritable()
            made.close()
            there.close()
    for _ in range(2):
        with pytest.raises(ConnectionError, match="isn't there"):
            asker.take()
    giver.close()


def test_who_asks_on_and_on_gets_no_more_than_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection costs who gives it a pause, however many are asked for at once."""
    paused = threading.Event()
    monkeypatch.setattr(ends_.time, "sleep", lambda seconds: paused.set())
    giver = Giver(str(tmp_path / "nobody"), "x")
    asker = Asker(giver.theirs)
    with pytest.raises(ConnectionError):
        asker.take()
    assert paused.wait(10)
    giver.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        asker.take()
