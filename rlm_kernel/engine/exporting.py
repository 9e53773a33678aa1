"""A recorded run in the forms of other programs, as files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, RecordingError
from ..log.formats import to_notebook, to_official, to_page, to_pairs, to_rollout
from ..log.recording import SUFFIX
from ..log.whole import written_whole

if TYPE_CHECKING:
    from .recorded import RecordedRun

BY_ENDING = {".html": "html", ".ipynb": "ipynb", ".jsonl": "rlm", ".json": "rollout"}
FORMS = ("html", "ipynb", "rlm", "pairs", "rollout")
STATIC = Path(__file__).resolve().parents[1] / "notebook" / "static"


def export(run: RecordedRun, path: Path, form: str = "") -> Path:
    """Write a run; see ``RecordedRun.export``."""
    path = Path(os.path.expanduser(path))
    form = form or BY_ENDING.get(path.suffix, "")
    if form not in FORMS:
        endings = {name: f" ({ending})" for ending, name in BY_ENDING.items()}
        known = ", ".join(f"{name}{endings.get(name, '')}" for name in FORMS)
        more = " A recording (.rlm) is written by save." if path.suffix == SUFFIX else ""
        if not (form or path.suffix):
            raise ConfigError(f"{path.name!r} has no ending that says its form; there are {known}.")
        raise ConfigError(
            f"{form or path.suffix!r} is no form of a run; there are {known}.{more}"
        )
    try:
        with written_whole(path) as file:
            for line in _lines(run, form):
                file.write(line.encode("utf-8") + b"\n")
    except OSError as error:
        raise RecordingError(f"{path} can't be written: {error.strerror or error}.") from error
    return path


def if_empty(path: Path) -> str:
    """Say why a file that was written is empty, in a sentence after a blank; else nothing."""
    return "" if not path.is_file() or path.stat().st_size else (
        " It is empty: pairs are made of proposals that a person edited, rejected or answered, "
        "and nobody did so in this run."
    )  # fmt: skip


def _built() -> tuple[str, str]:
    """Give the script and the style of a recording's page."""
    try:
        names = ("rlm-page.js", "rlm-tree.css")
        script, style = (STATIC.joinpath(name).read_text("utf-8") for name in names)
    except OSError:
        raise ConfigError(
            "The page of a recording needs what the JupyterLab side is built of, which isn't in "
            "this source tree: python3 scripts/build_lab.py makes it (it needs Node)."
        ) from None
    return script, style


def _lines(run: RecordedRun, form: str) -> Iterator[str]:
    # ASCII throughout: what UTF-8 can't say, JSON escapes.
    if form == "html":
        yield to_page(run.events, run.tree, run.node, *_built())
    elif form == "ipynb":
        yield json.dumps(to_notebook(run.events, run.tree, run.node, run.texts()), indent=1)
    elif form == "rlm":
        yield from to_official(run.events, run.tree, run.node)
    elif form == "pairs":
        for pair in to_pairs(run.events, run.tree, run.node):
            yield json.dumps(pair)
    else:
        yield json.dumps(to_rollout(run.events, run.tree, run.node), indent=1)
