"""Turn a Jupyter notebook into a Recursive Language Model that a person can see into and steer.

    from rlm_kernel import RLM

    run = RLM(model="local").run("How many lines mention a fire?", context=text)
    run.answer, run.status, run.tree, run.usage, run.transcript

In a notebook: ``%load_ext rlm``, then ``%%rlm --context text`` and the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .context import Loaded, load, load_path, load_paths, several
    from .engine import RLM, Run
    from .errors import (
        AnswerError,
        BudgetExceeded,
        Cancelled,
        CellTimeout,
        ConfigError,
        ContextError,
        KernelDied,
        ModelError,
        ProviderError,
        RecordingError,
        ReplError,
        RLMError,
    )
    from .lm import Gateway, HumanModel, ScriptedModel
    from .log import Tree, read_log, tree_html, tree_text
    from .protocol import Budget, Usage

_ROOM_OF = {
    "RLM": "engine", "Run": "engine",
    "Loaded": "context", "load": "context", "load_path": "context", "load_paths": "context",
    "several": "context",
    "Gateway": "lm", "HumanModel": "lm", "ScriptedModel": "lm",
    "Tree": "log", "read_log": "log", "tree_html": "log", "tree_text": "log",
    "Budget": "protocol", "Usage": "protocol",
    **dict.fromkeys(
        ("AnswerError", "BudgetExceeded", "Cancelled", "CellTimeout", "ConfigError",
         "ContextError", "KernelDied", "ModelError", "ProviderError", "RLMError",
         "RecordingError", "ReplError"),
        "errors",
    ),
}  # fmt: skip

__all__ = [
    "RLM", "AnswerError", "Budget", "BudgetExceeded", "Cancelled", "CellTimeout", "ConfigError",
    "ContextError", "Gateway", "HumanModel", "KernelDied", "Loaded", "ModelError",
    "ProviderError", "RLMError", "RecordingError", "ReplError", "Run", "ScriptedModel", "Tree",
    "Usage", "load", "load_path", "load_paths", "read_log", "several", "tree_html", "tree_text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Rooms are imported when one of their names is used, so that this import stays fast.
    if name in _ROOM_OF:
        from importlib import import_module

        return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext rlm_kernel``: bind the names and the magics in any IPython."""
    from .notebook import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext rlm_kernel``: take them away again; the person's own values come back."""
    from .notebook import unload_ipython_extension as unload

    unload(shell)
