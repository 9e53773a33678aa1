"""The process of a kernel of a run's own: ``python -m rlm_kernel.repl.child -f FILE``.

An ipykernel in which our ``Runtime`` runs the cells. Cells, calls, the set-up and the reports go
over the channel (as messages of the kernel's own a cell takes twice as long); starting, message
interrupts and ending are Jupyter's. It serves one run, and ends with the process that started it.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import sys
from dataclasses import replace
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from tornado.ioloop import IOLoop
from traitlets.config import Config

from ..errors import ReplError
from ..protocol import Call, CellError, Limits
from .box import inside
from .capture import FdCapture
from .client import Client
from .queries import Tool
from .runtime import Job, Report, Runtime
from .transfer import decode
from .wire import encode_report


class Cells:
    """Runs the cells that the engine sends, on the main thread, and reports."""

    def __init__(self, runtime: Runtime, client: Client) -> None:
        self._runtime = runtime
        self._client = client

    def run(self, job: Job) -> None:
        """Run a cell; on the kernel's loop, between the messages of its own."""
        try:
            with self._runtime.interrupts, self._runtime.interrupts.work():
                self._run(job)
        except KeyboardInterrupt:
            pass  # it came after the cell was over

    def _run(self, job: Job) -> None:
        parts: list[bytes] = []
        try:
            report = self._runtime.execute(job)
            data = encode_report(report, parts)
        except BaseException as error:  # code that broke IPython, or a fault of ours
            report, parts = _broken(error), []
            data = encode_report(report, parts)
        try:
            self._send(job, data, parts)
        except ReplError as error:  # it is too large: an answer, or so many variables
            problem = f"The answer can't be handed over: {error}"
            report.answer = replace(report.answer, content=None, problem=problem)
            parts = []
            try:
                self._send(job, encode_report(report, parts), parts)
            except ReplError:
                self._send(job, encode_report(_broken(error), []), [])

    def _send(self, job: Job, data: dict[str, Any], parts: list[bytes]) -> None:
        message = {"op": "report", "number": job.number, "report": data}
        self._client.send(message, parts, wait=True)


def _broken(error: BaseException) -> Report:
    sentence = f"it can't run cells any more ({type(error).__name__}: {error})"
    return Report("died", error=CellError("KernelDied", sentence))


class Setting:
    """What the engine sends before and between cells; handled on the channel's reader thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.client: Client | None = None
        self.outputs = HandedOutputs(self)

    def open(self, message: dict[str, Any], parts: list[bytes]) -> None:
        """Bind the names of the run, and say how that went."""
        assert self.client is not None
        problem = ""
        try:
            if self._runtime.running:  # the next run of a session, in the same namespace
                self._runtime.close()
            os.chdir(message["workdir"])
            values = {
                name: _read_text(self.client.files.take(item["file"]))
                if "file" in item
                else decode(item["value"], parts, copies=True)
                for name, item in message["contexts"].items()
            }
            for name, (signature, doc) in message["tools"].items():
                values[name] = Tool(self._runtime, name, signature, doc)
            self._runtime.open(
                self.client,
                values,
                decode(message["history"], parts),
                self.outputs,
            )
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        self.client.send({"op": "opened", "problem": problem[:2_000]})

    def history(self, message: dict[str, Any], parts: list[bytes]) -> None:
        """Give ``history`` its new value."""
        self._runtime.set_history(decode(message["history"], parts))


class HandedOutputs:
    """The files of the cells' outputs, which the engine opens and keeps."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._files: dict[int, int] = {}

    def take(self, number: int, file: int) -> None:
        """Remember the descriptor that came for a cell."""
        self._files[number] = file

    def open(self, number: int) -> int:
        """Give the descriptor of a cell; it is the caller's."""
        return self._files.pop(number)

    def page(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of a cell's whole output; the engine reads them."""
        client = self._setting.client
        assert client is not None
        text: str = client.submit("page", Call(""), number, start, stop).result()
        return text


def _read_text(file: int) -> str:
    try:
        if os.fstat(file).st_size == 0:
            return ""
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
            return str(data, "utf-8", "surrogatepass")
    finally:
        os.close(file)


def main() -> None:
    """Start the kernel, connect, and serve until the engine is gone."""
    inside.end_with_parent()
    policy = inside.first()
    address = os.environ.pop("RLM_CHANNEL")
    token = os.environ.pop("RLM_CHANNEL_TOKEN", "")
    config = Config()
    config.IPKernelApp.capture_fd_output = False
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    if policy.method == "bubblewrap":  # which is its parent there, and ends it
        config.IPKernelApp.parent_handle = 1
    app: Any = IPKernelApp.instance(config=config)
    app.initialize(sys.argv[1:])
    inside.then(policy)
    faulthandler.enable(
        file=2, all_threads=False
    )  # a crash leaves its traceback in the cell's output
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are for cells only
    shell = app.kernel.shell
    shell.display_formatter.active_types = ["text/plain"]
    runtime = Runtime(shell, FdCapture(), person=False)
    setting = Setting(runtime)
    loop = IOLoop.current()  # what the app will run

    def execute(message: dict[str, Any], parts: list[bytes]) -> None:
        code = decode(message["code"], parts)
        limits = Limits(**message["limits"])
        job = Job(message["cell"], message["number"], code, message["author"], limits)
        setting.outputs.take(job.number, client.files.take(message["output"]))
        loop.add_callback(cells.run, job)

    client = Client(
        address,
        token,
        {"open": setting.open, "history": setting.history, "execute": execute},
    )
    setting.client = client
    cells = Cells(runtime, client)
    client.start()
    app.start()


if __name__ == "__main__":
    main()
