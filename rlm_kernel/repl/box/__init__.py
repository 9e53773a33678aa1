"""The box around a kernel of a run's own: which files, which network, how much of the machine."""

from .policy import Method, Policy
from .probing import BOXED, NO_BOX, Found, choose, held_here, look, words

__all__ = ["BOXED", "NO_BOX", "Found", "Method", "Policy", "choose", "held_here", "look", "words"]
