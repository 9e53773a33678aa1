"""The hub between front ends and runs, with logs that are filled by hand."""

from __future__ import annotations

import base64
import gzip
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_kernel.engine.recorded import RecordedRun
from rlm_kernel.errors import RLMError
from rlm_kernel.lm import BudgetLedger
from rlm_kernel.log import Log, Tree
from rlm_kernel.log.recording import Recording
from rlm_kernel.notebook import _followed as followed_module
from rlm_kernel.notebook import _pushing
from rlm_kernel.notebook import hub as hub_module
from rlm_kernel.notebook._slim import CODE, HEAD, clean_text, slim
from rlm_kernel.notebook.hub import KEPT, TEXT, Hub
from rlm_kernel.protocol import Ack, Command, Logged, Usage
from rlm_kernel.protocol import events as ev
from rlm_kernel.protocol.front import Lease, LeaseReply, PendingInfo

WAIT = 20.0


class FakeRun:
    """A run as far as the hub looks at it; its events are emitted by the test."""

    def __init__(self, id: str = "r1", *, start: bool = True) -> None:
        self.id, self.question = id, "How long?"
        self.log, self.tree = Log(), Tree()
        self.log.listen(self.tree.apply)
        self.node = self.log.new_id("run")
        self.settings = SimpleNamespace(where="shell", model="fake/m")
        self.mode = SimpleNamespace(text="auto")
        self.ledger = BudgetLedger("$1")
        self.pending: Any = None
        self.children: dict[str, Any] = {}
        self.services = SimpleNamespace(questions={})
        self.sent: list[Command] = []
        self.on_send: Callable[[Command], Ack] = lambda command: Ack(True, "thinking")
        if start:
            self.emit(ev.RunStarted(node=self.node, question=self.question))

    def emit(self, event: ev.Event) -> None:
        self.log.emit(event)

    def call(self, **more: Any) -> str:
        node = self.log.new_id("call")
        self.emit(ev.CallStarted(node=node, parent=self.node, **more))
        return node

    def send(self, command: Command) -> Ack:
        self.sent.append(command)
        return self.on_send(command)


class Page:
    """A front end: applies pushes in order, and asks where one is missing."""

    def __init__(self, hub: Hub, name: str = "page") -> None:
        self.hub, self.name = hub, name
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.pushes: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._n = 0
        self._changed = threading.Condition()
        self.leave = hub.subscribe(self._take)

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._n += 1
        content = {"v": 1, "type": kind, "client": self.name, "id": f"{self._n}", **fields}
        reply = self.hub.handle(json.loads(json.dumps(content)))
        assert reply["to"] == f"{self._n}"
        sent: dict[str, Any] = json.loads(wire(reply))
        return sent

    def sync(self) -> dict[str, Any]:
        reply = self.ask("sync")
        for info in reply["runs"]:
            self.fetch(info["run"])
        return reply

    def fetch(self, run: str, limit: int = 2000) -> None:
        more = True
        while more:
            with self._changed:
                known = self.events.setdefault(run, [])
                since = known[-1]["seq"] if known else 0
            reply = self.ask("events", run=run, since=since, limit=limit)
            more = reply["more"]
            with self._changed:
                known += [e for e in reply["events"] if not known or e["seq"] > known[-1]["seq"]]

    def _take(self, push: dict[str, Any]) -> None:
        push = json.loads(wire(push))
        with self._changed:
            self.pushes.append(push)
            self.times.append(time.monotonic())
            if push["kind"] == "events":
                known = self.events.setdefault(push["run"], [])
                last = known[-1]["seq"] if known else 0
                if push["since"] <= last:
                    known += [e for e in push["events"] if e["seq"] > last]
            elif push["kind"] == "text":
                key = (push["run"], push["node"])
                before = self.texts.get(key, "")
                assert push["at"] <= len(before), "a hole in a text"
                self.texts[key] = before[: push["at"]] + push["text"]
            self._changed.notify_all()

    def until(self, condition: Callable[[], Any]) -> Any:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), self.pushes[-5:]
            return condition()

    def infos(self, run: str = "r1") -> list[dict[str, Any]]:
        return [p["info"] for p in self.pushes if p["kind"] == "run" and p["info"]["run"] == run]


def wire(data: Any) -> bytes:
    """What goes over the socket, as strict as a websocket's other end."""
    return json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(version="9")
    yield hub
    hub.close()


# -- following ------------------------------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("emit"), st.integers(1, 60)),
    st.tuples(st.just("long"), st.integers(900, 1100)),
    st.tuples(st.just("join"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("leave"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("wait"), st.integers(0, 1)),
)


@given(steps=st.lists(STEP, max_size=12), again=st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whenever_a_front_end_joins_it_has_exactly_what_the_log_holds(
    steps: list[tuple[str, Any]], again: bool
) -> None:
    hub, run = Hub(version="1"), FakeRun()
    pages: dict[str, Page] = {}
    try:
        hub.add(run)  # type: ignore[arg-type]
        for what, how in steps:
            if what == "emit":
                for _ in range(how):
                    run.emit(ev.Noted(node=run.node, text="x"))
            elif what == "long":
                run.emit(ev.Noted(node=run.node, text="y" * how))
            elif what == "join" and how not in pages:
                pages[how] = Page(hub, how)
                pages[how].sync()
            elif what == "leave" and how in pages:
                pages.pop(how).leave()
            elif what == "wait" and pages:
                last = run.log.events[-1].seq
                page = next(iter(pages.values()))
                page.until(lambda page=page, last=last: page.events["r1"][-1]["seq"] >= last)
        late = Page(hub, "late")
        late.sync()
        if again:
            run.emit(ev.Noted(node=run.node, text="the last"))
        last = run.log.events[-1].seq
        for page in (*pages.values(), late):
            page.until(lambda page=page: page.events["r1"][-1]["seq"] == last)
            assert page.events["r1"] == [slim(logged)[0] for logged in run.log.events]
    finally:
        hub.close()


def recorded(run: FakeRun, **ended: Any) -> RecordedRun:
    run.emit(ev.CallStarted(node="c9", parent=run.node, prompt="p" * 3000))
    if ended:
        run.emit(ev.RunEnded(node=run.node, **ended))
    return RecordedRun(Recording(Path("old.rlm"), {}, list(run.log.events), run.tree))


def test_a_recording_is_listed_and_takes_no_commands(hub: Hub) -> None:
    page = Page(hub)
    page.sync()
    live = FakeRun("r1", start=False)
    live.emit(ev.RunStarted(node=live.node, run_id="r1", question="Now?"))
    hub.add(live)  # type: ignore[arg-type]
    old = FakeRun("r1", start=False)  # a recording of that very run
    old.emit(ev.RunStarted(node=old.node, run_id="r1", question="Then?"))
    held = recorded(old, status="done", answer="42")
    key = hub.add_recording(held, "old")
    assert hub.add_recording(held) == key, "shown again it is the same"
    page.until(lambda: page.infos(key))
    info = page.infos(key)[-1]
    assert (info["name"], info["question"], info["answer"]) == ("old", "Then?", "42")
    assert info["recorded"]
    assert info["ended"]
    assert [run["run"] for run in page.sync()["runs"]] == ["r1", key]
    assert page.events[key] == [slim(logged)[0] for logged in held.events]
    text = page.ask("text", run=key, node="c9", field="prompt", start=2990, stop=4000)
    assert (text["text"], text["chars"]) == ("p" * 10, 3000)
    refused = page.ask("steer", run=key, command={"type": "stop"})
    assert not refused["ok"]
    assert "recording" in refused["message"]
    assert live.sent == []


def unpacked(pages: list[bytes]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    info, *events = (json.loads(gzip.decompress(page)) for page in pages)
    return info, [event for page in events for event in page]


def test_a_note_that_is_put_into_a_listed_recording_reaches_the_page(hub: Hub) -> None:
    page = Page(hub)
    page.sync()
    held = recorded(FakeRun(), status="done", answer="42")
    key = hub.add_recording(held)
    page.until(lambda: page.infos(key))
    before = page.infos(key)[-1]["seq"]
    held.note("Look here.", at="c9")
    page.until(lambda: page.infos(key)[-1]["seq"] == before + 1)
    assert not any(push["kind"] == "events" for push in page.pushes), "they are asked for anew"
    page.events.clear()
    page.fetch(key)
    said = [one["event"].get("text") for one in page.events[key]]
    assert said.index("Look here.") == 2, "after its call"
    assert [text for _, text in held.tree[held.node].notes] == ["Look here."]
    info, shown = unpacked(hub.packed(key))
    assert (shown, info["seq"]) == (page.events[key], before + 1)


def test_a_widget_holds_a_recording_unless_it_is_too_large(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = recorded(FakeRun(), status="done", answer="ä")
    key = hub.add_recording(held)
    info, shown = unpacked(hub.packed(key))
    assert (info["run"], info["answer"]) == (key, "ä")
    assert shown == [slim(logged)[0] for logged in held.events]
    monkeypatch.setattr(hub_module, "PACKED_SIZE", 100)
    assert len(hub.packed(key)) > 2, "page by page"
    assert unpacked(hub.packed(key))[1] == shown
    monkeypatch.setattr(hub_module, "HELD", 1)
    assert hub.packed(key) == []


def test_a_recording_is_packed_once_for_all_that_ask_and_anew_after_a_note(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = recorded(FakeRun(), status="done", answer="42")
    key = hub.add_recording(held)
    slimmed = []
    usual = followed_module.slim
    monkeypatch.setattr(followed_module, "slim", lambda x: slimmed.append(x) or usual(x))
    hub.packed(key)
    request = {"v": 1, "type": "events", "run": key, "limit": 1 << 20, "packed": True}
    for _ in range(2):
        reply = hub.handle(request)
        assert json.loads(gzip.decompress(base64.b64decode(reply["packed"])))
    assert len(slimmed) == len(held.events)
    held.note("Look here.", at="c9")
    reply = hub.handle(request)
    events = json.loads(gzip.decompress(base64.b64decode(reply["packed"])))
    assert len(events) == len(held.events)


def test_a_recording_that_was_cut_is_over_all_the_same(hub: Hub) -> None:
    key = hub.add_recording(recorded(FakeRun()))
    info = hub.info(key)
    assert (info.ended, info.phase, info.answer) == (True, "stopped", None)


def test_all_events_come_packed_where_that_is_asked_for(hub: Hub) -> None:
    run = FakeRun()
    for n in range(3000):
        run.emit(ev.Noted(node=run.node, text=f"{n} " + "z" * 900))
    hub.add(run)  # type: ignore[arg-type]
    page = Page(hub)
    reply = page.ask("events", run="r1", limit=50_000, packed=True)
    page.fetch("r1")
    assert json.loads(gzip.decompress(base64.b64decode(reply["packed"]))) == page.events["r1"]
    assert (reply["events"], reply["seq"], reply["more"]) == ([], 3001, False)
    assert len(reply["packed"]) < 100_000, "one page, of 2.9 MB"


def test_a_branch_names_the_run_here_that_it_came_from(hub: Hub) -> None:
    first = FakeRun("r1", start=False)
    first.emit(ev.RunStarted(node=first.node, run_id="r1", question="Q"))
    forks = {}
    for id, forked in {"f1": {"run": "r1", "turn": 3}, "f2": {"run": "elsewhere", "turn": 1},
                       "f3": {"run": ["r1"], "turn": "x"}, "f4": "r1"}.items():  # fmt: skip
        forks[id] = FakeRun(id, start=False)
        forks[id].emit(ev.RunStarted(node=forks[id].node, run_id=id, config={"forked": forked}))
    for run in (first, *forks.values()):
        hub.add(run)  # type: ignore[arg-type]
    infos = {id: hub.info(id) for id in forks}
    assert (infos["f1"].branch_of, infos["f1"].branch_turn) == ("r1", 3)
    assert [infos[id].branch_of for id in ("f2", "f3", "f4")] == ["", "", ""]


def test_pages_hold_what_fits_and_say_that_there_is_more(hub: Hub) -> None:
    run = FakeRun()
    for n in range(3000):
        run.emit(ev.Noted(node=run.node, text=f"{n} " + "z" * 900))
    hub.add(run)  # type: ignore[arg-type]
    page = Page(hub)
    first = page.ask("events", run="r1", limit=10_000)
    assert first["more"]
    assert 200 < len(first["events"]) < 2000, "about 512 kB"
    assert len(page.ask("events", run="r1", since=5, limit=7)["events"]) == 7
    page.fetch("r1")
    assert [e["seq"] for e in page.events["r1"]] == list(range(1, 3002))
    beyond = page.ask("events", run="r1", since=10**9)
    assert (beyond["events"], beyond["seq"], beyond["more"]) == ([], 3001, False)


def test_pushes_come_25_times_a_second_at_most(hub: Hub) -> None:
    run = FakeRun()
    hub.add(run)  # type: ignore[arg-type]
    page = Page(hub)
    page.sync()
    run.emit(ev.Noted(node=run.node, text="first"))
    page.until(lambda: page.events["r1"])
    page.pushes.clear()
    began = time.monotonic()
    for _ in range(5 * _pushing.BATCH):
        run.emit(ev.Noted(node=run.node, text="again"))
    last = run.log.events[-1].seq
    page.until(lambda: page.events["r1"][-1]["seq"] == last)
    spent = time.monotonic() - began
    events = [p for p in page.pushes if p["kind"] == "events"]
    assert 5 <= len(events) <= spent * _pushing.HZ + 2


def test_more_than_one_push_holds_comes_in_several(hub: Hub) -> None:
    run = FakeRun()
    hub.add(run)  # type: ignore[arg-type]
    page = Page(hub)
    page.sync()
    for n in range(3 * _pushing.BATCH):
        run.emit(ev.Noted(node=run.node, text=f"note {n}"))
    for _ in range(300):
        run.emit(ev.Noted(node=run.node, text="long " * 400))
    last = run.log.events[-1].seq
    page.until(lambda: page.events["r1"][-1]["seq"] == last)
    sizes = [len(p["events"]) for p in page.pushes if p["kind"] == "events"]
    assert max(sizes) <= _pushing.BATCH
    assert max(len(wire(p)) for p in page.pushes) < 2 * _pushing.BATCH_SIZE


def test_until_a_front_end_speaks_only_the_beginning_is_announced(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    hub.add(run, name="r", anchor="cell-1", session="s")  # type: ignore[arg-type]
    (info,) = page.until(page.infos)
    assert (info["name"], info["anchor"], info["session"]) == ("r", "cell-1", "s")
    run.emit(ev.PhaseChanged(node=run.node, phase="thinking"))
    for _ in range(50):
        run.emit(ev.Noted(node=run.node, text="x"))
    before = len(page.pushes)
    page.sync()  # the first word
    run.emit(ev.Noted(node=run.node, text="after"))
    page.until(lambda: page.events["r1"][-1]["seq"] == run.log.events[-1].seq)
    assert before == 1
    pushed = [p for p in page.pushes if p["kind"] == "events"]
    assert sum(len(p["events"]) for p in pushed) == 1, "what was before was asked for"


def test_a_subscriber_that_raises_is_dropped_and_others_are_told(hub: Hub) -> None:
    calls = []

    def broken(push: dict[str, Any]) -> None:
        calls.append(push)
        raise OSError("the socket is gone")

    hub.subscribe(broken)
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    run.emit(ev.Noted(node=run.node, text="x"))
    page.until(lambda: len(page.events.get("r1", [])) == 2)
    assert len(calls) == 1


def test_a_live_run_is_told_of_again_so_that_its_kernel_isnt_culled(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pushing, "HEARTBEAT", 0.1)
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    page.until(lambda: len(page.infos()) >= 3)
    run.emit(ev.RunEnded(node=run.node, status="done"))
    page.until(lambda: page.infos()[-1]["ended"])
    told = len(page.infos())
    other = FakeRun("r2")
    hub.add(other)  # type: ignore[arg-type]
    page.until(lambda: len(page.infos("r2")) >= 3)
    assert len(page.infos()) == told, "one that ended isn't"


def test_closing_says_goodbye_and_ends_the_threads(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    hub.submit({"type": "steer", "client": "c", "id": "1"}, lambda reply: None)
    mine = [t for t in threading.enumerate() if t.name in ("rlm-events", "rlm-requests")]
    hub.close()
    assert page.pushes[-1] == {"kind": "bye"}
    for thread in mine:
        thread.join(WAIT)
    run.emit(ev.Noted(node=run.node, text="nobody hears"))
    assert page.pushes[-1] == {"kind": "bye"}
    reply = hub.handle({"type": "sync", "id": "2"})
    assert not reply["ok"]
    assert "unloaded" in reply["message"]
    hub.close()


def test_of_many_runs_those_that_ended_first_are_forgotten(hub: Hub) -> None:
    live = FakeRun("live")
    hub.add(live)  # type: ignore[arg-type]
    for n in range(KEPT + 5):
        run = FakeRun(f"old{n}")
        run.emit(ev.RunEnded(node=run.node, status="done"))
        hub.add(run)  # type: ignore[arg-type]
    runs = [info["run"] for info in Page(hub).ask("sync")["runs"]]
    assert len(runs) == KEPT
    assert runs[0] == "live"
    assert runs[-1] == f"old{KEPT + 4}"


# -- what is known of a run -----------------------------------------------------------------------


def test_the_end_is_told_though_the_run_itself_says_so_later(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    run.emit(ev.PhaseChanged(node=run.node, phase="paused", reason="A pause."))
    page.until(lambda: page.infos() and page.infos()[-1]["phase"] == "paused")
    run.emit(ev.RunEnded(node=run.node, status="partial", answer="x" * 5000, reason="Stopped."))
    page.until(lambda: page.infos()[-1]["ended"])
    info = page.infos()[-1]
    assert (info["phase"], info["reason"], len(info["answer"])) == ("partial", "Stopped.", 2000)


def test_what_placing_knows_wins_and_a_fault_in_it_costs_nothing_else(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    page.until(page.infos)
    assert page.infos()[-1]["executor"] == "inline"
    leased = PendingInfo(cell="cell1", code="x = '\ud800'", leased_by="page", asks=False)
    hub.describe = lambda run: {"executor": "notebook", "pending": leased, "unknown": 1}
    hub.changed(run)  # type: ignore[arg-type]
    page.until(lambda: page.infos()[-1]["executor"] == "notebook")
    pending = page.infos()[-1]["pending"]
    assert (pending["leased_by"], pending["asks"], pending["code"]) == ("page", False, "x = '�'")
    told = len(page.infos())
    hub.changed(run)  # type: ignore[arg-type]
    run.emit(ev.Noted(node=run.node, text="the same as before"))
    page.until(lambda: page.events["r1"][-1]["event"].get("text") == "the same as before")
    assert len(page.infos()) == told, "pushed only where it differs"

    def broken(run: Any) -> dict[str, Any]:
        raise RuntimeError("a bug")

    hub.describe = broken
    assert page.ask("sync")["runs"][0]["executor"] == "inline"


def test_a_proposal_and_calls_that_wait_are_told_without_placing(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    run.emit(ev.CellProposed(node="cell1", parent=run.node, code="x", estimate={"calls": 3}))
    run.pending = SimpleNamespace(id="cell1", code="x" * 500_000, number=2, turn=1)
    run.emit(ev.PhaseChanged(node=run.node, phase="proposed"))
    page.until(lambda: page.infos() and page.infos()[-1]["pending"])
    pending = page.infos()[-1]["pending"]
    assert (pending["cell"], pending["number"], pending["asks"]) == ("cell1", 2, True)
    assert pending["estimate"] == {"calls": 3}
    assert len(pending["code"]) == 500_000, "what is run must be what was proposed"
    run.pending = None
    run.emit(ev.CallsProposed(node="cell1", ask="ask1", calls=200, tokens=9, cost=None, line=2))
    page.until(lambda: page.infos()[-1]["asking"])
    assert page.infos()[-1]["asking"]["calls"] == 200
    assert page.infos()[-1]["pending"] is None
    run.emit(ev.CallsDecided(node="cell1", ask="ask1", by="c"))
    page.until(lambda: page.infos()[-1]["asking"] is None)
    run.emit(ev.CallsProposed(node="cell1", ask="ask2", calls=1))
    page.until(lambda: page.infos()[-1]["asking"])
    run.emit(ev.CellEnded(node="cell1", status="interrupted"))
    page.until(lambda: page.infos()[-1]["asking"] is None)


def test_calls_in_flight_and_the_budget_are_told(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    nodes = [run.call() for _ in range(3)]
    page.until(lambda: page.infos() and page.infos()[-1]["in_flight"] == 3)
    run.emit(ev.CallEnded(node=nodes[0], text="ok"))
    run.ledger._spent = Usage(input_tokens=10, output_tokens=5, cost=0.25, known_cost=0.25, calls=1)
    page.until(lambda: page.infos()[-1]["in_flight"] == 2)
    budget = page.until(lambda: page.infos()[-1]["budget"])
    assert budget["money"] == {"used": 0.25, "limit": 1.0, "refused": 0}
    assert budget["calls"] == {"used": 1, "limit": 1000, "refused": 0}
    assert budget["tokens"] == {"used": 15, "limit": None, "refused": 0}
    run.ledger._spent = Usage(cost=None, known_cost=0.1, calls=2)
    money = page.ask("sync")["runs"][0]["budget"]["money"]
    assert money["used"] is None, "unknown is never told as an amount"
    run.ledger._refused["calls"] += 2
    run.emit(ev.CallEnded(node=nodes[1], status="error", error_kind="budget"))
    page.until(lambda: page.infos()[-1]["budget"]["calls"]["refused"] == 2)


def test_counts_that_change_all_the_time_are_told_four_times_a_second(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    page.until(page.infos)
    began, told = time.monotonic(), len(page.infos())
    while time.monotonic() - began < 0.6:
        node = run.call()
        time.sleep(0.002)
    page.until(lambda: page.infos()[-1]["in_flight"] == int(node.removeprefix("call")))
    most = (time.monotonic() - began) / _pushing.METERS + 2
    assert len(page.infos()) - told <= most


def test_calls_typed_outside_of_a_run_are_followed_and_take_no_commands(hub: Hub) -> None:
    log, tree = Log(), Tree()
    log.listen(tree.apply)
    log.emit(ev.SessionStarted(node="session1", title="calls typed outside of a run"))
    page = Page(hub)
    page.sync()
    hub.add_log("outside", log, tree, "session1", BudgetLedger("$2"))
    log.emit(ev.CallStarted(node="call1", parent="session1", prompt="hello"))
    page.until(lambda: len(page.events.get("outside", [])) == 2)
    page.until(lambda: page.infos("outside")[-1]["in_flight"] == 1)
    info = page.infos("outside")[-1]
    assert (info["phase"], info["ended"], info["node"]) == ("session", False, "session1")
    assert info["budget"]["money"]["limit"] == 2.0
    reply = page.ask("steer", run="outside", command={"type": "stop"})
    assert not reply["ok"]


# -- texts ----------------------------------------------------------------------------------------


def test_a_watched_call_streams_and_others_dont(hub: Hub) -> None:
    page, run = Page(hub), FakeRun()
    page.sync()
    hub.add(run)  # type: ignore[arg-type]
    one, other = run.call(), run.call()
    run.emit(ev.CallText(node=one, text="Once "))
    assert page.ask("watch", run="r1", nodes=[one])["ok"]
    page.until(lambda: page.texts.get(("r1", one)) == "Once ")
    for piece in ("upon ", "a ", "\ud83d ", "time"):
        run.emit(ev.CallText(node=one, text=piece))
        run.emit(ev.CallText(node=other, text=piece))
    page.until(lambda: page.texts["r1", one] == "Once upon a � time")
    run.emit(ev.CallRetried(node=one, attempt=1, error="again"))
    run.emit(ev.CallText(node=one, text="Now"))
    page.until(lambda: page.texts["r1", one] == "Now")
    assert ("r1", other) not in page.texts
    page.ask("watch", run="r1", nodes=[])
    run.emit(ev.CallText(node=one, text=" unheard"))
    run.emit(ev.Noted(node=run.node, text="last"))
    page.until(lambda: page.events["r1"][-1]["event"].get("text") == "last")
    assert page.texts["r1", one] == "Now"


def test_each_client_watches_what_it_wants_in_each_run(hub: Hub) -> None:
    a, b, run, run2 = Page(hub, "a"), Page(hub, "b"), FakeRun(), FakeRun("r2")
    for each in (run, run2):
        hub.add(each)  # type: ignore[arg-type]
    one, two, three = run.call(), run.call(), run2.call()
    a.ask("watch", run="r1", nodes=[one])
    b.ask("watch", run="r1", nodes=[two])
    a.ask("watch", run="r2", nodes=[three])
    b.ask("watch", run="r1", nodes=[])
    for of, node in ((run, one), (run, two), (run2, three)):
        of.emit(ev.CallText(node=node, text="x"))
    a.until(lambda: {("r1", one), ("r2", three)} <= set(a.texts))
    assert ("r1", two) not in a.texts


def test_a_text_is_given_in_pieces_of_bounded_size(hub: Hub) -> None:
    run = FakeRun()
    hub.add(run)  # type: ignore[arg-type]
    whole = "é" * 100_000 + "🙂" * 300_000
    node = run.call(prompt=whole)
    run.emit(ev.CallEnded(node=node, text=whole, error="\ud800 broken"))
    page = Page(hub)
    for field in ("prompt", "text"):
        got = ""
        while True:
            reply = page.ask("text", run="r1", node=node, field=field, start=len(got), stop=10**9)
            assert len(reply["text"]) <= TEXT
            assert (reply["start"], reply["chars"]) == (len(got), len(whole))
            got += reply["text"]
            if len(got) == len(whole):
                break
        assert got == whole
    assert page.ask("text", run="r1", node=node, field="error")["text"] == "� broken"
    assert page.ask("text", run="r1", node=node, field="result")["text"] == ""
    for start, stop, text in ((5, 2, ""), (-3, 2, "éé"), (10**9, 10**9, "")):
        reply = page.ask("text", run="r1", node=node, start=start, stop=stop)
        assert (reply["ok"], reply["text"]) == (True, text)
    assert not page.ask("text", run="r1", node=node, field="__class__")["ok"]
    assert not page.ask("text", run="r1", node="call99", field="text")["ok"]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    text=st.text(st.characters(codec=None, categories=None), max_size=30),
    times=st.integers(1, 400),
    usage=st.dictionaries(st.text(max_size=5), ANY, max_size=3),
    number=st.floats(),
)
@settings(max_examples=80, deadline=None)
def test_any_event_can_be_sent(text: str, times: int, usage: dict[str, Any], number: float) -> None:
    long = (text + "\ud800") * times
    event = ev.CallEnded(node="call1", text=long, usage=usage, first_token=number, error=text)
    data, size = slim(Logged(3, 1.5, event))
    sent = json.loads(wire(data))
    assert sent["seq"] == 3
    assert len(sent["event"]["text"]) == min(len(long), HEAD), "one character for one"
    assert sent.get("cut", {}).get("text") == (len(long) if len(long) > HEAD else None)
    assert size >= len(sent["event"]["text"])
    if not math.isfinite(number):
        assert sent["event"]["first_token"] is None


def test_of_a_huge_text_only_the_head_is_taken_and_of_code_more() -> None:
    huge = "x" * 10_000_000
    began = time.thread_time()
    for _ in range(20):
        data, size = slim(Logged(1, 0.0, ev.CallEnded(node="call1", text=huge)))
    assert time.thread_time() - began < 0.05, "a copy alone takes longer"
    assert (len(data["event"]["text"]), data["cut"], size < 2 * HEAD) == (
        HEAD, {"text": 10_000_000}, True,
    )  # fmt: skip
    code = "y" * 5000
    data, _ = slim(Logged(1, 0.0, ev.CellProposed(node="cell1", code=code)))
    assert (data["event"]["code"], "cut" in data) == (code, False)
    data, _ = slim(Logged(1, 0.0, ev.CellProposed(node="cell1", code="z" * (CODE + 1))))
    assert data["cut"] == {"code": CODE + 1}
    names = [f"v{n}" for n in range(5000)]
    data, _ = slim(Logged(1, 0.0, ev.CellEnded(node="cell1", changed=names)))
    assert data["cut"] == {"changed": 5000}
    assert clean_text("plain") == "plain"


# -- requests -------------------------------------------------------------------------------------


def test_the_same_request_is_done_once_whichever_way_and_however_often_it_comes(hub: Hub) -> None:
    run, let_go, first = FakeRun(), threading.Event(), threading.Event()

    def slowly(command: Command) -> Ack:
        first.set()
        let_go.wait(WAIT)
        return Ack(True, "paused", "as you wish")

    run.on_send = slowly
    hub.add(run)  # type: ignore[arg-type]
    content = {"v": 1, "type": "steer", "client": "a", "id": "7", "run": "r1",
               "command": {"type": "pause"}}  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(hub.handle, content) for _ in range(3)]
        assert first.wait(WAIT)
        let_go.set()
        given = [reply.result(WAIT) for reply in replies]
    assert given == [{"v": 1, "ok": True, "message": "as you wish", "to": "7",
                      "phase": "paused"}] * 3  # fmt: skip
    assert hub.handle(content) == given[0]
    assert [(c.type, c.client, c.id) for c in run.sent] == [("pause", "a", "a/7")]
    hub.handle({**content, "client": "b"})
    hub.handle({**content, "id": ""})
    assert [(c.client, c.id) for c in run.sent[1:]] == [("b", "b/7"), ("a", "")]


def test_what_is_remembered_of_requests_is_bounded(hub: Hub) -> None:
    run = FakeRun()
    hub.add(run)  # type: ignore[arg-type]
    for n in range(1200):
        hub.handle({"type": "steer", "client": "a", "id": f"{n}", "run": "r1",
                    "command": {"type": "pause"}})  # fmt: skip
    assert len(hub._once._done) <= 500


def test_a_command_keeps_the_client_and_id_it_names(hub: Hub) -> None:
    run = FakeRun()
    hub.add(run)  # type: ignore[arg-type]
    page = Page(hub)
    command = {"type": "edit", "code": "x = 1", "proposal": "cell1", "client": "me", "id": "c1"}
    assert page.ask("steer", run="r1", command=command)["ok"]
    sent: Any = run.sent[0]
    assert (sent.type, sent.code, sent.client, sent.id) == ("edit", "x = 1", "me", "c1")


def test_an_engine_that_hangs_is_said_and_the_command_can_be_sent_again(hub: Hub) -> None:
    run = FakeRun()

    def hangs(command: Command) -> Ack:
        raise TimeoutError

    run.on_send = hangs
    hub.add(run)  # type: ignore[arg-type]
    content = {"type": "steer", "client": "a", "id": "1", "run": "r1", "command": {"type": "stop"}}
    reply = hub.handle(content)
    assert not reply["ok"]
    assert "10 s" in reply["message"]
    run.on_send = lambda command: Ack(True, "stopped")
    assert hub.handle(content)["ok"]
    assert [c.id for c in run.sent] == ["a/1", "a/1"], "the run can tell that it is the same"


def test_reading_goes_on_while_a_command_waits_and_commands_keep_their_order(hub: Hub) -> None:
    run, let_go = FakeRun(), threading.Event()
    run.on_send = lambda command: Ack(let_go.wait(WAIT), "thinking")
    hub.add(run)  # type: ignore[arg-type]
    replies: Future[list[str]] = Future()
    order: list[str] = []

    def answered(reply: dict[str, Any]) -> None:
        order.append(reply["to"])
        if len(order) == 4:
            replies.set_result(order)

    for n in range(3):
        command = {"type": "pause" if n else "resume"}
        hub.submit({"type": "steer", "client": "a", "id": f"s{n}", "run": "r1",
                    "command": command}, answered)  # fmt: skip
    hub.submit({"type": "sync", "id": "read"}, answered)
    assert order == ["read"], "at once, on this thread"
    let_go.set()
    assert replies.result(WAIT) == ["read", "s0", "s1", "s2"]
    assert [c.type for c in run.sent] == ["resume", "pause", "pause"]


def test_handlers_of_others_answer_and_their_faults_are_said(hub: Hub) -> None:
    page = Page(hub)
    reply = page.ask("lease", run="r1", cell="c")
    assert not reply["ok"]
    assert "lease" in reply["message"]
    hub.on(Lease, lambda request: LeaseReply(seconds=15.0 if request.cell == "c" else 0.0))
    assert page.ask("lease", run="r1", cell="c")["seconds"] == 15.0

    def refuses(request: Lease) -> LeaseReply:
        raise RLMError("Another window has it.")

    hub.on(Lease, refuses)
    assert page.ask("lease")["message"] == "Another window has it."

    def fails(request: Lease) -> LeaseReply:
        raise ZeroDivisionError("\ud800")

    hub.on(Lease, fails)
    reply = page.ask("lease")
    assert not reply["ok"]
    assert "report" in reply["message"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "an object"),
        ([], "an object"),
        ({}, "isn't a request"),
        ({"type": "fly"}, "'fly' isn't a request"),
        ({"type": ["sync"]}, "isn't a request"),
        ({"type": "x" * 100_000}, "isn't a request"),
        ({"type": "sync", "v": 2}, "version 2"),
        ({"type": "events", "since": "1"}, "'since'"),
        ({"type": "events", "limit": True}, "'limit'"),
        ({"type": "events", "run": "x" * 5000}, "'run'"),
        ({"type": "events", "run": "gone"}, "no run 'gone'"),
        ({"type": "watch", "run": "r1", "nodes": [1]}, "'nodes'"),
        ({"type": "watch", "run": "r1", "nodes": ["n"] * 5000}, "'nodes'"),
        ({"type": "steer", "run": "r1", "command": []}, "'command'"),
        ({"type": "steer", "run": "r1", "command": {}}, "isn't a command"),
        ({"type": "steer", "run": "r1", "command": {"type": "fly"}}, "'fly' isn't a command"),
        ({"type": "steer", "run": "r1", "command": {"type": "edit", "code": 1}}, "'code'"),
        ({"type": "steer", "run": "r1", "command": {"type": "edit", "code": "x" * 3_000_000}},
         "'code'"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_one_sentence(hub: Hub, content: Any, said: str) -> None:
    hub.add(FakeRun())  # type: ignore[arg-type]
    reply = hub.handle(content)
    assert reply["ok"] is False
    assert said in reply["message"]
    assert len(reply["message"]) < 300
    wire(reply)


@given(
    content=ANY
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["sync", "events", "text", "watch", "steer", "claim"])},
        optional=dict.fromkeys(
            ("v", "client", "id", "run", "since", "limit", "nodes", "command", "field"), ANY
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_in_something_that_can_be_sent_goes_out(content: Any) -> None:
    hub = Hub(version="1")
    try:
        reply = hub.handle(content)
        assert isinstance(reply["ok"], bool)
        assert reply["ok"] or reply["message"]
        wire(reply)
    finally:
        hub.close()
