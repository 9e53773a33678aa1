"""The engine's loop: one for the process, and waiting for it can be interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from servers import OpenAIServer

from rlm_kernel.errors import Cancelled
from rlm_kernel.lm import engine_loop, on_engine_loop, run_sync, spawn


async def value(x: int) -> int:
    await asyncio.sleep(0)
    return x


def test_there_is_one_loop_whoever_asks_first() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    threads = [threading.Thread(target=lambda: loops.append(engine_loop())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, loops))) == 1
    assert run_sync(value(7)) == 7
    assert spawn(value(8)).result(10) == 8

    async def inside() -> tuple[bool, bool, str]:
        return (on_engine_loop(), threading.current_thread().daemon,
                threading.current_thread().name)  # fmt: skip

    assert run_sync(inside()) == (True, True, "rlm")
    assert not on_engine_loop()


def test_errors_come_through() -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    async def fails_falsely() -> None:
        raise Cancelled("which is falsy, as a ModelError is")

    with pytest.raises(TimeoutError, match="its own"):
        run_sync(fails())
    with pytest.raises(Cancelled, match="falsy"):
        run_sync(fails_falsely())


def test_waiting_for_oneself_is_refused() -> None:
    async def inside() -> int:
        return run_sync(value(1))

    with pytest.raises(RuntimeError, match="wait for itself"):
        run_sync(inside())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_cancels_the_coroutine_and_lets_it_clean_up() -> None:
    begun = threading.Event()
    cleaned: list[str] = []

    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("yes")

    def interrupt() -> None:
        begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_sync(long())
    assert cleaned == ["yes"]
    assert time.monotonic() - began < 10
    assert run_sync(value(3)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    code = (
        "import os\n"
        "from rlm_kernel.lm import run_sync\n"
        "async def f(): return 5\n"
        "assert run_sync(f()) == 5\n"
        "from rlm_kernel.lm import loop\n"
        "loop._lock.acquire()\n"  # as another thread may hold it at that moment
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(run_sync(f()))\n"
        "loop._lock.release()\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5\n"
        "assert run_sync(f()) == 5\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_importing_the_room_imports_no_client() -> None:
    code = (
        "import sys, rlm_kernel.lm, rlm_kernel.lm.gateway\n"
        "heavy = {'aiohttp', 'litellm', 'openai', 'httpx', 'jsonschema', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for name in rlm_kernel.lm.__all__:\n"
        "    getattr(rlm_kernel.lm, name)\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_process_that_closes_nothing_ends_without_a_word(openai_server: OpenAIServer) -> None:
    code = (
        "import sys, itertools\n"
        "from rlm_kernel.lm import BudgetLedger, Gateway, run_sync\n"
        "from rlm_kernel.protocol import CallRequest, Origin\n"
        "class Sink:\n"
        "    def new_id(self, kind): return kind\n"
        "    def emit(self, event): pass\n"
        "gateway = Gateway(api_base=sys.argv[1])\n"
        "request = CallRequest(({'role': 'user', 'content': 'hi'},), 'openai/x')\n"
        "call = gateway.call(request, Origin('r', 't'), BudgetLedger(None), Sink())\n"
        "print(run_sync(call).text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, openai_server.api_base],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert (done.stdout, done.stderr) == ("ok\n", "")
