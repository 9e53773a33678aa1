"""What ``%rlm save``, ``load``, ``export``, ``compare``, ``replay`` and ``fork`` do."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from ..engine.compare import compare
from ..engine.exporting import if_empty
from ..engine.recorded import RecordedRun, load_run
from ..log.format import plural
from ..log.recording import cutting_out
from . import _options
from ._branch_notebook import write_branch
from ._publish import publisher_of
from ._verb_table import Verbs, Words
from ._words import take_option

if TYPE_CHECKING:
    from ..engine import Run
    from .magics import RLMMagics

RECORDING = Verbs()
_verb = RECORDING.add


@_verb(
    "save PATH [--context]",
    "writes the run into one file; --context: its context, too; --redact TEXT: without that text",
)
def save(magics: RLMMagics, name: str, words: Words) -> None:
    """Write the run into a `.rlm` file that `%rlm load` and `rlm-kernel replay` read.

    `--redact TEXT`, which may be given again, cuts a text out wherever it stands, and leaves the
    context out; the cells of such a file can't be run again.
    """
    left = [word for word in words if word != "--context"]
    asked = len(left) < len(words)
    texts = []
    while "--redact" in left:
        texts.append(take_option(left, "--redact"))
    if len(left) != 1:
        raise UsageError("%rlm save takes the name of a file: %rlm save run.rlm [--context].")
    if asked and texts:
        raise UsageError("--redact leaves the context out, so --context can't go with it.")
    run = magics.session.found(name)
    wanted = asked or isinstance(run, RecordedRun)
    path = run.save(left[0], context=wanted, redact=cutting_out(texts) if texts else None)
    print(f"{_known(magics, run, name)} is in {path}.")


@_verb("export PATH [FORM]", "writes the run: .html, .ipynb, .jsonl, pairs, rollout; --otlp URL")
def export(magics: RLMMagics, name: str, words: Words) -> None:
    """Write the run in another form: html (a page with a player), ipynb, rlm, pairs, rollout.

    `--otlp URL` sends it to an OpenTelemetry collector as spans; those of a live run as it goes on.
    """
    left = list(words)
    url = take_option(left, "--otlp")
    if not (1 <= len(left) <= 2 or (url and not left)):
        raise UsageError(
            "%rlm export takes the name of a file (%rlm export run.ipynb [FORM]), or --otlp URL."
        )
    run = magics.session.found(name)
    known = _known(magics, run, name)
    if left:
        path = run.export(*left)
        print(f"{known} is in {path}.{if_empty(path)}")
    if not url:
        return
    if isinstance(run, RecordedRun) or run.ended:
        print(f"{plural(run.send_spans(url), 'span')} of {known} sent.")
    else:
        run.trace(url)
        print(f"The spans of {known} are sent as it goes on.")


@_verb("load PATH [NAME]", "shows a recorded run, to play it, and binds it to NAME")
def load(magics: RLMMagics, name: str, words: Words) -> None:
    """Show a recorded run."""
    if not 1 <= len(words) <= 2:
        raise UsageError("%rlm load takes a folder or a .rlm file, and a name: %rlm load run.rlm r")
    run = load_run(words[0])
    if len(words) == 2:
        magics.bind(words[1], run)
    session = magics.session
    session.hub.add_recording(run, words[1] if len(words) == 2 else "")
    session.widgets.show(run)


@_verb("compare A B…", "sets runs side by side; --plain: the model alone, too, which is a call")
def compare_runs(magics: RLMMagics, name: str, words: Words) -> None:
    """Show runs beside each other; a name is a run's of this session, else a recording's path.

    `--plain` asks the first one's model the same question with all of the context in one prompt;
    `--context`, `--model`, `--api-base` and `--budget` are for that call.
    """
    left = list(words)
    plain = "--plain" in left
    options = _options.of_plain(left) if plain else {}
    left = [word for word in left if word != "--plain"]
    found = [_found(magics, word) for word in left]
    if plain and not found:
        found = [magics.session.found(name)]
    if plain:
        found.append(magics.ask_plain(found[0], options))
    if len(found) < 2:
        raise UsageError(
            "%rlm compare takes two runs or more (%rlm compare r old.rlm), or one and --plain."
        )
    names = [Path(word).stem for word in left] or [name]
    shown = compare(*found, names=names)
    bundle = {"text/plain": str(shown), "text/html": shown._repr_html_()}
    publisher_of(magics.session.shell).show(bundle, uuid.uuid4().hex, update=False)


def _found(magics: RLMMagics, word: str, name: str = "") -> Run | RecordedRun:
    """Give the run of a word, which is a name or a path; without one that of ``name``."""
    session = magics.session
    known = word in session.runs or isinstance(session.shell.user_ns.get(word), RecordedRun)
    return session.found(word or name) if known or not word else load_run(word)


def _known(magics: RLMMagics, run: Run | RecordedRun, name: str) -> str:
    return name if isinstance(run, RecordedRun) else magics.session.name_of(run)


@_verb("replay [PATH]", "runs its cells again with the recorded replies: does the same come of it?")
def replay(magics: RLMMagics, name: str, words: Words) -> None:
    """Run a run's cells again, in a kernel of their own, without a model."""
    left = list(words)
    options = _options.of_resume(left)
    if len(left) > 1:
        raise UsageError("%rlm replay takes a folder or a .rlm file, or nothing: the current run.")
    print(magics.replay(_found(magics, left[0] if left else "", name), options))


@_verb(
    "fork [PATH] --turn K",
    "goes on otherwise: --cell N=CODE, --told, --question, --model, --as; --notebook: in a new one",
)
def fork(magics: RLMMagics, name: str, words: Words) -> None:
    """Begin a branch of a run: its turns up to K run again, free, then it goes on live.

    In a kernel of its own unless `--where shell` is given: then its cells are a new section below
    this one. `--notebook PATH` writes a notebook that begins it, with its recording beside it.
    `--as NAME` names it; `--context NAME` is what it was asked over, where a recording lacks it.
    """
    left = list(words)
    notebook = take_option(left, "--notebook")
    asked = list(left)
    options = _options.of_resume(left)
    change = _options.of_fork(left, magics.session.shell.user_ns)
    bound = take_option(left, "--as") if "--as" in left else ""
    if len(left) > 1:
        raise UsageError(
            "%rlm fork takes a folder or a .rlm file, or nothing (the current run), and --turn K."
        )
    if notebook:
        for word in left:
            asked.remove(word)
        source = _found(magics, left[0] if left else "", name)
        _options.check_by_name(options, magics.session.shell.user_ns)
        written, saved = write_branch(source, notebook, asked, change)
        print(f"The branch is in {written}, ready to run; it reads {saved.name} beside it.")
        return
    magics.fork_off(_found(magics, left[0] if left else "", name), bound, options, change)
