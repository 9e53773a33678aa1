"""The run in a notebook: kernel, magics, what is shown, what a person is asked.

Nothing here is imported by ``import rlm_kernel``.
"""

from ._extension import load, load_ipython_extension, session_of, unload, unload_ipython_extension

__all__ = [
    "load", "load_ipython_extension", "session_of", "unload", "unload_ipython_extension",
]  # fmt: skip
