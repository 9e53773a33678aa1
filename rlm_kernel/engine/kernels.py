"""The process's pools of kernels, in which runs with a kernel of their own run their cells."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..repl import KernelPool
    from ..repl.box import Policy

_kernels: dict[Policy, KernelPool] = {}
_registered: list[bool] = []
_inherited: list[KernelPool] = []  # of the process that this one is a fork of: not ours to end


def kernel_pool(config: Any = None, policy: Policy | None = None) -> KernelPool:
    """Give the process's pool of kernels, made on first use; its kernels end with the process.

    Args:
        config: traitlets' configuration, for the pool that is made.
        policy: the box of its kernels: there is a pool for each; None: the best there is here.
    """
    from ..repl import KernelPool
    from ..repl.box import Policy, choose

    policy = policy or Policy(choose("auto"))
    if not _registered:
        _registered.append(True)
        # atexit would be too late: by then no thread can be started, and ending waits in threads.
        # Last registered is first called, so the executors' own hook must be registered before.
        importlib.import_module("concurrent.futures.thread")
        getattr(threading, "_register_atexit", atexit.register)(_end_kernels)
    if policy not in _kernels:
        options = {"config": config} if config is not None else {}
        _kernels[policy] = KernelPool(policy, **options)
    return _kernels[policy]


def _end_kernels() -> None:
    from ..lm import run_sync

    while _kernels:
        run_sync(_kernels.popitem()[1].close())


def _leave_to_parent() -> None:
    _inherited.extend(_kernels.values())
    _kernels.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
