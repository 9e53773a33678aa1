"""One kernel process of a run's own: starting it, interrupting and ending it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from ..errors import ReplError
from . import folders
from .box.policy import Policy
from .channel import Channel, Link
from .environment import command, kernel_environment

_LOG = "start.log"
_FILES = 64  # open files that starting a kernel may take
_DEEPEST = 70  # bytes of the folder for temporary files, so that a socket's path is under 104


class _Manager(AsyncKernelManager):
    """Leaves the kernel's files alone when it is collected in a fork of this process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made_in = os.getpid()

    def __del__(self) -> None:
        if self._made_in == os.getpid():
            super().__del__()


def _near() -> str | None:
    """Give where folders of kernels are made; None is the usual place, where sockets can be."""
    deep = len(os.fsencode(tempfile.gettempdir())) > _DEEPEST
    return "/tmp" if deep and os.access("/tmp", os.W_OK) else None


class _Specs(KernelSpecManager):
    """Knows one kernel: ours, of this interpreter, wherever it is installed."""

    line: list[str]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Give the kernelspec of a run's own kernel."""
        return KernelSpec(
            argv=self.line,
            display_name="rlm (a run's own)",
            language="python",
            interrupt_mode="message",  # signals don't reach a kernel in a box
        )


class KernelProcess:
    """A started kernel that is connected to the channel and serves nobody yet.

    Its ``folder`` holds all its files and goes with it.
    """

    def __init__(self, channel: Channel, policy: Policy) -> None:
        self._channel = channel
        self._policy = policy
        self.link = Link()
        self.link.boxed = policy.method in ("bubblewrap", "landlock")
        self.folder = folders.make("rlm-kernel-", _near())
        specs = _Specs()
        specs.line = command(policy, self.folder)
        self._manager = _Manager(
            kernel_name="rlm-own",
            kernel_spec_manager=specs,
            connection_file=str(self.folder / "k.json"),
            transport="tcp" if sys.platform == "win32" else "ipc",
        )
        self._ended = False

    @classmethod
    async def start(cls, channel: Channel, policy: Policy, timeout: float) -> KernelProcess:
        """Start a kernel in its box and wait until it can be used.

        Raises:
            ReplError: it didn't come up; the sentence has the last lines it wrote.
        """
        try:
            _room_for_files()
            kernel = cls(channel, policy)
            try:
                await kernel._start(timeout)
            except BaseException:
                await kernel.end()
                raise
        except OSError as error:
            msg = f"A kernel of the run's own can't be started: {error}"
            if error.errno == errno.EMFILE:
                msg = (
                    "A kernel of the run's own can't be started, since this process has too many "
                    "open files: close some, or raise the limit (ulimit -n 1024)."
                )
            elif not _has_directory():
                msg = (
                    "A kernel of the run's own can't be started, since the working directory of "
                    "this process was deleted: go to one that is there (os.chdir)."
                )
            raise ReplError(msg) from error
        return kernel

    async def _start(self, timeout: float) -> None:
        log = self.folder / _LOG
        for name in ("work", "tmp"):
            (self.folder / name).mkdir()
        ends = await self._channel.open(self.link)
        env = kernel_environment(self.folder, self._policy) | ends.env
        try:
            with log.open("wb") as file:
                await self._manager.start_kernel(
                    env=env,
                    cwd=str(self.folder / "work"),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    **({"pass_fds": ends.descriptors} if ends.descriptors else {}),
                )
        finally:
            ends.close()
        died = asyncio.ensure_future(self.died())
        ready = asyncio.ensure_future(self.link.connected.wait())
        try:
            await asyncio.wait({died, ready}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            died.cancel()
            ready.cancel()
        if not self.link.connected.is_set():
            last = log.read_text("utf-8", "replace").strip()[-1_500:]
            what = "ended" if self.exit_code is not None else f"wasn't ready in {timeout:g} s"
            msg = f"A kernel of the run's own can't be started: it {what}. Its last words: {last}"
            raise ReplError(msg)

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self._process.pid)

    @property
    def _process(self) -> Any:
        provisioner: Any = self._manager.provisioner
        return provisioner.process if provisioner is not None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it lives."""
        process = self._process
        return None if process is None else process.poll()

    @property
    def alive(self) -> bool:
        """Whether it can still serve."""
        return not self._ended and not self.link.closed.is_set() and self.exit_code is None

    def how_it_died(self) -> str:
        """Say how the process ended."""
        code = self.exit_code
        if self.link.fault:
            return f"it was cut off, for what it sent: {self.link.fault.rstrip('.')}"
        if code is None:
            return "it cut its connection"
        if self._policy.method == "bubblewrap" and code > 128:  # as a shell says it
            code = 128 - code
        if code < 0:
            with suppress(ValueError):
                name = signal.Signals(-code).name
                more = {
                    "SIGKILL": " (killed from outside; often for want of memory)",
                    "SIGSEGV": " (a crash in native code)",
                    "SIGABRT": " (a crash in native code)",
                }.get(name, "")
                return f"{name}{more}"
        return f"exit code {code}"

    async def died(self) -> None:
        """Return when the process is gone."""
        while not self.link.closed.is_set() and self.exit_code is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):  # its own children may hold the socket open
                    await self.link.closed.wait()
        for _ in range(50):
            if self.exit_code is not None:
                return
            await asyncio.sleep(0.01)

    async def interrupt(self) -> None:
        """Interrupt its cell, by a message."""
        if self.alive:
            await self._manager.interrupt_kernel()

    async def end(self) -> None:
        """Kill it and what it started, and remove its files. Can be called again."""
        if self._ended:
            return
        self._ended = True
        self._channel.forget(self.link)
        process = self._process
        if process is not None:
            if sys.platform == "win32":
                process.kill()
            else:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            await _aside(process.wait)
        await self._manager.cleanup_resources()
        await _aside(partial(folders.remove, self.folder))


def _room_for_files() -> None:
    """Raise OSError where too few files can be opened: zmq would end the whole process then."""
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        for _ in range(_FILES):
            taken.append(os.dup(taken[0]))
    finally:
        for descriptor in taken:
            os.close(descriptor)


async def _aside(work: Callable[[], object]) -> None:
    """Do something in a thread; here where none can be started: 3.12.0 to 3.12.2, at their end."""
    try:
        await asyncio.to_thread(work)
    except RuntimeError:
        work()


def _has_directory() -> bool:
    """Say whether this process has a working directory, without which Jupyter starts nothing."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
