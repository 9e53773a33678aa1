"""A run's life: from threads and loops, side by side, on disk, and to the last file descriptor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.errors import AnswerError, RLMError
from rlm_kernel.lm import Gateway, ScriptedModel, run_sync
from rlm_kernel.log import Tree, read_log
from rlm_kernel.protocol import event_to_dict
from rlm_kernel.repl import KernelRepl

Make = Callable[..., RLM]

LOOK = cell("size = len(context)\nsize")
END = cell("FINAL(size)")


# -- from where it is asked ------------------------------------------------------------------------


def test_a_run_can_be_awaited_from_another_loop(make: Make) -> None:
    rlm = make(lambda m: END if len(m) > 2 else LOOK, where="kernel")

    async def main() -> list[Any]:
        runs = await asyncio.gather(rlm.arun("a?", "a"), rlm.arun("b?", "bb"))
        return [run.answer for run in runs]

    assert asyncio.run(main()) == [1, 2]
    assert asyncio.run(main()) == [1, 2]  # and from another one after that


def test_a_run_that_waits_for_a_person_comes_back_from_await(make: Make) -> None:
    rlm = make([LOOK, END], where="kernel", mode="ask when turn = 2")

    async def main() -> Any:
        run = await rlm.arun("how long?", "abc")
        assert run.phase == "proposed"
        assert run.approve().ok
        await run.finished()
        return run.answer

    assert asyncio.run(main()) == 3


def test_runs_in_threads_keep_their_outputs_apart(make: Make) -> None:
    def root(messages: Any) -> str:
        if len(messages) == 2:
            return cell("import time\nfor _ in range(20): print(context)\nsize = context * 3")
        return END

    rlm = make(root, where="kernel")
    found: dict[str, Any] = {}

    def ask(letter: str) -> None:
        run = rlm.run(f"{letter}?", letter)
        found[letter] = (run.answer, run.transcript[0].observation)

    threads = [threading.Thread(target=ask, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {x: (x * 3, f"{x}\n" * 20) for x in "abc"}


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Windows has no such signals")
def test_an_interrupt_that_another_thread_gets_reaches_who_waits(make: Make) -> None:
    """Linux gives Ctrl-C to any thread; Python handles it in the main one, once that wakes."""
    model = HeldModel([])
    run = make(model, where="kernel").start("q", "abc")
    seen: list[str] = []

    def waits() -> bool:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        names = [one.name for one in traceback.extract_stack(frame)]
        return names[-1] == "wait" and "attend" in names

    def press() -> None:
        model.wait_for(1)
        while not waits():  # pressed before, it is no matter of the run's
            time.sleep(0.01)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        until = time.monotonic() + 10
        while run.phase != "paused" and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(run.phase)

    other = threading.Thread(target=press)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait(20)
    other.join()
    assert seen == ["paused"]
    run.stop()


def test_waiting_on_the_engines_own_loop_is_refused_instead_of_hanging(make: Make) -> None:
    model = HeldModel([])
    run = make(model, where="kernel").start("q", "abc")
    model.wait_for(1)

    async def on_the_loop() -> None:
        run.wait()

    with pytest.raises(RLMError, match="awaited"):
        run_sync(on_the_loop())


def test_wait_gives_up_after_its_time(make: Make) -> None:
    for where in ("shell", "kernel"):
        model = HeldModel([])
        run = make(model, where=where).start("q", "abc")
        model.wait_for(1)
        began = time.monotonic()
        assert not run.wait(0.2)
        assert time.monotonic() - began < 5
        assert run.status == "running"


def test_a_gateway_can_be_shared_and_outlives_the_first_to_close(make: Make) -> None:
    gateway = Gateway()
    one = RLM(model=ScriptedModel([], name="gone"), gateway=gateway)
    one.close()
    model = ScriptedModel([LOOK, END], name="root")
    assert make(model, gateway=gateway).run("q", "abc").answer == 3


# -- tools -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_tools_run_in_the_callers_process_and_are_told_to_the_model(make: Make, where: str) -> None:
    calls: list[Any] = []

    def lookup(word: str, *, deep: bool = False) -> dict[str, Any]:
        """Look a word up in the dictionary."""
        calls.append((word, deep, os.getpid()))
        return {"word": word, "pid": os.getpid()}

    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    def broken() -> None:
        raise ValueError("not today")

    model = ScriptedModel(
        [
            cell(
                "found = [lookup('fire', deep=True), len(context)]\n"
                "try:\n    broken()\nexcept Exception as error:\n    found.append(str(error))\n"
                "found"
            ),
            cell("FINAL(found)"),
        ],
        name="root",
    )
    tools = {"lookup": lookup, "later": later, "broken": broken}
    run = make(model, where=where, tools=tools).run("q", "abc")
    assert run.status == "done", run.reason
    assert run.answer[0] == {"word": "fire", "pid": os.getpid()}
    assert "not today" in run.answer[2]
    assert calls == [("fire", True, os.getpid())]
    system = model.requests[0].messages[0]["content"]
    assert "Look a word up in the dictionary." in system
    assert "lookup(word" in system


# -- on disk ---------------------------------------------------------------------------------------


@pytest.fixture
def lively(make: Make) -> Any:
    """A run with batches, a child, errors, an edit, a refusal."""
    sub = ScriptedModel(
        lambda m: cell("FINAL(context)") if len(m) > 1 else "said " + m[-1]["content"], name="sub"
    )
    rlm = make(
        [
            LOOK,
            "no code",
            cell("rs = llm_query_batched(['a', 'b'])\nr = llm_query('c', model='nosuch/x')"),
            cell("k = rlm_query('q', 'x' * 100_000)\nFINAL('')"),
            cell("print('long ' * 50_000)\nFINAL([k == 'x' * 100_000, rs])"),
        ],
        sub,
        max_depth=2,
        mode="ask when turn = 1",
    )
    run = rlm.start("how?", "abc")
    run.wait()
    run.edit("size = 5\nsize")
    assert run.wait()
    assert run.answer == [True, ["said a", "said b"]], run.transcript
    return run


def test_the_log_read_again_folds_to_the_same_tree(lively: Any) -> None:
    found = list(read_log(lively.log.folder))
    kept = list(lively.events)
    assert [event_to_dict(one.event) for one in found] == [event_to_dict(e.event) for e in kept]
    again = Tree()
    for logged in found:
        again.apply(logged)
    assert shape(again) == shape(lively.tree)


def shape(tree: Tree) -> list[Any]:
    return [
        {name: getattr(node, name) for name in type(node).__slots__ if name[0] != "_"}
        | {"text": node.text, "first_token": None, "started": None, "ended": None, "seconds": None}
        for node in tree.walk()
    ]


def test_every_node_of_an_ended_run_has_ended(lively: Any) -> None:
    assert [n for n in lively.tree.walk() if n.live] == []
    assert {n.kind for n in lively.tree.walk()} == {"run", "turn", "cell", "batch", "call"}


def test_the_transcript_reads_as_markdown(lively: Any) -> None:
    text = str(lively.transcript)
    assert text.startswith("**Question:** how?")
    assert "size = 5" in text
    assert text.rstrip().endswith("**Answer:** [True, ['said a', 'said b']]")
    assert [entry.decision for entry in lively.transcript][:2] == ["edit", ""]


def test_nothing_is_written_where_nothing_is_to_be_saved(make: Make, tmp_path: Path) -> None:
    run = make([LOOK, END], save=False).run("q", "abc")
    assert run.answer == 3
    assert not (tmp_path / "home").exists()


def test_a_folder_for_logs_that_cant_be_made_is_a_sentence(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "file"))
    model = ScriptedModel([LOOK, END], name="root")
    with pytest.raises(RLMError) as caught:
        make(model).run("q", "abc")
    said = str(caught.value)
    assert "\n" not in said
    assert str(tmp_path / "file") in said
    assert "save=False" in said
    assert model.requests == []


def test_a_disk_that_fills_up_pauses_the_run_and_nothing_is_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from rlm_kernel.log._files import LogFiles

    full = False
    write = LogFiles.write

    def fails(self: Any, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(LogFiles, "write", fails)
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    full = True
    model.release()
    assert not run.wait()
    assert run.phase == "paused"
    assert "No space left on device" in run.reason
    full = False
    assert run.resume().ok
    threading.Thread(target=lambda: (model.wait_for(2), model.release())).start()
    assert run.wait()
    assert run.answer == 3
    run.log.flush()
    assert len(list(read_log(run.log.folder))) == len(run.events)


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_call_that_a_thread_still_waits_for_ends_before_its_run(make: Make, where: str) -> None:
    held = HeldModel([], name="held")
    code = cell("""
import threading
def ask():
    try:
        llm_query('never')
    except Exception:
        pass
threading.Thread(target=ask, daemon=True).start()
came(len(context))
FINAL('done')""")
    rlm = make([cell("len(context)"), code], held, where=where,
               tools={"came": lambda n: held.wait_for(1)})  # fmt: skip
    run = rlm.run("q", "abc")
    assert run.answer == "done"
    assert run.events[-1].event.type == "run.ended"
    assert next(n for n in run.tree.walk() if n.role == "sub").status == "cancelled"


# -- closing ---------------------------------------------------------------------------------------


COUNT = """
import os, sys, time
from traitlets.config import Config
from rlm_kernel import RLM, ScriptedModel
CELL = "```repl\\n{}\\n```"
replies = [CELL.format("n = len(context)\\nr = llm_query('x')\\nn"), CELL.format("FINAL([n, r])")]
root = ScriptedModel(lambda m: replies[len(m) > 2])
sub = ScriptedModel(lambda m: "said")
config = Config({"KernelPool": {"size": 0}})

def count():
    return len(os.listdir("/proc/self/fd"))

def shells():
    from IPython.core.interactiveshell import InteractiveShell
    from rlm_kernel.repl import ShellRepl, shell_runtime
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    return {"where": "shell", "make_repl": lambda: ShellRepl(shell_runtime(shell))}

for options, number in ((shells(), 20), ({"where": "kernel"}, 4)):
    rlm = RLM(model=root, sub_model=sub, config=config, **options)
    assert rlm.run("first", "abc").answer == [3, "said"]
    before = count()
    for n in range(number):
        assert rlm.run(f"q {n}", "abc").answer == [3, "said"]
    until = time.monotonic() + 10
    while count() > before and time.monotonic() < until:
        time.sleep(0.05)  # kernels end in the background
    print(before, count(), file=sys.stderr)
    assert count() <= before
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_many_runs_leave_no_file_open(tmp_path: Path) -> None:
    done = script(COUNT, tmp_path)
    assert done.returncode == 0, done.stderr


def script(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "RLM_HOME": str(home)}, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_closing_ends_what_is_live_and_its_kernel(make: Make) -> None:
    model = ScriptedModel([cell("llm_query('never', model='held')")], name="root")
    held = HeldModel([], name="held")
    rlm = make(model, where="kernel")
    rlm.gateway.register(held)
    run = rlm.start("q", "abc")
    held.wait_for(1)
    assert isinstance(run.repl, KernelRepl)
    kernel = run.repl._kernel
    assert kernel is not None
    pids = [kernel.pid]
    rlm.close()
    assert run.status == "stopped"
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pids[0]}").exists() and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert not Path(f"/proc/{pids[0]}").exists()
    with pytest.raises(AnswerError, match="stopped"):
        _ = run.answer


SCRIPT = """
import os, sys
from rlm_kernel import RLM, ScriptedModel
CELL = "```repl\\n{}\\n```"
root = ScriptedModel([CELL.format("n = len(context)\\nn"), CELL.format("FINAL(n)")])
run = RLM(model=root).run("how long?", "abc")
tasks, children = f"/proc/{os.getpid()}/task", []
for task in os.listdir(tasks):
    try:
        children.append(open(f"{tasks}/{task}/children").read())
    except OSError:
        pass  # a thread may end between the list and the look
print(run.answer, *children)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_script_that_closes_nothing_ends_and_leaves_no_process(tmp_path: Path) -> None:
    done = script(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answer, *pids = done.stdout.split()
    assert answer == "3"
    assert pids
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# -- its first line --------------------------------------------------------------------------------


def test_the_first_line_says_what_holds_the_code(make: Make) -> None:
    """A person reads it before anything runs, so it has to be there, and true."""
    from rlm_kernel.engine.heading import header_text
    from rlm_kernel.repl.box import look

    loose = make([LOOK, END], where="kernel", sandbox="none").run("how long?", "abc")
    assert header_text(loose).endswith("cells in their own kernel, no sandbox")
    here = make([LOOK, END], where="shell").run("how long?", "abc")
    assert header_text(here).endswith("cells in this shell, no sandbox")
    if look().best != "none":
        boxed = make([LOOK, END], where="kernel", sandbox="auto").run("how long?", "abc")
        assert header_text(boxed).endswith(f"cells in their own kernel, sandbox: {look().best}")
