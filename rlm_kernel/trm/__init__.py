"""The Tiny Recursive Model: recursion inside one small network, beside the tree of calls.

``api`` has what a person calls, and it is here as well: ``puzzle``, ``solve``, ``stream``,
``explore``, ``compare``, ``check``, ``evaluate``, ``vote``, ``train``, ``load``,
``load_reference``. ``config`` and ``presets`` say what a network is made of, ``net`` applies it in
numpy, ``solving`` solves puzzles with it, ``evaluating`` counts how many, ``checkpoint`` keeps its
weights, ``puzzles`` makes, reads and checks what it is asked; ``learn`` trains it (extra ``trm``,
which brings torch; nothing else here imports it).
"""

from .api import (
    check,
    compare,
    evaluate,
    explore,
    kind_of,
    load,
    load_reference,
    puzzle,
    solve,
    stream,
    train,
    vote,
)
from .checkpoint import Checkpoint, save
from .config import Config
from .evaluating import Evaluation, Vote
from .presets import Preset, Recipe, preset
from .solving import Frame, Solution

__all__ = [
    "Checkpoint", "Config", "Evaluation", "Frame", "Preset", "Recipe", "Solution", "Vote", "check",
    "compare", "evaluate", "explore", "kind_of", "load", "load_reference", "preset", "puzzle",
    "save", "solve", "stream", "train", "vote",
]  # fmt: skip
