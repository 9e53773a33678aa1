"""The library in hosts of all kinds: threads, forks, copies, exits in the middle of a run."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.errors import ConfigError, RLMError

Make = Callable[..., RLM]
KEY = "sk-test-do-not-show-me"
unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

ENDS = cell("FINAL('a' + str(len(context)))")
HANGS = cell("import time\nprint('here')\ntime.sleep(600)")
START = f"""
    import os, sys, threading, time
    from rlm_kernel import RLM, ScriptedModel
    ENDS, HANGS = {ENDS!r}, {HANGS!r}

    def rlm(reply, **options):
        return RLM(model=ScriptedModel(lambda m: reply, name="root"), **options)

    def hanging(**options):
        run = rlm(HANGS, **options).start("q", "abc")
        while not any(e.event.type == "cell.decided" for e in run.events):
            time.sleep(0.02)
        time.sleep(0.3)
        return run
"""


def host(script: str, *flags: str, timeout: float = 60, **options: Any) -> tuple[int, str]:
    """Run a script as a process of its own; give its exit code and all that it said."""
    code = textwrap.dedent(START) + textwrap.dedent(script)
    options.setdefault("env", {**os.environ, "TMPDIR": options.pop("tmp")})
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=timeout, check=False, **options,
    )  # fmt: skip
    return done.returncode, done.stdout


def kernels_in(folder: Path) -> list[int]:
    """Give the processes whose command line names a folder, which those of a host's kernels do."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                if str(folder).encode() in (each / "cmdline").read_bytes():
                    found.append(int(each.name))
            except OSError:
                continue
    return found


def none_left(folder: Path) -> bool:
    """Wait a few seconds for the kernels of a host to be gone."""
    deadline = time.monotonic() + 5
    while kernels_in(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_one_rlm_answers_many_threads(make: Make) -> None:
    rlm = make(lambda m: ENDS, where="kernel")
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(rlm.run("q", "x" * n).answer))
        for n in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(answers) == [f"a{n}" for n in range(6)]


def test_a_kernel_that_is_kept_has_one_run_at_a_time(make: Make) -> None:
    """Two at once would have each other's context."""
    model = HeldModel([ENDS, ENDS])
    rlm = make(model, where="kernel", keep=True)
    first = rlm.start("q", "abc")
    model.wait_for(1)
    with pytest.raises(ConfigError, match="wait for it or stop it first, or ask by another RLM"):
        rlm.start("q", "abcdef")
    assert len(rlm.runs) == 1
    model.release()
    assert first.answer == "a3"


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_lives_in_a_process_is_not_copied_and_says_so(
    make: Make, how: Callable[[Any], Any]
) -> None:
    rlm = make([ENDS], api_key=KEY)
    run = rlm.run("q", "abc")
    for one in (rlm, run, run.log, rlm.gateway, run.ledger):
        with pytest.raises(TypeError, match=r"lives in the process that made it, so it can't be"):
            how(one)
        assert KEY not in repr(one)
        assert one == one
        assert hash(one) == hash(one)
        assert one != 3
    how([run.answer, run.usage, run.tree, run.transcript, run.history])


@unix
def test_a_fork_leaves_a_live_run_and_its_kernel_to_its_parent(tmp_path: Path) -> None:
    code, said = host(
        """
        run = hanging()
        rlm_ = run_of = None
        pid = os.fork()
        if pid == 0:
            print(repr(run), run.ended)
            for ask in (lambda: run.wait(60), lambda: run.answer, lambda: run.stop().message):
                try:
                    print("child:", ask())
                except Exception as error:
                    print("child:", error)
            other = rlm(ENDS)
            print("child:", other.run("q", "abcd").answer)
            other.close()
            print("child ends", flush=True)
            sys.exit(7)
        began = time.monotonic()
        print("child's code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print("in time", time.monotonic() - began < 20)
        assert run.log.folder.is_dir()
        print("alive", run.repl._kernel.alive, run.repl._folder.is_dir(), run.phase)
        print("parent", run.stop().ok, run.wait(10), run.status)
        """,
        tmp=str(tmp_path),
    )
    assert code == 0, said
    assert said.count("and this one is a fork of that: wait for it and steer it there") == 3, said
    for words in ("child: a4", "child ends", "child's code 7", "in time True",
                  "alive True True running", "parent True True stopped"):  # fmt: skip
        assert words in said, said
    assert none_left(tmp_path)


@unix
def test_an_rlm_is_used_on_in_a_fork(tmp_path: Path) -> None:
    code, said = host(
        """
        import multiprocessing
        mine = rlm(ENDS, keep=True)
        mine_ = mine.run("q", "abc")
        print(mine_.answer)

        def work(end, size):
            own = mine.run("q", "x" * size)
            end.send([own.answer, own.repl is mine_.repl])
            mine.close()

        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(target=work, args=(theirs, 5))
        child.start()
        print(ours.recv() if ours.poll(30) else "nothing")
        child.join(20)
        print("code", child.exitcode)
        print(mine.run("q", "abcd").answer, mine.runs[0].repl is mine.runs[1].repl)
        mine.close()
        """,
        tmp=str(tmp_path),
    )
    assert code == 0, said
    assert said.split("\n")[:4] == ["a3", "['a5', False]", "code 0", "a4 True"], said
    assert none_left(tmp_path)


@unix
def test_a_fork_that_lives_on_does_not_hold_a_log(make: Make, tmp_path: Path) -> None:
    from rlm_kernel.log import Log

    log = Log(tmp_path / "log")
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    try:
        log.close()
        deadline = time.monotonic() + 5
        while True:  # it needs a moment to let go
            try:
                Log(tmp_path / "log").close()
                break
            except RLMError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@unix
@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        ("run = hanging()", 0, ""),
        ("run = rlm(HANGS).start('q', 'abc')", 0, ""),
        ("run = hanging(); raise ValueError('mine')", 1, "ValueError: mine"),
        ("run = hanging(); sys.exit(5)", 5, ""),
        ("run = hanging(); os._exit(6)", 6, ""),
        ("run = hanging(); os.kill(os.getpid(), 9)", -9, ""),
        (
            "run = hanging(); threading.Thread(target=lambda: print(run.wait())).start()",
            0, "False",
        ),
        (
            "run = hanging(); threading.Thread(target=lambda: print(run.answer)).start()",
            0, "The process ends, since its main thread is done",
        ),
        (
            "up = threading.Event()\n"
            "threading.Thread(target=lambda: hanging() and up.set() or time.sleep(1)).start()\n"
            "up.wait()",
            0, "",
        ),
        (
            "up = threading.Event()\n"
            "threading.Thread(target=lambda: hanging() and up.set(), daemon=True).start()\n"
            "up.wait()",
            0, "",
        ),
        (
            "def late():\n"
            "    threading.main_thread().join()\n"
            "    rlm(ENDS).run('q', 'abc')\n"
            "threading.Thread(target=late).start()",
            0, "so no run can be started",
        ),
        (
            "import asyncio\n"
            "run = hanging()\n"
            "async def wait(): print((await run.finished()).phase)\n"
            "threading.Thread(target=lambda: asyncio.run(wait())).start()\n"
            "time.sleep(0.5)",
            0, "running",
        ),
        (
            "run = hanging()\n"
            "def late():\n"
            "    time.sleep(1)\n"
            "    rlm(ENDS).run('q', 'abc')\n"
            "threading.Thread(target=late).start()",
            0, "so no run can be started",
        ),
    ],
    ids=["main", "starting", "an error", "sys.exit", "os._exit", "killed", "a thread waits",
         "a thread wants the answer", "a thread asks", "a daemon", "a first question, late",
         "a loop waits", "a late question"],
)  # fmt: skip
def test_the_process_ends_in_the_middle_of_a_run(
    tmp_path: Path, ending: str, code: int, words: str
) -> None:
    began = time.monotonic()
    result, said = host(textwrap.dedent(ending), tmp=str(tmp_path), timeout=40)
    assert time.monotonic() - began < 30
    assert (result, words in said) == (code, True), said
    assert said.count("Traceback") == ("Error" in words or "process ends" in words
                                       or "can be started" in words), said  # fmt: skip
    assert none_left(tmp_path)


@unix
@pytest.mark.parametrize(
    "flags",
    [["-W", "error"], ["-O"], ["-OO"], ["-X", "dev", "-W", "error"]],
    ids=" ".join,
)
def test_a_host_and_its_handlers_stay_as_they_are(tmp_path: Path, flags: list[str]) -> None:
    code, said = host(
        """
        import faulthandler, logging, signal
        # In debug mode asyncio says of each step that took over 0.1 s: on a busy machine some do.
        logging.getLogger("asyncio").setLevel("ERROR")
        def mine(*_): ...
        for number in (signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, mine)
        def handlers():
            return {n: signal.getsignal(n) for n in signal.valid_signals()}
        before = handlers()
        class Out:
            def write(self, text): sys.__stdout__.write(text)
            def flush(self): sys.__stdout__.flush()
        out = sys.stdout = Out()
        sys.excepthook = mine
        faulthandler.enable()
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # all the time
        with rlm(ENDS) as one:
            print(one.run("q", "abc").answer)
        signal.setitimer(signal.ITIMER_REAL, 0)
        same = handlers() == before and sys.stdout is out and sys.excepthook is mine
        print(same and faulthandler.is_enabled())
        """,
        *flags, tmp=str(tmp_path),
    )  # fmt: skip
    assert (code, said) == (0, "a3\nTrue\n")


@unix
def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    code, said = host(
        """
        import tempfile
        os.chdir(where := tempfile.mkdtemp())
        os.rmdir(where)
        with rlm(ENDS) as one:
            print(one.run("q", "abc").reason)
            os.chdir("/")
            print(one.run("q", "abc").answer)
        """,
        tmp=str(tmp_path),
    )
    assert code == 0
    assert "was deleted: go to one that is there (os.chdir)." in said
    assert said.endswith("\na3\n")


@unix
@pytest.mark.parametrize("spare", [1, 3, 8, 12, 40, 70])
def test_too_few_open_files_are_said(tmp_path: Path, spare: int) -> None:
    code, said = host(
        f"""
        import resource
        import rlm_kernel.engine.rlm, rlm_kernel.repl
        try:
            used = len(os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + {spare}, 4096))
            run = rlm(ENDS).run("q", "abc")
            words = run.reason or run.answer
        except Exception as error:
            words = str(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        print("said:", words)
        """,
        tmp=str(tmp_path),
    )
    assert code == 0, said
    assert "said: a3" in said or "open files" in said, said
    assert "itself failed" not in said, said
