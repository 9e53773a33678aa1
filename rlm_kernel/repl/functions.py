"""The functions that need only the namespace: answers, variables, pages of earlier output."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from ..errors import ReplError
from .queries import Name
from .spool import Outputs
from .variables import table


class Room(Protocol):
    """What the functions need of the runtime."""

    shell: Any
    spool: Outputs | None

    def submit(self, value: Any, via: str, problem: str = "") -> None:
        """Set the answer."""
        ...

    def variables(self) -> dict[str, Any]:
        """Give the user's variables."""
        ...


class Final(Name):
    """Submit a value as the answer; the run ends after this cell.

    Args:
        value: the answer itself, any Python value.
    """

    def __init__(self, room: Room) -> None:
        super().__init__("FINAL")
        self._room = room

    def __call__(self, value: Any) -> None:
        self._room.submit(value, "FINAL")


class FinalVar(Name):
    """Submit the value of a variable as the answer; the run ends after this cell.

    Args:
        name: the variable's name as text: ``FINAL_VAR("result")``.
    """

    def __init__(self, room: Room) -> None:
        super().__init__("FINAL_VAR")
        self._room = room

    def __call__(self, name: Any) -> None:
        if not isinstance(name, str):
            self._room.submit(name, "FINAL_VAR")  # the value itself was given
            return
        frame = sys._getframe(1)
        key = name.strip().strip("'\"`")
        for scope in (frame.f_locals, self._room.shell.user_ns):
            if key in scope:
                self._room.submit(scope[key], "FINAL_VAR")
                return
        shown = key if len(key) <= 60 else f"{key[:60]}…"
        problem = (
            f"FINAL_VAR: there is no variable {shown!r}. Make it first, or submit a value with "
            "FINAL(value)."
        )
        print(problem)
        self._room.submit(None, "FINAL_VAR", problem)


class ShowVars(Name):
    """Print the variables that were made here, with their types and sizes."""

    def __init__(self, room: Room) -> None:
        super().__init__("SHOW_VARS")
        self._room = room

    def __call__(self) -> None:
        print(table(self._room.variables()))


class ShowOutput(Name):
    """Print a page of the whole output of an earlier cell.

    Args:
        n: the cell's number, from 1.
        start: the first character.
        stop: the character after the last; None: to the end.
    """

    def __init__(self, room: Room) -> None:
        super().__init__("show_output")
        self._room = room

    def __call__(self, n: int, start: int = 0, stop: int | None = None) -> None:
        spool = self._room.spool
        if spool is None:
            msg = "No outputs are kept here: no run is live."
            raise ReplError(msg)
        print(spool.page(n, start, stop), end="")
