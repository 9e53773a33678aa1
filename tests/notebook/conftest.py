"""Real kernels over jupyter_client, for the tests of the notebook room."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

sys.path.insert(0, str(Path(__file__).parent))

from front_end import FrontEnd, wait_for_any

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60.0
# Interpreters of other ipykernels, by its version; ``scripts/test.py`` names them.
KERNELS: dict[str, str] = json.loads(os.environ.get("RLM_TEST_KERNELS", "{}")) or {
    version("ipykernel"): sys.executable
}
LOOPBACK = """
from functools import partial
from rlm_kernel.lm.served import start
from rlm_kernel.notebook import launch
start.gateway_for = partial(start.gateway_for, unix=False)
launch.become = partial(launch.become, replace=False)
launch.main()
"""
ARGV = {
    "ours": ["-m", "rlm_kernel.notebook.launch"],
    "loopback": ["-c", LOOPBACK],  # as on Windows
    "plain": ["-m", "ipykernel_launcher"],
}

SCRIPT = """
from rlm_kernel import ScriptedModel
text = 'needle ' * 3 + 'hay ' * 1000
def script(*replies, **more):
    return ScriptedModel([r if not isinstance(r, str) or r.startswith("!") else
                          "```repl\\n" + r + "\\n```" for r in replies], **more)
"""


@dataclass
class Cell:
    """What came of one execution, as a front end would show it."""

    reply: dict[str, Any] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    displays: dict[str, dict[str, str]] = field(default_factory=dict)
    updates: int = 0
    prompts: list[str] = field(default_factory=list)
    at_prompts: list[str] = field(default_factory=list)  # the text there was then
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of the text that a person sees."""
        shown = [data.get("text/plain", "") for data in self.displays.values()]
        errors = ["\n".join(error["traceback"]) for error in self.errors]
        plain = "\n".join([self.stdout, *shown, self.stderr, *errors])
        return re.sub(r"\x1b\[[0-9;]*m", "", plain)

    @property
    def html(self) -> str:
        """The HTML of the displays."""
        return "\n".join(data.get("text/html", "") for data in self.displays.values())

    @property
    def ok(self) -> bool:
        """Whether the front end takes the cell for one that ended well."""
        return bool(self.reply.get("status") == "ok")


class Kernel:
    """A kernel and a front end of it."""

    def __init__(self, kind: str, home: Path, python: str = sys.executable) -> None:
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        env = dict(os.environ, RLM_HOME=str(home / "rlm"), IPYTHONDIR=str(home / "ipython"),
                   PYTHONPATH=path, HOME=str(home))  # fmt: skip
        self.manager = KernelManager(
            transport="ipc", ip=str(home / "k"), connection_file=str(home / "kernel.json")
        )
        argv = [python, *ARGV[kind], "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name=kind)
        self.manager.start_kernel(env=env, cwd=str(home))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def run(
        self,
        code: str,
        *,
        stdin: Sequence[str] | None = None,
        lab: bool = True,
        cell_id: str = "cell-1",
        on_output: Callable[[dict[str, Any], Cell], None] | None = None,
    ) -> Cell:
        """Execute a cell as a front end does.

        Args:
            code: the cell.
            stdin: what the person types at each prompt; None: the front end has no input.
            lab: whether the front end is one of cells that sends their ids.
            cell_id: the id that it sends.
            on_output: told each iopub message.
        """
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": stdin is not None, "stop_on_error": True,
        }  # fmt: skip
        msg = self.client.session.msg("execute_request", content)
        if lab:
            msg["metadata"] = {"cellId": cell_id}
        self.client.shell_channel.send(msg)
        return self.collect(msg["header"]["msg_id"], stdin, on_output)

    def collect(
        self,
        parent: str,
        stdin: Sequence[str] | None = None,
        on_output: Callable[[dict[str, Any], Cell], None] | None = None,
    ) -> Cell:
        """Take in what a request brings until the kernel is idle again."""
        cell, left = Cell(), list(stdin or [])
        idle = False
        shell, iopub, stdin = (
            self.client.shell_channel, self.client.iopub_channel, self.client.stdin_channel
        )  # fmt: skip
        while not (idle and cell.reply):
            if not wait_for_any(0.5, shell, iopub, stdin):
                assert self.manager.is_alive(), "the kernel died"
            try:
                reply = shell.get_msg(timeout=0)
                if reply["parent_header"].get("msg_id") == parent:
                    cell.reply = reply["content"]
            except Empty:
                pass
            try:
                msg = iopub.get_msg(timeout=0)
            except Empty:
                # What it printed before it asked comes by another channel, perhaps a little later.
                if wait_for_any(0, stdin) and not wait_for_any(0.02, iopub):
                    self._type(cell, left)
                continue
            if msg["parent_header"].get("msg_id") != parent:
                continue
            idle = _take(cell, msg) or idle
            if on_output is not None:
                on_output(msg, cell)
        return cell

    def _type(self, cell: Cell, left: list[str]) -> None:
        """Answer a prompt, once everything before it was seen."""
        try:
            asked = self.client.stdin_channel.get_msg(timeout=0)
        except Empty:
            return
        cell.at_prompts.append(cell.text)
        cell.prompts.append(asked["content"]["prompt"])
        if not left:
            self.manager.interrupt_kernel()
            pytest.fail(f"asked once too often: {cell.prompts[-1]}\n{cell.text}")
        self.client.input(left.pop(0))

    def value(self, expression: str) -> str:
        """Give the repr of an expression in the kernel."""
        cell = self.run(f"print(repr(({expression})))")
        assert cell.ok, cell.text
        return cell.stdout.strip()

    def complete(self, code: str) -> list[str]:
        """Give the completions at the end of a text."""
        reply = self.client.complete(code, reply=True, timeout=TIMEOUT)
        return list(reply["content"]["matches"])

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def _take(cell: Cell, msg: dict[str, Any]) -> bool:
    kind, content = msg["header"]["msg_type"], msg["content"]
    cell.messages.append(msg)
    match kind:
        case "status":
            return bool(content["execution_state"] == "idle")
        case "stream":
            setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
        case "error":
            cell.errors.append(content)
        case "execute_result":
            cell.results.append(content["data"])
        case "display_data" | "update_display_data":
            key = content.get("transient", {}).get("display_id") or f"d{len(cell.displays)}"
            cell.displays[key] = content["data"]
            cell.updates += kind == "update_display_data"
        case _:
            pass
    return False


@pytest.fixture(scope="module", params=["ours", "plain"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    """Our kernel, and a plain one with the extension loaded; shared by a module's tests."""
    kernel = Kernel(request.param, tmp_path_factory.mktemp("k"))
    try:
        if request.param == "plain":
            assert kernel.run("%load_ext rlm").ok
        assert kernel.run(SCRIPT).ok
        yield kernel
    finally:
        kernel.close()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Our kernel; shared by a module's tests."""
    kernel = Kernel("ours", tmp_path_factory.mktemp("k"))
    try:
        assert kernel.run(SCRIPT).ok
        yield kernel
    finally:
        kernel.close()


@pytest.fixture(scope="module", params=sorted(KERNELS))
def each(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    """A plain kernel of each ipykernel, nothing loaded; shared by a module's tests."""
    kernel = Kernel("plain", tmp_path_factory.mktemp("k"), python=KERNELS[request.param])
    try:
        yield kernel
    finally:
        kernel.close()


@pytest.fixture
def front(both: Any) -> Iterator[FrontEnd]:
    end = FrontEnd(both)
    end.ask("sync")
    end.patience(5)
    yield end
    for run, info in end.infos.items():
        if not info["ended"]:
            end.steer(run, type="stop")
    end.run("if globals().get('_rlm') and not _rlm.ended:\n    _rlm.stop(); _rlm.wait(20)")
