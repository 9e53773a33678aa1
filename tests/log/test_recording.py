"""Recordings: what is saved comes back, and what can't be read is one sentence."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broken import CREATED, broken, damage
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import RecordingError
from rlm_kernel.log import Log, Tree, read, recording, tree_text
from rlm_kernel.log.migrate import migrated
from rlm_kernel.log.recording import extract, load, save
from rlm_kernel.protocol import PROTOCOL_VERSION, Logged
from rlm_kernel.protocol.events import CallEnded, CallStarted, Noted, RunStarted

from .samples import a_batch, a_run, a_turn

LONG = "long text \ud800 with what UTF-8 can't say " * 400


@functools.cache
def events() -> list[Any]:
    turn = a_turn(1, "x = llm_query_batched(prompts)\nprint(x)", output=LONG)
    log = Log()
    for event in a_run(*turn[:6], *a_batch(20, 2), *turn[6:]):
        log.emit(event)
    return list(log.events)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(events(), tmp_path / "one", contexts={"context": b"the text"})


def test_a_file_has_the_same_events_and_tree_and_what_was_put_in(saved: Path) -> None:
    assert saved.name == "one.rlm"
    assert saved.stat().st_mode & 0o777 == 0o600
    found = load(saved)
    assert [(x.seq, x.event) for x in found.events] == [(x.seq, x.event) for x in events()]
    assert "∑ 21 calls" in tree_text(found.tree)
    assert found.contexts == ["context"]
    assert found.context("context") == b"the text"
    with pytest.raises(RecordingError, match="doesn't hold other"):
        found.context("other")


def test_a_recording_with_a_damaged_context_leaves_nothing_where_it_is_unpacked(
    tmp_path: Path,
) -> None:
    held = {"a": b"the first", "b": b"the second"}
    saved = save(events(), tmp_path / "one", contexts=held)
    damage(saved, "contexts/b")
    found = load(saved)
    assert found.context("a") == b"the first"
    (folder := tmp_path / "unpacked").mkdir()
    with pytest.raises(RecordingError, match="doesn't hold b"):
        extract(found, folder)
    assert list(folder.iterdir()) == []


def test_the_same_run_gives_the_same_bytes_and_a_folder_the_same_run(
    saved: Path, tmp_path: Path
) -> None:
    found = load(saved)
    again = save(found.events, tmp_path / "two.rlm", contexts={"context": b"the text"})
    assert again.read_bytes() == saved.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    extract(found, folder)
    unpacked = load(folder)
    assert [x.event for x in unpacked.events] == [x.event for x in found.events]
    assert unpacked.context("context") == b"the text"
    with Log(folder) as log:  # and is one that can be gone on with
        assert len(log.events) == len(found.events)


def test_texts_are_given_away_as_redacted_and_structure_stays(tmp_path: Path) -> None:
    before = events()
    path = save(before, tmp_path / "r.rlm", redact=lambda text: "▮" * len(text))
    found = load(path)
    assert found.redacted
    whole = path.read_bytes() + zipfile.ZipFile(path).read("log.jsonl")
    for words in (b"long text", b"llm_query_batched", b"Lagos", b"Which city"):
        assert words not in whole
    assert [(x.event.type, x.event.node) for x in found.events] == [
        (x.event.type, x.event.node) for x in before
    ]
    assert [x.event.status for x in found.events if isinstance(x.event, CallEnded)] == [
        x.event.status for x in before if isinstance(x.event, CallEnded)
    ]
    assert not load(save(before, tmp_path / "s.rlm", redact=lambda text: text)).redacted


def test_the_hash_of_a_prompt_goes_with_its_text(tmp_path: Path) -> None:
    before = [replace(x, event=replace(x.event, key="k" * 64)) if isinstance(x.event, CallEnded)
              else x for x in events()]  # fmt: skip

    def keys(redact: Any, name: str) -> set[str]:
        found = load(save(before, tmp_path / name, redact=redact))
        return {x.event.key for x in found.events if isinstance(x.event, CallEnded)}

    # Only one text of all is another: what of it is in other prompts isn't looked for.
    assert keys(lambda text: text.replace("Lagos", "▮"), "r.rlm") == {""}
    assert keys(lambda text: text, "s.rlm") == {"k" * 64}, "it can be run again"


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        save(events()[:3], saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


# -- what can't be read ---------------------------------------------------------------------------


def repacked(path: Path, name: str, change: Any) -> Path:
    """The same archive with one entry otherwise, or without it."""
    other = path.with_name("other.rlm")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            data = change(old.read(info)) if info.filename == name else old.read(info)
            if data is not None:
                new.writestr(info, data)
    return other


def head(log: bytes, version: bytes) -> bytes:
    """The same log, which says another version."""
    return b'{"v":' + version + b',"log":"rlm-kernel"}\n' + log.partition(b"\n")[2]


LATER = json.dumps({"format": 99}).encode()
NEW_LOG = json.dumps({"v": PROTOCOL_VERSION + 1, "log": "rlm-kernel"}).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("log.jsonl", lambda _: None, "is a zip without a log"),
        ("log.jsonl", lambda _: b"", "was cut before one began"),
        ("log.jsonl", lambda _: b"not ours\n", "isn't a log of rlm-kernel"),
        ("log.jsonl", lambda _: NEW_LOG, "written by a later rlm-kernel"),
        ("log.jsonl", lambda d: head(d, b"-1000000000000"), r"Line 1 .*its version isn't one"),
        ("log.jsonl", lambda d: head(d, b"true"), r"Line 1 .*its version isn't one"),
        ("log.jsonl", lambda d: b"[" * 99_999 + d, "isn't a log of rlm-kernel"),
        ("log.jsonl", lambda d: d.replace(b'"seq"', b'"sqe"', 1), "Line 2 of .* is damaged"),
        ("recording.json", lambda _: LATER, "saved by a later rlm-kernel .format 99"),
        ("recording.json", lambda _: b"[1]", "what it says of itself"),
        ("recording.json", lambda _: b"{" * 9999, "what it says of itself"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(saved: Path, name: str, change: Any, said: str) -> None:
    other = repacked(saved, name, change)
    with pytest.raises(RecordingError, match=said) as caught:
        load(other)
    assert str(other) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["nothing", "a text", "an empty zip", "half", "a folder"])
def test_what_is_no_recording_is_said(tmp_path: Path, saved: Path, what: str) -> None:
    path = tmp_path / "x.rlm"
    if what == "a text":
        path.write_text("hello")
    elif what == "an empty zip":
        zipfile.ZipFile(path, "w").close()
    elif what == "half":
        path.write_bytes(saved.read_bytes()[:-200])
    elif what == "a folder":
        path.mkdir()
    with pytest.raises(RecordingError, match=r"x\.rlm"):
        load(path)


def test_a_text_that_isnt_what_its_name_says_is_left_out(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        blob = next(n for n in archive.namelist() if n.startswith("blobs/"))
    found = load(repacked(saved, blob, lambda _: b"another text"))
    assert "another text" not in str(found.events)
    assert "were kept apart and aren't here" in str(found.events)


@pytest.mark.parametrize(
    "name", ["../up", "/etc/x", "contexts/../../up", "contexts/a/b", "blobs/x", "contexts/no name"]
)
def test_names_that_lead_elsewhere_are_passed_over(saved: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(name, "hostile")
    found = load(saved)
    assert found.contexts == ["context"]
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    extract(found, folder)
    assert not any("hostile" in p.read_text("latin-1") for p in tmp_path.rglob("*")
                   if p.is_file() and p != saved)  # fmt: skip


def test_a_link_in_a_zip_and_one_in_a_folder_are_not_followed(
    saved: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    info = zipfile.ZipInfo("contexts/more")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(info, str(secret))
    with pytest.raises(RecordingError):
        load(saved).context("more")
    folder = tmp_path / "folder"
    folder.mkdir()
    extract(load(repacked(saved, "contexts/more", lambda _: None)), folder)
    (folder / "contexts" / "linked").symlink_to(secret)
    with pytest.raises(RecordingError):
        load(folder).context("linked")


def test_an_enormous_one_is_refused_before_it_is_read(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST", 1000)
    with pytest.raises(RecordingError, match=r"at most 1,000 bytes of a recording are read"):
        load(saved)
    monkeypatch.setattr(recording, "MOST", 1 << 30)
    monkeypatch.setattr(recording, "MOST_FILES", 2)
    with pytest.raises(RecordingError, match="too many for a recording"):
        load(saved)


def test_a_bomb_is_not_unpacked(saved: Path) -> None:
    """An entry that is larger than it says: what it says is what is counted."""
    data = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        size = archive.getinfo("log.jsonl").file_size
    small = (5).to_bytes(4, "little")
    at = data.rfind(size.to_bytes(4, "little"))
    data[at : at + 4] = small
    saved.write_bytes(data)
    with pytest.raises(RecordingError):
        load(saved)


def test_what_packs_as_well_as_a_bomb_is_saved_so_that_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_UNPACKED", 1 << 20)
    text = "The grass is green. The sky is blue. " * 100_000
    log = Log()
    for event in (*events(), Logged(0, 1.0, Noted(node="run1", text=text))):
        log.emit(event.event)
    path = save(list(log.events), tmp_path / "r", contexts={"context": text.encode(), "n": b"1"})
    found = load(path)
    assert found.context("context") == text.encode()
    assert found.events[-1].event == Noted(node="run1", text=text)
    again = save(events(), tmp_path / "s", contexts={"context": os.urandom(1 << 18).hex().encode()})
    assert again.stat().st_size < 400_000, "what packs as texts do is packed"


def test_whatever_is_wrong_is_one_sentence_that_names_the_file(saved: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "broken").mkdir()
    for name, (path, said) in broken(saved, folder).items():
        tracemalloc.start()
        try:
            with pytest.raises(RecordingError) as caught:
                load(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        text = str(caught.value)
        assert said in text, name
        assert path.name in text, name
        assert "\n" not in text, name
        assert len(text) < 400 + len(str(path)), name
        assert peak < 16 << 20, f"{name}: it isn't unpacked"
    assert not (folder / CREATED).exists()


def test_a_log_of_endless_lines_or_events_is_refused_as_soon_as_it_is_seen(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MOST_LINE", 1 << 20)
    noise = os.urandom(1 << 20).hex().encode()
    longer = repacked(saved, "log.jsonl", lambda old: old + noise)
    with pytest.raises(RecordingError, match=r"Line \d+ of .* \(it has more than 1\.0 MiB\)"):
        load(longer)
    monkeypatch.setattr(recording, "MOST_EVENTS", 20)
    with pytest.raises(RecordingError, match=r"one\.rlm has more than 20 events"):
        load(saved)
    monkeypatch.setattr(recording, "MOST_LINES", 10)
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text('{"type": "metadata"}\n' * 11)
    with pytest.raises(RecordingError, match="has more than 10 lines"):
        load(theirs)


def test_one_text_that_many_events_have_is_in_memory_once_and_counted_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, text = Log(), "x" * 100_000
    for event in (RunStarted(node="run1"), *(Noted(node="run1", text=text) for _ in range(99))):
        log.emit(event)
    path = save(list(log.events), tmp_path / "r")
    found = load(path)
    assert len({id(x.event.text) for x in found.events[1:]}) == 1
    assert found.events[-1].event == Noted(node="run1", text=text)
    monkeypatch.setattr(read, "MOST_TEXT", 1 << 20)
    with pytest.raises(RecordingError, match=r"r\.rlm names texts of more than 1\.0 MiB in all"):
        load(path)


@pytest.mark.parametrize("order", [1, -1])
def test_a_tree_is_as_deep_as_a_run_gets_or_isnt_read(tmp_path: Path, order: int) -> None:
    def chain(length: int) -> list[Logged]:
        nodes = [CallStarted(node=f"call{n}", parent=f"call{n - 1}") for n in range(1, length)]
        circle = [CallStarted(node="a", parent="b"), CallStarted(node="b", parent="a")]
        found = [RunStarted(node="run1"), *nodes[::order], *circle]
        return [Logged(n, 1.0, event) for n, event in enumerate(found, 1)]

    assert len(load(save(chain(500), tmp_path / "r")).tree) == 503
    with pytest.raises(RecordingError, match=r"s\.rlm has more than 1,000 nodes below one another"):
        load(save(chain(20_000), tmp_path / "s"))


def test_what_is_said_of_a_later_version_is_never_long(saved: Path) -> None:
    head = json.dumps({"v": "9\n" * 9999, "log": "rlm-kernel"}).encode() + b"\n"
    with pytest.raises(RecordingError, match="later rlm-kernel") as caught:
        load(repacked(saved, "log.jsonl", lambda _: head))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_note_costs_the_same_however_many_there_are() -> None:
    notes = [Noted(node="run1", text=str(n)) for n in range(3)]
    tree = Tree(Logged(n, 1.0, event) for n, event in enumerate([RunStarted(node="run1"), *notes]))
    held = tree["run1"].notes
    tree.apply(Logged(9, 1.0, Noted(node="run1", text="more")))
    assert tree["run1"].notes is held, "they aren't copied for each"
    assert len(held) == 4


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_prefix_of_a_recorded_log_loads(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("prefix")
    whole = b"".join(recording._lines(events(), recording._put_into(folder)))
    begun = whole.index(b"\n", whole.index(b"run.started")) + 1
    cut = data.draw(st.integers(begun, len(whole)))
    (folder / "log.jsonl").write_bytes(whole[:cut])
    found = load(folder)
    assert len(found.events) == whole[:cut].count(b"\n") - 1
    assert tree_text(found.tree)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_a_damaged_file_loads_or_is_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    path = save(events()[:12], tmp_path_factory.mktemp("damaged") / "a.rlm")
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    said = ""
    try:
        load(path)
    except RecordingError as error:
        said = str(error)
    assert "\n" not in said


# -- versions -------------------------------------------------------------------------------------


def test_a_line_of_an_earlier_version_is_brought_up_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = {
        0: lambda line: {"node": line.pop("id"), **line},
        1: lambda line: {"prompt": line.pop("asked"), **line},
    }
    monkeypatch.setattr("rlm_kernel.log.migrate.PROTOCOL_VERSION", 2)
    old = {"seq": 1, "type": "call.started", "id": "call1", "asked": "hi"}
    assert migrated(old, 0, steps) == {
        "seq": 1, "type": "call.started", "node": "call1", "prompt": "hi"
    }  # fmt: skip
    new = {"seq": 1, "type": "call.started", "node": "call1", "prompt": "hi"}
    assert migrated(dict(new), 2, steps) == new


def test_every_line_fits_the_schema_that_the_documents_have(tmp_path: Path) -> None:
    import jsonschema

    root = Path(__file__).resolve().parents[2]
    schema = json.loads((root / "docs" / "log.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    lines = b"".join(recording._lines(events(), lambda *_: None)).splitlines()
    assert any(b"$blob" in line for line in lines)
    for line in lines:
        validator.validate(json.loads(line))
    assert not validator.is_valid({"seq": 1, "time": 0.5, "type": "call.started"}), "no node"


def test_the_schema_is_that_of_the_events() -> None:
    root = Path(__file__).resolve().parents[2]
    script = str(root / "scripts" / "schema.py")
    done = subprocess.run([sys.executable, script, "--check"], cwd=root, capture_output=True)
    assert done.returncode == 0, done.stdout
