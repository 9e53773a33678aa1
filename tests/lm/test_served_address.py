"""The gateway process over loopback, as where there are no Unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_lm import SERVED_KEY
from servers import OpenAIServer

from rlm_kernel.lm import BudgetLedger, Gateway
from rlm_kernel.lm.served.address import PORT, Address
from rlm_kernel.lm.served.client import Client
from rlm_kernel.lm.served.place import folder_for
from rlm_kernel.lm.served.start import gateway_for
from rlm_kernel.log import Log
from rlm_kernel.protocol import CallRequest, Origin
from rlm_kernel.protocol.frames import pack


@pytest.fixture
def address(tmp_path: Path) -> Address:
    """One on loopback at which nobody serves yet."""
    return Address(tmp_path / PORT)


def call(prompt: str) -> str:
    async def go() -> str:
        request = CallRequest(({"role": "user", "content": prompt},), "openai/gpt-x")
        ledger = BudgetLedger(None)
        return (await Gateway().call(request, Origin("r", "r"), ledger, Log())).text

    return asyncio.run(go())


def answered_by(
    serve: Callable[[socket.socket], None], listener: socket.socket
) -> threading.Thread:
    def once() -> None:
        end, _ = listener.accept()
        with end:
            serve(end)

    thread = threading.Thread(target=once)
    thread.start()
    return thread


def test_a_call_is_made_over_loopback_with_the_key_that_only_it_has(
    start: Callable[..., Client],
    home: Path,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = start(unix=False)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert call("hi") == "re: hi"
    assert openai_server.requests[-1].headers["Authorization"] == f"Bearer {SERVED_KEY}"
    assert Path(client.address) == folder_for(str(home / "kernel-1.json")) / PORT


def test_a_kernel_that_starts_again_finds_the_same_gateway(start: Callable[..., Client]) -> None:
    one, two = start(unix=False), start(unix=False)
    assert one.address == two.address
    assert one.ask("status")["pid"] == two.ask("status")["pid"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a worker that dies takes all with it there")
def test_a_worker_that_dies_is_back_at_the_same_address(start: Callable[..., Client]) -> None:
    client = start(unix=False)
    before = client.ask("status")["pid"]
    os.kill(before, signal.SIGKILL)
    assert call("again") == "re: again"
    assert client.ask("status")["pid"] != before


def test_only_this_machine_reaches_it_and_only_this_user_has_the_secret(address: Address) -> None:
    with address.listen() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        if hasattr(os, "getuid"):
            assert address.path.stat().st_mode & 0o077 == 0
        assert [path.name for path in address.path.parent.iterdir()] == [PORT]


@pytest.mark.parametrize("said", ["frame", "nonce", "nothing"])
def test_a_capability_without_the_secret_is_dropped_unanswered(
    start: Callable[..., Client], said: str
) -> None:
    client = start(unix=False)
    port, _ = Address(Path(client.address))._told()
    hello = b"".join(pack({"op": "hello", "token": client._capability}))
    ask = b"".join(pack({"op": "status", "id": 1}))
    with socket.create_connection(("127.0.0.1", port), 30) as stranger:
        if said == "frame":
            stranger.sendall((hello + ask).ljust(64, b"\0"))
        elif said == "nonce":
            stranger.sendall(b"\0" * 32)
            assert len(stranger.makefile("rb").read(64)) == 64
            stranger.sendall(b"\0" * 32 + hello + ask)
        stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError), stranger.makefile("rb") as heard:
            assert len(heard.read()) == (64 if said == "frame" else 0)  # the gateway's own proof
    assert client.ask("status")["pid"]  # and others are served on


def test_a_secret_of_another_time_opens_nothing(
    start: Callable[..., Client], address: Address
) -> None:
    client = start(unix=False)
    with address.listen():
        text = address.path.read_text("ascii")
    port, _ = Address(Path(client.address))._told()
    wrong = text.replace(str(address._told()[0]), str(port), 1)
    address.path.write_text(wrong, "ascii")
    with pytest.raises(ConnectionRefusedError, match="isn't the gateway"):
        address.connect(30.0)
    assert not address.answers()


def test_who_took_a_port_that_became_free_is_told_nothing(address: Address) -> None:
    heard: list[bytes] = []

    def pretend(end: socket.socket) -> None:
        heard.append(end.recv(1 << 16))
        end.sendall(b"\0" * 64)
        heard.append(end.recv(1 << 16))

    with address.listen() as listener:
        thread = answered_by(pretend, listener)
        client = Client(str(address.path), "the-capability")
        client.connect()
        thread.join()
    assert [len(heard[0]), heard[1]] == [32, b""]


@pytest.mark.parametrize("text", ["", "[]", '{"port": 1}', '{"port": 1, "secret": "x"}'])
def test_a_file_that_is_no_address_is_a_refusal(address: Address, text: str) -> None:
    address.path.write_text(text, "ascii")
    assert not address.answers()
    with pytest.raises(ConnectionRefusedError, match="isn't a gateway's file"):
        address.connect(30.0)


def test_a_process_that_cannot_fork_serves_itself_and_clears_up(
    home: Path, address: Address
) -> None:
    code = textwrap.dedent("""
        import os, sys
        sys.modules["resource"] = None  # importing it fails, as on Windows
        if hasattr(os, "fork"):
            del os.fork
        from rlm_kernel.lm.served import __main__ as keeper, place, worker
        worker.IDLE = 0.3
        place.write_grants(keeper.Path(sys.argv[1]).parent, {"t": place.Grant("t")})
        keeper.main()
    """)
    served = subprocess.Popen(
        [sys.executable, "-c", code, str(address.path)], stdout=subprocess.PIPE, text=True
    )
    assert served.stdout is not None
    while not address.path.exists():
        assert served.poll() is None
        threading.Event().wait(0.01)
    client = Client(str(address.path), "t")
    assert client.ask("status")["pid"] == served.pid
    client.ask("key", name="OPENAI_API_KEY", value="sk-given")
    assert client.ask("keys") == {"OPENAI_API_KEY": "given here"}
    client._drop()
    assert served.wait(30) == 0
    served.stdout.close()
    assert list(address.path.parent.glob("*.json*")) == []


def test_a_process_that_does_not_start_is_said_with_where_to_look(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false" if os.name == "posix" else "where.exe")
    with pytest.raises(OSError, match=r"didn't start; .*log\.txt"):
        gateway_for(str(home / "kernel-1.json"), unix=False)
