"""Requests and pushes between real kernels and front ends over jupyter_client.

Run on each ipykernel of ``RLM_TEST_KERNELS`` (JSON: version to Python), else on the present one.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from nbclient import NotebookClient

from rlm_kernel.notebook import _comm, _control_channel
from rlm_kernel.notebook._busy import Busy
from rlm_kernel.notebook.hub import Hub

WAIT = 30.0
COUNT = itertools.count(1)

SETUP = """
import os, threading, time
from rlm_kernel import ScriptedModel
from rlm_kernel.notebook import session_of
session = session_of(get_ipython())
def code(*lines):
    return "```repl\\n" + "\\n".join(lines) + "\\n```"
def begin(name, *replies, mode="step", **more):
    globals()["root"] = ScriptedModel(list(replies))
    run = session.make(model="root", where="shell", mode=mode, **more).start("How long?", "abc")
    session.add(run, name)
    return run
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
"""


class Page:
    """A front end of a kernel: what it asks, and all that it hears."""

    def __init__(self, kernel: Any, name: str, client: Any = None) -> None:
        self.kernel, self.name, self.client = kernel, name, client or kernel.client
        self.iopub: list[dict[str, Any]] = []
        self.replies: dict[str, dict[str, Any]] = {}  # on the control channel, by request
        self._n = 0
        self.r = f"r{next(COUNT)}"  # a name for its run: of others the last may still be heard

    def send(self, kind: str, **fields: Any) -> str:
        """Send a request over the control channel; give its id."""
        content = self.content(kind, **fields)
        self.client.control_channel.send(self.client.session.msg("rlm_request", content))
        return str(content["id"])

    def content(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._n += 1
        return {"v": 1, "type": kind, "client": self.name, "id": f"{self._n}", **fields}

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        key = self.send(kind, **fields)
        return dict(self.until(lambda: self.replies.get(key)))

    def over_comm(self, content: dict[str, Any]) -> None:
        msg = self.client.session.msg("comm_msg", {"comm_id": "rlm", "data": content})
        self.client.shell_channel.send(msg)

    def execute(self, code: str) -> str:
        """Send a cell; give the message's id."""
        return str(self.client.execute(code))

    def run(self, code: str) -> None:
        """Execute a cell to its end, and hear all that is pushed meanwhile."""
        cell = self.execute(code)
        self.until(lambda: self.idle_after(cell))

    def hear(self) -> None:
        try:
            reply = self.client.control_channel.get_msg(timeout=0)
            self.replies[reply["content"].get("to", "?")] = reply["content"]
        except Empty:
            pass
        try:
            self.iopub.append(self.client.iopub_channel.get_msg(timeout=0.01))
        except Empty:
            assert self.kernel.manager.is_alive(), "the kernel died"

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + WAIT
        while not (found := condition()):
            assert time.monotonic() < deadline, [m["content"] for m in self.iopub[-8:]]
            self.hear()
        return found

    def pushes(self, kind: str) -> list[dict[str, Any]]:
        found = [m["content"]["data"] for m in self.iopub if m["msg_type"] == "comm_msg"]
        return [push for push in found if push.get("kind") == kind]

    def info(self, run: str = "") -> dict[str, Any]:
        infos = [push["info"] for push in self.pushes("run")]
        return next((i for i in reversed(infos) if i["name"] == (run or self.r)), {})

    def events(self, kind: str) -> list[dict[str, Any]]:
        mine = (self.info().get("run"), "session")
        found = [logged["event"] for push in self.pushes("events") if push["run"] in mine
                 for logged in push["events"]]  # fmt: skip
        return [event for event in found if event["type"] == kind]

    def statuses(self) -> list[tuple[str, str]]:
        """Each status in the order in which it came, and the type of the request it is of."""
        return [
            (m["content"]["execution_state"], m["parent_header"].get("msg_type", ""))
            for m in self.iopub
            if m["msg_type"] == "status"
        ]

    def idle_after(self, parent: str) -> bool:
        return any(
            m["msg_type"] == "status"
            and m["parent_header"].get("msg_id") == parent
            and m["content"]["execution_state"] == "idle"
            for m in self.iopub
        )

    def printed(self, text: str) -> bool:
        return any(m["msg_type"] == "stream" and text in m["content"]["text"] for m in self.iopub)


@pytest.fixture(scope="module")
def loaded(each: Any) -> Any:
    assert each.run("%load_ext rlm").ok
    cell = each.run(SETUP)
    assert cell.ok, cell.text
    return each


@pytest.fixture
def page(loaded: Any, request: pytest.FixtureRequest) -> Page:
    """A front end that has just been opened; runs of the test before are over."""
    loaded.run(
        "for run in session.runs.values():\n    if not run.ended:\n        run.stop(); run.wait(20)"
    )
    return Page(loaded, request.node.name)


def test_a_front_end_learns_what_there_is(page: Page) -> None:
    first, again = page.ask("sync"), page.ask("sync")
    assert first["ok"]
    assert first["kernel"] == again["kernel"]
    assert first["version"] == page.kernel.value("__import__('rlm_kernel').__version__").strip("'")


def test_a_decision_is_taken_while_the_shell_sleeps(page: Page, tmp_path: Path) -> None:
    page.ask("sync")
    done = tmp_path / "done"
    page.run(f"run = begin({page.r!r}, code('x = 1'), code('y = 2'))")
    page.until(lambda: page.info().get("pending"))
    cell = page.execute(f"print('go', flush=True); wait_for({str(done)!r})")
    page.until(lambda: page.printed("go"))
    info = page.info()
    assert (info["pending"]["code"], info["pending"]["asks"]) == ("x = 1", True)
    command = {"type": "reject", "proposal": info["pending"]["cell"], "reason": "Not that."}
    began = time.monotonic()
    reply = page.ask("steer", run=info["run"], command=command)
    assert reply["ok"], reply
    took = time.monotonic() - began
    page.until(lambda: (page.info()["pending"] or {}).get("code") == "y = 2")
    decided = page.until(lambda: page.events("cell.decided"))
    assert (decided[0]["by"], decided[0]["reason"]) == (page.name, "Not that.")
    assert not page.idle_after(cell)
    done.touch()
    page.until(lambda: page.idle_after(cell))
    assert took < 2, "it didn't wait for the cell"


def test_one_of_many_calls_is_cancelled_and_others_answered_while_the_cell_waits(
    page: Page,
) -> None:
    page.ask("sync")
    page.run("slow = ScriptedModel(['never'] * 9, latency=300)")
    asks = "got = llm_query_batched([f'part {n}' for n in range(6)])"
    ends = "FINAL(' '.join(x or type(x).__name__ for x in got))"
    cell = page.execute(
        f"run = begin({page.r!r}, code({asks!r}, {ends!r}), mode='auto', sub_model='slow')\n"
        "run.answer"
    )
    page.until(lambda: page.info().get("in_flight") == 6)
    run = page.info()["run"]
    calls = [e["node"] for e in page.events("call.started") if e["prompt"].startswith("part ")]
    assert page.ask("steer", run=run, command={"type": "cancel", "node": calls[2]})["ok"]
    ended = page.until(lambda: [e for e in page.events("call.ended") if e["node"] in calls])
    assert [(e["node"], e["status"]) for e in ended] == [(calls[2], "cancelled")]
    page.until(lambda: page.info()["in_flight"] == 5)
    for n, node in enumerate(calls):
        if n != 2:
            command = {"type": "answer", "node": node, "text": f"a{n}"}
            assert page.ask("steer", run=run, command=command)["ok"]
    page.until(lambda: page.info()["ended"])
    assert page.info()["answer"] == "a0 a1 Cancelled a3 a4 a5"
    page.until(lambda: page.idle_after(cell))


def test_a_request_sent_over_both_ways_is_done_once(page: Page) -> None:
    page.run(f"run = begin({page.r!r}, code('x = 1'), code('y = 2'), code('z = 3'))")
    (info,) = [i for i in page.ask("sync")["runs"] if i["name"] == page.r]
    page.until(lambda: page.kernel.value("run.phase") == "'proposed'")
    content = page.content("steer", run=info["run"], command={"type": "reject"})
    page.over_comm(content)
    over_comm = page.until(lambda: [r for r in page.pushes("reply") if r["to"] == content["id"]])
    page.until(lambda: page.kernel.value("run.pending and run.pending.code") == "'y = 2'")
    page.client.control_channel.send(page.client.session.msg("rlm_request", content))
    reply = page.until(lambda: page.replies.get(content["id"]))
    assert {"kind": "reply", **reply} == over_comm[0]
    assert page.kernel.value("run.pending.code") == "'y = 2'"


def test_busy_stays_true_while_a_cell_runs(page: Page, tmp_path: Path) -> None:
    done = tmp_path / "done"
    cell = page.execute(f"print('go', flush=True); wait_for({str(done)!r})")
    page.until(lambda: page.printed("go"))
    for kind in ("sync", "events", "steer", "lease"):
        page.ask(kind)
    page.until(lambda: page.statuses().count(("idle", "rlm_request")) == 4)
    done.touch()
    page.until(lambda: page.idle_after(cell))
    statuses = page.statuses()
    for n, status in enumerate(statuses):
        if status == ("idle", "rlm_request"):
            assert statuses[n + 1] == ("busy", "execute_request"), statuses
    assert statuses[-1] == ("idle", "execute_request")
    page.ask("sync")
    page.until(lambda: page.statuses()[-1] == ("idle", "rlm_request"))


def test_busy_never_stands_after_the_cell_has_ended(page: Page) -> None:
    cells = []
    for _ in range(60):
        cells.append(page.execute("1"))
        page.send("sync")
        page.send("lease")
        page.hear()
    page.until(lambda: all(page.idle_after(cell) for cell in cells))
    page.until(lambda: len(page.replies) == 120)
    for n in range(2):  # what follows the first one's *idle* comes before the second one's
        page.ask("sync")
        page.until(lambda n=n: page.statuses().count(("idle", "rlm_request")) == 121 + n)
    over = set()
    for msg in page.iopub:
        if msg["msg_type"] == "status":
            parent, state = msg["parent_header"].get("msg_id"), msg["content"]["execution_state"]
            assert parent not in over, "a status of a cell that had ended"
            if state == "idle":
                over.add(parent)


HOLD_A_REPLY = """
def hold_a_reply(path):
    thread = getattr(get_ipython().kernel, "shell_channel_thread", None)
    if thread is None:
        return
    replies = thread.manager._main_to_shell_channel.to_stream
    usual, ready = replies._recv_callback, threading.Event()
    def held(msg):
        wait_for(path)
        replies.on_recv(usual, copy=False)
        usual(msg)
    def begin():
        replies.on_recv(held, copy=False)
        ready.set()
    thread.io_loop.add_callback(begin)
    ready.wait()
"""


def test_a_cell_that_comes_while_a_reply_goes_out_is_run(page: Page, tmp_path: Path) -> None:
    """ipykernel 7.0 to 7.3 leave it, and all after it, unread."""
    go = tmp_path / "go"
    page.run(HOLD_A_REPLY)
    page.run(f"hold_a_reply({str(go)!r})")
    cell = page.execute("1")
    page.ask("sync")  # sent later: what was sent before has come as well
    go.touch()
    page.until(lambda: page.idle_after(cell))


def test_requests_and_interrupts_get_through_while_the_engine_hangs(
    page: Page, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    page.ask("sync")
    page.run(f"run = begin({page.r!r}, code('x = 1'), code('y = 2'))")
    run = page.until(lambda: page.info().get("pending") and page.info()["run"])
    page.run(
        "from rlm_kernel.lm import engine_loop\n"
        f"_ = engine_loop().call_soon_threadsafe(wait_for, {str(go_on)!r})"
    )
    cell = page.execute("print('go', flush=True); wait_for('/nowhere')")
    page.until(lambda: page.printed("go"))
    steer = page.send("steer", run=run, command={"type": "reject"})
    assert page.ask("sync")["ok"]
    assert page.ask("events", run=run)["events"]
    page.kernel.manager.interrupt_kernel()
    page.until(lambda: page.idle_after(cell))
    assert steer not in page.replies
    go_on.touch()
    assert page.until(lambda: page.replies.get(steer))["ok"]


def test_a_watched_call_streams_in_and_its_text_can_be_paged(page: Page) -> None:
    page.ask("sync")
    said = " ".join(f"word{n}" for n in range(400))
    page.run(
        "session.gateway().stream = 'all'\n"
        f"teller = ScriptedModel([{said!r}], latency=2.0, pieces=40)"
    )
    cell = page.execute("answer = llm_query('tell', model='teller')")
    (node,) = page.until(
        lambda: [e["node"] for e in page.events("call.started") if e["prompt"] == "tell"]
    )
    (run,) = {p["run"] for p in page.pushes("events") if node in str(p["events"])}
    assert page.ask("watch", run=run, nodes=[node])["ok"]
    page.until(lambda: len(page.pushes("text")) >= 2)
    assert not page.idle_after(cell), "it streams while the cell waits"
    page.until(lambda: page.idle_after(cell))
    text = ""
    for push in page.pushes("text"):
        assert (push["run"], push["node"]) == (run, node)
        assert push["at"] <= len(text)
        text = text[: push["at"]] + push["text"]
    assert text
    assert said.startswith(text)
    (ended,) = page.until(lambda: [e for e in page.events("call.ended") if e["node"] == node])
    assert ended["text"] == said[:1000]
    reply = page.ask("text", run=run, node=node, field="text", start=990, stop=1010)
    assert (reply["text"], reply["chars"]) == (said[990:1010], len(said))


def test_two_front_ends_hear_the_same_and_get_their_own_replies(page: Page) -> None:
    client = BlockingKernelClient()  # with a session of its own, as another page has
    client.load_connection_info(page.kernel.manager.get_connection_info())
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT)
        other = Page(page.kernel, "other", client)
        page.ask("sync")
        assert other.ask("sync")["ok"]
        page.run(f"run = begin({page.r!r}, code('x = 1'), code('FINAL(x)'))")
        for each in (page, other):
            each.until(lambda each=each: each.info(page.r).get("pending"))
        mine = page.ask("steer", run=page.info()["run"], command={"type": "pause"})
        assert mine["ok"]
        assert other.replies.keys() == {"1"}
        for each in (page, other):
            each.until(lambda each=each: each.info(page.r)["phase"] == "paused")
    finally:
        client.stop_channels()


def test_what_is_pushed_names_no_cell_and_a_page_that_leaves_ends_nothing(page: Page) -> None:
    page.ask("sync")
    page.execute(f"run = begin({page.r!r}, code('x = 1'), code('y = 2'))")
    page.until(lambda: page.info().get("pending"))
    comms = [m for m in page.iopub if m["msg_type"] == "comm_msg"]
    assert comms
    assert all(m["parent_header"] == {} for m in comms)
    for kind, content in (
        ("comm_close", {"comm_id": "rlm", "data": {}}),
        ("comm_open", {"comm_id": "rlm", "target_name": "rlm", "data": {}}),
        ("comm_open", {"comm_id": "another", "target_name": "rlm", "data": {}}),
    ):
        page.client.shell_channel.send(page.client.session.msg(kind, content))
        ask = page.content("sync")
        page.over_comm(ask)
        page.until(lambda ask=ask: [r for r in page.pushes("reply") if r["to"] == ask["id"]])
    page.run("import gc; _ = gc.collect()")
    told = len(page.pushes("run"))
    page.ask("steer", run=page.info()["run"], command={"type": "reject"})
    page.until(lambda: len(page.pushes("run")) > told)
    assert not [m for m in page.iopub if m["msg_type"] in ("comm_close", "comm_open")]
    listed = page.client.comm_info("rlm", reply=True, timeout=WAIT)
    assert listed["content"]["comms"] == {"rlm": {"target_name": "rlm"}}


def test_unloading_says_goodbye_and_loading_begins_anew(page: Page) -> None:
    before = page.ask("sync")["kernel"]
    page.execute("%unload_ext rlm")
    page.until(lambda: page.pushes("bye"))
    assert page.kernel.value(
        "'rlm_request' in get_ipython().kernel.control_handlers, "
        "'rlm' in get_ipython().kernel.comm_manager.comms"
    ) == "(False, False)"  # fmt: skip
    assert page.kernel.value("vars(get_ipython().kernel).get('pre_handler_hook')") == "None"
    assert page.kernel.run("%load_ext rlm").ok
    assert page.kernel.run(SETUP).ok
    assert page.ask("sync")["kernel"] != before


def test_our_own_kernel_answers_from_its_start(ours: Any) -> None:
    page = Page(ours, "early")
    assert page.ask("sync")["runs"] == []


def test_a_notebook_run_without_a_person_isnt_disturbed(tmp_path: Path) -> None:
    cells = [
        "%load_ext rlm",
        SETUP,
        "session.hub.handle({'type': 'sync', 'client': 'c', 'id': '1'})['ok']",
        "model = ScriptedModel([code('n = llm_query(\"a\")'), 'b', code('FINAL(n)')])",
        "%%rlm r --context SETUP --model model --mode auto\nHow long?",
        "r.answer",
    ]
    cells[4] = cells[4].replace("SETUP", "text")
    cells.insert(4, "text = 'abc'")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    assert notebook.cells[2].outputs[0]["data"]["text/plain"] == "True", "it pushes from here on"
    assert notebook.cells[-1].outputs[0]["data"]["text/plain"] == "'b'"


def test_a_shell_without_a_kernel_has_no_transports() -> None:
    hub = Hub(version="1")
    shell = SimpleNamespace()
    assert _control_channel.install(shell, hub) is None
    assert _comm.install(shell, hub) is None
    hub.close()


class FakeKernel:
    """As much of a kernel as says what it does."""

    def __init__(self) -> None:
        self.iopub_socket = object()
        self.parent: dict[str, Any] = {}
        self.said: list[Any] = []
        self.session = self

    def get_parent(self, channel: str) -> dict[str, Any]:
        return self.parent

    def _topic(self, topic: str) -> bytes:
        return topic.encode()

    def send(self, stream: Any, kind: str, content: Any, parent: Any, ident: bytes) -> None:
        self.said.append((content["execution_state"], parent["header"]["msg_id"]))

    def pre_handler_hook(self) -> None:
        self.said.append("pre")

    def post_handler_hook(self) -> None:
        self.said.append("post")


def test_an_idle_between_the_cells_busy_and_its_beginning_is_repaired() -> None:
    kernel = FakeKernel()
    busy = Busy(SimpleNamespace(kernel=kernel))
    busy.open()
    busy.repair()  # nothing runs
    assert kernel.said == []
    kernel.parent = {"header": {"msg_id": "1", "msg_type": "execute_request"}}
    kernel.pre_handler_hook()
    assert kernel.said == [("busy", "1"), "pre"]
    kernel.post_handler_hook()
    busy.repair()
    assert kernel.said[2:] == ["post"]
    kernel.parent = {"header": {"msg_id": "2", "msg_type": "complete_request"}}
    kernel.pre_handler_hook()
    busy.repair()
    assert kernel.said[3:] == ["pre"], "only executions are worth it"
    busy.close()
    assert set(vars(kernel)) == {"iopub_socket", "parent", "said", "session"}
