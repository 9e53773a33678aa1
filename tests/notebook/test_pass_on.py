"""What a boxed kernel writes to its stdout and stderr, and what comes of it to a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.notebook._pass_on import (
    LENGTH,
    LINES,
    PREFIX,
    WAITING,
    WINDOW,
    Lines,
    PassOn,
)

TERMINAL = """
import fcntl, sys, termios
from pathlib import Path
from types import SimpleNamespace
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from rlm_kernel.notebook import relay
PROBE = '''
import os, stat
found = []
for fd in range(64):
    try:
        found += [fd] if os.isatty(fd) or stat.S_ISCHR(os.fstat(fd).st_mode) and fd else []
    except OSError:
        pass
try:
    os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    found.append("the one that controls it")
except OSError:
    pass
for fd in (1, 2):
    os.write(fd, bytes([27]) + b"]0;title" + bytes([7]) + b"words" + bytes([13, 10]))
print("terminals:", found)
'''
relay.wrapped = lambda bwrap, line, policy, folder: [sys.executable, "-c", PROBE]
here = Path(sys.argv[1])
boxed = relay.Boxed("bubblewrap", here, here, here)
kernel = boxed.start(None)
words = relay.passed_on(kernel)
kernel.wait()
words.join(20)
boxed.end(kernel)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are Unix's")
def test_a_boxed_kernel_has_no_terminal_and_writes_only_text_to_ours(tmp_path: Path) -> None:
    outer, inner = os.openpty()
    code = [sys.executable, "-c", TERMINAL, str(tmp_path)]
    with subprocess.Popen(
        code, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    ) as process:
        os.close(inner)
        said = b""
        while b"terminals:" not in said or not said.endswith(b"\n"):
            try:
                said += os.read(outer, 4096)
            except OSError:  # all have closed it
                break
        assert process.wait(20) == 0, said
    os.close(outer)
    lines = [line.removeprefix(PREFIX) for line in said.decode().splitlines()]
    assert lines == ["]0;titlewords", "]0;titlewords", "terminals: []"]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\x1b[2J", b"\r", b"\xc2", b"\x9b1A"])))
def test_whatever_is_written_only_lines_that_can_be_seen_come(pieces: list[bytes]) -> None:
    lines = Lines(lambda: 0.0)
    found = [line for piece in pieces for line in lines.take(piece)] + lines.end()
    for line in found:
        assert line.startswith(PREFIX)
        assert line.endswith("\n")
        assert all(c == "\t" or c.isprintable() for c in line[:-1])
        assert len(line) <= len(PREFIX) + LENGTH + 3
    count = b"".join(pieces).count(b"\n")
    assert count > LINES or count <= len(found) <= count + 1


def test_a_long_line_is_cut_and_kept_short_before_it_ends() -> None:
    lines = Lines(lambda: 0.0)
    for _ in range(50):
        assert lines.take(b"x" * LENGTH) == []
    assert len(lines._open) == LENGTH
    assert lines.take(b"\nshort\n") == [
        f"{PREFIX}{'x' * LENGTH} …\n", f"{PREFIX}short\n"
    ]  # fmt: skip
    assert lines.take(b"x" * LENGTH + b"\n") == [f"{PREFIX}{'x' * LENGTH}\n"]


def test_of_a_flood_the_first_lines_come_and_the_rest_is_counted() -> None:
    time = [0.0]
    lines = Lines(lambda: time[0])
    assert len(lines.take(b"x\n" * 5_000)) == LINES
    time[0] = WINDOW
    assert lines.take(b"later\n") == [
        f"{PREFIX}({5_000 - LINES:,} lines are left out)\n", f"{PREFIX}later\n"
    ]  # fmt: skip
    assert len(lines.take(b"x\n" * LINES)) == LINES - 1
    assert lines.take(b"\xc3\n\n" * 4 + b"rest") == []
    time[0] *= 2
    assert lines.take(b"x\n") == [f"{PREFIX}(9 lines are left out)\n", f"{PREFIX}x\n"]


def test_a_flood_is_counted_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(lambda: 0.0)
    lines.take(b"x\n" * LINES)
    monkeypatch.setattr(lines, "_grow", lambda _: pytest.fail("it was read"))
    for _ in range(100):
        assert lines.take(b"x\n" * 10_000) == []
    assert lines.end() == [f"{PREFIX}(1,000,000 lines are left out)\n"]


def test_a_terminal_that_takes_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = os.pipe()
    let, said = threading.Event(), []
    missed: list[int] = []
    monkeypatch.setattr(Lines, "missed", lambda _, lines: missed.append(lines))

    def write(line: str) -> None:
        let.wait()
        said.append(line)

    words = PassOn(source, write)
    for number in range(200):  # 100 times what a pipe holds
        os.write(sink, f"line {number}\n".encode() + b"\n" * 32_000)
    os.close(sink)
    words._threads[0].join()  # all is read while nothing could be said
    let.set()
    words.join(20)
    assert WAITING <= len(said) <= WAITING + 1  # one may have been taken before the room was full
    assert said[0] == f"{PREFIX}line 0\n"
    assert sum(missed) >= LINES - WAITING - 1
    assert not any(thread.is_alive() for thread in words._threads)


def test_the_first_line_is_said_though_all_the_room_was_taken() -> None:
    source, sink = os.pipe()
    said: list[str] = []
    words = PassOn.__new__(PassOn)
    words._source, words._write, words._waiting = source, said.append, Queue()
    os.write(sink, b"".join(b"line %d\n" % number for number in range(WAITING + 5)))
    os.close(sink)
    words._read()  # all of it, before anything is said
    words._say()
    assert said[0] == f"{PREFIX}line 0\n"
    assert len(said) == WAITING


def test_lines_that_could_not_be_written_are_counted_with_those_left_out() -> None:
    lines = Lines(lambda: 0.0)
    lines.missed(3)
    assert lines.end() == [f"{PREFIX}(3 lines are left out)\n"]


def test_its_last_words_are_said_though_the_line_is_open() -> None:
    source, sink = os.pipe()
    said: list[str] = []
    words = PassOn(source, said.append)
    os.write(sink, "the end, ✓".encode())
    os.close(sink)
    words.join(20)
    assert said == [f"{PREFIX}the end, ✓\n"]
