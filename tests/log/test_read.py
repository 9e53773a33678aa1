"""A log is read back as far as it is whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import RecordingError
from rlm_kernel.log import Log, Tree, read_log
from rlm_kernel.protocol.events import CallEnded, CallStarted, CellProposed, RunEnded, RunStarted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with Log(folder) as log:
        log.emit(RunStarted(node="run1", question="Q?"))
        log.emit(CellProposed(node="cell1", parent="run1", code="x = 1\n" * 2000))
        for n in range(20):
            log.emit(CallStarted(node=f"call{n}", parent="cell1", prompt="é\ud800"))
            log.emit(CallEnded(node=f"call{n}", text="t", usage={"calls": 1, "cost": 0.5}))
        log.emit(RunEnded(node="run1", answer="42"))
    return folder


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_prefix_of_a_log_folds_to_a_tree(folder, tmp_path_factory, data):
    whole = (folder / "log.jsonl").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("cut") / "log.jsonl"
    path.write_bytes(whole[:cut])
    events = read_log(path, blobs=False)
    assert events == read_log(folder, blobs=False)[: len(events)]
    assert len(events) == max(whole[:cut].count(b"\n") - 1, 0)
    tree = Tree(events)
    assert len(list(tree.walk())) == len(tree)


def test_a_file_that_is_not_a_log_is_said(tmp_path):
    for content in (b"hello\n", b"{}\n", b"\x00\xff", b"[1]\n", b'{"v":1,"log":"other"}\n'):
        path = tmp_path / "log.jsonl"
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="isn't a log"):
            read_log(path)
    with pytest.raises(RecordingError, match="no log"):
        read_log(tmp_path / "nowhere")


def test_a_later_version_is_said(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"v":99,"log":"rlm-kernel"}\n')
    with pytest.raises(RecordingError, match="later rlm-kernel"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"seq":1,"time":1,"type":"note"}',
        '{"seq":"1","time":1,"type":"note","node":"run1"}',
        '{"seq":1,"time":1,"type":"note","node":5}',
        '{"seq":1,"time":1,"type":"call.ended","node":"c","usage":[]}',
        '{"seq":1,"time":1,"type":"note","node":"c","text":{"$blob":5}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_line_is_named(tmp_path, line):
    (tmp_path / "log.jsonl").write_text(f'{{"v":1,"log":"rlm-kernel"}}\n{line}\n')
    with pytest.raises(RecordingError, match=r"Line 2 of .* is damaged"):
        read_log(tmp_path)


def test_blob_names_cannot_leave_their_folder(tmp_path):
    (tmp_path / "secret").write_text("key")
    (tmp_path / "blobs").mkdir()
    blob = {"$blob": "../secret", "chars": 3, "head": ""}
    line = json.dumps({"seq": 1, "time": 1, "type": "note", "node": "r", "text": blob})
    (tmp_path / "log.jsonl").write_text('{"v":1,"log":"rlm-kernel"}\n' + line + "\n")
    text = read_log(tmp_path)[0].event.text
    assert "key" not in text
    assert "3 more characters" in text


def test_events_of_types_not_known_are_left_out(tmp_path):
    lines = [
        '{"v":1,"log":"rlm-kernel","more":1}',
        '{"seq":1,"time":1,"type":"telepathy","node":"x","strength":3}',
        '{"seq":2,"time":1,"type":"note","node":"run1","text":"a","colour":"red"}',
        '{"seq":2,"time":1,"type":"note","node":"run1","text":"a again"}',
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    assert [(e.seq, e.event.text) for e in read_log(tmp_path)] == [(2, "a")]
