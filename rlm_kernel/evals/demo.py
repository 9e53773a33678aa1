"""The task of ``rlm-kernel demo``: one question over a chronicle made here.

The passage that answers it stands once, somewhere in the middle, among passages about other ships
and about the same ship; understanding it is a sub-model's work, finding it is code's.
"""

from __future__ import annotations

from typing import Any

from .tasks import Task
from .text import Dice, paragraphs

CHARS = 1_200_000

_CAUSES = (
    ("her bilge pump had failed and she was taking in water", "pump"),
    ("the rudder chain had parted in the swell", "rudder"),
    ("smoke was coming from the coal in her forward bunker", "coal"),
    ("the pilot had fallen ill and nobody aboard knew the channel", "pilot"),
)
_OTHERS = ("Kestrel", "Halcyon", "Corvina", "Meridian")


def demo_task(seed: int = 1) -> Task:
    """Give the task: the same text and question for the same seed, everywhere.

    Args:
        seed: draws the text, the place of the passage and what it says.
    """
    dice = Dice(f"demo-{seed}")
    parts = paragraphs(dice, CHARS)
    causes = dice.some(_CAUSES, len(_CAUSES))
    (cause, word), rest = causes[0], causes[1:]
    told = [f"On the evening tide the Petrel turned back off the cape, because {cause}."]
    told += [
        f"The {ship} turned back off the cape in another year, because {why}."
        for ship, (why, _) in zip(_OTHERS, rest, strict=False)
    ]
    told += [
        "The Petrel was painted blue in the spring, and the harbour master disliked it.",
        "The Petrel lay at the inner quay for eleven days and took on coal and flour.",
    ]
    for passage in told:
        place = dice.between(len(parts) // 5, len(parts) * 4 // 5)
        first, _, after = parts[place].partition(". ")
        parts[place] = f"{first}. {passage} {after}".strip()

    def score(answer: Any) -> float:
        said = str(answer).casefold()
        return float(word in said and not any(other in said for _, other in rest))

    return Task("a harbour's chronicle", "Why did the Petrel turn back?", "\n\n".join(parts),
                cause, score, "demo")  # fmt: skip
