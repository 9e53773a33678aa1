"""The replies beside a run's log: torn, hostile, endless."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from rlm_kernel.log import paid
from rlm_kernel.log.paid import append, find_paid, line_of, read_paid


def line(text: str, call: str = "c") -> bytes:
    reply = {"model": "m", "text": text, "usage": {"calls": 1}, "finish": "stop"}
    return line_of(call, "k", reply, 1.0)


def texts(folder: Path) -> list[str]:
    return [data["text"] for data in read_paid(folder).get("k", [])]


def test_a_torn_line_takes_no_other_with_it(tmp_path: Path) -> None:
    append(tmp_path, [line("one")])
    with (tmp_path / paid.NAME).open("ab") as file:
        file.write(line("lost")[:-5])
    append(tmp_path, [line("two"), line("three")])
    assert texts(tmp_path) == ["one", "two", "three"]


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(paid.os, "write", lambda file, data: real(file, data[:7]))
    append(tmp_path, [line("one"), line("two")])
    assert texts(tmp_path) == ["one", "two"]


def test_lines_and_files_are_read_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid, "LONGEST", 300)
    monkeypatch.setattr(paid, "MOST", 1000)
    append(tmp_path, [line("first")])
    with (tmp_path / paid.NAME).open("ab") as file:
        file.write(line("x" * 1000))
        file.write(b"y" * 299 + line("no line's beginning"))
    append(tmp_path, [line("last"), line("z" * 300)])
    assert texts(tmp_path) == ["last"]  # the first is more than 1000 bytes before the end
    found = find_paid(tmp_path, "k", "c")
    assert found is not None
    assert found["text"] == "last"
    assert find_paid(tmp_path, "k", "other") is None
    with (tmp_path / paid.NAME).open("ab") as file:
        file.truncate(1 << 40)  # sparse
    assert texts(tmp_path) == []


@pytest.mark.parametrize(
    "bad", [b"null", b"[" * 5000, b"{}", b'{"v":1,"key":"k","text":5}', b"\xff"]
)
def test_what_is_no_reply_is_left_out(tmp_path: Path, bad: bytes) -> None:
    append(tmp_path, [line("one"), bad + b"\n", line("two")])
    assert texts(tmp_path) == ["one", "two"]


def test_only_our_own_fields_are_held(tmp_path: Path) -> None:
    data = json.loads(line("one")) | {"deep": [[]], "model": [[]], "usage": {"calls": [[]]}}
    append(tmp_path, [json.dumps(data).encode() + b"\n"])
    (found,) = read_paid(tmp_path)["k"]
    assert set(found) == {"v", "call", "key", "at", "text", "finish"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / paid.NAME)
    assert read_paid(tmp_path) == {}
    with pytest.raises(OSError):  # noqa: PT011 (whichever)
        append(tmp_path, [line("one")])
