"""Cells of a run in a kernel of its own.

Guarantees:
- the kernel shares nothing with this process but what was handed to it: text as a file, other
  values as declared copies; no key of the environment; its own working directory;
- a cell past its time is interrupted; one that doesn't stop within ``grace`` is killed with its
  kernel, which is replaced, and the result says what was lost;
- a kernel that dies is noticed within a second, replaced, and the run goes on;
- the whole output of every cell, up to a kernel's death, is kept outside of the kernel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import KernelDied, ReplError
from ..protocol import CellError, CellResult, Limits, Setup, Where
from ..protocol.events import Author
from . import folders
from .contexts import live_value, paths_in, texts_in
from .descriptors import APPEND, READ
from .pool import KernelPool
from .process import KernelProcess
from .queries import describe_tool
from .runtime import Job, Report
from .shell import GRACE, interrupted, output_of, result_of
from .spool import Spool
from .transfer import encode
from .watch import Watch, Why, sentence
from .wire import encode_limits

TEXT = 1 << 16  # longer texts go as a file
OPEN = 120.0  # seconds a kernel has to bind what it is given


class KernelRepl:
    """A run's place in a kernel of its own.

    Args:
        pool: gives the kernel, and those that replace it.
        grace: seconds that an interrupted cell has to end.
    """

    where: Where = "kernel"

    def __init__(self, pool: KernelPool, *, grace: float = GRACE) -> None:
        self._pool = pool
        self._grace = grace
        self._kernel: KernelProcess | None = None
        self._setup: Setup | None = None
        self._spool: Spool | None = None
        self._number = 0
        self._names: tuple[str, ...] = ()
        self._watch: Watch | None = None
        self._folder: Path | None = None
        self._history: Sequence[Mapping[str, Any]] = ()

    # -- the Repl ------------------------------------------------------------------------------

    async def open(self, setup: Setup) -> None:
        """Take a kernel and bind the names; raise ``ReplError`` in one sentence when it can't.

        Opened again for the next run of a session, it goes on in the same kernel, with its
        variables, while that lives.
        """
        self._setup = setup
        self._number = 0
        self._history = setup.history
        if setup.workdir is not None and not Path(setup.workdir).is_dir():
            msg = f"The working directory {setup.workdir!r} isn't there."
            raise ReplError(msg)
        await self._remove_files()
        self._folder = folders.make("rlm-run-")
        outputs = self._folder / "outputs"
        outputs.mkdir(mode=0o700)
        self._spool = Spool(str(outputs))
        try:
            if self._kernel is not None and self._kernel.alive:
                await self._give(self._kernel)
            else:
                await self._take_kernel()
        except BaseException:
            await self.close()
            raise

    async def execute(
        self,
        cell: str,
        code: str,
        *,
        author: Author = "model",
        limits: Limits | None = None,
        number: int | None = None,
    ) -> CellResult:
        """Run a cell; whatever becomes of the kernel, there is one for the next cell."""
        setup, spool = self._opened()
        limits = limits or setup.limits
        note = "" if self._kernel is not None and self._kernel.alive else await self._renewed()
        kernel = self._kernel
        assert kernel is not None
        self._number = max(number or 0, self._number + 1)
        job = Job(cell, self._number, code, author, limits)
        path = spool.create(job.number)
        done: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        over = asyncio.ensure_future(_first(done, kernel))
        kernel.link.clock = job.clock
        kernel.link.reports[job.number] = done
        job.clock.start()
        parts: list[bytes] = []
        message = _message(job, parts)
        message["output"] = kernel.link.sender.give(path, APPEND)
        kernel.link.send(message, parts)
        watch = Watch(
            over, job.clock, limits.seconds, kernel.interrupt, grace=self._grace, spool=path
        )
        self._watch = watch
        try:
            why, ended = await watch.over()
        except asyncio.CancelledError:
            if not await watch.stop():
                self._drop(kernel)
            raise
        finally:
            self._watch = None
            job.clock.stop()
            if not over.done():
                over.cancel()
        output = await output_of(path, limits.output)
        if done.done() and done.result().status == "died":
            broken = done.result().error
            return await self._without(kernel, why, True, replace(
                CellResult(status="died"), output=output, seconds=job.clock.seconds,
                waited=job.clock.waited, note=note,
            ), limits, how=broken.message if broken else "")  # fmt: skip
        if done.done():
            self._names = done.result().names
            result = result_of(done.result(), output, job)
            result = interrupted(result, why, limits.seconds)
            return replace(result, note=" ".join(filter(None, [note, result.note])))
        return await self._without(kernel, why, ended, replace(
            CellResult(status="died"), output=output, seconds=job.clock.seconds,
            waited=job.clock.waited, note=note,
        ), limits)  # fmt: skip

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, if there is one."""
        if self._watch is not None:
            self._watch.ask()

    async def set_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Give ``history`` its new value."""
        self._history = history
        if self._kernel is not None and self._kernel.alive:
            parts: list[bytes] = []
            data = encode([dict(h) for h in history], parts)
            self._kernel.link.send({"op": "history", "history": data}, parts)

    async def output(self, number: int, start: int = 0, stop: int | None = None) -> str:
        """Give characters ``start:stop`` of the whole output of a cell."""
        _, spool = self._opened()
        return await asyncio.to_thread(spool.page, number, start, stop)

    async def close(self) -> None:
        """End the kernel; its files go with it."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            self._pool.discard(kernel)
        self._spool = None
        await self._remove_files()

    async def _remove_files(self) -> None:
        if self._folder is not None:
            folder, self._folder = self._folder, None
            await asyncio.to_thread(folders.remove, folder)

    # -- kernels -------------------------------------------------------------------------------

    async def _take_kernel(self) -> None:
        kernel = await self._pool.acquire()
        try:
            await self._give(kernel)
        except BaseException:
            self._pool.discard(kernel)
            raise
        self._kernel = kernel

    async def _give(self, kernel: KernelProcess) -> None:
        """Bind the names in a kernel."""
        setup, _ = self._opened()
        kernel.link.services = setup.services
        kernel.link.page = self.output
        kernel.link.files.clear()
        # It reads the files anew: a kernel that replaces one must not find another context there.
        for text in texts_in(map(live_value, setup.contexts.values())):
            text.check()
        parts: list[bytes] = []
        message = {
            "op": "open",
            "workdir": str(Path(setup.workdir or kernel.folder / "work").resolve()),
            "files": kernel.link.texts(paths_in(map(live_value, setup.contexts.values()))),
            "contexts": {
                name: await self._context(kernel, name, live_value(loaded), parts)
                for name, loaded in setup.contexts.items()
            },
            "tools": {name: describe_tool(tool) for name, tool in setup.tools.items()},
            "history": encode([dict(h) for h in self._history], parts),
        }
        opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        kernel.link.opened = opened
        kernel.link.send(message, parts)
        over = asyncio.ensure_future(_first(opened, kernel))
        await asyncio.wait({over}, timeout=OPEN)
        over.cancel()
        if not opened.done():
            what = "died" if not kernel.alive else f"didn't answer in {OPEN:g} s"
            msg = f"The run's kernel {what} while it was given its context."
            raise ReplError(msg)
        if problem := opened.result():
            msg = f"The run's kernel couldn't take what it was given: {problem}"
            raise ReplError(msg)

    async def _context(
        self, kernel: KernelProcess, name: str, value: Any, parts: list[bytes]
    ) -> dict[str, Any]:
        if type(value) is not str or len(value) <= TEXT:
            return {"value": encode(value, parts, copies=True)}
        assert self._folder is not None
        path = self._folder / f"{name}.txt"
        if not path.exists():  # kept for the kernels that may replace this one
            await asyncio.to_thread(_write_text, path, value)
        return {"file": kernel.link.sender.give(path, READ)}

    def _drop(self, kernel: KernelProcess) -> None:
        if self._kernel is kernel:
            self._kernel = None
        self._pool.discard(kernel)

    async def _renewed(self) -> str:
        """Replace a kernel that died between cells; say so."""
        lost, self._names = self._names, ()
        if self._kernel is not None:
            how = self._kernel.how_it_died()
            self._drop(self._kernel)
        else:
            how = "it had to be ended"
        await self._take_kernel()
        return f"The kernel had died before this cell ({how}) and was replaced. {_lost(lost)}"

    async def _without(
        self,
        kernel: KernelProcess,
        why: Why,
        ended: bool,
        result: CellResult,
        limits: Limits,
        how: str = "",
    ) -> CellResult:
        """Give the result of a cell that took its kernel with it; replace the kernel."""
        lost, self._names = self._names, ()
        if ended:
            what = f"The kernel died: {how or kernel.how_it_died()}."
            error = CellError(KernelDied.__name__, what)
            status: Any = "died"
        else:
            what = f"{sentence(why, limits.seconds)} It didn't stop, so its kernel was ended."
            error = CellError("CellTimeout" if why != "interrupt" else "KeyboardInterrupt", what)
            status = "interrupted" if why == "interrupt" else "timeout"
        self._drop(kernel)
        await self._take_kernel()
        note = (
            f"{what} It was replaced by a fresh one, with the same context and tools. {_lost(lost)}"
        )
        return replace(
            result,
            status=status,
            error=error,
            lost=lost,
            note=" ".join(filter(None, [result.note, note])),
        )

    def _opened(self) -> tuple[Setup, Spool]:
        if self._setup is None or self._spool is None:
            msg = "The run's kernel isn't open."
            raise ReplError(msg)
        return self._setup, self._spool


async def _first(done: asyncio.Future[Any], kernel: KernelProcess) -> None:
    """Return when the future is done or the kernel is gone."""
    died = asyncio.ensure_future(kernel.died())
    try:
        await asyncio.wait({done, died}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        died.cancel()


def _message(job: Job, parts: list[bytes]) -> dict[str, Any]:
    return {
        "op": "execute",
        "code": encode(job.code, parts),
        "cell": job.cell,
        "number": job.number,
        "author": job.author,
        "limits": encode_limits(job.limits),
    }


def _lost(names: Sequence[str]) -> str:
    if not names:
        return "No variables were lost."
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"The variables of earlier cells are gone: {shown}."


def _write_text(path: Path, text: str) -> None:
    with path.open("xb") as file:
        for start in range(0, len(text), 1 << 20):
            file.write(text[start : start + (1 << 20)].encode("utf-8", "surrogatepass"))
