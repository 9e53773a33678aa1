"""Which versions a run was made with: it is kept in its log, since another may behave otherwise."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from contextlib import suppress

from .. import __version__

PACKAGES = ("ipykernel", "ipython", "litellm", "pyarrow", "xllamacpp")


@functools.cache
def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that have a part in a run."""
    found = {"python": platform.python_version(), "system": platform.system()}
    found["rlm-kernel"] = __version__
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
