"""The kernel ``rlm``: an IPython kernel in which everything of ours is already loaded.

Guarantees:
- It is an ``IPythonKernel`` in all else: no request handler is overridden, so that it works on
  every ipykernel from 6.29 to 7.4, debugger and subshells included.
- ``%load_ext rlm`` and ``%load_ext rlm_kernel`` mean ours here, also where another package named
  ``rlm`` is installed; ``import rlm`` stays the user's.
"""

from __future__ import annotations

import platform
from typing import Any

import IPython
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from IPython.core.extensions import ExtensionManager

from .. import __version__
from ..lm.served.client import install_from_environment
from ._extension import load, unload

OWN_NAMES = frozenset({"rlm", "rlm_kernel"})


class RLMExtensionManager(ExtensionManager):
    """IPython's extension manager, in which our two names mean us."""

    def load_extension(self, module_str: str) -> str | None:
        """Load an extension; ours is loaded again without a word about it."""
        if module_str in OWN_NAMES:
            load(self.shell)
            return None
        loaded: str | None = super().load_extension(module_str)
        return loaded

    def unload_extension(self, module_str: str) -> str | None:
        """Unload an extension."""
        if module_str in OWN_NAMES:
            unload(self.shell)
            return None
        unloaded: str | None = super().unload_extension(module_str)
        return unloaded

    def reload_extension(self, module_str: str) -> None:
        """Reload an extension; ours is unloaded and loaded, its modules stay as they are."""
        if module_str in OWN_NAMES:
            unload(self.shell)
            load(self.shell)
            return
        super().reload_extension(module_str)


class RLMKernel(IPythonKernel):
    """An IPython kernel with the magics and names of rlm-kernel."""

    implementation = "rlm"
    implementation_version = __version__

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.shell is not None:
            _take_extension_names(self.shell)
            load(self.shell)

    @property
    def banner(self) -> str:  # type: ignore[override]
        """Give what a console prints first."""
        return (
            f"rlm-kernel {__version__} (IPython {IPython.__version__}, "
            f"Python {platform.python_version()})\n"
            "Ask over a long text with %%rlm; %rlm help lists the rest.\n"
        )

    @property
    def kernel_info(self) -> dict[str, Any]:
        """Give what a front end is told of the kernel; ``rlm`` is among the features."""
        info: dict[str, Any] = dict(super().kernel_info)
        info["supported_features"] = [*info.get("supported_features", []), "rlm"]
        return info


def _take_extension_names(shell: Any) -> None:
    before = shell.extension_manager
    ours = RLMExtensionManager(shell=shell, parent=shell)  # type: ignore[no-untyped-call]
    ours.loaded = set(before.loaded)
    if before in shell.configurables:
        shell.configurables.remove(before)
    shell.extension_manager = ours
    shell.configurables.append(ours)


def main() -> None:
    """Start the kernel, as ``python -m rlm_kernel.notebook.kernel -f CONNECTION_FILE``."""
    install_from_environment()
    IPKernelApp.launch_instance(kernel_class=RLMKernel)


if __name__ == "__main__":
    main()
