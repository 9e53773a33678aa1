"""A model that says what it was told to say: for tests, demonstrations and lessons."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from ..errors import ProviderError
from ..protocol import CallRequest, Message, ModelInfo, OnText, Reply
from .pricing import bill, cost_of
from .tokens import estimate, estimate_messages

Line = str | Exception | Reply | Callable[[Sequence[Message]], "str | Exception | Reply"]


class ScriptedModel:
    """A provider whose replies are a list, or come from a function of the messages.

    Args:
        replies: texts, exceptions to raise, whole replies or functions, one for each call in the
            order of the calls; or one function for all of them.
        name: how runs call it.
        latency: seconds that each reply takes.
        price: US dollars per token in and out; None costs nothing, ``"unknown"`` has no price.
        window: tokens, or None.
        pieces: how many pieces a reply streams in.
    """

    cacheable = False  # the second of two equal prompts gets the second reply

    def __init__(
        self,
        replies: Iterable[Line] | Callable[[Sequence[Message]], str | Exception | Reply],
        name: str = "scripted",
        latency: float = 0.0,
        price: tuple[float, float] | Literal["unknown"] | None = None,
        window: int | None = None,
        pieces: int = 4,
    ) -> None:
        self.name = name
        self.latency = latency
        self.window = window
        self.requests: list[CallRequest] = []
        self._function = replies if callable(replies) else None
        self._lines = [] if callable(replies) else list(replies)
        self._prices: tuple[float | None, float | None]
        self._prices = (None, None) if price == "unknown" else (price or (0.0, 0.0))
        self._pieces = max(1, pieces)
        self._lock = threading.Lock()

    def info(self, model: str) -> ModelInfo:
        """Say that this model is scripted."""
        return ModelInfo(
            name=self.name,
            provider="scripted",
            window=self.window,
            input_price=self._prices[0],
            output_price=self._prices[1],
            local=True,
            note="a scripted model: its replies were written beforehand, nothing is generated",
        )

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        """Give the next reply."""
        began = time.monotonic()
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if self._function is not None:
            line: Line = self._function
        elif number < len(self._lines):
            line = self._lines[number]
        else:
            replies = "1 reply" if len(self._lines) == 1 else f"{len(self._lines)} replies"
            msg = (
                f"The script of {self.name!r} has {replies} and is at its end: it can't go on, "
                "another model can."
            )
            raise ProviderError(msg, kind="other")
        said = line if isinstance(line, (str, Exception, Reply)) else line(request.messages)
        if isinstance(said, Exception):
            await asyncio.sleep(self.latency)
            raise said
        text = said.text if isinstance(said, Reply) else said
        await self._speak(text, on_text)
        if isinstance(said, Reply):
            return said
        tokens_in, tokens_out = estimate_messages(request.messages), estimate(text)
        finish = "stop"
        if request.max_tokens is not None and tokens_out > request.max_tokens:
            tokens_out, finish = request.max_tokens, "length"
            text = text[: request.max_tokens * 4]
        usage = bill(tokens_in, tokens_out, cost=cost_of(tokens_in, tokens_out, 0, *self._prices))
        return Reply(
            text, self.name, replace(usage, seconds=time.monotonic() - began), finish=finish
        )

    async def _speak(self, text: str, on_text: OnText | None) -> None:
        if on_text is None:
            await asyncio.sleep(self.latency)
            return
        size = max(1, -(-len(text) // self._pieces))
        for start in range(0, max(1, len(text)), size):
            await asyncio.sleep(self.latency / self._pieces)
            on_text(text[start : start + size])

    async def close(self) -> None:
        """Nothing to let go of."""
