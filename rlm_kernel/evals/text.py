"""Filler prose by seed: sentences that read like a harbour chronicle and hold no key of a task.

Only ``random.Random.random`` is used: its sequence for a seed is guaranteed not to change
between Python versions, while ``choice`` and ``shuffle`` are not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_WHO = (
    "The harbour master", "A retired pilot", "The night clerk", "An old printer", "The gardener",
    "A visiting surveyor", "The baker's son", "The librarian", "A tired courier", "The tram driver",
    "The botanist", "A young carpenter", "The lighthouse crew", "The choir", "A travelling dentist",
)  # fmt: skip
_DID = (
    "kept a list of", "walked past", "spoke at length about", "forgot", "repainted", "counted",
    "asked twice about", "wrote a short note on", "complained of", "admired", "moved", "mended",
    "looked for", "photographed", "made a drawing of",
)  # fmt: skip
_WHAT = (
    "the stone bridge", "a crate of lemons", "the broken clock", "the ferry timetable",
    "two brass lamps", "the empty greenhouse", "the winter supplies", "a borrowed ladder",
    "the market stalls", "the tide tables", "an unsigned letter", "the railway cutting",
    "a pair of blue shutters", "the copper roof", "the reading room",
)  # fmt: skip
_WHEN = (
    "before the rain came", "while the fog lasted", "on the way home", "without saying why",
    "as in every other year", "after the bells had stopped", "long before breakfast",
    "and nobody took notice", "since the wind had turned", "to the surprise of the neighbours",
)  # fmt: skip


class Dice:
    """Choices by seed that stay the same across Python versions."""

    def __init__(self, seed: str | int) -> None:
        self._random = random.Random(seed)

    def below(self, stop: int) -> int:
        """Give an integer from 0 to ``stop - 1``."""
        return int(self._random.random() * stop)

    def between(self, low: int, high: int) -> int:
        """Give an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """Give one of the items."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Give ``count`` different items, in a drawn order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(min(count, len(rest)))]

    def chance(self, probability: float) -> bool:
        """Give True with this probability."""
        return self._random.random() < probability


def sentence(dice: Dice) -> str:
    """Give one sentence of filler."""
    return f"{dice.pick(_WHO)} {dice.pick(_DID)} {dice.pick(_WHAT)} {dice.pick(_WHEN)}."


def paragraphs(dice: Dice, chars: int) -> list[str]:
    """Give paragraphs of filler that together have at least so many characters."""
    made: list[str] = []
    size = 0
    while size < chars:
        text = " ".join(sentence(dice) for _ in range(dice.between(3, 8)))
        made.append(text)
        size += len(text) + 2
    return made
