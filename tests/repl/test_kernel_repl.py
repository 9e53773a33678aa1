"""What is particular to cells in a kernel of the run's own."""

import asyncio
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

from rlm_kernel.context.text import Text
from rlm_kernel.errors import ReplError
from rlm_kernel.protocol import Limits, Setup
from rlm_kernel.repl import KernelRepl
from rlm_kernel.repl.kernel import TEXT

NASTY = "a\r\nb\rc\nd\0e\ufefff\u2028g\U0001f600h\ud800\udc00i\x85j é\x1b[31m"


def test_contexts_cross_unaltered(inkernel):
    long = NASTY * (TEXT // len(NASTY) + 10)
    frame = pd.DataFrame({"a": [1, 2]})
    inkernel.open(
        contexts={
            "context_0": long,
            "context_1": NASTY,
            "context_2": {"k": [1, (2,)], 3: None},
            "context_3": frame,
            "context_4": "",
        }
    )
    assert inkernel.cell("FINAL([context_0, context_1])").answer.content == [long, NASTY]
    r = inkernel.cell("context_2, context_3.a.sum(), context_4")
    assert r.result == "({'k': [1, (2,)], 3: None}, 3, '')" or "np.int64(3)" in r.result


def test_other_objects_go_as_a_copy_or_are_refused(inkernel):
    inkernel.open(contexts={"context": np.random.default_rng(7)})
    assert inkernel.cell("type(context).__name__").result == "'Generator'"
    with pytest.raises(ReplError, match="can't be copied to the run's own kernel"):
        inkernel.open(contexts={"context": (x for x in [])})


def test_a_text_that_stays_in_its_file_crosses_as_its_path(inkernel, tmp_path):
    path, other = tmp_path / "big.txt", tmp_path / "secret.txt"
    path.write_bytes(b"line\r\n" * 1000)
    other.write_text("secret")
    inkernel.open(contexts={"context": Text(path)})
    assert inkernel.cell("type(context).__name__, len(context)").result == "('Text', 6000)"
    child = "rlm_query('q', context=context)[:6]"
    assert inkernel.cell(child).result == repr("line\r\n")
    assert isinstance(inkernel.services.queries[-1].context, Text)
    r = inkernel.cell(f"rlm_query('q', context=type(context)({str(other)!r}))")
    assert r.status == "error"
    assert "secret" not in str(r.result)


def test_tools_run_in_the_callers_process(inkernel):
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        if b < 0:
            raise ValueError("b is negative")
        return a + b + os.getpid() * 0

    inkernel.services.tools["add"] = add
    inkernel.services.tools["pid"] = os.getpid
    inkernel.open(tools={"add": add, "pid": os.getpid})
    assert inkernel.cell("add(3, b=4)").result == "7"
    assert inkernel.cell("pid()").result == str(os.getpid())
    assert "add(a: int, b: int = 1) -> int" in inkernel.cell("help(add)").output.head
    r = inkernel.cell("add(1, b=-1)")
    assert (r.error.name, r.error.message) == ("ValueError", "b is negative")
    assert "can't cross" in inkernel.cell("add(object())").error.message


def test_an_answer_that_cannot_cross_keeps_its_text(inkernel):
    a = inkernel.cell("class Odd:\n    def __str__(self): return 'odd one'\nFINAL(Odd())").answer
    assert a.ready
    assert a.content is None
    assert a.text == "odd one"
    assert "can't cross" in a.problem


def test_answers_keep_their_types(inkernel):
    value = {"n": 10**400, "t": (1, {2}), "x": float("inf"), 5: b"\0"}
    assert inkernel.cell("FINAL({'n': 10**400, 't': (1, {2}), 'x': float('inf'), 5: b'\\0'})"
                         ).answer.content == value  # fmt: skip
    frame = inkernel.cell("import pandas as pd\nFINAL(pd.DataFrame({'a': [1]}))").answer.content
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; print('last words', flush=True); os._exit(3)", "exit code 3"),
        ("import ctypes; print('last words'); ctypes.string_at(0)", "SIGSEGV"),
        ("import os, sys; print('last words'); sys.stdout.flush(); os.kill(os.getpid(), 9)",
         "SIGKILL"),
    ],
)  # fmt: skip
def test_a_kernel_that_dies_is_replaced_within_a_second(inkernel, engine, pool, code, said):
    inkernel.open(contexts={"context": "the text"}, history=[{"role": "user"}])
    inkernel.cell("a = 1; b = 2")
    engine.run(pool.warm(1))
    began = time.monotonic()
    r = inkernel.cell(code)
    assert time.monotonic() - began < 1.5
    assert r.status == "died"
    assert said in r.error.message
    assert "last words" in r.output.head or said == "SIGSEGV"
    assert set(r.lost) >= {"a", "b"}
    assert "replaced" in r.note
    assert inkernel.cell("context, history").result == "('the text', [{'role': 'user'}])"
    assert inkernel.cell("a").error.name == "NameError"
    assert inkernel.cell("print('x')").status == "ok"


def test_a_kernel_that_dies_between_cells_is_replaced(inkernel):
    pid = int(inkernel.cell("import os; os.getpid()").result)
    os.kill(pid, signal.SIGKILL)
    r = inkernel.cell("1 + 1")
    assert r.result == "2" or r.status == "died"  # noticed before the cell, or by it
    assert "replaced" in r.note
    assert inkernel.cell("1 + 1").result == "2"


def test_a_fork_that_holds_the_socket_does_not_hide_the_death(inkernel):
    r = inkernel.cell(
        "import os, time\nif os.fork() == 0:\n    time.sleep(5); os._exit(0)\nos._exit(4)"
    )
    assert r.status == "died"
    assert r.seconds < 2


def test_a_cell_that_will_not_stop_costs_its_kernel_only(inkernel):
    inkernel.cell("kept = 1")
    r = inkernel.cell(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        limits=Limits(seconds=0.1),
    )
    assert r.status == "timeout"
    assert not r.stuck
    assert "kept" in r.lost
    assert "didn't stop" in r.note
    assert inkernel.cell("1").result == "1"


def test_calls_of_a_dead_kernel_are_cancelled(inkernel):
    code = (
        "import threading, os, time\n"
        "t = threading.Thread(target=llm_query, args=('hang',)); t.start()\n"
        "ask_human('go')\n"  # by then the other call has been sent
        "os._exit(1)"
    )
    assert inkernel.cell(code).status == "died"
    assert inkernel.services.cancelled.wait(5)


def test_what_processes_and_libraries_write_is_captured_in_order(inkernel):
    r = inkernel.cell(
        "import os, subprocess, sys\n"
        "print('one')\n"
        "subprocess.run([sys.executable, '-c', 'print(\"two\")'])\n"
        "print('three'); sys.stdout.flush()\n"
        "os.write(2, b'four\\n')\n"
        "os.system('echo five')\n"
        "print('six')\n"
        "_ = subprocess.run(['cat'], capture_output=True)"  # no input: it ends at once
    )
    assert r.output.head.split() == ["one", "two", "three", "four", "five", "six"]


def test_a_hundred_megabytes_are_printed_in_a_second_or_so(inkernel):
    inkernel.cell("import resource\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss")
    r = inkernel.cell("for _ in range(100): print('y' * (1 << 20))", limits=Limits(output=1000))
    assert r.output.chars == 100 * ((1 << 20) + 1)
    assert r.seconds < 5  # about 0.3 where nothing else runs
    r = inkernel.cell("(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10")
    assert int(r.result) < 100
    assert inkernel.engine.run(inkernel.repl.output(2, 100 << 20, None)).endswith("y\n")


def test_closing_the_streams_does_no_harm(inkernel):
    inkernel.cell("import sys, os\nsys.stdout.close()")
    assert inkernel.cell("print('still here')").output.head == "still here\n"
    inkernel.cell("os.close(1); os.close(2)")
    assert inkernel.cell("print('and here')").output.head == "and here\n"


def test_nobody_can_type(inkernel):
    assert "ask_human" in inkernel.cell("input('name? ')").error.message


def test_keys_of_the_environment_are_not_there(engine, pool, services, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    monkeypatch.setenv("MY_SERVICE_TOKEN", "sk-secret-2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sk-secret-3")
    monkeypatch.setenv("HARMLESS", "kept")

    async def go():
        repl = KernelRepl(type(pool)(size=0))
        await repl.open(Setup(services=services))
        r = await repl.execute(
            "c",
            "import os, pathlib\nproc = pathlib.Path('/proc/self/environ')\n"
            "all_ = proc.read_text() if proc.exists() else ''\nall_ += str(dict(os.environ))\n"
            "'sk-secret' in all_, os.environ.get('HARMLESS')",
        )
        await repl.close()
        await repl._pool.close()
        return r

    assert engine.run(go()).result == "(False, 'kept')"


def test_siblings_share_nothing(engine, pool, services):
    async def one(name):
        repl = KernelRepl(pool)
        await repl.open(Setup(services=services))
        try:
            made = []
            for _ in range(5):
                r = await repl.execute(
                    "c",
                    f"import os\nmine = globals().get('mine', '') + {name!r}\n"
                    f"open({name!r}, 'a').write('x'); print({name!r})\n"
                    "mine, sorted(os.listdir('.'))",
                )
                made.append((r.output.head, r.result))
            return made
        finally:
            await repl.close()

    async def three():
        return await asyncio.gather(*(one(n) for n in "abc"))

    for name, made in zip("abc", engine.run(three()), strict=True):
        assert made == [(f"{name}\n", f"('{name * (i + 1)}', ['{name}'])") for i in range(5)]


def test_the_working_directory_can_be_given(inkernel, tmp_path):
    inkernel.open(workdir=str(tmp_path))
    inkernel.cell("open('here.txt', 'w').write('x')")
    assert (tmp_path / "here.txt").exists()
    with pytest.raises(ReplError, match="isn't there"):
        inkernel.open(workdir=str(tmp_path / "nowhere"))


def test_a_refused_execution_that_is_cancelled_leaves_a_usable_kernel(inkernel, engine):
    async def go():
        running = asyncio.ensure_future(inkernel.repl.execute("c", "kept = 1\nllm_query('hang')"))
        while not inkernel.services.flying.is_set():
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return await inkernel.repl.execute("d", "kept")

    assert engine.run(go()).result == "1"
    assert inkernel.services.cancelled.wait(5)


def test_more_items_than_can_cross_are_said_and_the_kernel_lives(inkernel):
    inkernel.open()
    r = inkernel.cell("kept = 7\nFINAL([0] * 3_000_000)")
    assert r.status == "ok"
    assert "more than 2,000,000 items can't come" in r.answer.problem
    r = inkernel.cell("rlm_query('q', context=[0] * 3_000_000)")
    assert r.status == "error"
    assert "send it in pieces, or as a text, an array or a table" in r.error.message
    assert inkernel.cell("kept").result == "7"


def test_a_context_may_have_any_number_of_items(inkernel):
    inkernel.open(contexts={"context": [0] * 3_000_000})
    assert inkernel.cell("len(context)").result == "3000000"
