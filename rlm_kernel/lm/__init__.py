"""The gateway and what it needs: providers, budget, cache, limits, prices.

Names are imported on first use, so that importing the room costs nothing and drags in no client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .budget import BudgetLedger, budget_text, parse_budget
    from .gateway import Gateway
    from .human import HumanModel
    from .litellm_provider import LiteLLMProvider
    from .loop import engine_loop, on_engine_loop, run_sync, spawn
    from .openai_direct import OpenAIProvider
    from .scripted import ScriptedModel
    from .tokens import estimate, estimate_messages, upper, upper_messages

_WHERE = {
    "BudgetLedger": "budget",
    "Gateway": "gateway",
    "HumanModel": "human",
    "LiteLLMProvider": "litellm_provider",
    "OpenAIProvider": "openai_direct",
    "ScriptedModel": "scripted",
    "budget_text": "budget",
    "engine_loop": "loop",
    "estimate": "tokens",
    "estimate_messages": "tokens",
    "on_engine_loop": "loop",
    "parse_budget": "budget",
    "run_sync": "loop",
    "spawn": "loop",
    "upper": "tokens",
    "upper_messages": "tokens",
}

__all__ = [
    "BudgetLedger", "Gateway", "HumanModel", "LiteLLMProvider", "OpenAIProvider", "ScriptedModel",
    "budget_text", "engine_loop", "estimate", "estimate_messages", "on_engine_loop",
    "parse_budget", "run_sync", "spawn", "upper", "upper_messages",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
