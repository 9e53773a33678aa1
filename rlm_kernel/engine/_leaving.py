"""What the end of the process means for runs: nobody waits for one any longer.

Once the main thread is done Python starts no thread for anybody, so a run can't go on. It is left
as it stands in its log, from where it can be picked up.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from typing import Any

_live: weakref.WeakSet[Any] = weakref.WeakSet()
_registered: list[bool] = []
_left: list[bool] = []


def leaving() -> bool:
    """Say whether the process is about to end."""
    return bool(_left) or not threading.main_thread().is_alive()


def tell_at_end(run: Any) -> None:
    """Have those who wait for the run woken when the process is about to end."""
    _live.add(run)
    if not _registered and not _left:
        _registered.append(True)

        def leave() -> None:
            _left.append(True)
            for one in list(_live):
                one.leave()

        # atexit would be too late: threads that wait are joined before it.
        getattr(threading, "_register_atexit", atexit.register)(leave)
