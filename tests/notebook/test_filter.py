"""What comes of each kind of message that a boxed kernel sends: known fields of known kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.notebook import _filter as filter_
from rlm_kernel.notebook._filter import allowed, known_header, known_metadata
from rlm_kernel.notebook._plain import DEEP, TEXT
from rlm_kernel.protocol.front import COMM_ID, REPLY

SCRIPT = "<script>alert(1)</script>"
SHELL = ["execute_reply", "inspect_reply", "complete_reply", "is_complete_reply", "history_reply",
         "comm_info_reply", "kernel_info_reply", "usage_reply", "shutdown_reply",
         "interrupt_reply", "create_subshell_reply", "delete_subshell_reply",
         "list_subshell_reply", REPLY]  # fmt: skip
IOPUB = ["status", "stream", "execute_input", "error", "clear_output", "display_data",
         "update_display_data", "execute_result", "comm_msg"]  # fmt: skip


def passed(channel: str, kind: str, **content: Any) -> dict[str, Any]:
    kept = allowed(channel, kind, content)
    assert kept is not None
    return kept


def test_the_page_is_told_nothing_of_the_language_but_what_it_is() -> None:
    kept = passed(
        "shell", "kernel_info_reply", status="ok", protocol_version="9.0", implementation="x" * 999,
        implementation_version="<b>", banner="hello\x1b]0;title\x07", x="x",
        language_info={
            "name": "javascript", "mimetype": "text/html", "file_extension": ".html",
            "codemirror_mode": "evil", "pygments_lexer": "evil",
            "nbconvert_exporter": "evil.Export", "version": "3.12.1", "x": 1,
        },
        help_links=[{"text": "x", "url": "javascript:x"}, {"text": "y", "url": "https://e/"}],
        supported_features=["kernel subshells", "debugger", {}], debugger=True,
    )  # fmt: skip
    assert kept == {
        "status": "ok", "protocol_version": "5.3", "implementation": "ipython",
        "implementation_version": "0", "banner": "hello]0;title", "debugger": False,
        "help_links": [], "supported_features": ["kernel subshells"],
        "language_info": {
            "name": "python", "mimetype": "text/x-python", "file_extension": ".py",
            "codemirror_mode": {"name": "ipython", "version": 3}, "version": "3.12.1",
            "pygments_lexer": "ipython3", "nbconvert_exporter": "python",
        },
    }  # fmt: skip


def test_a_reply_of_ours_shows_as_a_display_does_and_has_known_fields_only() -> None:
    kept = passed(
        "control", REPLY, v=1, ok=True, to="a-1", phase="running", status="x", state={"a": 1},
        data={"text/html": f"<b>kept</b>{SCRIPT}", "application/javascript": "alert(2)"},
        metadata={"rlm": {"run": "r", "final": True, "more": 1}, "text/html": {"isolated": True}},
        events=[{"type": "x", "__proto__": {"a": 1}, "n": float("nan")}],
    )  # fmt: skip
    assert kept == {
        "v": 1, "ok": True, "to": "a-1", "phase": "running", "events": [{"type": "x", "n": None}],
        "data": {"text/html": "<b>kept</b>"},
        "metadata": {"rlm": {"run": "r", "final": True}, "text/html": {}},
    }  # fmt: skip
    pushed = passed("iopub", "comm_msg", comm_id=COMM_ID, target_module="x", data={
        "kind": "reply", "data": {"text/html": SCRIPT}, "x": 1,
    })  # fmt: skip
    assert pushed["comm_id"] == COMM_ID
    assert set(pushed) == {"comm_id", "data"}
    assert set(pushed["data"]) == {"kind", "data", "metadata"}
    assert "<script" not in str(pushed)
    assert allowed("iopub", "comm_msg", {"comm_id": "x", "data": {}}) is None
    assert allowed("iopub", "comm_msg", {"comm_id": COMM_ID, "data": []}) is None


def test_what_is_nested_too_deep_is_cut_off() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    kept = passed("control", REPLY, ok=True, info={"x": deep})
    assert json.dumps(kept).count("[") == DEEP - 1
    shown = passed("iopub", "display_data", data={"application/json": deep})
    assert json.dumps(shown).count("[") == DEEP


def test_all_that_our_front_end_asks_for_passes() -> None:
    from dataclasses import asdict

    from rlm_kernel.protocol import front

    for cls in front.Reply.__subclasses__():
        reply = asdict(cls(to="x"))
        assert passed("control", REPLY, **reply) == reply
    for push in (front.EventsPush(run="r", events=[{"a": 1}], seq=1), front.Bye(),
                 front.RunPush(info=front.RunInfo(run="r")), front.TextPush(text="t")):  # fmt: skip
        data = {"kind": push.kind, **asdict(push)}
        assert passed("iopub", "comm_msg", comm_id=COMM_ID, data=data)["data"] == data


@pytest.mark.parametrize("state", ["dead", "restarting", "autorestarting", "terminating", None])
def test_only_the_server_says_that_a_kernel_is_gone(state: object) -> None:
    assert allowed("iopub", "status", {"execution_state": state}) is None
    assert passed("iopub", "status", execution_state="idle", x=1) == {"execution_state": "idle"}


def test_text_commands_no_terminal() -> None:
    bar = "\x1b[1;31mred\x1b[0m \x1b[A\x1b[K\r12%\b "
    said = bar + "\x1b]0;t\x07 \x1bP q \x1b[6n \x1b[2J \x9b6n \x1bc\t\n"
    kept = bar + "]0;t P q [6n [2J 6n c\t\n"
    assert passed("iopub", "stream", name="stderr", text=said)["text"] == kept
    assert passed("iopub", "stream", name="__proto__", text=said)["name"] == "stdout"
    assert passed("iopub", "execute_result", data={"text/plain": [said]}, metadata={})["data"] == {
        "text/plain": kept
    }
    assert passed("iopub", "error", ename=said, evalue=said, traceback=[said, 1]) == {
        "ename": kept, "evalue": kept, "traceback": [kept]
    }  # fmt: skip
    assert passed("stdin", "input_request", prompt=said, password=1) == {
        "prompt": kept, "password": False
    }  # fmt: skip


def test_sizes_are_bounded() -> None:
    def size(channel: str, kind: str, **content: Any) -> int:
        return len(json.dumps(passed(channel, kind, **content)))

    long = "x" * (2 * TEXT)
    many = ["x" * 1_000_000] * 1_000
    assert size("iopub", "stream", name="stdout", text=long) < TEXT + 100
    assert size("iopub", "error", ename=long, evalue=long, traceback=many) < 7_000_000
    assert size("iopub", "execute_input", code=long, execution_count=1) < 1_100_000
    assert size("stdin", "input_request", prompt=long, password=False) < 11_000
    assert size("shell", "complete_reply", matches=many + ["x"] * 9_999) < 11_000
    assert size("shell", "history_reply", history=[[1, 1, "x"]] * 99_999) < 200_000
    assert size("control", "list_subshell_reply", subshell_id=many) < 220_000
    assert size("shell", "execute_reply", payload=[{"source": "page", "data": {
        "text/plain": "x" * 1_500_000}}] * 1_000) < 21_000_000  # fmt: skip


def test_a_completion_is_one_line_that_can_be_seen() -> None:
    types = "_jupyter_types_experimental"
    kept = passed(
        "shell", "complete_reply", status="ok", cursor_start=3, cursor_end=-1,
        matches=["good", "two\nlines", "hid\u202eden", "x" * 501, 3],
        metadata={"x": 1, types: [
            {"text": "good", "type": "function", "start": 3, "end": 4, "signature": "(x)", "y": 1},
            {"text": "two\nlines", "type": "function"}, 3,
        ]},
    )  # fmt: skip
    assert kept == {
        "status": "ok", "matches": ["good"], "cursor_start": 3, "cursor_end": 0,
        "metadata": {types: [
            {"text": "good", "type": "function", "start": 3, "end": 4, "signature": "(x)"}
        ]},
    }  # fmt: skip


def test_replies_have_what_is_theirs() -> None:
    assert passed("shell", "execute_reply", status="error", ename="E", evalue="e", traceback=["t"],
                  execution_count=3, engine_info={}, payload=[{"source": "set_next_input"}],
                  user_expressions={
                      "a": {"status": "ok", "data": {"text/html": "<b>", "text/plain": "1"}},
                      "b": {"status": "x", "ename": "E"}, "__proto__": {}}) == {
        "status": "error", "ename": "E", "evalue": "e", "traceback": ["t"], "execution_count": 3,
        "payload": [], "user_expressions": {
            "a": {"status": "ok", "data": {"text/plain": "1"}, "metadata": {}},
            "b": {"status": "error", "ename": "E", "evalue": "", "traceback": []}},
    }  # fmt: skip
    assert passed("shell", "is_complete_reply", status="incomplete", indent="    ") == {
        "status": "incomplete", "indent": "    "
    }  # fmt: skip
    assert passed("shell", "is_complete_reply", status="incomplete", indent="rm")["indent"] == ""
    assert passed("shell", "comm_info_reply", status="ok", comms={
        COMM_ID: {"target_name": "jupyter.widget"}, "x": {"target_name": "jupyter.widget"}
    }) == {"status": "ok", "comms": {COMM_ID: {"target_name": "rlm"}}}  # fmt: skip
    assert passed("shell", "history_reply", status="ok", history=[
        [0, 1, "a"], [0, 2, ["in", None]], [0, 3], "x"
    ]) == {"status": "ok", "history": [[0, 1, "a"], [0, 2, ["in", None]]]}  # fmt: skip
    assert passed("control", "usage_reply", hostname="h", kernel_cpu=1.5, X="y", __proto__={},
                  host_virtual_memory={"total": 1, "x": "y", "__proto__": {}}) == {
        "hostname": "h", "kernel_cpu": 1.5, "host_virtual_memory": {"total": 1, "x": None}
    }  # fmt: skip
    assert passed("shell", "execute_reply", status="aborted")["status"] == "aborted"
    assert passed("control", "shutdown_reply", status="ok", restart=True) == {
        "status": "ok", "restart": True
    }  # fmt: skip
    assert allowed("control", "debug_reply", {}) is None
    assert allowed("stdin", "stream", {"name": "stdout", "text": "x"}) is None


def test_headers_and_metadata_are_words() -> None:
    header = {"msg_id": "a", "msg_type": "stream", "username": "u", "session": "s",
              "date": "2026-01-01T00:00:00Z", "version": "5.4"}  # fmt: skip
    assert known_header(header) == header
    assert known_header({}) == {}
    assert known_header({**header, "version": "1.0", "x": 1, "session": {}})["version"] == "5.3"
    assert set(known_header({**header, "x": 1})) == set(header)
    metadata = {"started": "now", "status": "ok", "engine": "e", "dependencies_met": True}
    assert known_metadata(metadata | {"deletedCells": ["x"], "cellId": "y"}) == metadata


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(SCRIPT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "metadata", "text/html", "text/plain", "application/json",
                         "source", "__proto__", "rlm", "status", "run", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
NAMES = ["status", "execution_state", "name", "text", "code", "ename", "traceback", "data",
         "metadata", "transient", "comm_id", "comms", "payload", "user_expressions", "matches",
         "cursor_start", "history", "subshell_id", "language_info", "supported_features",
         "prompt", "indent", "events", "info", "hostname"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([("iopub", kind) for kind in IOPUB] + [("shell", kind) for kind in SHELL]
                    + [("stdin", "input_request")]),
    st.dictionaries(st.sampled_from(NAMES), ANY, max_size=5),
)  # fmt: skip
def test_whatever_comes_what_goes_on_is_json_of_known_fields(
    where: tuple[str, str], content: dict[str, Any]
) -> None:
    kept = allowed(*where, content)
    if kept is None:
        return
    said = json.dumps(kept, allow_nan=False)
    assert '"__proto__":' not in said
    assert "state" not in kept or where[1] == "status"
    data = kept.get("data")
    assert "<script" not in str(data.get("text/html") if isinstance(data, dict) else "")


def test_the_kinds_are_all_looked_at() -> None:
    assert set(filter_._PUBLISHED) == set(IOPUB)
    assert set(filter_._REPLIES) == set(SHELL)
