"""Standard streams that are closed, full or ASCII, and signals: one sentence, the right code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_kernel.log import runs_dir

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX streams and signals")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
OK = "print(context)\nFINAL('gr\\u00fcn')"


@pytest.fixture
def line(openai_server, tmp_path, monkeypatch):
    """Give the shell's line for a question whose root proposes this cell each time."""
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    wire = f"--api-base {openai_server.api_base} --model openai/x"

    def make(code):
        openai_server.reply_with(lambda request: f"```repl\n{code}\n```")
        return f"{sys.executable} -m rlm_kernel.cli run q -c {tmp_path}/notes.txt {wire}"

    return make


def shell(command, **more):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.mark.parametrize(
    ("put", "said"),
    [
        pytest.param(">/dev/full", "No space left", marks=FULL),
        pytest.param("--json >/dev/full", "No space left", marks=FULL),
        (">&-", "Bad file descriptor"),
    ],
)
def test_an_answer_that_cant_be_printed_is_told_and_its_log_named(line, put, said):
    done = shell(f"{line(OK)} -q {put}")
    assert done.returncode == 1
    assert said in done.stderr
    assert str(runs_dir()) in done.stderr
    assert done.stderr.count("\n") == 1


@FULL
@pytest.mark.parametrize("verb", ["--help", "models list"])
def test_a_table_that_cant_be_printed_is_one_sentence(verb, line):
    done = shell(f"{sys.executable} -m rlm_kernel.cli {verb} >/dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("put", ["2>&-", pytest.param("2>/dev/full", marks=FULL), "<&-"])
def test_what_is_only_told_stops_nothing(line, put):
    done = shell(f"{line(OK)} {put}")
    assert done.returncode == 0
    assert done.stdout == "grün\n"


def test_a_reader_that_went_away_is_no_trouble(line):
    many = "print(context)\nFINAL('word ' * 100000)"
    done = shell(f"set -o pipefail; {line(many)} -q | head -c 4")
    assert done.stdout == "word"
    assert done.stderr == ""


def test_letters_that_a_stream_lacks_are_escaped(line):
    done = shell(line(OK), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout == "gr\\xfcn\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a kernel's sockets as Linux limits them")
def test_a_folder_for_temporary_files_too_deep_for_sockets_is_no_trouble(line, tmp_path):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    done = shell(f"{line(OK)} -q", env={**os.environ, "TMPDIR": str(deep)})
    assert done.stderr == ""
    assert done.stdout == "grün\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_run_and_says_how_to_go_on(name, line):
    number = getattr(signal, name)
    command = line("print('here we are')\nwhile True: pass")
    # A runner that nohup started ignores SIGHUP, and so would what it starts.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            command.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        signal.signal(number, before)
    with process:
        err = ""
        while "| while True: pass" not in err:
            told = process.stderr.readline()
            assert told, err
            err += told
        process.send_signal(number)
        out, rest = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert out == ""
    assert f"Stopped by {'Ctrl-C' if name == 'SIGINT' else name}." in rest
    assert "Its log: " in rest
    assert "To go on: " in rest


def test_a_signal_that_was_set_to_be_ignored_stays_so(line):
    command = ["bash", "-c", f"trap '' HUP; exec {line(OK)}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        told = process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        out, rest = process.communicate(timeout=30)
    assert out == "grün\n", told + rest
