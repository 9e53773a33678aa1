"""What a box has written and can't change any more: copies that only grow."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.log import sealed as sealed_
from rlm_kernel.log.sealed import Sealer, shown_folder, to_write


class Folders:
    def __init__(self, base: Path) -> None:
        self.live, self.sealed, self.said = base / "live" / "runs", base / "runs", list[str]()
        (self.live / "r" / "blobs").mkdir(parents=True)
        self.log = self.live / "r" / "log.jsonl"
        self.log.write_bytes(b"")
        self.sealer = self.again()

    def again(self) -> Sealer:
        return Sealer(self.live, self.sealed, self.said.append)

    def copy(self) -> bytes:
        return (self.sealed / "r" / "log.jsonl").read_bytes()

    def blob(self, data: bytes, name: str = "") -> str:
        name = name or sha256(data).hexdigest()
        (self.live / "r" / "blobs" / name).write_bytes(data)
        return name


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_lines_that_come_are_added_and_a_half_one_waits(folders: Folders) -> None:
    folders.log.write_bytes(b"one\ntwo\nthr")
    folders.sealer.look()
    assert folders.copy() == b"one\ntwo\n"
    with folders.log.open("ab") as file:
        file.write(b"ee\n")
    folders.sealer.look()
    assert folders.copy() == b"one\ntwo\nthree\n"
    assert folders.said == []


ANSWER = b'{"seq":9,"time":1.5,"type":"run.ended","node":"run1","answer":"7"}\n'


@pytest.mark.parametrize("at_once", [True, False])
def test_nothing_is_added_behind_an_answer(folders: Folders, at_once: bool) -> None:
    child = ANSWER.replace(b"run1", b"run2")
    failed = ANSWER.replace(b'"answer"', b'"status":"failed","answer"')
    child += b'[{"type":"run.ended"}]\n{"x":{"type":"run.ended"}}\n'
    text = b"one\n" + child + failed + b'{"said":"\\"type\\":\\"run.ended\\""}\n' + ANSWER
    folders.log.write_bytes(text + (b"forged\n" if at_once else b""))
    folders.sealer.look()
    with folders.log.open("ab") as file:
        file.write(b"forged\n")
    for sealer in (folders.sealer, folders.again()):
        sealer.look()
    assert folders.copy() == text


@pytest.mark.parametrize("later", [b"", b"two\n", b"ONE\n", b"ONE\ntwo\n", b"one!\none\ntwo\n"])
def test_what_was_copied_stays_whatever_becomes_of_the_log(folders: Folders, later: bytes) -> None:
    folders.log.write_bytes(b"one\n")
    folders.sealer.look()
    folders.log.write_bytes(later)
    for sealer in (folders.sealer, folders.again()):
        sealer.look()
        assert folders.copy().startswith(b"one\n")
    if later not in (b"two\n", b"ONE\n"):  # as long as it was: nothing has come
        assert folders.copy() == b"one\n"
        assert "written anew" in folders.said[0]
        assert len(folders.said) == 2, "each says it once"
    folders.log.unlink()
    folders.sealer.look()
    folders.sealer.take_all()
    assert folders.copy() == b"one\n"


def test_a_text_counts_under_its_digest_only_and_once(folders: Folders) -> None:
    name = folders.blob(b"a text")
    false = folders.blob(b"another", "0" * 64)
    folders.blob(b"half", "1" * 64 + ".part")
    folders.sealer.look()
    blobs = folders.sealed / "r" / "blobs"
    assert [p.name for p in blobs.iterdir()] == [name]
    folders.blob(b"changed", name)
    right = sha256(b"right").hexdigest()
    folders.blob(b"wrong", right)
    folders.sealer.look()
    assert (blobs / name).read_bytes() == b"a text"
    os.replace(folders.live / "r" / "blobs" / false, folders.live / "r" / "x")
    folders.blob(b"right", right)
    os.utime(folders.live / "r" / "blobs" / right, ns=(1, 1))
    folders.sealer.look()
    assert sorted(p.name for p in blobs.iterdir()) == sorted([name, right])


def test_no_link_no_pipe_and_no_folder_in_the_place_of_a_file(
    folders: Folders, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "log.jsonl").write_bytes(b"secret\n")
    (secret / "blobs").mkdir()
    (folders.live / "by_run").symlink_to(secret)
    for name, log in (("by_log", "link"), ("pipe", "pipe"), ("folder", "folder")):
        (folders.live / name).mkdir()
        (folders.live / name / "blobs").symlink_to(secret)
        path = folders.live / name / "log.jsonl"
        if log == "link":
            path.symlink_to(secret / "log.jsonl")
        elif log == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
    folders.log.write_bytes(b"mine\n")
    folders.sealer.look()
    assert folders.copy() == b"mine\n"
    found = [p for p in folders.sealed.rglob("*") if p.is_file()]
    assert found == [folders.sealed / "r" / "log.jsonl"]
    folders.sealer.take_all()
    assert list(secret.iterdir()), "what a link leads to isn't removed"
    assert [p.name for p in folders.live.iterdir()] == ["by_run"]


def test_too_much_is_left_where_it_is_and_said_once(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_, "MOST", 2 << 20)
    monkeypatch.setattr(sealed_, "PIECE", 1 << 10)
    folders.log.write_bytes(b"one\n")
    folders.sealer.look()
    folders.log.write_bytes(b"one\n" + b"x" * (2 << 20) + b"\n")
    for _ in range(3):
        folders.sealer.look()
    folders.sealer.take_all()
    assert folders.copy() == b"one\n"
    assert len(folders.said) == 1
    assert "2.0 MiB" in folders.said[0]
    assert folders.log.exists()


def test_a_line_without_end_is_not_read_for_ever(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_, "LINE", 1 << 12)
    monkeypatch.setattr(sealed_, "PIECE", 1 << 10)
    folders.log.write_bytes(b"one\n" + b"x" * (1 << 20))
    folders.sealer.look()
    assert folders.copy() == b"one\n"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=12))
def test_the_copy_only_grows_and_begins_as_the_log_did(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, bytes]]
) -> None:
    """Whatever is written to the log, at its end or in its place, and whenever one looks."""
    folders = Folders(tmp_path_factory.mktemp("sealed"))
    before = b""
    for anew, data in steps:
        with folders.log.open("wb" if anew else "ab") as file:
            file.write(data)
        folders.sealer.look()
        now = folders.copy()
        assert now.startswith(before)
        assert now.endswith(b"\n") or not now
        before = now
    folders.sealer.take_all()
    assert folders.copy().startswith(before)


def test_a_run_goes_on_in_a_copy_of_its_copy(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "live"))
    monkeypatch.setenv("RLM_SEALED", str(folders.sealed))
    folders.log.write_bytes(b"one\n")
    assert shown_folder(folders.live / "r") == folders.sealed / "r"
    folders.sealer.take_all()
    assert not (folders.live / "r").exists()
    assert to_write(folders.sealed / "r") == folders.live / "r"
    with folders.log.open("ab") as file:
        file.write(b"two\n")
    folders.again().take_all()
    assert folders.copy() == b"one\ntwo\n"
    assert to_write(tmp_path / "elsewhere") == tmp_path / "elsewhere"


@pytest.mark.parametrize("what", ["link", "folder", "pipe", "long"])
def test_nothing_beside_a_log_keeps_it_from_being_copied(folders: Folders, what: str) -> None:
    bad = folders.live / "r" / "blobs" / ("a" * 255 if what == "long" else "a")
    if what == "link":
        bad.symlink_to("/nowhere")
    elif what == "folder":
        bad.mkdir()
    elif what == "pipe":
        os.mkfifo(bad)
    else:
        bad.write_bytes(b"")
    name = folders.blob(b"a text")
    folders.log.write_bytes(b"one\n")
    folders.sealer.take_all()
    assert folders.copy() == b"one\n"
    assert (folders.sealed / "r" / "blobs" / name).exists()


def test_a_folder_of_any_depth_is_removed(folders: Folders) -> None:
    folders.log.write_bytes(b"one\n")
    place = os.open(folders.live / "r", os.O_RDONLY)
    for _ in range(2_000):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    folders.sealer.take_all()
    assert folders.copy() == b"one\n"
    assert not list(folders.live.iterdir())


def test_what_is_said_is_bounded_and_no_name_commands_a_terminal(folders: Folders) -> None:
    for name in ("\x1b]0;x\x07", "a\nb", *map(str, range(50))):
        log = folders.live / name / "log.jsonl"
        log.parent.mkdir()
        log.write_bytes(b"one\n")
        folders.sealer.look()
        log.write_bytes(b"ONE\ntwo\n")
    folders.sealer.look()
    assert 1 <= len(folders.said) <= 20
    names = [one.name for one in folders.sealed.iterdir()]
    assert "7" in names
    assert all(text.isprintable() for text in (*folders.said, *names))


def test_a_line_of_many_answers_is_read_once(folders: Folders) -> None:
    line = b"[" + b",".join([b'{"type":"run.ended"}'] * 20_000) + b"]\n"
    folders.log.write_bytes(line)
    began = time.monotonic()
    folders.sealer.look()
    assert time.monotonic() - began < 5
    assert folders.copy() == line


def test_a_log_that_grows_while_it_is_read_is_not_read_for_ever(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_, "PIECE", 4)
    folders.log.write_bytes(b"one\n")
    write = sealed_._write_all

    def grow(fd: int, data: bytes) -> None:
        with folders.log.open("ab") as file:
            file.write(b"two\n")
        assert folders.log.stat().st_size < 100
        write(fd, data)

    monkeypatch.setattr(sealed_, "_write_all", grow)
    folders.sealer.look()
    assert folders.copy() == b"one\n"


def test_a_line_that_is_too_long_is_said(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_, "LINE", 1 << 12)
    monkeypatch.setattr(sealed_, "PIECE", 1 << 10)
    folders.log.write_bytes(b"one\n" + b"x" * (1 << 14) + b"\n")
    for _ in range(3):
        folders.sealer.look()
    assert len(folders.said) == 1
    assert "line of more than" in folders.said[0]


def test_nothing_is_added_behind_an_answer_of_any_length(folders: Folders) -> None:
    answer = ANSWER.replace(b'"7"', b'"' + b"7" * 70_000 + b'"')
    folders.log.write_bytes(answer)
    folders.sealer.look()
    with folders.log.open("ab") as file:
        file.write(b"forged\n")
    folders.sealer.look()
    assert folders.copy() == answer


def test_empty_runs_and_files_count_too(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_, "MOST", 10 << 20)
    for number in range(30):
        (folders.live / f"n{number}").mkdir()
    folders.sealer.look()
    assert len(list(folders.sealed.iterdir())) <= 10
    assert len(folders.said) == 1
