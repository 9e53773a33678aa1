"""The log keeps what happened, in order, whatever the disk does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import RecordingError
from rlm_kernel.log import Log, read_log
from rlm_kernel.protocol.events import CallEnded, CallStarted, CallText, Noted, RunStarted

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def texts(events):
    return [logged.event.text for logged in events]


def test_events_are_numbered_from_one_without_gaps(tmp_path):
    with Log(tmp_path) as log:
        for n in range(5):
            log.emit(Noted(node="run1", text=str(n)))
        assert [e.seq for e in log.events] == [1, 2, 3, 4, 5]
    assert texts(read_log(tmp_path)) == list("01234")


def test_an_event_is_on_disk_before_it_is_shown(tmp_path):
    seen = []
    with Log(tmp_path) as log:
        log.listen(lambda logged: seen.append(read_log(tmp_path)[-1] == logged))
        log.emit(Noted(node="run1", text="a"))
        log.emit(CallEnded(node="call1", text="b"))
    assert seen == [True, True]


def test_transient_events_are_told_and_not_kept(tmp_path):
    told = []
    with Log(tmp_path) as log:
        log.listen(told.append)
        log.emit(Noted(node="run1", text="a"))
        log.emit(CallText(node="call1", text="piece"))
        log.emit(Noted(node="run1", text="b"))
        assert [e.seq for e in told] == [1, 0, 2]
        assert texts(log.events) == ["a", "b"]
    assert texts(read_log(tmp_path)) == ["a", "b"]


def test_many_threads_lose_nothing_and_listeners_hear_in_order(tmp_path):
    told = []
    with Log(tmp_path) as log:
        log.listen(told.append)

        def work(name):
            for n in range(200):
                log.emit(Noted(node=log.new_id("x"), text=f"{name} {n}"))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [e.seq for e in told] == list(range(1, 1201))
    assert read_log(tmp_path) == told
    assert len({e.event.node for e in told}) == 1200


def test_a_listener_that_emits_is_told_afterwards():
    log, told = Log(), []

    def echo(logged):
        if logged.event.text == "a":
            log.emit(Noted(node="run1", text="echo"))

    log.listen(echo)
    log.listen(lambda logged: told.append(logged.event.text))
    log.emit(Noted(node="run1", text="a"))
    log.emit(Noted(node="run1", text="b"))
    assert told == ["a", "echo", "b"]


def test_a_listener_that_raises_is_dropped_and_the_others_go_on(caplog):
    log, told, broken = Log(), [], []

    def bad(logged):
        broken.append(logged)
        raise RuntimeError("view")

    log.listen(bad)
    log.listen(told.append)
    log.emit(Noted(node="run1"))
    log.emit(Noted(node="run1"))
    assert (len(broken), len(told)) == (1, 2)
    assert "listener" in caplog.text


def test_a_late_listener_catches_up_and_an_ended_one_hears_no_more():
    log, told = Log(), []
    log.emit(Noted(node="run1", text="a"))
    log.emit(Noted(node="run1", text="b"))
    unlisten = log.listen(told.append, since=1)
    log.emit(Noted(node="run1", text="c"))
    unlisten()
    log.emit(Noted(node="run1", text="d"))
    assert texts(told) == ["b", "c"]
    assert texts(log.since(2)) == ["c", "d"]


def test_a_listener_that_joins_while_others_are_told_hears_each_event_once():
    log, late = Log(), []

    def invite(logged):
        if logged.seq == 1:
            log.emit(Noted(node="run1", text="b"))
            log.listen(late.append, since=0)

    log.listen(invite)
    log.emit(Noted(node="run1", text="a"))
    assert [e.seq for e in late] == [1, 2]


def test_long_texts_are_kept_apart_once_and_come_back(tmp_path):
    long = "naïve 🎈 " * 2000
    with Log(tmp_path) as log:
        log.emit(CallStarted(node="call1", parent="cell1", prompt=long))
        log.emit(CallEnded(node="call1", text=long))
        log.emit(RunStarted(node="run1", config={"tools": [{"doc": long}]}))
    assert (tmp_path / "log.jsonl").stat().st_size < 3000
    assert len(list((tmp_path / "blobs").iterdir())) == 1
    first, second, third = (e.event for e in read_log(tmp_path))
    assert first.prompt == second.text == third.config["tools"][0]["doc"] == long
    short = read_log(tmp_path, blobs=False)[0].event.prompt
    assert short.startswith(long[:200])
    assert f"{len(long) - 200} more characters" in short


def test_the_log_is_plain_ascii_and_only_the_owner_reads_it(tmp_path):
    folder = tmp_path / "run"
    with Log(folder) as log:
        log.emit(CallEnded(node="call1", text="naïve \ud800 🎈" * 600))
        log.emit(Noted(node="run1", text="naïve \ud800 🎈\x00\r\n"))
    assert (folder / "log.jsonl").read_bytes().isascii()
    for path in (folder, folder / "blobs", *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    head = json.loads((folder / "log.jsonl").read_text().splitlines()[0])
    assert (head["v"], head["log"]) == (1, "rlm-kernel")


@example([], {"": 1e100})
@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_TEXT, max_size=4), st.dictionaries(ANY_TEXT, st.floats() | ANY_TEXT))
def test_whatever_a_model_writes_comes_back_to_the_letter(tmp_path_factory, written, config):
    config = {k: v for k, v in config.items() if k.isascii()}
    folder = tmp_path_factory.mktemp("log")
    with Log(folder) as log:
        for text in written:
            log.emit(CallEnded(node="call1", text=text))
        log.emit(RunStarted(node="run1", config=config))
    back = [e.event for e in read_log(folder)]
    assert [e.text for e in back[:-1]] == written
    finite = {
        k: None if isinstance(v, float) and not abs(v) < float("inf") else v
        for k, v in config.items()
    }
    assert back[-1].config == finite


def test_surrogates_side_by_side_stay_two_characters(tmp_path):
    with Log(tmp_path) as log:
        log.emit(Noted(node="run1", text="\ud83c" + "\udf88"))
    assert read_log(tmp_path)[0].event.text == "\ud83c\udf88"


def test_a_config_that_holds_anything_never_stops_the_run(tmp_path):
    class Tool:
        def __repr__(self):
            return "<tool>"

    with Log(tmp_path) as log:
        log.emit(RunStarted(node="run1", config={"t": Tool(), "$blob": "x", "s": {1}}))
    assert read_log(tmp_path)[0].event.config == {"t": "<tool>", "$blob": "x", "s": [1]}


def test_opened_again_it_goes_on_where_it_ended(tmp_path):
    with Log(tmp_path) as log:
        log.emit(Noted(node=log.new_id("call"), text="a"))
        log.emit(Noted(node=log.new_id("call"), text="b"))
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"seq":3,"time":1.0,"type":"note","no')
    with Log(tmp_path) as log:
        assert texts(log.events) == ["a", "b"]
        assert log.new_id("call") == "call3"
        assert log.emit(Noted(node="call3", text="c")).seq == 3
    assert texts(read_log(tmp_path)) == ["a", "b", "c"]


def test_numbers_go_on_after_events_of_a_later_version(tmp_path):
    with Log(tmp_path) as log:
        log.emit(Noted(node="run1", text="a"))
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"seq":2,"time":1.0,"type":"telepathy","node":"x"}\n')
    with Log(tmp_path) as log:
        assert log.emit(Noted(node="run1", text="b")).seq == 3
        assert texts(log.since(1)) == ["b"]
    assert texts(read_log(tmp_path)) == ["a", "b"]


def test_a_second_writer_is_refused_in_words(tmp_path):
    code = (
        "import sys\nfrom rlm_kernel.log import Log\n"
        "try:\n    Log(sys.argv[1])\nexcept Exception as e:\n    print(type(e).__name__, e)\n"
    )
    with Log(tmp_path):
        with pytest.raises(RecordingError, match="another process"):
            Log(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("RecordingError")
    Log(tmp_path).close()


def test_what_was_emitted_survives_the_death_of_the_process(tmp_path):
    code = (
        "import os, sys\nfrom rlm_kernel.log import Log\n"
        "from rlm_kernel.protocol.events import Noted\n"
        "log = Log(sys.argv[1])\n"
        "for n in range(50): log.emit(Noted(node='run1', text=str(n) * 3000))\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert texts(read_log(tmp_path)) == [str(n) * 3000 for n in range(50)]


def test_durable_events_are_synced_together_off_the_loop(tmp_path, monkeypatch):
    synced, loop_thread = [], threading.get_ident()
    real, go = os.fsync, threading.Event()

    def fsync(fd):
        synced.append(threading.get_ident())
        go.wait(10)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)

    async def main():
        with Log(tmp_path) as log:
            for n in range(100):
                log.emit(CallEnded(node=f"call{n}"))
            go.set()
            assert await log.synced()
            log.emit(Noted(node="run1"))
            assert await log.synced()

    asyncio.run(main())
    assert 1 <= len(synced) <= 4
    assert loop_thread not in synced


class FullDisk:
    """Stands for os.write: takes ``room`` bytes, then says that the disk is full."""

    def __init__(self, monkeypatch, room):
        self.room, self.real = room, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, fd, data):
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        done = self.real(fd, data[: self.room])
        self.room -= done
        return done


def test_a_full_disk_stops_nothing_and_loses_nothing(tmp_path, monkeypatch):
    faults, told = [], []
    log = Log(tmp_path, on_fault=faults.append)
    log.listen(told.append)
    log.emit(Noted(node="run1", text="a"))
    disk = FullDisk(monkeypatch, room=40)
    for text in "bcd":
        log.emit(CallEnded(node="call1", text=text))
    assert len(faults) == 1
    assert "No space left" in log.fault
    assert "kept in memory" in log.fault
    assert texts(told) == list("abcd")
    assert asyncio.run(log.synced()) is False
    assert texts(read_log(tmp_path)) == ["a"]
    disk.room = 10**9
    assert log.retry()
    assert log.fault == ""
    assert texts(read_log(tmp_path)) == list("abcd")
    log.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=8), st.integers(1, 6))
def test_a_disk_that_fills_at_any_byte_leaves_a_whole_log(tmp_path_factory, rooms, per_room):
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch, Log(folder) as log:
        disk, n = FullDisk(patch, 0), 0
        for room in rooms:
            disk.room = room
            for _ in range(per_room):
                log.emit(Noted(node="run1", text=str(n)))
                n += 1
            assert texts(read_log(folder)) == [str(i) for i in range(n)][: len(read_log(folder))]
        disk.room = 10**9
        assert log.retry()
    assert texts(read_log(folder)) == [str(i) for i in range(n)]


def test_a_folder_that_vanishes_is_said_and_the_log_is_made_anew(tmp_path):
    folder, faults = tmp_path / "deep" / "run", []
    log = Log(folder, on_fault=faults.append)
    log.emit(CallEnded(node="call1", text="a" * 5000))
    shutil.rmtree(tmp_path / "deep")
    log.emit(Noted(node="run1", text="b"))
    log.emit(Noted(node="run1", text="c"))
    assert len(faults) == 1
    assert log.fault
    (tmp_path / "deep").mkdir()
    assert log.retry()
    assert texts(read_log(folder)) == ["a" * 5000, "b", "c"]
    log.close()


def test_a_log_made_anew_while_it_is_synced_hangs_nobody(tmp_path, monkeypatch):
    """The sync in flight meets files that are gone; who waits is told all the same."""
    real, entered, go = os.fsync, threading.Event(), threading.Event()

    def slow(fd):
        entered.set()
        assert go.wait(10)
        real(fd)

    folder = tmp_path / "run"
    with Log(folder) as log:
        monkeypatch.setattr(os, "fsync", slow)
        for n in range(5):
            log.emit(CallEnded(node="call1", text=f"{n}" * 5000))
        assert entered.wait(10)
        shutil.rmtree(folder)
        log.emit(Noted(node="run1", text="b"))
        log.emit(Noted(node="run1", text="c"))
        go.set()
        assert log.retry()
        assert len(read_log(folder)) == 7


def test_a_sync_that_fails_in_any_way_hangs_nobody(tmp_path, monkeypatch):
    def fail(fd):
        raise ValueError("odd")

    with Log(tmp_path) as log:
        monkeypatch.setattr(os, "fsync", fail)
        log.emit(CallEnded(node="call1"))
        assert log.flush() is False
        assert "odd" in log.fault
        monkeypatch.undo()
        assert log.retry()


def test_a_folder_taken_by_another_stops_nothing(tmp_path):
    folder = tmp_path / "run"
    log = Log(folder)
    shutil.rmtree(folder)
    with Log(folder):
        log.emit(Noted(node="run1", text="a"))
        log.emit(Noted(node="run1", text="b"))
        assert "another process" in log.fault
    assert log.retry()
    assert texts(read_log(folder)) == ["a", "b"]
    log.close()


def test_who_is_told_of_a_fault_may_emit(tmp_path, monkeypatch):
    log, told = Log(tmp_path), []
    log.on_fault = lambda why: log.emit(Noted(node="run1", text=why))
    log.listen(told.append)
    disk = FullDisk(monkeypatch, room=0)
    log.emit(Noted(node="run1", text="a"))
    assert texts(told) == ["a", log.fault]
    disk.room = 10**9
    log.close()
    assert len(read_log(tmp_path)) == 2


def test_a_sync_that_fails_is_a_fault_until_one_works(tmp_path, monkeypatch):
    real = os.fsync

    def fail(fd):
        raise OSError(5, "Input/output error")

    with Log(tmp_path) as log:
        monkeypatch.setattr(os, "fsync", fail)
        log.emit(CallEnded(node="call1"))
        assert asyncio.run(log.synced()) is False
        assert "Input/output" in log.fault
        log.emit(Noted(node="run1"))
        assert log.fault
        monkeypatch.setattr(os, "fsync", real)
        assert log.retry()
        assert log.fault == ""


def test_a_folder_that_cannot_be_used_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="can't be kept in"):
        Log(tmp_path / "file" / "run")


def test_events_stay_readable_after_close(tmp_path: Path):
    log = Log(tmp_path)
    log.emit(Noted(node="run1", text="a"))
    log.close()
    log.close()
    assert texts(log.events) == ["a"]
