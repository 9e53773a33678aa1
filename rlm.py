"""So that ``%load_ext rlm`` loads rlm-kernel in any IPython; nothing else lives here.

The name ``rlm`` isn't ours alone: the PyPI package ``rlms`` installs a *package* of that name. Ours
is a *module*, ``rlm.py``, so the two overwrite no file of each other, and where both are installed
Python imports theirs: ``import rlm`` stays what the user meant. There ``%load_ext rlm_kernel``
loads us in any IPython, and in the kernel "RLM (Python 3)" ``%load_ext rlm`` does too. The Python
API is ``import rlm_kernel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Add ``%%rlm``, ``%rlm`` and the names of a run to this IPython."""
    from rlm_kernel.notebook import load_ipython_extension as load

    load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take away what ``load_ipython_extension`` added."""
    from rlm_kernel.notebook import unload_ipython_extension as unload

    unload(ipython)
