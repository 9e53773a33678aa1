"""A person in the place of a model: each call waits until it is answered by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..errors import ProviderError
from ..protocol import CallRequest, ModelInfo, OnText, Reply


class HumanModel:
    """The provider ``"human"``: the answer comes through the gateway's ``answer(node, text)``.

    Args:
        can_answer: says whether anybody is there; asked at every call. Without it, somebody is.
    """

    name = "human"
    cacheable = False
    timed = False  # people may think as long as they like
    concurrency = 100_000  # calls wait for the person, not for each other

    def __init__(self, can_answer: Callable[[], bool] | None = None) -> None:
        self.can_answer = can_answer

    def info(self, model: str) -> ModelInfo:
        """Say that this is a person, who costs nothing."""
        return ModelInfo(
            name="human",
            provider="human",
            input_price=0.0,
            output_price=0.0,
            note="a person answers each call by hand",
        )

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Wait to be cancelled: an answer ends the call from outside."""
        if self.can_answer is not None and not self.can_answer():
            msg = (
                'model="human" needs a person who can answer, and nobody can here (no front end, '
                "no stdin): run it in a notebook, or name another model."
            )
            raise ProviderError(msg, kind="refused")
        never: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        return await never

    async def close(self) -> None:
        """Nothing to let go of."""
