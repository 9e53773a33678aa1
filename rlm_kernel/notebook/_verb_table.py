"""A table of verbs of ``%rlm``, filled where each is defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .magics import RLMMagics

Words = Sequence[str]
Do = Callable[["RLMMagics", str, Words], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of ``%rlm``: what it does, how it is written, what it is for."""

    do: Do
    usage: str
    help: str


class Verbs(dict[str, Verb]):
    """Verbs by name, in the order in which ``%rlm help`` lists them."""

    def add(self, usage: str, help: str) -> Callable[[Do], Do]:
        """Give the decorator that adds a verb; its name is the first word of its usage."""

        def keep(do: Do) -> Do:
            self[usage.split()[0]] = Verb(do, usage, help)
            return do

        return keep
