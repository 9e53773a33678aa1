"""Cells of a run within a cell of a real Jupyter kernel."""

import os
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

SETUP = """
    import asyncio, threading
    from rlm_kernel.protocol import Limits, Setup
    from rlm_kernel.repl import ShellRepl, shell_runtime

    class Services:
        async def llm_query(self, call, queries):
            if queries[0].prompt == "hang":
                await asyncio.Event().wait()
            return [f"re: {q.prompt}" for q in queries]

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    repl = ShellRepl(shell_runtime(get_ipython()), grace=1.0)
    asyncio.run_coroutine_threadsafe(
        repl.open(Setup(services=Services(), contexts={"context": "the text"})), loop
    ).result()

    def play(*codes, seconds=None):
        async def all_():
            limits = Limits(seconds=seconds)
            return [await repl.execute(f"c{i}", c, limits=limits) for i, c in enumerate(codes)]
        future = asyncio.run_coroutine_threadsafe(all_(), loop)
        future.add_done_callback(lambda _: repl.wake())
        repl.pump(future.done)
        return future.result()
"""


class Notebook:
    """A kernel, and what a front end sees of it."""

    def __init__(self) -> None:
        env = {n: v for n, v in os.environ.items() if n != "PYTEST_CURRENT_TEST"}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=env)

    def run(self, code: str) -> tuple[str, dict[str, Any]]:
        """Give all the text that a cell shows, and its reply."""
        shown: list[str] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] in ("display_data", "execute_result"):
                shown.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                shown.append(content["ename"])

        reply = self.client.execute_interactive(
            textwrap.dedent(code), output_hook=take, timeout=30, allow_stdin=False
        )
        return "|".join(shown), reply["content"]

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    it = Notebook()
    _, reply = it.run(SETUP)
    assert reply["status"] == "ok", reply
    yield it
    it.close()


def test_cells_run_nested_and_show_what_they_show(notebook):
    shown, reply = notebook.run(
        "a, b = play(\"print('printed'); display({'d': 1}); 40 + 2\", \"llm_query('q')\")\n"
        "(a.output.head, a.result, b.result)"
    )
    assert reply["status"] == "ok"
    assert "printed" in shown
    assert "{'d': 1}" in shown
    assert shown.endswith("(\"printed\\n{'d': 1}\\n\", '42', \"'re: q'\")")


def test_await_works_nested_in_plain_and_in_async_cells(notebook):
    cell = "play(\"import asyncio; await asyncio.sleep(0); await llm_query.aio('q')\")[0].result"
    assert notebook.run(cell)[0].endswith("\"'re: q'\"")
    shown, _ = notebook.run(f"await asyncio.sleep(0)\nr = {cell}\nawait asyncio.sleep(0)\nr")
    assert shown.endswith("\"'re: q'\"")
    assert notebook.run("await asyncio.sleep(0, 'fine')")[0] == "'fine'"


def test_an_error_is_a_result_and_the_outer_cell_goes_on(notebook):
    shown, reply = notebook.run("r = play('kept = 1\\n1/0')[0]\nr.status, r.error.name, kept")
    assert reply["status"] == "ok"
    assert shown.endswith("('error', 'ZeroDivisionError', 1)")


def test_cells_are_stopped_at_their_limit(notebook):
    shown, _ = notebook.run(
        "rs = play('while True: pass', 'import time; time.sleep(30)',\n"
        "          'import asyncio; await asyncio.sleep(30)', '1', seconds=0.2)\n"
        "[r.status for r in rs], [r.stuck for r in rs]"
    )
    assert shown.endswith("(['timeout', 'timeout', 'timeout', 'ok'], [False, False, False, False])")


def test_exit_does_not_end_the_persons_kernel(notebook):
    _, reply = notebook.run("play('exit()')[0].status")
    assert reply["status"] == "ok"
    assert reply.get("payload") == []
    assert notebook.run("1 + 1")[0] == "2"


def test_what_a_process_writes_is_captured(notebook):
    shown, _ = notebook.run(
        "r = play('import subprocess\\n"
        '_ = subprocess.run(["echo", "from a process"])\\nprint("after")\')[0]\n'
        "r.output.head"
    )
    seen, _, captured = shown.rpartition("|")
    assert "from a process" in captured
    assert "after" in captured
    assert seen.count("from a process") == 1


def test_what_the_person_runs_afterwards_is_shown_as_ever(notebook):
    shown, _ = notebook.run("import sys\nprint('mine'); print('and mine', file=sys.stderr)")
    assert shown.replace("|", "") == "mine\nand mine\n"
