"""What the repl's tests share: scripted services, a loop beside the test, a shell, a kernel."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from rlm_kernel.errors import BudgetExceeded, Cancelled
from rlm_kernel.protocol import Setup
from rlm_kernel.repl import KernelPool, KernelRepl, ShellRepl, shell_runtime


class Scripted:
    """Services that answer by rule and remember what they were asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.queries: list[Any] = []
        self.flying = threading.Event()
        self.cancelled = threading.Event()
        self.tools: dict[str, Callable[..., Any]] = {}

    async def llm_query(self, call: Any, queries: Any) -> list[Any]:
        self.calls.append(call)
        self.queries.extend(queries)
        if queries[0].prompt == "all broke":
            raise BudgetExceeded("The budget is used up.")
        return await asyncio.gather(*map(self._reply, queries))

    async def _reply(self, query: Any) -> Any:
        if query.prompt == "hang":
            self.flying.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if query.prompt == "broke":
            return BudgetExceeded("The budget is used up.")
        if query.prompt == "slow":
            await asyncio.sleep(0.4)
        if query.prompt == "cancelled":
            return Cancelled("Cancelled by a person.")
        if query.constraint is not None and query.constraint.schema is not None:
            return [1, 2]
        return f"re: {query.prompt}"

    async def rlm_query(self, call: Any, queries: Any) -> list[Any]:
        self.calls.append(call)
        self.queries.extend(queries)
        return [q.context if q.has_context else q.prompt for q in queries]

    async def ask_human(self, call: Any, question: str, choices: Any) -> str:
        if question == "anybody?":
            raise Cancelled("Nobody is there.")
        return f"{question} {choices}"

    async def tool(self, call: Any, name: str, args: Any, kwargs: Any) -> Any:
        return self.tools[name](*args, **kwargs)


class Engine:
    """A loop on a thread of its own, as the engine has it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def play(self, repl: ShellRepl, coroutine: Any) -> Any:
        """Run a coroutine on the loop while this thread pumps its cells."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        future.add_done_callback(lambda _: repl.wake())
        repl.pump(future.done)
        return future.result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    it = Engine()
    yield it
    it.close()


@pytest.fixture
def services() -> Scripted:
    return Scripted()


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    it = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    atexit.unregister(it.atexit_operations)  # collects garbage, once for each shell
    yield it
    InteractiveShell.clear_instance()


class InShell:
    """A ``ShellRepl`` as a test uses it: one line per cell."""

    def __init__(self, engine: Engine, shell: InteractiveShell, services: Scripted) -> None:
        self.engine, self.shell, self.services = engine, shell, services
        self.repl = ShellRepl(shell_runtime(shell), grace=0.3)
        self.count = 0

    def open(self, **setup: Any) -> None:
        self.engine.run(self.repl.open(Setup(services=self.services, **setup)))

    def cell(self, code: str, **options: Any) -> Any:
        self.count += 1
        return self.play(self.repl.execute(f"cell{self.count}", code, **options))

    def play(self, coroutine: Any) -> Any:
        return self.engine.play(self.repl, coroutine)

    def close(self) -> None:
        self.engine.run(self.repl.close())


@pytest.fixture
def inshell(engine: Engine, shell: InteractiveShell, services: Scripted) -> Iterator[InShell]:
    it = InShell(engine, shell, services)
    yield it
    it.close()


@pytest.fixture(scope="module")
def pool(engine: Engine) -> Iterator[KernelPool]:
    async def make() -> KernelPool:
        return KernelPool(size=1)

    it = engine.run(make())
    yield it
    engine.run(it.close())


@pytest.fixture(scope="module")
def _kernel(engine: Engine, pool: KernelPool) -> Iterator[KernelRepl]:
    it = KernelRepl(pool, grace=0.5)
    yield it
    engine.run(it.close())


class InKernel:
    """A ``KernelRepl`` as a test uses it; the module's tests share its kernel."""

    def __init__(self, engine: Engine, repl: KernelRepl, services: Scripted) -> None:
        self.engine, self.repl, self.services = engine, repl, services
        self.count = 0

    def open(self, **setup: Any) -> None:
        self.engine.run(self.repl.open(Setup(services=self.services, **setup)))

    def cell(self, code: str, **options: Any) -> Any:
        self.count += 1
        return self.engine.run(self.repl.execute(f"cell{self.count}", code, **options))


@pytest.fixture
def inkernel(engine: Engine, _kernel: KernelRepl, services: Scripted) -> InKernel:
    it = InKernel(engine, _kernel, services)
    it.open()
    return it


@pytest.fixture(params=["shell", "kernel"])
def place(request: pytest.FixtureRequest) -> Any:
    """Both places, opened: what must be the same in both is tested in both."""
    if request.param == "shell":
        it = request.getfixturevalue("inshell")
        it.open()
        return it
    return request.getfixturevalue("inkernel")
