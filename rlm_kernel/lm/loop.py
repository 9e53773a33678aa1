"""The one persistent event loop, on a daemon thread, that every call and run lives on.

Guarantees:
- one loop per process, started on first use; after ``os.fork`` the child gets a new one, and leaves
  the one of its parent alone: they share what that one waits with;
- ``run_sync`` blocks its caller in a way that ``KeyboardInterrupt`` gets through, cancels the
  coroutine then, and lets it clean up before the interrupt goes on;
- called on the loop's own thread, ``run_sync`` refuses instead of waiting for itself forever.

One loop, because litellm and aiohttp keep connections per loop: a loop per call leaks a socket
each (facts of litellm 1.106; BerriAI/litellm#10126).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..errors import RLMError

T = TypeVar("T")

_CLOSING = "rlm closing"

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_left: list[asyncio.AbstractEventLoop] = []  # of the processes that this one is a fork of

# An untimed wait for a lock can't be interrupted on Windows.
_POLL = 0.2 if sys.platform == "win32" else None


def engine_loop() -> asyncio.AbstractEventLoop:
    """Give the process's engine loop, starting it on first use."""
    global _loop, _thread
    loop, thread = _loop, _thread
    if loop is not None and thread is not None and thread.is_alive() and not loop.is_closed():
        return loop
    with _lock:
        if _loop is None or _thread is None or not _thread.is_alive() or _loop.is_closed():
            _loop = _new_loop()
            _thread = threading.Thread(target=_serve, args=(_loop,), name="rlm", daemon=True)
            # Debuggers that would stop every thread leave this one alone (as ipykernel does).
            _thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
            _thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
            _thread.start()
            atexit.register(_finish, _loop)
        return _loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        pair = socket.socketpair()  # what a loop needs, and says itself less clearly
        for end in pair:
            end.close()
        return asyncio.new_event_loop()
    except OSError as error:
        raise RLMError(
            f"The engine can't start ({error.strerror or error}); where that is the limit of open "
            "files, raise it (ulimit -n 256)."
        ) from error


def on_engine_loop() -> bool:
    """Say whether the caller runs on the engine loop's own thread."""
    return _thread is not None and threading.get_ident() == _thread.ident


def spawn(coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the engine loop from any thread; give its future at once.

    Ask that for ``exception()``: its ``result()`` loses a falsy exception, as a ``ModelError`` is.
    """
    return asyncio.run_coroutine_threadsafe(coro, engine_loop())


def run_sync(coro: Coroutine[Any, Any, T], *, grace: float = 5.0) -> T:
    """Run a coroutine on the engine loop and wait for what it gives.

    Args:
        coro: the coroutine.
        grace: the most seconds that a cancelled coroutine gets to clean up.

    Returns:
        What the coroutine returned; what it raised is raised here.

    Raises:
        RuntimeError: when called on the engine loop itself, which would wait for ever.
        KeyboardInterrupt: when it came while waiting; the coroutine was cancelled.
    """
    if on_engine_loop():
        coro.close()
        msg = "run_sync would wait for itself: on the engine's loop, await instead."
        raise RuntimeError(msg)
    loop, ended = engine_loop(), threading.Event()
    tasks: list[asyncio.Task[T]] = []

    def start() -> None:
        tasks.append(loop.create_task(_awaited(coro)))
        tasks[0].add_done_callback(lambda task: ended.set())

    def stop() -> None:
        if tasks:
            tasks[0].cancel()
        else:  # interrupted before it was handed over
            coro.close()
            ended.set()

    # All of it inside: an interrupt may come between any two steps.
    try:
        loop.call_soon_threadsafe(start)
        while not ended.wait(_POLL):
            pass
    except BaseException:
        if not ended.is_set():  # KeyboardInterrupt, or what another signal's handler raised
            loop.call_soon_threadsafe(stop)
            ended.wait(grace)
        raise
    task = tasks[0]
    if task.cancelled():
        raise concurrent.futures.CancelledError
    # Not through a concurrent future, which takes a falsy exception, as a ModelError is, for none.
    return task.result()


def close_soon(coro: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
    """Have something closed on its loop, from any thread and from finalizers: never waits.

    What is still closing when the process ends gets a second for it.
    """
    if loop.is_running() and loop not in _left:
        loop.call_soon_threadsafe(lambda: loop.create_task(coro, name=_CLOSING))
    else:  # nothing of that loop can be closed any more
        coro.close()


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    async def wait() -> None:
        await asyncio.sleep(0)
        closing = [t for t in asyncio.all_tasks() if t.get_name() == _CLOSING]
        if closing:
            await asyncio.wait(closing, timeout=1)

    if loop.is_running() and loop is _loop and not on_engine_loop():
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(wait(), loop).result(2)


async def _awaited(coro: Coroutine[Any, Any, T]) -> T:
    return await coro


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _forget() -> None:
    """In a forked child the thread is gone: what is left of the loop belongs to the parent."""
    global _loop, _thread, _lock
    if _loop is not None:
        _left.append(_loop)
    _loop = _thread = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
