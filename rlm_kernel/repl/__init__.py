"""Where cells run: in the person's shell (``ShellRepl``) or a run's own kernel (``KernelRepl``).

Names are imported on first use: a sandboxed kernel waits for its relay, which needs the box only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bridge import Bridge, LocalBridge
    from .kernel import KernelRepl
    from .pool import KernelPool
    from .runtime import Runtime
    from .shell import ShellRepl, shell_runtime

_WHERE = {
    "Bridge": "bridge", "LocalBridge": "bridge", "KernelRepl": "kernel", "KernelPool": "pool",
    "Runtime": "runtime", "ShellRepl": "shell", "shell_runtime": "shell",
}  # fmt: skip

__all__ = [
    "Bridge",
    "KernelPool",
    "KernelRepl",
    "LocalBridge",
    "Runtime",
    "ShellRepl",
    "shell_runtime",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
