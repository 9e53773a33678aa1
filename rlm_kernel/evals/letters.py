"""Short letters to a harbour office, each about one thing that it doesn't name: for lessons.

What a letter is about has to be read; no word of the question stands in it. A seed gives the same
letters everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..protocol import Message
from .text import Dice, sentence

#: what letters are about → sentences that say so in other words
ABOUT: dict[str, tuple[str, ...]] = {
    "noise": (
        "The winches ran until three in the morning and nobody in our street slept.",
        "Since Monday a horn has been blown under my window before dawn.",
        "My children wake whenever the chains are dragged over the stones.",
        "The band on the excursion boat can be heard in every room of the school.",
    ),
    "smell": (
        "We keep our windows shut since the fish meal is stored behind the wall.",
        "Whoever walks past the tannery boat holds a handkerchief to the face.",
        "The bilge that was pumped out yesterday has driven all guests from my terrace.",
        "Something is rotting in shed four, and the bakery's customers turn round at the door.",
    ),
    "prices": (
        "For the same berth I paid forty last year and am asked for ninety now.",
        "The ferry takes twice what it took in spring, and the pay of us who cross hasn't doubled.",
        "A bill for mooring came that is more than my boat is worth.",
        "They want money for fresh water, which my father had for nothing.",
    ),
    "safety": (
        "The third rung of the quay ladder came off in my hand.",
        "There is no lamp at the end of the pier, and a boy fell in on Friday.",
        "The railing of the footbridge moves when one leans on it.",
        "Two carts went past each other so fast that my mother was nearly under the wheels.",
    ),
}


def letters(seed: int, count: int) -> tuple[list[str], list[str]]:
    """Give letters, and what each is about.

    Args:
        seed: draws them.
        count: how many.

    Returns:
        The letters, and as many words of ``ABOUT``.
    """
    dice = Dice(f"letters-{seed}")
    written, about = [], []
    for number in range(1, count + 1):
        what = dice.pick(tuple(ABOUT))
        said = [sentence(dice), dice.pick(ABOUT[what])]
        if dice.chance(0.5):
            said.append(sentence(dice))
        written.append(f"Letter {number}. {' '.join(said)}")
        about.append(what)
    return written, about


def read(messages: Sequence[Message]) -> str:
    """Say what the letters in a prompt are about, as a perfect reader would.

    For a scripted sub-model: ``ScriptedModel(read, name="scripted-reader")``.

    Args:
        messages: of a call; the last one holds letters of ``letters``.

    Returns:
        The word, for one letter; a line ``NUMBER word`` for each of several; a sentence that says
        so, where there is none.
    """
    _, *parts = re.split(r"(?=\bLetter \d+\. )", "\n" + str(messages[-1]["content"]))
    said = [(part.split(".", 1)[0].removeprefix("Letter "), _about(part)) for part in parts]
    if not said:
        return "There is no letter in what I was given."
    return said[0][1] if len(said) == 1 else "\n".join(f"{n} {what}" for n, what in said)


def _about(letter: str) -> str:
    return next((what for what, ways in ABOUT.items() if any(way in letter for way in ways)),
                "unclear")  # fmt: skip
