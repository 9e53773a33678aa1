"""The machine fails: disk, clock, folder, a second process, an interrupt at any time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from disturbed import ANSWER, TEXT, Asked, plain_sentence, policy
from servers import OpenAIServer

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.context import Text
from rlm_kernel.errors import RecordingError
from rlm_kernel.log import Tree, read_log
from rlm_kernel.protocol import events as e


@pytest.fixture
def rlm(openai_server: OpenAIServer, home: Path) -> Any:
    openai_server.reply_with(policy)
    with RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=openai_server.api_base,
             api_key="sk-none", max_depth=2, attended=True, mode="auto") as made:  # fmt: skip
        yield made


def test_the_logs_folder_is_removed_and_comes_back(
    rlm: RLM, openai_server: OpenAIServer
) -> None:
    gone: list[Path] = []

    def remove(logged: Any) -> None:
        if logged.event.type == "batch.ended" and not gone:
            folder = run.log.folder
            assert folder is not None
            gone.append(folder)
            shutil.rmtree(folder)

    run = rlm.start("What of it?", TEXT)
    run.log.listen(remove, since=0)
    assert not run.wait(60)
    assert run.phase == "paused"
    assert plain_sentence(run.reason)
    assert "everything is kept in memory" in run.reason
    assert run.log.retry()  # it makes the folder anew, whole
    run.resume()
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", ANSWER)
    assert max(Asked(openai_server).counts.values()) == 1
    tree = Tree()
    for logged in read_log(gone[0]):
        tree.apply(logged)
    assert tree["run1"].status == "done"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk")
def test_the_disk_is_full_and_has_room_again(
    rlm: RLM, openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    monkeypatch.setenv("RLM_HOME", str(disk))
    filler = disk / "filler"
    filled: list[int] = []
    try:
        run = rlm.start("What of it?", TEXT)

        def fill(logged: Any) -> None:
            if logged.event.type == "call.ended" and not filled:
                filled.append(1)
                with suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 4096)

        run.log.listen(fill, since=0)
        assert not run.wait(60)
        assert run.phase == "paused"
        assert "No space left on device" in run.reason
        assert plain_sentence(run.reason)
        filler.unlink()
        assert run.log.retry()
        run.resume()
        assert run.wait(60)
        assert (run.status, run.answer) == ("done", ANSWER), run.reason
        assert max(Asked(openai_server).counts.values()) == 1
    finally:
        rlm.close()
        subprocess.run(["umount", "-l", str(disk)], check=False)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_log_that_is_cut_in_the_middle_of_a_line_goes_on(
    victim: Callable[..., Path], openai_server: OpenAIServer, cut: int
) -> None:
    folder = victim("turn.ended")
    log = folder / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    run = Run.resume(folder, api_key="sk-none", api_base=openai_server.api_base)
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", ANSWER), run.reason
    assert max(Asked(openai_server).counts.values()) <= 2  # what the cut took with it


def test_two_processes_on_one_folder_are_told_apart(
    victim: Callable[..., Path], openai_server: OpenAIServer
) -> None:
    folder = victim("turn.ended")
    code = textwrap.dedent("""
        import sys
        from rlm_kernel.log import Log
        log = Log(sys.argv[1])
        print("mine", flush=True)
        sys.stdin.read()
    """)
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"mine\n"
    before = (folder / "log.jsonl").read_bytes()
    with pytest.raises(RecordingError, match="being written by another process") as caught:
        Run.resume(folder, api_key="sk-none", api_base=openai_server.api_base)
    assert plain_sentence(str(caught.value))
    assert (folder / "log.jsonl").read_bytes() == before
    other.kill()  # however it ends, the folder is free
    other.wait()
    run = Run.resume(folder, api_key="sk-none", api_base=openai_server.api_base)
    assert run.wait(60)
    assert run.answer == ANSWER


def test_the_clock_goes_back_and_nothing_hangs_or_is_out_of_order(
    rlm: RLM, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, shift = time.time, [0.0]

    def now() -> float:
        return real() - shift[0]

    run = rlm.start("What of it?", TEXT, budget="100 calls, 5 min")

    def back(logged: Any) -> None:
        if logged.event.type in ("call.ended", "cell.started"):
            shift[0] += 3600.0

    monkeypatch.setattr(time, "time", now)
    run.log.listen(back, since=0)
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", ANSWER), run.reason
    assert [x.seq for x in run.events] == list(range(1, len(run.events) + 1))
    assert all((node.seconds or 0.0) >= 0.0 for node in run.tree.walk())
    assert run.usage.seconds < 60
    assert max(Asked(openai_server).counts.values()) == 1


INTERRUPTED = """
import sys, threading, os, signal
from rlm_kernel.cli import main
from rlm_kernel.engine.rlm import watch_runs
after = sys.argv[1]
sent = []
def watch(rlm, run):
    def look(logged):
        if logged.event.type == after and not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGINT)
    run.log.listen(look, since=0)
watch_runs(watch)
sys.exit(main(["run", "What of it?", "-c", sys.argv[2], "--model", "openai/x-root",
               "--sub-model", "openai/x-sub", "--api-base", sys.argv[3], "--max-depth", "2"]))
"""


@pytest.mark.parametrize(
    "after", ["turn.started", "call.started", "cell.started", "batch.started", "turn.ended"]
)
def test_an_interrupt_at_any_time_ends_in_words_and_the_run_can_go_on(
    openai_server: OpenAIServer, home: Path, tmp_path: Path, after: str
) -> None:
    openai_server.reply_with(policy)
    (tmp_path / "text.txt").write_text(TEXT)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, after, str(tmp_path / "text.txt"),
         openai_server.api_base],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
        env={**os.environ, "RLM_HOME": str(home)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = (home / "runs").iterdir()
    paid = {x.event.key for x in read_log(folder)
            if isinstance(x.event, e.CallEnded) and x.event.status == "ok"}  # fmt: skip
    run = Run.resume(folder, api_key="sk-none", api_base=openai_server.api_base)
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", ANSWER), run.reason
    twice = sum(n - 1 for n in Asked(openai_server).counts.values())
    assert twice <= 4, "at most what was in flight is asked again"
    assert paid or after in ("turn.started", "call.started")


def test_a_file_that_changes_under_a_run_ends_it_and_no_other_text_takes_its_place(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("line\n" * 1000)
    cells = iter(["print(len(context))", "import os; os._exit(3)", "FINAL(len(context))"])

    def reply(messages: Any) -> str:
        code = next(cells)
        if "_exit" in code:  # the kernel that comes after it opens the file anew
            path.write_text("short")
        return f"```repl\n{code}\n```"

    with RLM(model=ScriptedModel(reply), save=False) as rlm:
        run = rlm.start("How long?", context=Text(path))
        run.wait(60)
    assert run.phase == "failed"
    assert "a.txt was changed after it was loaded" in run.reason
    assert run.answer_text is None
