"""What the notebooks of the browser tests import: models that say what they are told to say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlm_kernel import ScriptedModel
from rlm_kernel.errors import ProviderError

__all__ = ["script", "sub", "text", "until"]

text = "needle " * 3 + "hay " * 1000
_PRICE = (1e-6, 2e-6)


def script(*replies: str) -> ScriptedModel:
    """A root model whose replies are these cells."""
    said = [f"```repl\n{reply}\n```" for reply in replies]
    return ScriptedModel(said, name="root", price=_PRICE)


class _Sub(ScriptedModel):
    """Answers at once, "slow" prompts never, "fail" ones not; as the root of a child it finds."""

    async def complete(self, request: Any, on_text: Any = None) -> Any:
        prompt = str(request.messages[-1]["content"])
        if prompt.startswith("fail"):
            raise ProviderError("The provider said no.", kind="server")
        if prompt.startswith("slow"):
            await asyncio.sleep(3600)
        return await super().complete(request, on_text)


def _answer(messages: Sequence[Any]) -> str:
    if len(messages) > 1:
        return "```repl\nFINAL(context.index('needle'))\n```"
    return "about " + str(messages[-1]["content"])[:20]


sub = _Sub(_answer, name="sub", price=_PRICE)


def until(name: str) -> None:
    """Be busy until the test makes this file."""
    while not Path(name).exists():
        time.sleep(0.02)
