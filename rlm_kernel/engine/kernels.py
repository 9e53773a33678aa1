"""The process's pool of kernels, in which runs with a kernel of their own run their cells."""

from __future__ import annotations

import atexit
import importlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..repl import KernelPool

_kernels: list[KernelPool] = []


def kernel_pool(config: Any = None) -> KernelPool:
    """Give the process's pool of kernels, made on first use; its kernels end with the process."""
    from ..repl import KernelPool

    if not _kernels:
        _kernels.append(KernelPool(config=config) if config is not None else KernelPool())
        # atexit would be too late: by then no thread can be started, and ending waits in threads.
        # Last registered is first called, so the executors' own hook must be registered before.
        importlib.import_module("concurrent.futures.thread")
        getattr(threading, "_register_atexit", atexit.register)(_end_kernels)
    return _kernels[0]


def _end_kernels() -> None:
    from ..lm import run_sync

    while _kernels:
        run_sync(_kernels.pop().close())
