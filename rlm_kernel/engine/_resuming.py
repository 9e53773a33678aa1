"""The one name with two uses: a paused run goes on, and a run in its folder is picked up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..protocol import Ack
from ._control import Steering

if TYPE_CHECKING:
    from .run import Run


class Resuming:
    """``resume`` of ``Run``: of an instance as of every live run, of the class from a folder."""

    @overload
    def __get__(self, run: None, owner: type[Run]) -> Callable[..., Run]: ...
    @overload
    def __get__(self, run: Run, owner: type[Run]) -> Callable[[], Ack]: ...
    def __get__(self, run: Run | None, owner: type[Run]) -> Callable[..., Any]:
        return pick_up if run is None else Steering.resume.__get__(run, owner)


def pick_up(path: Path | str, context: Any = ..., **options: Any) -> Run:
    """Go on with a run whose process ended, as it was started; see ``RLM.resume``.

    Args:
        path: the run's folder (``run.log.folder``).
        context: what it was asked over, where that isn't kept.
        **options: of ``RLM``, in place of those that the run had.

    Returns:
        The live run.

    Raises:
        RecordingError, ContextError, ConfigError: in one sentence.
    """
    from ._branching import UNSET
    from .rlm import resume

    return resume(path, UNSET if context is ... else context, **options)
