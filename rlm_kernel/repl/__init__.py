"""Where cells run: in the person's shell (``ShellRepl``) or a run's own kernel (``KernelRepl``)."""

from .bridge import Bridge, LocalBridge
from .kernel import KernelRepl
from .pool import KernelPool
from .runtime import Runtime
from .shell import ShellRepl, shell_runtime

__all__ = [
    "Bridge",
    "KernelPool",
    "KernelRepl",
    "LocalBridge",
    "Runtime",
    "ShellRepl",
    "shell_runtime",
]
