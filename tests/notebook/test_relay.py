"""The kernel *RLM (sandboxed)*: a notebook through the relay, and what hostile code in it gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from boxes import need
from conftest import ARGV, Kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import OpenAIServer

from rlm_kernel.notebook import relay as relay_
from rlm_kernel.notebook._authority import Authority, budget_in, option_in
from rlm_kernel.notebook._filter import allowed
from rlm_kernel.notebook.relay import CHANNELS, Relay, Signer, address, opened

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="boxes are Linux's")
ARGV["boxed"] = ["-m", "rlm_kernel.notebook.launch", "--sandboxed"]
KEY = "sk-planted-for-the-box-0123456789"


def policy(request: dict[str, Any]) -> str:
    messages = request["messages"]
    if messages[0]["role"] != "system":
        return "re: " + messages[-1]["content"]
    turn = sum(m["role"] == "assistant" for m in messages)
    return "```python\n" + ["x = llm_query('hi')", "FINAL(x)"][min(turn, 1)] + "\n```"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(policy) as one:
        yield one


@pytest.fixture(scope="module")
def box(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    need("bubblewrap")
    home = tmp_path_factory.mktemp("k")
    (home / "data.txt").write_text("beside the notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("OPENAI_BASE_URL", server.api_base)
        one = Kernel("boxed", home)
    one.home = home  # type: ignore[attr-defined]
    try:
        one.run("text = 'abc ' * 100")
        yield one
    finally:
        one.close()


ASK = "%%rlm r --context text --model openai/x --mode auto\nGo"


def test_a_question_is_answered_as_in_any_kernel(box: Kernel, server: OpenAIServer) -> None:
    cell = box.run(ASK)
    assert cell.ok, cell.text
    assert "Answer: re: hi" in cell.text
    assert "sandbox: bubblewrap" in cell.text
    assert server.requests[-1].headers["Authorization"] == f"Bearer {KEY}"
    assert box.value("r.log.fault") == "''"
    assert box.value("len(open(str(r.log.folder) + '/log.jsonl').read()) > 100") == "True"
    status = box.run("%rlm status r").text
    assert "sandbox" in status
    assert "lets this kernel spend" in status


def test_streams_results_errors_input_completion_and_big_outputs_pass(box: Kernel) -> None:
    cell = box.run("import sys\nprint('out'); print('err', file=sys.stderr)\n41 + 1")
    assert (cell.stdout, cell.stderr) == ("out\n", "err\n")
    assert cell.results == [{"text/plain": "42"}]
    failed = box.run("1 / 0")
    assert failed.errors[0]["ename"] == "ZeroDivisionError"
    asked = box.run("print('hello', input('who? '))", stdin=["me"])
    assert asked.prompts == ["who? "]
    assert asked.stdout == "hello me\n"
    assert "text" in box.complete("tex")
    big = box.run("print('x' * 5_000_000)")
    assert len(big.stdout) == 5_000_001
    many = box.run("for i in range(1000): print(i, flush=True)")
    assert many.stdout.split() == [str(i) for i in range(1000)]


def test_a_question_has_children_in_the_same_box(box: Kernel) -> None:
    box.run("""
from rlm_kernel import ScriptedModel
def say(messages):
    first = "needle" not in str(messages)
    code = "FINAL(context * 2)" if first else "x = rlm_query('double it', context='kid')\\nFINAL(x)"
    return "```python\\n" + code + "\\n```"
kids = ScriptedModel(say)
words = "needle " * 3
""")
    cell = box.run("%%rlm c --context words --model kids --mode auto --max-depth 2\nGo, needle")
    assert cell.ok, cell.text
    assert "Answer: kidkid" in cell.text


def test_a_loop_is_interrupted_by_a_message(box: Kernel) -> None:
    def interrupt(message: dict[str, Any], cell: Any) -> None:
        if "begun" in cell.stdout and not cell.errors and not sent:
            sent.append(1)
            asked = box.client.session.msg("interrupt_request", {})
            box.client.control_channel.send(asked)

    sent: list[int] = []
    cell = box.run("print('begun', flush=True)\nwhile True: pass", on_output=interrupt)
    assert cell.errors[0]["ename"] == "KeyboardInterrupt"
    assert box.value("1 + 1") == "2"


def test_nothing_runs_in_the_page_whatever_is_sent(box: Kernel) -> None:
    """Not by displays, not by the kernel's own sockets, which the code has."""
    cell = box.run("""
from IPython.display import Javascript, HTML, display
display(Javascript("alert(1)"))
display(HTML("<b>kept</b><script>alert(2)</script><img src=x onerror=alert(3)>"))
get_ipython().set_next_input("import os")
k = get_ipython().kernel
for kind, content in [
    ("comm_open", {"comm_id": "x", "target_name": "jupyter.widget", "data": {"state": {}}}),
    ("comm_msg", {"comm_id": "x", "data": {"_esm": "alert(4)"}}),
    ("display_data", {"data": {"text/html": "<script>alert(5)</script>"}, "metadata": {}}),
    ("unheard_of", {"x": 1}),
]:
    k.session.send(k.iopub_socket, kind, content, parent=k.get_parent())
forged = k.session.serialize(k.session.msg("display_data", {"data": {"text/plain": "forged"},
                                                            "metadata": {}}))
forged[1] = b"0" * 64
k.iopub_socket.send_multipart([b"x", *forged])
""")
    assert cell.ok, cell.text
    kinds = {m["header"]["msg_type"] for m in cell.messages}
    assert kinds <= {"status", "execute_input", "display_data", "execute_result"}
    shown = str([m["content"].get("data") for m in cell.messages])
    assert "<b>kept</b>" in shown
    for number in range(1, 6):
        assert f"alert({number})" not in shown.replace("&lt;", "<") or "<script" not in shown
    assert "onerror" not in shown
    assert "<script" not in shown
    assert "application/javascript" not in [
        kind for m in cell.messages for kind in (m["content"].get("data") or {})
    ]
    assert "forged" not in shown
    assert cell.reply["payload"] == []


def test_code_has_no_key_no_file_no_network_and_one_folder(
    box: Kernel, server: OpenAIServer
) -> None:
    secret = Path(box.home).parent / "secret.txt"  # type: ignore[attr-defined]
    secret.write_text(KEY)
    said = box.run(f"""
import os, pathlib, socket
print([n for n, v in os.environ.items() if {KEY!r} in v], [n for n in os.environ if "GATEWAY" in n])
home = pathlib.Path(os.getcwd())
print(pathlib.Path("data.txt").read_text())
for what in (lambda: (home / "new.txt").write_text("x"),
             lambda: (home.parent / "secret.txt").read_text(),
             lambda: socket.create_connection(("127.0.0.1", {server.port}), 2),
             lambda: open("/proc/%d/environ" % os.getppid()).read() if os.getppid() > 1 else 1 / 0):
    try:
        print("got", what())
    except Exception as error:
        print("refused", type(error).__name__)
(pathlib.Path(os.environ["RLM_SCRATCH"]) / "mine.txt").write_text("x")
""").stdout.splitlines()
    assert said[0] == "[] []"
    assert said[1] == "beside the notebook"
    assert [line.split()[0] for line in said[2:]] == ["refused"] * 4, said
    assert not (Path(box.home) / "new.txt").exists()  # type: ignore[attr-defined]


SPEND = """
from rlm_kernel.lm.served.client import installed
import asyncio, json
def spend(n, **more):
    c = installed()
    body = json.dumps({"messages": [["user", "x"]], "model": "openai/x", "max_tokens": None,
                       "temperature": None, "stop": [], "timeout": None,
                       "constraint": None}).encode()
    async def one(i):
        message = {"model": "openai/x", "api_base": None, "direct": True, "run": "", "key": "",
                   **more}
        try:
            await c.call(message, body, None)
            return 1
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    async def all():
        return await asyncio.gather(*(one(i) for i in range(n)))
    from rlm_kernel.lm import run_sync
    return run_sync(all())
"""


def test_code_cannot_spend_past_what_the_person_allowed(
    box: Kernel, server: OpenAIServer
) -> None:
    """With the kernel's own connection to the gateway process in its hands."""
    box.run(SPEND)
    before = len(server.requests)
    got = box.run("print(sum(x == 1 for x in spend(3600)))")
    assert got.ok, got.text
    allowed_now = int(got.stdout)
    # $1 and 1,000 calls at the start, and as much again for each question that a person asked.
    assert allowed_now == len(server.requests) - before
    assert len(server.requests) <= 3000
    assert box.run("print(spend(1)[0])").stdout.startswith("BudgetExceeded")
    # A model's proposal that says it is a person's raise raises nothing …
    message = box.client.session.msg("execute_request", {
        "code": "%rlm budget 50 calls", "silent": False, "store_history": True,
        "user_expressions": {}, "allow_stdin": False, "stop_on_error": True,
    })  # fmt: skip
    message["metadata"] = {"rlm": {"run": "x", "cell": "cell1"}}
    box.client.shell_channel.send(message)
    box.collect(message["header"]["msg_id"])
    assert box.run("print(spend(1)[0])").stdout.startswith("BudgetExceeded")
    # … and the person's own does.
    box.run("%rlm budget 50 calls")
    assert box.run("print(sum(x == 1 for x in spend(60)))").stdout == "50\n"


def test_code_cannot_change_what_was_logged_and_a_run_goes_on_after_a_restart(
    box: Kernel, server: OpenAIServer
) -> None:
    """Its runs are copied to where the box can only read; in the copy it is picked up again."""
    runs = Path(box.home) / "rlm" / "sandboxed"  # type: ignore[attr-defined]
    ask = "%%rlm cut --context text --model openai/x --mode auto --budget '1 calls'\nGo on"
    cell = box.run(ask)
    assert "budget of 1 call" in cell.text
    name = box.value("cut.log.folder.name").strip("'")
    [sealed] = until(lambda: [p for p in runs.glob(f"*/runs/{name}/log.jsonl")
                              if b'"run.ended"' in p.read_bytes()])  # fmt: skip
    kept = sealed.read_bytes()
    tried = box.run(f"""
import shutil
for what in (lambda: open({str(sealed)!r}, "a"), lambda: shutil.rmtree({str(sealed.parent)!r}),
             lambda: os.rename({str(sealed.parent)!r}, {str(sealed.parent)!r} + "x")):
    try:
        print("did", what())
    except OSError as error:
        print("refused", error.errno)
own = str(cut.log.folder / "log.jsonl")
text = open(own).read()
open(own, "w").write(text.replace("Go on", "Go away"))
with open(own, "a") as file:
    file.write('{{"forged": true}}\\n')
""")
    assert tried.ok, tried.text
    assert [line.split()[0] for line in tried.stdout.splitlines()] == ["refused"] * 3
    box.manager.restart_kernel(now=True)
    box.client.wait_for_ready(timeout=60)
    assert sealed.read_bytes().startswith(kept)
    assert b"Go away" not in sealed.read_bytes()
    assert not any(runs.glob("*/live/runs/*")), "what is copied is in the copy only"
    named = box.run("%rlm resume")
    assert str(sealed.parent) in named.text
    again = box.run(f"%rlm resume {sealed.parent} --budget '9 calls'")
    assert "from this process" not in again.text
    assert "Answer: re: hi" in again.text, again.text
    until(lambda: b"re: hi" in sealed.read_bytes())
    assert sealed.read_bytes().startswith(kept)


def until(question: Callable[[], Any], seconds: float = 20) -> Any:
    """Ask until there is an answer, and give it."""
    end = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_the_gateway_process_is_no_way_out(box: Kernel, server: OpenAIServer) -> None:
    box.run(SPEND)
    elsewhere = f"spend(1, api_base='{server.api_base}')[0]"
    assert "wasn't named by you" in box.run(f"print({elsewhere})").stdout
    key = box.run("installed().ask('key', name='OPENAI_API_KEY', value='stolen')")
    assert "takes no key" in key.text


def test_a_gateway_that_was_killed_is_reached_again(box: Kernel) -> None:
    """The box can make no connection: it is given one each time it asks."""
    box.run("from rlm_kernel.lm.served.client import installed")
    pid = "installed().ask('status')['pid']"
    box.run("%rlm budget $1, 1000 calls")
    box.run("text = 'abc'")
    before = int(box.value(pid))
    os.kill(before, signal.SIGKILL)
    cell = box.run(ASK.replace("Go", "Go again"))
    assert "Answer: re: hi" in cell.text, cell.text
    assert int(box.value(pid)) != before


def test_it_ends_with_its_code_and_can_be_started_again(box: Kernel) -> None:
    box.manager.restart_kernel(now=True)
    box.client.wait_for_ready(timeout=60)
    assert box.value("'text' in globals()") == "False"
    box.client.execute("import os; os._exit(7)")
    assert box.manager.provisioner is not None
    process = box.manager.provisioner.process  # type: ignore[attr-defined]
    assert process.wait(20) == 7


# -- without a kernel -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "budget"),
    [("%%rlm\nq", "$1, 1000 calls"), ("%%rlm r --budget '$2, 5 calls' -m x\nq", "$2, 5 calls"),
     ("%%rlm -b $3\nq", "$3"), ("%%rlm --budget=$4\nq", "$4"), ("%rlm budget $9", "$9"),
     ("%rlm resume /a/b --budget $2", "$2"), ("%rlm resume /a/b", "$1, 1000 calls"),
     ("%rlm fork --turn 2", "$1, 1000 calls"), ("%rlm fork r.rlm --budget $2", "$2"),
     ("%rlm forks", None), ("%rlm resume", None), ("%rlm resume --run r", None),
     ("x = 1\n%%rlm", None), ("print('%rlm budget $9')", None), ("%rlm status", None),
     ("%%rlmx --budget $5", None), ("", None)],
)  # fmt: skip
def test_what_a_persons_cell_allows(code: str, budget: str | None) -> None:
    assert budget_in(code) == budget


def test_a_server_is_named_by_the_person(tmp_path: Path) -> None:
    from rlm_kernel.lm.served.place import Grant, read_grants, write_grants

    write_grants(tmp_path, {"t": Grant("t", "$1, 10 calls", closed=True)})
    authority = Authority(tmp_path)
    ask = {"code": "%%rlm --api-base http://x/v1 -b '$2, 5 calls'\nq"}
    authority.executed(ask, {"rlm": {"run": "r", "cell": "c"}})
    assert read_grants(tmp_path)["t"].budget == "$1, 10 calls"
    authority.executed(ask, {"cellId": "c"})
    grant = read_grants(tmp_path)["t"]
    assert (grant.budget, grant.bases, grant.closed) == (
        "$3.000000, 15 calls", ("http://x/v1",), True
    )
    assert option_in("%%rlm 'unclosed", "--budget") == ""
    authority.asked({"type": "steer", "command": {"type": "budget", "budget": "no limit at all"}})
    assert read_grants(tmp_path)["t"].budget == "$3.000000, 15 calls"


def test_a_fork_of_the_panel_is_a_run_that_a_person_starts_and_counts_once(tmp_path: Path) -> None:
    from rlm_kernel.lm.served.place import Grant, read_grants, write_grants

    write_grants(tmp_path, {"t": Grant("t", "$1, 10 calls", closed=True)})
    authority = Authority(tmp_path)
    for _ in range(2):  # it is sent again where the kernel takes its time
        authority.asked({"type": "fork", "run": "r", "turn": 1, "client": "lab", "id": "lab-7"})
    assert read_grants(tmp_path)["t"].budget == "$2.000000, 1010 calls"
    budget = {"type": "steer", "command": {"type": "budget", "budget": "$1"}, "client": "lab"}
    for id in ("lab-8", "lab-8", "lab-9"):
        authority.asked({**budget, "id": id})
    assert read_grants(tmp_path)["t"].budget == "$4.000000, 3010 calls"


def test_a_cell_that_was_armed_is_the_models_though_its_metadata_are_dropped(
    tmp_path: Path,
) -> None:
    """Where the server executes for the page, it is known by its source only."""
    from rlm_kernel.lm.served.place import Grant, read_grants, write_grants

    write_grants(tmp_path, {"t": Grant("t", "10 calls", closed=True)})
    authority = Authority(tmp_path)
    code = "%rlm budget 1000 calls"
    arm = {"type": "arm", "run": "r", "cell": "c", "source": code}
    authority.asked(arm)
    for _ in range(2):
        authority.executed({"code": code}, {})
    assert read_grants(tmp_path)["t"].budget == "10 calls"
    # One without a run is a cell of the person's.
    authority.asked({**arm, "run": "", "source": code + " "})
    authority.executed({"code": code + " "}, {})
    assert read_grants(tmp_path)["t"].budget.endswith(", 1010 calls")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "payload", "user_expressions", "comms", "comm_id", "metadata",
                         "text/html", "application/javascript", "source", "status", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


# -- the relay without a box ----------------------------------------------------------------------


class Ends:
    """A relay, with this test as the kernel before it and the page behind it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def connection(name: str) -> dict[str, Any]:
            ports = {f"{one}_port": n for n, one in enumerate((*CHANNELS, "iopub", "hb"), 1)}
            return {"transport": "ipc", "ip": str(folder / name), "key": name, **ports}

        self.outer, self.inner = connection("o"), connection("i")
        self.kernel = zmq.Context.instance().socket(zmq.XPUB)
        self.kernel.setsockopt(zmq.LINGER, 0)
        self.kernel.bind(address(self.inner, "iopub_port"))
        self.relay = Relay(self.outer, self.inner, Authority(folder))
        self.page = zmq.Context.instance().socket(zmq.SUB)
        self.page.setsockopt(zmq.SUBSCRIBE, b"")
        self.page.setsockopt(zmq.RCVHWM, 1)
        self.page.setsockopt(zmq.RCVTIMEO, 20_000)
        self.page.connect(address(self.outer, "iopub_port"))
        out = self.relay._out["iopub"]
        assert out.poll(20_000)
        self.relay._pass("iopub", True, out.recv_multipart())
        assert self.read()[0] == "iopub_welcome"

    def say(
        self, kind: str, content: Any, *more: bytes, header: Any = None, parent: Any = None
    ) -> None:
        """Have the relay pass a message that the kernel has signed."""
        head = {"msg_id": "a", "msg_type": kind} if header is None else header
        parts = [json.dumps(one).encode() for one in (head, parent or {}, {"x": 1}, content)]
        signature = Signer(b"i").sign(parts)
        self.relay._pass("iopub", False, [b"topic", b"<IDS|MSG>", signature, *parts, *more])

    def read(self) -> tuple[str, dict[str, Any]]:
        """Give the kind and the content of what came to the page."""
        self.frames = self.page.recv_multipart()
        message = opened(self.frames, Signer(b"o"))
        assert message is not None
        header, _, _, content = map(json.loads, message[1])
        return header["msg_type"], content

    def close(self) -> None:
        for one in (self.kernel, self.page):
            one.close()
        self.relay.close()


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    one = Ends(tmp_path, monkeypatch)
    yield one
    one.close()


def test_a_message_comes_anew_with_what_is_known_of_it(ends: Ends) -> None:
    header = {"msg_id": "a", "msg_type": "stream", "version": "1", "x": {"y": 1}}
    ends.say("stream", {"name": "stdout", "text": "é", "x": float("nan")}, b"a buffer",
             header=header, parent={"msg_id": "p", "x": 1})  # fmt: skip
    assert ends.read() == ("stream", {"name": "stdout", "text": "é"})
    assert [json.loads(part) for part in ends.frames[3:]] == [
        {"msg_id": "a", "msg_type": "stream", "version": "5.3"}, {"msg_id": "p", "version": "5.3"},
        {}, {"name": "stdout", "text": "é"},
    ]  # fmt: skip


def test_of_what_cannot_be_read_nothing_comes(ends: Ends) -> None:
    ends.say("stream", ["no object"])
    ends.say("stream", {"text": "x"}, header={"msg_type": ["stream"]})
    ends.say("stream", {"text": "x"}, parent=["p"])
    ends.say("unheard_of", {})
    many = [b'{"msg_type":"stream"}', b"{}", b"{}", b'{"a":[' + b"[]," * 1_000_001 + b"1]}"]
    for parts in (
        [b"{", b"{}", b"{}", b"{}"], [b"[" * 100_000] * 4, [b"\xff"] * 4, [b"{}"] * 4, many,
    ):  # fmt: skip
        signature = Signer(b"i").sign(parts)
        ends.relay._pass("iopub", False, [b"t", b"<IDS|MSG>", signature, *parts])
    ends.say("status", {"execution_state": "idle"})
    assert ends.read() == ("status", {"execution_state": "idle"})


def test_large_outputs_that_wait_for_a_page_are_bounded(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_, "WAITING", 1_000_000)
    large = {"name": "stdout", "text": "x" * 40_000}
    for _ in range(200):
        ends.say("stream", large)
    ends.say("status", {"execution_state": "idle"})
    came = []
    while not came or came[-1][0] != "status":
        came.append(ends.read())
    whole = sum(content == large for _, content in came)
    # What waits, and what the connection and the page themselves had taken by then.
    assert 25 <= whole + 1 <= 100
    assert sum(content == relay_.TOO_FAST for _, content in came) == 200 - whole
    ends.say("stream", large)  # there is room again
    assert ends.read() == ("stream", large)


def test_what_of_the_kernels_waits_for_the_relay_is_bounded(ends: Ends) -> None:
    for one in ends.relay._in.values():
        most = one.getsockopt(zmq.RCVHWM) * one.getsockopt(zmq.MAXMSGSIZE)
        assert 0 < most <= 1 << 30
    for one in ends.relay._out.values():
        assert 0 < one.getsockopt(zmq.SNDHWM) * relay_.LARGE <= 1 << 28


def test_a_flood_gives_the_others_their_turn(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn ends by the time it takes: a display may take a second, and an interrupt waits."""
    now = [0.0]
    monkeypatch.setattr(relay_.time, "monotonic", lambda: now[0])
    seen: list[str] = []
    looks = iter([None, 0])
    flood = ends.relay._in["iopub"]

    def passed(name: str, outer: bool, frames: list[bytes]) -> None:
        seen.append(name)
        now[0] += 1.0

    class Kernel:
        def poll(self) -> int | None:
            return next(looks)

    monkeypatch.setattr(ends.relay, "_pass", passed)
    monkeypatch.setattr(ends.relay, "_rest", lambda: None)
    assert ends.kernel.recv() == b"\x01"
    for _ in range(3):
        ends.kernel.send(b"x")
    assert flood.poll(20_000)
    assert ends.relay.serve(Kernel()) == 0  # type: ignore[arg-type]
    assert seen in (["iopub"], ["iopub"] * 2)  # one in each of the two looks


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["iopub", "shell", "control", "stdin"]),
    st.sampled_from(["display_data", "execute_result", "execute_reply", "inspect_reply",
                     "comm_open", "comm_msg", "comm_info_reply", "kernel_info_reply", "x"]),
    st.dictionaries(st.sampled_from(["data", "payload", "user_expressions", "comms", "comm_id",
                                     "metadata"]), JSON, max_size=5),
)  # fmt: skip
def test_whatever_a_kernel_sends_javascript_never_passes(
    channel: str, kind: str, content: dict[str, Any]
) -> None:
    try:
        kept = allowed(channel, kind, content)
    except (TypeError, AttributeError):
        return  # dropped by the relay
    if kept is None:
        return
    data = kept.get("data")
    if kind in ("display_data", "execute_result", "inspect_reply") and isinstance(data, dict):
        assert "application/javascript" not in data
    assert kind != "comm_open"
    if kind == "execute_reply":
        assert all(one["source"] == "page" for one in kept["payload"])


def test_the_relay_is_told_where_no_box_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.json"
    file.write_text("{}")
    env = {**os.environ, "RLM_HOME": str(tmp_path / "h")}
    code = (
        "import sys, os\nfrom rlm_kernel.repl.box import probing\n"
        "probing.look = lambda: probing.Found(False, 0, ('nothing works',))\n"
        "from rlm_kernel.notebook import launch, relay\n"
        "env = launch.kernel_environment(sys.argv[1], True); os.environ.update(env)\n"
        "sys.argv = ['x', '-f', sys.argv[1]]\nrelay.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Nothing on this machine can hold" in done.stderr
    assert "Traceback" not in done.stderr
