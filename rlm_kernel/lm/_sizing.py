"""How long a reply may become: what to set aside for it, and what to tell the provider."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import ProviderError
from ..protocol import CallRequest, Ledger, ModelInfo, Usage
from .pricing import cost_of
from .tokens import estimate, estimate_messages, upper_messages

LEAST_OUTPUT = 1024  # tokens of output below which a call isn't worth sending
UNKNOWN_OUTPUT = 4096  # tokens of output where the window isn't known
MOST_OUTPUT = 10**12  # tokens of output that can be asked for
PACE = 100  # tokens a second that a model is taken to write while nothing of it is seen


@dataclass(frozen=True, slots=True)
class Size:
    """What one try may use; tokens, and US dollars or None where the price is unknown."""

    prompt: int
    output: int
    worth: int  # output that would do where no more is left
    cost: float | None
    least_cost: float | None


def size_of(request: CallRequest, info: ModelInfo, model: str, usual: int) -> Size:
    """Give the most that a try may use.

    Args:
        request: what is asked.
        info: what is known of the model.
        model: its full name.
        usual: tokens of output where the request names no number.

    Raises:
        ProviderError: the prompt is far beyond the window, or max_tokens isn't a number of tokens.
    """
    prompt = upper_messages(request.messages)
    output = request.max_tokens
    if output is not None and not 1 <= output <= MOST_OUTPUT:  # less than nothing, or no float
        shown = str(output) if abs(output) <= MOST_OUTPUT else "a number of many digits"
        raise ProviderError(
            f"max_tokens is {shown}: it must be at least 1, and no more than {MOST_OUTPUT:,}.",
            kind="other",
        )
    if output is None:
        output = usual if info.window else min(usual, UNKNOWN_OUTPUT)
        if info.max_output:
            output = min(output, info.max_output)
        if info.window:
            guess = estimate_messages(request.messages)
            if guess > info.window * 1.5:
                raise ProviderError(
                    f"The prompt is about {guess:,} tokens and the window of {model} is "
                    f"{info.window:,}: it was not sent. Split it.",
                    kind="window",
                )
            output = min(output, max(256, info.window - guess * 21 // 20 - 64))
    worth = min(output, LEAST_OUTPUT)
    prices = info.input_price, info.output_price
    return Size(
        prompt,
        output,
        worth,
        cost_of(prompt, output, 0, *prices),
        cost_of(prompt, worth, 0, *prices),
    )


def limit_of(
    size: Size, request: CallRequest, info: ModelInfo, ledger: Ledger, reservation: Any
) -> int | None:
    """Give the max_tokens to send, so that the reply can't pass what was set aside for it."""
    by_tokens: bool = getattr(ledger, "bounds_tokens", False)
    asked = request.max_tokens is not None
    if not asked and not size.cost and not by_tokens and not (info.local and info.window):
        return None  # nothing depends on it, and the server knows its window better
    limit = size.output
    tokens = getattr(reservation, "tokens", None)
    if tokens is not None:
        limit = min(limit, tokens - size.prompt)
    money = getattr(reservation, "cost", None)
    if size.cost and money is not None and money < size.cost and info.output_price:
        money -= size.prompt * (info.input_price or 0.0)
        limit = min(limit, int(money / info.output_price))
    return max(1, limit)


def billed(usage: Usage, info: ModelInfo, seconds: float) -> Usage:
    """Put the price into the bill of one try that doesn't tell it, where it is known."""
    cost = usage.cost
    if cost is None:
        cost = cost_of(
            usage.input_tokens, usage.output_tokens, usage.cached_tokens,
            info.input_price, info.output_price,
        )  # fmt: skip
    return Usage(
        usage.input_tokens, usage.output_tokens, usage.cached_tokens,
        cost, cost or 0.0, 1, seconds,
    )  # fmt: skip


def cut_bill(
    request: CallRequest, info: ModelInfo, said: str, silent: float, seconds: float, most: int
) -> Usage:
    """Guess the bill of a try that was cut off after it was sent.

    A provider bills what a model wrote, seen or not. So what came counts by its length, and the
    time in which nothing came counts as written at ``PACE``, together up to ``most``. A model
    that costs nothing counts by what came only.

    Args:
        request: what was asked.
        info: what is known of the model.
        said: what came of the reply.
        silent: seconds until the first piece of it; all of them where none came.
        seconds: from sending to the end.
        most: tokens that the reply could have had.
    """
    tokens_in, tokens_out = estimate_messages(request.messages), estimate(said)
    if info.output_price != 0.0:
        unseen = math.ceil(max(0.0, silent) * PACE)
        tokens_out = max(tokens_out, min(tokens_out + unseen, most))
    return billed(Usage(tokens_in, tokens_out, 0, None), info, seconds)
