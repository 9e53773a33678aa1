"""Products of numpy's on one thread each.

They are small here: on several threads they wait for one another more than they compute, and where
another program has the cores a solve took three times as long.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_limits = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread for a while, which holds for all of the process.

    Who comes first sets it and puts it back; others, beside it or within, just compute. So what is
    put back is always what was there before.
    """
    if not _limits.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _limits.release()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # looks through all libraries that are loaded

    return ThreadpoolController()
