"""A recorded run in one file, with what it was asked over wherever that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..log import recording
from .kept import inside
from .plain import contexts_again
from .recorded import RecordedRun, hiding, refuse_keys


def save_whole(run: RecordedRun, path: Path | str, given: Any = ...) -> Path:
    """Write a recorded run into one ``.rlm`` file with its contexts, also those that are in files.

    Args:
        run: the run.
        path: of the file; ``.rlm`` is added where it is missing. One that is there is replaced.
        given: what the person gives for its contexts; ``...``: they are where they were.

    Returns:
        The path of the file.

    Raises:
        ContextError: one isn't there, isn't what it was, is too large for a file, or holds a key.
        RecordingError: the run was redacted, or the file can't be written.
    """
    contexts = {item.name: inside(item) for item in contexts_again(run, given)}
    refuse_keys(contexts)
    return recording.save(run.events, path, contexts=contexts, redact=hiding(None))
