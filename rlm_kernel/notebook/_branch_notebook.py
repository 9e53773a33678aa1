"""``%rlm fork … --notebook PATH``: a branch as a notebook of its own, its recording beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from ..engine import Run
from ..engine.fork import Change, branch, branch_text, otherwise
from ..engine.recorded import RecordedRun, recorded
from ..errors import RecordingError
from ..lm.served.client import installed
from ..log.formats.notebook import code_cell, markdown_cell, notebook_of, shown_plain
from ..repl.box import held_here

_KERNELS = {"rlm": "RLM (Python 3)", "rlm-sandboxed": "RLM (sandboxed)", "python3": "Python 3"}


def write_branch(
    source: Run | RecordedRun, path: str, words: Sequence[str], change: Mapping[str, Any]
) -> tuple[Path, Path]:
    """Write a notebook that begins a branch as soon as it is run, and the recording that it reads.

    Args:
        source: the run.
        path: of the notebook.
        words: of ``%rlm fork``, but for the run and the path; codes of cells by variable.
        change: what they say.

    Returns:
        The paths of the notebook and of the recording.

    Raises:
        UsageError: there is a file of that name already.
        ConfigError, ContextError, RecordingError: the branch can't be begun, or not be written.
    """
    notebook = Path(os.path.expanduser(path))
    if notebook.suffix != ".ipynb":
        notebook = notebook.with_name(notebook.name + ".ipynb")
    if notebook.exists():
        raise UsageError(f"{notebook} is there already: choose another name.")
    run = recorded(source)
    run.refuse_redacted()
    given = Change(**{k: change[k] for k in ("cells", "told", "question") if k in change})
    last = branch(run.events, "branch", change.get("turn"), given).turn
    saved = notebook.with_suffix(".rlm")
    if not saved.exists():
        source.save(saved, context=True)
    elif not saved.samefile(run.path):
        raise UsageError(f"{saved} is there already, and it is another run: choose another name.")
    name = saved.name
    cells = [markdown_cell(_title(run, last, given))]
    first = ["%load_ext rlm_kernel", f"%rlm load {_word(name)}"]
    cells.append(code_cell("\n".join(first)))
    words = list(words)
    for code in given.cells.values():
        variable = words[words.index("--cell") + 1].partition("=")[2]
        cells.append(code_cell(f"{variable} = {code!r}"))
    if "--as" not in words:
        words += ["--as", "branch"]
    cells.append(code_cell(" ".join(["%rlm fork", _word(name), *map(_word, words)])))
    kernel = "python3"
    if installed() is not None:
        kernel = "rlm" if held_here() == "none" else "rlm-sandboxed"
    made = notebook_of(cells, kernel, _KERNELS[kernel])
    try:
        with notebook.open("x", encoding="utf-8") as file:
            json.dump(made, file, indent=1)
    except OSError as error:
        why = error.strerror or error
        raise RecordingError(f"{notebook} can't be written: {why}.") from error
    return notebook, saved


# -- private ----------------------------------------------------------------------------------


def _title(run: RecordedRun, last: int, change: Change) -> str:
    said = branch_text({"run": run.id, "turn": last, "otherwise": otherwise(change)})
    return (
        f"# {shown_plain(change.question or run.question)}\n\n{shown_plain(said)}\n\nRun the "
        "cells: what it has in common with the run runs again, for nothing, then it goes on."
    )


def _word(word: str) -> str:
    """Give a word as it stands on a magic's line."""
    if word and not any(c.isspace() or c in "'\"" for c in word):
        return word
    return f'"{word}"' if '"' not in word else f"'{word}'"
