"""The gateway process, for real: started, called, killed, capped, and left alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_lm import SERVED_KEY
from servers import Fault, OpenAIServer, Say

from rlm_kernel.errors import BudgetExceeded, ConfigError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway
from rlm_kernel.lm.served.client import Client
from rlm_kernel.lm.served.place import folder_for, read_grants, write_grants
from rlm_kernel.lm.served.start import ADDRESS, CAPABILITY, gateway_for
from rlm_kernel.log import Log, new_run_folder
from rlm_kernel.log.paid import append, line_of, read_paid
from rlm_kernel.protocol import CallRequest, Constraint, Origin
from rlm_kernel.protocol import events as e
from rlm_kernel.protocol.frames import pack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is none on Windows")


def call(prompt: str, *, log: Any = None, model: str = "openai/gpt-x", **more: Any) -> Any:
    async def go() -> Any:
        gateway = Gateway(stream="all")
        request = CallRequest(({"role": "user", "content": prompt},), model, **more)
        return await gateway.call(request, Origin("r", "r"), BudgetLedger(None), log or Log())

    return asyncio.run(go())


def test_a_call_is_made_there_with_the_key_that_only_it_has(
    start: Callable[..., Client], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    monkeypatch.delenv("OPENAI_API_KEY")
    log = Log()
    reply = call("hi \ud800", log=log)
    assert reply.text == "re: hi \ufffd" or reply.text.startswith("re: hi")
    assert openai_server.requests[-1].headers["Authorization"] == f"Bearer {SERVED_KEY}"
    assert any(isinstance(x.event, e.CallEnded) and x.event.status == "ok" for x in log.events)


def test_the_process_is_closed_and_its_files_are_the_users_alone(
    start: Callable[..., Client], home: Path
) -> None:
    client = start()
    status = client.ask("status")
    folder = folder_for(str(home / "kernel-1.json"))
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.lstat().st_mode & 0o077 == 0 for path in folder.iterdir())
    if sys.platform == "linux":
        assert status["dumpable"] == 0
        for pid in (status["pid"], status["keeper"]):
            if os.geteuid():
                with pytest.raises(PermissionError):
                    Path(f"/proc/{pid}/environ").read_bytes()
            else:  # root may; another's process of the same kind couldn't
                assert os.stat(f"/proc/{pid}/environ").st_uid == 0


def test_errors_come_as_they_would_here(
    start: Callable[..., Client], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start()
    openai_server.script(Fault(status=401, body={"error": {"message": f"bad {SERVED_KEY}"}}))
    with pytest.raises(ProviderError, match="refused the key") as caught:
        call("x")
    error = caught.value
    assert (error.kind, error.status, SERVED_KEY in str(error)) == ("auth", 401, False)
    client.ask("key", name="OPENAI_API_KEY", value=None)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "here")
    with pytest.raises(ConfigError, match=r"is set in this kernel.*%rlm key ANTHROPIC"):
        Gateway().info("anthropic/claude-sonnet-4-5")
    with pytest.raises(ConfigError, match="Nothing is known of a model"):
        Gateway().info("nosuch/model")


def test_a_key_that_is_given_is_used_and_survives_the_worker(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    client = start()
    client.ask("key", name="OPENAI_API_KEY", value="sk-given-by-a-person")
    assert client.ask("keys") == {"OPENAI_API_KEY": "given here"}
    call("one")
    os.kill(client.ask("status")["pid"], signal.SIGKILL)
    call("two")
    sent = [r.headers["Authorization"] for r in openai_server.requests]
    assert sent == ["Bearer sk-given-by-a-person"] * 2


def test_many_at_once_stream_and_hold_their_form(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    start()

    async def go() -> list[str]:
        gateway, log, ledger = Gateway(), Log(), BudgetLedger(None)
        replies = await asyncio.gather(*(
            gateway.call(CallRequest(({"role": "user", "content": str(n)},), "openai/m"),
                         Origin("r", "r"), ledger, log) for n in range(300)
        ))  # fmt: skip
        return [reply.text for reply in replies]

    assert asyncio.run(go()) == [f"re: {n}" for n in range(300)]
    log = Log()
    pieces: list[str] = []
    log.listen(lambda x: pieces.append(x.event.text) if isinstance(x.event, e.CallText) else None)
    openai_server.script(Say("one two three", pieces=["one ", "two ", "three"]))
    assert call("x", log=log).text == "one two three"
    assert pieces[0] == "one "  # as it came in; the rest may come with the whole
    openai_server.script("maybe", "yes")
    reply = call("x", constraint=Constraint(choices=("yes", "no")))
    assert reply.text == "yes"


def test_cancelling_a_call_ends_it_at_the_provider(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    client = start()
    openai_server.script(Fault("hang"))

    async def go() -> None:
        task = asyncio.ensure_future(
            Gateway().call(CallRequest(({"role": "user", "content": "x"},), "openai/m"),
                           Origin("r", "r"), BudgetLedger(None), Log())
        )  # fmt: skip
        await asyncio.to_thread(openai_server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while openai_server.flying:
                await asyncio.sleep(0.01)

    asyncio.run(go())
    assert client.ask("status")["spent"]["calls"] == 1  # it may be billed


def test_a_worker_that_is_killed_in_a_call_loses_nothing_that_was_paid(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    client = start()
    log = Log(new_run_folder())
    seen: list[str] = []

    def policy(request: dict[str, Any]) -> str:
        prompt = request["messages"][-1]["content"]
        seen.append(prompt)
        if prompt == "die" and seen.count("die") == 1:
            os.kill(client.ask("status")["pid"], signal.SIGKILL)
        return "re: " + prompt

    openai_server.reply_with(policy)
    assert call("paid", log=log).text == "re: paid"
    assert call("die", log=log).text == "re: die"  # asked again: its reply never came
    assert log.folder is not None
    kept = read_paid(log.folder)
    assert sorted(r["text"] for rs in kept.values() for r in rs) == ["re: die", "re: paid"]
    assert seen == ["paid", "die", "die"]
    log.close()


def test_a_reply_that_was_paid_for_is_not_paid_for_again(
    start: Callable[..., Client], openai_server: OpenAIServer, home: Path
) -> None:
    """As after a death between the disk and the socket: the same call is asked for again."""
    client = start()
    folder = new_run_folder()
    message = {"model": "openai/m", "api_base": None, "direct": True, "run": folder.name,
               "key": "k"}  # fmt: skip
    body = json.dumps({
        "messages": [["user", "x"]], "model": "openai/m", "max_tokens": None, "temperature": None,
        "stop": [], "timeout": None, "constraint": None,
    }).encode()  # fmt: skip

    async def go() -> list[str]:
        wire = await client._wire()
        texts = []
        for again in (False, True):
            ask = {**message, "op": "call", "call": "the same", "stream": False, "again": again}
            texts.append((await wire.ask(ask, body, None))["value"]["text"])
        await client.close()
        return texts

    assert asyncio.run(go()) == ["re: x", "re: x"]
    assert len(openai_server.requests) == 1


def test_a_run_that_is_a_link_is_neither_written_nor_read(
    start: Callable[..., Client], openai_server: OpenAIServer, home: Path
) -> None:
    """A boxed kernel can make links among its own runs; the gateway process is outside."""
    client = start()
    other = new_run_folder()
    append(other, [line_of("theirs", "k", {"model": "m", "text": "secret", "usage": {},
                                           "finish": "stop"}, 1.0)])  # fmt: skip
    link = other.parent / "link"
    link.symlink_to(other)
    before = (other / "paid.jsonl").read_bytes()
    body = json.dumps({
        "messages": [["user", "x"]], "model": "openai/m", "max_tokens": None, "temperature": None,
        "stop": [], "timeout": None, "constraint": None,
    }).encode()  # fmt: skip

    async def go() -> str:
        wire = await client._wire()
        ask = {"model": "openai/m", "api_base": None, "direct": True, "run": "link", "key": "k",
               "op": "call", "call": "theirs", "stream": False, "again": True}  # fmt: skip
        text: str = (await wire.ask(ask, body, None))["value"]["text"]
        await client.close()
        return text

    assert asyncio.run(go()) == "re: x"
    assert (other / "paid.jsonl").read_bytes() == before


def test_a_capability_never_spends_past_its_budget_also_by_a_new_worker(
    start: Callable[..., Client], openai_server: OpenAIServer, home: Path
) -> None:
    client = start("5 calls")

    async def go(count: int) -> list[Any]:
        gateway, log, ledger = Gateway(cache=False), Log(), BudgetLedger(None)
        return await asyncio.gather(*(
            gateway.call(CallRequest(({"role": "user", "content": str(n)},), "openai/m"),
                         Origin("r", "r"), ledger, log) for n in range(count)
        ), return_exceptions=True)  # fmt: skip

    first = asyncio.run(go(3))
    assert [type(x).__name__ for x in first] == ["Reply"] * 3
    os.kill(client.ask("status")["pid"], signal.SIGKILL)
    rest = asyncio.run(go(20))
    assert sum(isinstance(x, BudgetExceeded) for x in rest) == 18
    assert len(openai_server.requests) == 5
    # Who may write its grants can raise it; the kernel's own connection has no word for it.
    folder = folder_for(str(home / "kernel-1.json"))
    grants = read_grants(folder)
    for token, grant in grants.items():
        grants[token] = type(grant)(token, "7 calls")
    write_grants(folder, grants)
    assert sum(isinstance(x, BudgetExceeded) for x in asyncio.run(go(20))) == 18
    assert len(openai_server.requests) == 7


@pytest.mark.parametrize(
    ("budget", "most"), [("5 calls", 5), ("4300 tokens", 5), ("$1", 5), ("$1 at once", 1)]
)
def test_no_number_of_deaths_spends_past_the_budget(
    start: Callable[..., Client], openai_server: OpenAIServer, budget: str, most: int
) -> None:
    """A call in flight at a death was perhaps billed: it counts by the most that it may cost."""
    client = start(budget.removesuffix(" at once"))
    if not budget.endswith("at once"):
        call("lives", max_tokens=900)  # its bill tells no price: money is no matter any more

    def policy(request: dict[str, Any]) -> str:
        os.kill(client.ask("status")["pid"], signal.SIGKILL)
        return "paid for, and lost"

    openai_server.reply_with(policy)
    outcomes = []
    for _ in range(2 if budget == "$1" else 3):  # each is sent again once
        try:
            call("die", max_tokens=900)
        except (BudgetExceeded, ProviderError) as error:
            outcomes.append(type(error))
    assert (outcomes[-1] is BudgetExceeded) == (budget != "$1")
    assert len(openai_server.requests) == most
    spent = client.ask("status")["spent"]
    assert spent["calls"] == len(openai_server.requests)
    if "tokens" in budget:
        assert 3600 <= spent["input_tokens"] + spent["output_tokens"] <= 4300
    if budget == "$1 at once":
        assert spent["known_cost"] == 1.0  # of an unknown price: all that was left


def test_a_budget_of_time_goes_on_over_deaths(start: Callable[..., Client], home: Path) -> None:
    client = start("3 s")
    pid = client.ask("status")["pid"]
    book = folder_for(str(home / "kernel-1.json")) / "spent.jsonl"
    lines = [json.loads(line) for line in book.read_text().splitlines()]
    for line in lines:
        if "since" in line:
            line["since"] -= 10
    book.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BudgetExceeded):
        call("x")


def test_a_call_that_is_cut_is_booked_by_its_time(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    client = start("$1")
    openai_server.script(Fault("hang"))

    async def go() -> None:
        gateway = Gateway(stream="off", call_timeout=0.5, max_retries=0)
        request = CallRequest(({"role": "user", "content": "x"},), "openai/m", max_tokens=2000)
        with pytest.raises(ProviderError):
            await gateway.call(request, Origin("r", "r"), BudgetLedger(None), Log())

    asyncio.run(go())
    for _ in range(100):
        spent = client.ask("status")["spent"]
        if spent["calls"]:
            break
        threading.Event().wait(0.05)
    assert 30 < spent["output_tokens"] <= 2000
    assert 0 < spent["known_cost"] < 0.2  # of an unknown price: as of a dear model


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit")
def test_a_disk_that_is_full_ends_spending_in_one_sentence(
    start: Callable[..., Client], openai_server: OpenAIServer
) -> None:
    import resource

    client = start("$1")
    assert call("one").text == "re: one"
    resource.prlimit(client.ask("status")["pid"], resource.RLIMIT_FSIZE, (1, 1))
    with pytest.raises(ProviderError, match=r"can't write down what this call may cost .*so it "):
        call("two")
    assert len(openai_server.requests) == 1
    assert client.ask("status")["spent"]["calls"] == 1


@pytest.mark.parametrize(
    "first", [{"op": "hello", "token": "guessed"}, {"op": "status", "id": 1}, {"op": "hello"}]
)
def test_a_stranger_is_turned_away(start: Callable[..., Client], first: dict[str, Any]) -> None:
    client = start()
    client.ask("status")
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(20)
        end.connect(client.address)
        end.sendall(b"".join(pack(first)) + b"".join(pack({"op": "keys", "id": 2})))
        assert end.recv(100) == b""
    assert client.ask("status")["pid"]


def test_a_restarted_kernel_finds_the_same_one_and_it_ends_with_the_last(home: Path) -> None:
    file = str(home / "kernel-2.json")
    first = gateway_for(file)
    one = Client(first[ADDRESS], first[CAPABILITY])
    pid = one.ask("status")["pid"]
    second = gateway_for(file)
    assert second == first
    two = Client(second[ADDRESS], second[CAPABILITY])
    assert two.ask("status")["pid"] == pid
    keeper = two.ask("status")["keeper"]
    os.kill(keeper, signal.SIGKILL)
    gone = threading.Event()
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        gone.wait(0.02)
    with pytest.raises(ProviderError, match=r"gone.*%rlm resume"):
        two.ask("status")


def test_nobody_connected_ends_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker itself, with a short patience, as the keeper runs it."""
    folder = home / "g"
    folder.mkdir(mode=0o700)
    code = textwrap.dedent("""
        import socket, sys
        from pathlib import Path
        from rlm_kernel.lm.served import address, worker
        worker.IDLE = 0.3
        way = address.Address(Path(sys.argv[1], address.SOCKET))
        ours, theirs = socket.socketpair()
        worker.serve(way, way.listen(), theirs)
        print("ended")
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert done.stdout == "ended\n", done.stderr
