"""The run in a notebook: kernel, magics, what is shown, what a person is asked.

Nothing here is imported by ``import rlm_kernel``, and nothing before one of its names is used: the
launcher lives here too, and a kernel waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._extension import (
        load,
        load_ipython_extension,
        session_of,
        unload,
        unload_ipython_extension,
    )

__all__ = [
    "load", "load_ipython_extension", "session_of", "unload", "unload_ipython_extension",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import _extension

        return getattr(_extension, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
