"""The end of a run: its answer, or why there is none, where its log is and how to go on."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine import RLM, Run
from ..engine.kept import FOLDER
from ..engine.regrant import REACH
from ..lm.budget import budget_text
from ..log.format import clean
from . import NO_ANSWER, OK, UNLOGGED, exit_code
from .flags import in_flags
from .streams import Undelivered, give, say

_PATHS = ("allow_read", "allow_write", "workdir")


def end(run: Run, rlm: RLM, paths: Sequence[str], *, stopped: int, as_json: bool = False) -> int:
    """Give the answer on standard output, say the rest on standard error; give the exit code.

    Args:
        run: which is over.
        rlm: whose it is.
        paths: what ``--context`` named.
        stopped: the exit code of what stopped it from outside; 0: nothing did.
        as_json: whether one JSON object is all that is given.
    """
    code = stopped or exit_code(run.status)
    try:
        if as_json:
            give(json.dumps(as_dict(run, resume_command(run, rlm, paths)), indent=2))
        else:
            print_answer(run)
    except Undelivered as error:
        code = stopped or NO_ANSWER
        if not error.quiet:
            kept = f"; what the run did is in {run.log.folder}" if run.log.folder else ""
            say(f"rlm-kernel: {error}, so the answer isn't given whole{kept}.")
    if run.log.fault:
        what = run.log.fault.partition(";")[0]
        say(f"rlm-kernel: {what}: the log isn't complete, and the run can't be taken up from it.")
        return UNLOGGED if code == OK else code
    if not as_json and run.status != "done":
        _say_how_to_go_on(run, rlm, paths)
    return code


def print_answer(run: Run) -> None:
    """Print the answer plainly, and one sentence on stderr where it isn't one to rely on."""
    if run.answer_text is not None:
        give(_printable(run.answer_text))
    if run.status != "done" and run.reason != run.log.fault:  # which is said by itself
        status = "" if run.status == "stopped" else f"{run.status}: "  # its reason says that
        say(f"rlm-kernel: {status}{in_flags(run.reason)}")


def _say_how_to_go_on(run: Run, rlm: RLM, paths: Sequence[str]) -> None:
    if run.log.folder is None:
        say("The run wasn't kept (save is off), so it can't be taken up again.")
        return
    say(f"Its log: {run.log.folder.absolute()}")
    say(f"To go on: {resume_command(run, rlm, paths)}")


def resume_command(run: Run, rlm: RLM, paths: Sequence[str]) -> str | None:
    """Give the command that takes a run up again, for a shell; None where there is none."""
    if run.log.folder is None or run.status == "done" or run.log.fault:
        return None
    words = [*_program(), "resume", str(run.log.folder.absolute())]
    for name in REACH:
        if (name in rlm.given and name != "where") or (name, rlm.sandbox) == ("sandbox", "none"):
            words += _flag(name, getattr(rlm, name))
    if run.tree[run.node].where == "shell":  # it had a notebook's variables when it began
        words += ["--where", "kernel"]
    words += _more(run)
    if _isnt_kept(run, run.log.folder):
        words += ["--context", *(p if p == "-" else os.path.abspath(p) for p in paths)]
    return shlex.join(words)


def _program() -> list[str]:
    """Give how this program was called, where that can be called again."""
    called = sys.argv[0] if sys.argv else ""
    path = Path(called)
    if not path.name.startswith("rlm-kernel"):
        return [sys.executable, "-m", "rlm_kernel.cli"]
    found = shutil.which("rlm-kernel")
    if path.parent == Path() or (found and Path(found).resolve() == path.resolve()):
        return ["rlm-kernel"]
    return [str(path.absolute())]


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else f"--no-{name.replace('_', '-')}"]
    values = (value or [""]) if isinstance(value, list) else [value]
    if name in _PATHS:
        values = [item and os.path.abspath(os.path.expanduser(item)) for item in values]
    return [word for item in values for word in (flag, str(item))]


def _more(run: Run) -> list[str]:
    """Give the flags that raise what is used up, without which it would end again at once."""
    words: list[str] = []
    if run.status == "stopped":
        return words
    if run.turn >= run.settings.max_turns:
        words += ["--max-turns", str(2 * run.settings.max_turns)]
    ledger = run.ledger
    short = {
        name
        for name, (used, most) in ledger.meters().items()
        if most is not None and (name in ledger.refused() or (used or 0) >= most)
    }
    if short:
        had = ledger.budget
        raised = {name: 2 * getattr(had, name) or 1 for name in short}
        words += ["--budget", budget_text(replace(had, **raised))]
    return words


def _isnt_kept(run: Run, folder: Path) -> bool:
    """Whether a context of a run was in memory and isn't in its folder."""
    return any(
        "path" not in info and not (folder / FOLDER / str(info["name"])).is_file()
        for info in run.tree[run.node].context
    )


def _printable(text: str) -> str:
    """Give the answer as it is, save what would command a terminal or can't be encoded."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = clean(text) if sys.stdout.isatty() else text
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def as_dict(run: Run, resume: str | None = None) -> dict[str, Any]:
    """Give a run, and the command that takes it up again, as JSON-able data."""
    usage = run.usage
    answer = run.answer_text
    if run.answer_text is not None and run.ended:
        try:
            json.dumps(run.answer, allow_nan=False)
            answer = run.answer
        except (TypeError, ValueError):
            answer = run.answer_text
    return {
        "answer": answer,
        "status": run.status,
        "reason": run.reason,
        "question": run.question,
        "model": run.settings.model,
        "sub_model": run.settings.sub_model,
        "turns": sum(run.tree[child].kind == "turn" for child in run.tree[run.node].children),
        "usage": {
            "calls": usage.subtree.calls,
            "input_tokens": usage.subtree.input_tokens,
            "output_tokens": usage.subtree.output_tokens,
            "cached_tokens": usage.subtree.cached_tokens,
            "cost": usage.subtree.cost,
            "seconds": round(usage.seconds, 3),
        },
        "log": str(run.log.folder) if run.log.folder else None,
        "resume": resume,
    }
