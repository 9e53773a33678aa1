"""The live tree in a cell's output: who gets it, what it can do, what is left in the notebook."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("anywidget")

VIEW = "application/vnd.jupyter.widget-view+json"
SETUP = """
%load_ext rlm
import pathlib, sys
import rlm_kernel.notebook.display as display
import rlm_kernel.notebook.showing as showing
from rlm_kernel import ScriptedModel
from rlm_kernel.errors import ModelError
from rlm_kernel.notebook import session_of
showing.BUNDLE = pathlib.Path("rlm-tree.js").absolute()
showing.BUNDLE.write_text("export default {render() {}}")
S = session_of(get_ipython())
early = [name for name in ("anywidget", "ipywidgets") if name in sys.modules]
text = "needle " * 3
def script(*replies):
    return ScriptedModel(["```repl\\n" + reply + "\\n```" for reply in replies])
"""
ASK = "%%rlm {} --context text --model m --mode step\nHow many?"


class Page:
    """A front end that shows the widget: speaks when its model is made, and decides."""

    def __init__(self, kernel: Any, *, speaks: bool = True) -> None:
        self.kernel, self.speaks = kernel, speaks
        self.name = f"page-{uuid.uuid4().hex}"
        self.models: dict[str, dict[str, Any]] = {}
        self.closed: list[str] = []
        self.got: list[dict[str, Any]] = []
        self.decided: set[str] = set()

    def __call__(self, msg: dict[str, Any], _cell: Any) -> None:
        kind, content = msg["header"]["msg_type"], msg["content"]
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            if "_esm" in content["data"]["state"]:
                self.models[content["comm_id"]] = content["data"]["state"]
                if self.speaks:
                    self.send(content["comm_id"], type="sync", client=self.name, id="hello")
        elif kind == "comm_close":
            self.closed.append(content["comm_id"])
        elif kind == "comm_msg" and content["data"].get("method") == "custom":
            said = content["data"]["content"]
            self.got.append(said)
            infos = said.get("runs", [said["info"]] if "info" in said else [])
            for info in infos:
                self.decide(content["comm_id"], info)

    def decide(self, comm: str, info: dict[str, Any]) -> None:
        pending = info["pending"]
        if pending and pending["asks"] and pending["cell"] not in self.decided:
            self.decided.add(pending["cell"])
            command = {"type": "approve", "proposal": pending["cell"]}
            self.send(comm, type="steer", client=self.name, id=pending["cell"], run=info["run"],
                      command=command)  # fmt: skip

    def send(self, comm: str, **content: Any) -> None:
        data = {"method": "custom", "content": {"v": 1, **content}}
        client = self.kernel.client
        client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comm, "data": data}))


@pytest.fixture(scope="module")
def kernel(each: Any) -> Any:
    cell = each.run(SETUP)
    assert cell.ok, cell.text
    each.live = int(each.value("__import__('ipykernel').__version__").strip("'")[0]) >= 7
    return each


def ask(kernel: Any, name: str, page: Callable[..., None] | None, **more: Any) -> Any:
    # Each test is another page: one that doesn't speak is no reason not to wait for the next. One
    # that does is waited for as long as a busy machine takes; ipykernel 6 hears none meanwhile.
    speaks = page is not None and getattr(page, "speaks", True)
    seconds = 30 if speaks and kernel.live else 2
    assert kernel.run(f"showing.NOBODY = showing.SHOWN = display.HELLO = {seconds}").ok
    assert kernel.run("m = script('x = 1', 'FINAL(3)')").ok
    return kernel.run(ASK.format(name), on_output=page, **more)


def test_loading_brings_no_widget_library(kernel: Any) -> None:
    assert kernel.value("early") == "[]"


def test_decisions_are_taken_in_the_tree_while_the_cell_blocks(kernel: Any) -> None:
    page = Page(kernel)
    typed = [] if kernel.live else ["a", "a"]
    cell = ask(kernel, "why", page, stdin=typed)
    assert cell.ok, cell.text
    assert kernel.value("why.answer") == "3"
    assert len(page.models) == 1
    # On ipykernel 6 the page is heard after the cell: until then the prompt is there.
    assert len(cell.prompts) == len(typed)
    (html,) = [data["text/html"] for data in cell.displays.values()]
    (model,) = page.models.values()
    assert model["mount"] in html
    assert "done" in html
    assert not any(VIEW in data for data in cell.displays.values())
    if kernel.live:
        # Published again, it would be drawn anew: so only what is to be saved is.
        updates = [msg["content"]["data"]["text/plain"] for msg in cell.messages
                   if msg["header"]["msg_type"] == "update_display_data"]  # fmt: skip
        assert updates
        assert all("✓ done" in text for text in updates)
        assert kernel.value("{n.by for n in why.tree.find(kind='cell')}") == "{'notebook'}"


def test_what_is_synced_is_small_and_what_is_sent_is_no_widget_s_own(kernel: Any) -> None:
    page = Page(kernel)
    ask(kernel, "small", page, stdin=[] if kernel.live else ["a", "a"])
    (model,) = page.models.values()
    assert len(json.dumps({k: v for k, v in model.items() if k not in ("_esm", "_css")})) < 1000
    assert not any("state" in said for said in page.got)  # nbclient takes it for a widget's
    if kernel.live:
        assert {said["kind"] for said in page.got} >= {"reply", "run", "events"}


def test_a_page_that_does_not_show_it_is_asked_and_told_as_before(kernel: Any) -> None:
    page = Page(kernel, speaks=False)
    cell = ask(kernel, "mute", page, stdin=["a", "a"])
    assert cell.ok, cell.text
    assert len(cell.prompts) == 2
    assert cell.updates >= 2
    assert "done" in cell.html


def test_vscode_gets_a_view_and_keeps_the_html(kernel: Any) -> None:
    first: list[dict[str, Any]] = []
    page = Page(kernel)

    def on_output(msg: dict[str, Any], cell: Any) -> None:
        if msg["header"]["msg_type"] == "display_data":
            first.append(msg["content"]["data"])
        page(msg, cell)

    cell = ask(kernel, "code", on_output, stdin=[] if kernel.live else ["a", "a"],
               cell_id="vscode-notebook-cell:/work.ipynb#W0sZmlsZQ%3D%3D")  # fmt: skip
    assert cell.ok, cell.text
    assert set(first[0]) == {VIEW, "text/html", "text/plain"}
    assert first[0][VIEW]["model_id"] in page.models
    (last,) = cell.displays.values()
    assert set(last) == {"text/html", "text/plain"}
    assert "done" in last["text/html"]


@pytest.mark.parametrize("front", [{"stdin": None}, {"stdin": ["a", "a"], "lab": False}])
def test_without_a_person_or_a_page_there_is_no_widget(kernel: Any, front: dict[str, Any]) -> None:
    page = Page(kernel)
    assert kernel.run("m = script('x = 1', 'FINAL(3)')").ok
    cell = kernel.run("%%rlm bare --context text --model m --headless approve\nHow many?",
                      on_output=page, **front)  # fmt: skip
    assert cell.ok, cell.text
    assert not page.models
    assert "rlm-mount" not in cell.html


def test_a_run_that_is_shown_again_is_live_and_has_one_widget(kernel: Any) -> None:
    ask(kernel, "again", None, stdin=["a", "a"])
    page = Page(kernel)
    tree = kernel.run("%rlm tree again", stdin=[], on_output=page)
    name = kernel.run("again", stdin=[], on_output=page)
    for cell in (tree, name):
        assert cell.ok, cell.text
        (shown,) = cell.displays.values()
        assert "rlm-mount-" in shown["text/html"]
        assert "done" in shown["text/plain"]
        assert not cell.results
    assert len(page.models) <= 1  # made for the run's own cell, or here
    assert "rlm-mount" not in kernel.run("again").results[0]["text/html"]  # nbclient


def test_a_question_is_given_up_when_it_is_decided_elsewhere(kernel: Any) -> None:
    assert kernel.run("""
real = S.keyboard._line
def line(prompt):
    S.current.approve()  # in another window
    if not S.keyboard._free.wait(20):
        return "q"
    raise ModelError("The question was given up.")
S.keyboard._line = line
""").ok
    try:
        cell = ask(kernel, "elsewhere", None, stdin=[])
    finally:
        kernel.run("S.keyboard._line = real")
    assert cell.ok, cell.text
    assert kernel.value("elsewhere.answer") == "3"
    assert "decided elsewhere" in cell.stdout


def test_a_source_tree_without_the_bundle_says_so_once(kernel: Any) -> None:
    ask(kernel, "plain", None, stdin=["a", "a"])
    assert kernel.run("kept, showing.BUNDLE = showing.BUNDLE, pathlib.Path('no.js')").ok
    try:
        page = Page(kernel)
        first = kernel.run("%rlm tree plain", stdin=[], on_output=page)
        second = kernel.run("%rlm tree plain", stdin=[], on_output=page)
        asked = ask(kernel, "still", page, stdin=["a", "a"])
    finally:
        kernel.run("showing.BUNDLE = kept")
    assert "scripts/build_lab.py" in first.stdout
    assert "done" in first.html
    assert second.stdout == ""
    assert asked.ok
    assert not page.models


def test_unloading_takes_the_widgets_away(kernel: Any) -> None:
    page = Page(kernel, speaks=False)
    ask(kernel, "last", page, stdin=["a", "a"])
    kernel.run("%unload_ext rlm", on_output=page)
    try:
        assert set(page.models) <= set(page.closed)
        assert page.models
    finally:
        kernel.run("%load_ext rlm\nS = session_of(get_ipython())")


def test_a_recording_is_in_its_widget_and_its_tree_is_what_is_saved(kernel: Any) -> None:
    ask(kernel, "aside", None, stdin=["a", "a"])
    assert kernel.run("aside.save('kept.rlm')").ok
    page = Page(kernel)
    cell = kernel.run("%rlm load kept.rlm old", stdin=[], on_output=page)
    again = kernel.run("old", stdin=[], on_output=page)
    assert len(page.models) == 1
    (model,) = page.models.values()
    held = kernel.value(
        "__import__('json').loads(__import__('gzip').decompress("
        "next(iter(w for k, w in S.widgets._made.items() if k[0].startswith('recording')))"
        ".recording[0]))['answer']"
    )
    assert held == "'3'"
    assert model["run"].startswith("recording")
    for shown in (cell, again):
        (html,) = [data["text/html"] for data in shown.displays.values()]
        assert model["mount"] in html
        assert "done" in html
        assert not any(VIEW in data for data in shown.displays.values())
    plain = kernel.run("%rlm load kept.rlm", on_output=page)
    assert len(page.models) == 1, "no page that asks, no widget"
    assert "done" in plain.html


# -- the widget by itself -------------------------------------------------------------------------


class FakeHub:
    def __init__(self) -> None:
        self.sends: list[Callable[[dict[str, Any]], None]] = []
        self.asked: list[object] = []

    def subscribe(self, send: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self.sends.append(send)
        return lambda: self.sends.remove(send)

    def submit(self, content: object, answer: Callable[[dict[str, Any]], object]) -> None:
        self.asked.append(content)
        answer({"ok": True, "to": "1"})


@pytest.fixture
def bundle(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rlm_kernel.notebook import showing

    bundle = tmp_path / "rlm-tree.js"
    bundle.write_text("export default {render() {}}")
    bundle.with_suffix(".css").write_text(".x {}")
    monkeypatch.setattr(showing, "BUNDLE", bundle)


@pytest.fixture
def made(bundle: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from rlm_kernel.notebook._tap import Tap
    from rlm_kernel.notebook.widget import RunWidget

    hub, tap = FakeHub(), Tap(None)
    widget = RunWidget(hub, "run-1", tap=tap, static=lambda: {"text/html": "h", "text/plain": "p"})
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    yield SimpleNamespace(widget=widget, hub=hub, tap=tap, sent=sent)
    widget.close()


def test_it_is_told_of_its_run_from_its_first_message_on(made: Any) -> None:
    assert made.hub.sends == []
    for _ in range(2):
        made.widget.hear({"type": "sync"})
    (push,) = made.hub.sends
    made.sent.clear()
    for run in ("run-2", "run-1"):
        push({"kind": "events", "run": run})
        push({"kind": "run", "info": {"run": run}})
    push({"kind": "bye"})
    assert [said["kind"] for said in made.sent] == ["events", "run", "bye"]
    made.widget.hear({"type": "events", "run": "run-2"})
    made.sent.clear()
    push({"kind": "events", "run": "run-2"})
    assert len(made.sent) == 1


def test_a_page_that_speaks_at_once_is_heard(bundle: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import comm

    from rlm_kernel.notebook._tap import Tap
    from rlm_kernel.notebook.widget import RunWidget

    hub, tap, said = FakeHub(), Tap(None), {"type": "sync", "id": "hello"}
    usual, sent = comm.create_comm, []

    def create_comm(**opened: Any) -> Any:
        made = usual(**opened)
        if "_esm" not in opened["data"]["state"]:  # its layout's
            return made
        taken = tap._takers[made.comm_id]({"method": "custom", "content": said})
        assert taken is True
        assert hub.asked == []  # it can't answer yet
        made.send = lambda data=None, **_more: sent.append(data["content"])
        return made

    monkeypatch.setattr(comm, "create_comm", create_comm)
    widget = RunWidget(hub, "run-1", tap=tap)
    try:
        assert widget.spoke.is_set()
        assert hub.asked == [said]
        assert [reply["kind"] for reply in sent] == ["reply"]
    finally:
        widget.close()


def test_one_that_cannot_be_made_is_not_heard_either(
    bundle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import comm

    from rlm_kernel.notebook._tap import Tap
    from rlm_kernel.notebook.widget import RunWidget

    def create_comm(**_opened: Any) -> Any:
        raise RuntimeError("no comms here")

    monkeypatch.setattr(comm, "create_comm", create_comm)
    tap = Tap(None)
    with pytest.raises(RuntimeError, match="no comms here"):
        RunWidget(FakeHub(), "run-1", tap=tap)
    assert tap._takers == {}


def test_it_answers_with_a_reply_whatever_comes(made: Any) -> None:
    for content in (None, [], {"run": 3, "command": "x"}, {"type": "sync"}):
        made.widget.hear(content)
    assert [said["kind"] for said in made.sent] == ["reply"] * 4


def test_closing_ends_what_it_is_told_and_what_is_heard(made: Any) -> None:
    taken = made.tap._takers[made.widget.model_id]
    assert taken({"method": "custom", "content": {"type": "sync"}}) is True
    assert taken({"method": "update"}) is False  # ipywidgets' own
    assert len(made.hub.sends) == 1
    made.widget.close()
    assert made.hub.sends == []
    assert made.tap._takers == {}


def test_displayed_by_hand_it_carries_the_static_tree(made: Any) -> None:
    data, _ = made.widget._repr_mimebundle_()
    assert set(data) == {VIEW, "text/html", "text/plain"}
    assert (data["text/html"], data["text/plain"]) == ("h", "p")
    assert made.widget._css == ".x {}"


def test_a_page_that_only_shows_widgets_isnt_waited_for_to_place_cells(kernel: Any) -> None:
    ask(kernel, "first", Page(kernel), stdin=[] if kernel.live else ["a", "a"])
    session = "get_ipython().magics_manager.registry['RLMMagics'].session"
    assert kernel.value(f"{session}.hub.heard") == "False"
    kernel.run(
        "from rlm_kernel.notebook.placing import Placing\nwaits, claimed = [], Placing.claimed\n"
        "Placing.claimed = lambda self, run, seconds, i: (waits.append(seconds), "
        "claimed(self, run, seconds, i))[1]"
    )
    ask(kernel, "second", Page(kernel), stdin=[] if kernel.live else ["a", "a"])
    kernel.run("Placing.claimed = claimed")
    assert kernel.value("waits") == "[0.05]", "the first run was announced, and nobody came"
