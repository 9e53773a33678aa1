"""What is particular to cells in the person's own shell."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from rlm_kernel.errors import ReplError
from rlm_kernel.protocol import Limits, Setup
from rlm_kernel.repl import LocalBridge, ShellRepl


def test_objects_are_shared_by_reference(inshell):
    table = {"rows": [1]}
    inshell.open(contexts={"context": table}, tools={"add": lambda a, b: a + b})
    inshell.cell("context['rows'].append(2); made = add(1, 2)")
    assert table == {"rows": [1, 2]}
    assert inshell.shell.user_ns["context"] is table
    assert inshell.shell.user_ns["made"] == 3


def test_the_persons_values_are_kept_and_come_back(inshell):
    inshell.shell.push({"context": "mine", "history": [1], "other": 2})
    inshell.open(contexts={"context": "the run's"})
    assert set(inshell.repl.kept) == {"context", "history"}
    assert inshell.cell("context").result == '"the run\'s"'
    inshell.close()
    assert sorted(inshell.repl.put_back) == ["context", "history"]
    ns = inshell.shell.user_ns
    assert (ns["context"], ns["history"], ns["other"]) == ("mine", [1], 2)
    assert "answer" not in ns
    assert "llm_query" not in ns


def test_what_the_person_rebinds_during_a_run_stays_theirs(inshell):
    inshell.shell.push({"context": "before"})
    inshell.open(contexts={"context": "the run's"})
    inshell.shell.run_cell("context = 'new'")  # a cell of the person's, between two of the run's
    assert inshell.cell("context").result == "'new'"
    inshell.close()
    assert inshell.shell.user_ns["context"] == "new"


def test_the_sessions_names_outlive_runs(inshell, engine):
    runtime = inshell.repl.runtime
    bridge = LocalBridge(engine.loop, inshell.services)
    assert runtime.bind_session(bridge, {"context": "nothing yet"}) == []
    shell = inshell.shell
    assert shell.run_cell("llm_query('outside')").result == "re: outside"
    inshell.open(contexts={"context": "the run's"})
    assert inshell.repl.kept == []  # the session's own value isn't the person's
    inshell.close()
    assert shell.user_ns["context"] == "nothing yet"
    assert shell.run_cell("llm_query('again')").result == "re: again"
    assert isinstance(shell.run_cell("FINAL(1)", silent=True).error_in_exec, ReplError)
    runtime.unbind_session()
    assert "llm_query" not in shell.user_ns


def test_a_name_of_the_persons_is_not_taken_by_the_session(inshell):
    inshell.shell.push({"context": "mine"})
    inshell.repl.runtime.bind_session(None, {"context": "ours"})
    assert inshell.shell.user_ns["context"] == "mine"
    error = inshell.shell.run_cell("llm_query('x')", silent=True).error_in_exec
    assert "no model to ask" in str(error)
    inshell.repl.runtime.unbind_session()


def test_a_second_live_run_is_refused(inshell, engine):
    inshell.open()
    other = ShellRepl(inshell.repl.runtime)
    with pytest.raises(ReplError, match="live run already"):
        engine.run(other.open(Setup(services=inshell.services)))


def test_the_person_sees_what_is_printed_up_to_a_cap(inshell, capsys):
    inshell.open()
    inshell.cell("print('hello')")
    assert capsys.readouterr().out == "hello\n"
    r = inshell.cell("for i in range(40_000): print('0123456789')")
    shown = capsys.readouterr().out
    assert r.output.chars == 440_000
    assert 200_000 <= len(shown) < 200_300
    assert "show_output" in shown


def test_streams_are_put_back_and_kept_ones_go_on_working(inshell, capsys):
    inshell.open()
    before = sys.stdout
    inshell.cell("import logging, sys\nh = logging.StreamHandler()\nkept = sys.stdout")
    assert sys.stdout is before
    r = inshell.cell(
        "h.emit(logging.LogRecord('n', 40, 'f', 1, 'logged', (), None)); kept.write('k')"
    )
    assert r.output.head == "logged\nk"
    capsys.readouterr()
    inshell.shell.user_ns["kept"].write("outside")
    assert capsys.readouterr().out == "outside"


def test_the_shells_displays_go_to_the_person_and_not_into_the_output(inshell, capsys):
    inshell.open()
    r = inshell.cell("display(3)\n1/0")
    assert r.output.head == "3\n"
    seen = capsys.readouterr().out
    assert seen.startswith("3\n")
    assert "ZeroDivisionError" in seen


def test_a_cell_that_cannot_be_stopped_is_said_to_be_stuck_and_told_later(inshell, engine):
    late = []
    arrived = threading.Event()
    inshell.repl.on_late = lambda cell, result: (late.append((cell, result)), arrived.set())
    inshell.open()
    release = threading.Event()
    inshell.shell.push({"release": release})
    code = (
        "def busy():\n"  # Python 3.13 doesn't count a loop's own jump to the try around it
        "    while not release.is_set(): pass\n"
        "while not release.is_set():\n"
        "    try: busy()\n"
        "    except KeyboardInterrupt: pass\n"
        "'after all'"
    )

    async def stuck():
        result = await inshell.repl.execute("c1", code, limits=Limits(seconds=0.1))
        release.set()
        return result

    r = inshell.play(stuck())
    assert r.stuck
    assert r.status == "timeout"
    assert "still runs in your kernel" in r.note
    assert arrived.wait(5)
    assert late[0][0] == "c1"
    assert (late[0][1].status, late[0][1].result) == ("ok", "'after all'")
    assert inshell.cell("1 + 1").result == "2"


def test_an_interrupt_of_the_persons_ends_the_cell_and_not_the_pump(inshell):
    inshell.open()

    async def both():
        running = asyncio.ensure_future(inshell.repl.execute("c", "llm_query('hang')"))
        while not inshell.services.flying.is_set():
            await asyncio.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        first = await running
        return first, await inshell.repl.execute("d", "2 + 2")

    first, second = inshell.play(both())
    assert first.status == "interrupted"
    assert inshell.services.cancelled.wait(5)
    assert second.result == "4"


def test_an_interrupt_with_no_cell_running_is_the_callers(inshell):
    inshell.open()
    before = signal.getsignal(signal.SIGINT)
    main = threading.main_thread().ident
    began = threading.Event()

    def until():
        began.set()
        return False

    def interrupt():
        began.wait()
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        inshell.repl.pump(until)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_late_interrupt_of_ours_hits_nobody(inshell):
    inshell.open()

    async def race():
        for i in range(60):
            running = asyncio.ensure_future(inshell.repl.execute(f"c{i}", "x = 1"))
            await asyncio.sleep(0.0005 * (i % 4))
            await inshell.repl.interrupt()
            assert (await running).status in ("ok", "interrupted")
        return "done"

    assert inshell.play(race()) == "done"


def test_a_cell_that_is_interrupted_before_it_began_is_withdrawn(inshell, engine):
    inshell.open()

    async def waits():
        running = asyncio.ensure_future(inshell.repl.execute("c", "began = True"))
        await asyncio.sleep(0)
        assert inshell.repl.waiting
        await inshell.repl.interrupt()
        return await running

    r = engine.run(waits())  # nobody pumps
    assert r.status == "interrupted"
    assert "withdrawn" in r.note
    assert inshell.cell("'began' in dir()").result == "False"


def test_a_pump_on_another_thread_can_be_interrupted_too(inshell, engine):
    inshell.open()
    future = asyncio.run_coroutine_threadsafe(
        inshell.repl.execute("c", "n = 0\nwhile True: n += 1", limits=Limits(seconds=0.1)),
        engine.loop,
    )
    thread = threading.Thread(target=lambda: inshell.repl.pump(future.done))
    thread.start()
    assert future.result(10).status == "timeout"
    inshell.repl.wake()
    thread.join()


def test_nested_cells_are_told_from_the_persons(inshell):
    inshell.open()
    seen = []
    listen = lambda info: seen.append(inshell.repl.runtime.in_cell)  # noqa: E731
    inshell.shell.events.register("pre_run_cell", listen)
    inshell.cell("1")
    inshell.shell.run_cell("2")
    inshell.shell.events.unregister("pre_run_cell", listen)
    assert seen == [True, False]


def test_cells_run_within_a_loop_that_runs_already(inshell):
    """As under ipykernel, where the magic's cell is itself run by a loop."""
    inshell.open()

    async def outer():
        loop = asyncio.get_running_loop()
        r = inshell.cell("import asyncio\nawait asyncio.sleep(0)\nawait llm_query.aio('q')")
        assert asyncio.get_running_loop() is loop
        assert asyncio.get_event_loop() is loop
        s = inshell.cell("asyncio.run(asyncio.sleep(0, 5))")
        await asyncio.sleep(0)
        return r.result, s.result

    assert asyncio.run(outer()) == ("'re: q'", "5")


def test_overhead_per_cell_is_small(inshell):
    inshell.open()

    async def many():
        await inshell.repl.execute("warm", "x = 1")
        took = []
        for _ in range(50):
            began = time.perf_counter()
            await inshell.repl.execute("c", "x = 1")
            took.append(time.perf_counter() - began)
        return min(took)  # the one that nothing else held up

    assert inshell.play(many()) < 0.02  # about 0.001


def test_nothing_is_left_open(inshell, engine):
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        pytest.skip("no /proc here")
    inshell.open()
    inshell.cell("x = 1")
    before = len(os.listdir(folder))
    for _ in range(20):
        inshell.cell("print('y')\nawait __import__('asyncio').sleep(0)")
    assert len(os.listdir(folder)) <= before + 4  # the loop of cells with await
