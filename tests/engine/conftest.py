"""What the tests of the engine share: places where cells run, and RLMs that are closed again."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).parent))

from policies import Shape, by_model
from servers import OpenAIServer

from rlm_kernel.engine import RLM, Run
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.repl import ShellRepl, shell_runtime

FAST = Config({"Gateway": {"retry_base": 0.001, "call_timeout": 20.0}})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are kept in a folder of the test's own."""
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))


@pytest.fixture
def shell() -> InteractiveShell:
    """A person's shell, without the files of one."""
    config = Config({"HistoryManager": {"enabled": False}})
    made = InteractiveShell(config=config)
    atexit.unregister(made.atexit_operations)  # collects garbage, once for each shell
    made.display_pub.publish = lambda *_, **__: None  # type: ignore[method-assign]
    return made


@pytest.fixture
def make(shell: InteractiveShell) -> Iterator[Callable[..., RLM]]:
    """Make an RLM; by default its cells run in the shell, at no cost."""
    made: list[RLM] = []

    def rlm(root: Any = None, sub: Any = None, *, where: str = "shell", **options: Any) -> RLM:
        if isinstance(root, (list, tuple)) or callable(root):
            root = ScriptedModel(root, name="root")
        if isinstance(sub, (list, tuple)) or callable(sub):
            sub = ScriptedModel(sub, name="sub")
        options.setdefault("config", FAST)
        if where == "shell":
            options.setdefault("make_repl", lambda: ShellRepl(shell_runtime(shell)))
        made.append(RLM(model=root, sub_model=sub, where=where, **options))
        return made[-1]

    yield rlm
    for one in made:
        one.close()


@pytest.fixture
def served(
    make: Callable[..., RLM], openai_server: OpenAIServer
) -> Callable[..., tuple[RLM, OpenAIServer]]:
    """Put a shape's models behind the server and give an RLM that calls them there."""

    def serve(shape: Shape, **options: Any) -> tuple[RLM, OpenAIServer]:
        openai_server.reply_with(by_model(shape))
        rlm = make(
            "openai/x-root", "openai/x-sub", api_base=openai_server.api_base,
            api_key="sk-test-0123456789", **options,
        )  # fmt: skip
        return rlm, openai_server

    return serve


class Watcher:
    """Tells when something has come into a run's log; for tests that steer while it goes on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._changed = threading.Condition()
        self._events: list[Any] = []
        self.end = run.log.listen(self._take, since=0)

    def _take(self, logged: Any) -> None:
        with self._changed:
            self._events.append(logged.event)
            self._changed.notify_all()

    def wait(self, kind: str, count: int = 1, **fields: Any) -> Any:
        """Wait for the ``count``-th event of a type whose fields are these."""

        def found() -> list[Any]:
            return [
                e for e in self._events
                if e.type == kind and all(getattr(e, k) == v for k, v in fields.items())
            ]  # fmt: skip

        with self._changed:
            arrived = self._changed.wait_for(lambda: len(found()) >= count, 30)
            assert arrived, f"no {kind} {fields}; the run is {self.run}: {self.run.reason}"
            return found()[count - 1]


@pytest.fixture
def watch() -> Callable[[Run], Watcher]:
    """Watch a run's events."""
    return Watcher


class Beside(threading.Thread):
    """A person who does something while the main thread runs the cells; its errors are raised."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self._error = error

    def joined(self) -> None:
        """Wait for it."""
        self.join(30)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error


@pytest.fixture
def beside() -> type[Beside]:
    """Do something on another thread meanwhile."""
    return Beside
