"""Kernels stand ready, serve one run each, and none is left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from rlm_kernel.errors import ReplError
from rlm_kernel.lm.served.environment import scrubbed
from rlm_kernel.protocol import Setup
from rlm_kernel.repl import KernelPool, KernelRepl, pool


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # a zombie whose parent is the test's init
        return file.read().rpartition(")")[2].split()[0] == "Z"


def wait_gone(pids, deadline=10.0):
    async def look():
        async with asyncio.timeout(deadline):
            while not all(map(gone, pids)):
                await asyncio.sleep(0.02)

    asyncio.run(look())


def test_a_warm_kernel_is_at_hand_and_is_never_used_twice(services):
    async def go():
        it = KernelPool(size=1)
        await it.warm()
        first = await it.acquire()
        await it.warm()
        second = await it.acquire()
        pids, folders = [first.pid, second.pid], [first.folder, second.folder]
        it.discard(first)
        it.discard(second)
        await it.close()
        return pids, folders

    pids, folders = asyncio.run(go())
    assert pids[0] != pids[1]
    wait_gone(pids)
    assert not any(f.exists() for f in folders)


def test_kernels_end_where_no_thread_can_be_started_any_more(services, monkeypatch):
    """As at the end of a process under Python 3.12.0 to 3.12.2."""

    async def none(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    async def go():
        it = KernelPool(size=0)
        kernel = await it.acquire()
        monkeypatch.setattr(asyncio, "to_thread", none)
        await kernel.end()
        monkeypatch.undo()
        await it.close()
        return kernel

    kernel = asyncio.run(go())
    assert gone(kernel.pid)
    assert not kernel.folder.exists()


def test_a_kernel_that_died_waiting_is_not_handed_out(services):
    async def go():
        it = KernelPool(size=0)
        await it.warm(1)
        dead = it._ready[0]
        os.kill(dead.pid, signal.SIGKILL)
        await dead.died()
        kernel = await it.acquire()
        assert kernel.pid != dead.pid
        it.discard(kernel)
        await it.close()

    asyncio.run(go())


def test_a_kernel_that_cannot_start_is_told_in_a_sentence(services, monkeypatch):
    broken = [sys.executable, "-c", "import sys; sys.exit('no such module: frobnicate')"]
    monkeypatch.setattr("rlm_kernel.repl.process.command", lambda *_: broken)

    async def go():
        it = KernelPool(size=2)
        try:
            with pytest.raises(ReplError, match=r"can't be started: it ended.*frobnicate"):
                await KernelRepl(it).open(Setup(services=services))
        finally:
            await it.close()

    asyncio.run(go())


def test_a_kernel_that_takes_too_long_is_told_in_a_sentence(services, monkeypatch):
    slow = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr("rlm_kernel.repl.process.command", lambda *_: slow)

    async def go():
        it = KernelPool(size=0, start_timeout=0.3)
        try:
            with pytest.raises(ReplError, match=r"wasn't ready in 0\.3 s"):
                await it.acquire()
        finally:
            await it.close()

    asyncio.run(go())


def test_fewer_are_kept_where_memory_is_short(monkeypatch):
    async def go():
        return KernelPool(size=4)._target()

    monkeypatch.setattr(pool, "free_memory", lambda: 700 << 20)
    assert asyncio.run(go()) == 2
    monkeypatch.setattr(pool, "free_memory", lambda: None)
    assert asyncio.run(go()) == 4


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_no_kernel_outlives_its_parent(end):
    code = textwrap.dedent("""
        import asyncio, json, sys
        from rlm_kernel.repl import KernelPool
        async def main():
            pool = KernelPool(size=0)
            await pool.warm(2)
            print(json.dumps([k.pid for k in pool._ready]), flush=True)
            sys.stdin.read()
        asyncio.run(main())
    """)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = json.loads(parent.stdout.readline())
        assert len(pids) == 2
        if end == "kill":
            parent.kill()
        parent.stdin.close()
    wait_gone(pids)


STUCK = """
import ctypes, os
libc = ctypes.PyDLL(None)  # which holds the GIL: no thread of Python's runs
pid = str(os.getpid()).encode()
fd = os.open(PIPE, os.O_WRONLY)
os.write(fd, pid + b" ")
libc.sleep(60)
"""


def test_a_kernel_stuck_in_native_code_goes_with_its_parent(tmp_path):
    code = textwrap.dedent("""
        import asyncio, os, sys
        from rlm_kernel.protocol import Setup
        from rlm_kernel.repl import KernelPool, KernelRepl
        async def main():
            repl = KernelRepl(KernelPool(size=0))
            await repl.open(Setup(services=None))
            asyncio.ensure_future(repl.execute("c", sys.argv[1]))
            await asyncio.Event().wait()
        asyncio.run(main())
    """)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cell = STUCK.replace("PIPE", repr(str(pipe)))
    with subprocess.Popen([sys.executable, "-c", code, cell]) as parent:
        try:
            with pipe.open("rb", buffering=0) as file:
                pid = int(file.read(20))
        finally:
            parent.kill()
    wait_gone([pid])


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "anthropic_key", "X_TOKEN", "AWS_PROFILE", "DB_PASSWORD", "MY_SECRET_THING",
     "GITHUB_TOKEN", "HF_HOME", "PGPASSWORD", "APIKEY"],
)  # fmt: skip
def test_names_that_look_like_keys_are_scrubbed(name):
    assert scrubbed({name: "x", "PATH": "p"}) == {"PATH": "p"}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "PWD", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "KEYBOARD"]
)
def test_other_names_stay(name):
    assert scrubbed({name: "x"}) == {name: "x"}
