"""Objects that are tied to this process: its loop, its connections, its files."""

from __future__ import annotations

from typing import Any, NoReturn, SupportsIndex


class Live:
    """Refuses to be copied or pickled, in a sentence that says what to do instead."""

    _instead = "Make another one there."

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        kind: type[Any] = type(self)
        raise TypeError(
            f"A {kind.__name__} lives in the process that made it, so it can't be copied or sent "
            f"to another one. {self._instead}"
        )
