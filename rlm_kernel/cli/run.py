"""``rlm-kernel run``: a question over files, from a terminal or a script."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..context import load, load_paths
from ..engine import RLM, Run
from ..errors import ConfigError
from ..log.format import clean
from . import INTERRUPTED, exit_code, unboxed
from .progress import watch


def main(args: argparse.Namespace) -> int:
    """Ask, show the progress on stderr, print the answer on stdout."""
    contexts = contexts_of(args.context)
    rlm = make_rlm(args)
    try:
        run = rlm.start(args.question, contexts) if contexts else rlm.start(args.question)
        interrupted = watch(run, quiet=args.quiet or args.json)
        if args.json:
            print(json.dumps(as_dict(run), indent=2))
        else:
            print_answer(run)
    finally:
        rlm.close()
    return INTERRUPTED if interrupted else exit_code(run.status)


def make_rlm(args: argparse.Namespace, *, ours: bool = False) -> RLM:
    """Make the RLM that the options of a verb describe.

    Args:
        args: the options.
        ours: whether text and question are ours, so that code may run unboxed where it must.
    """
    rlm = RLM(mode="auto", **given_options(args))
    if rlm.sandbox == "auto" and unboxed.needed() and (ours or unboxed.allowed()):
        rlm.sandbox = "none"
        print("The code runs without a sandbox, with your rights.", file=sys.stderr)
    return rlm


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Give the options of ``RLM`` that were given on the command line."""
    names = ("model", "sub_model", "api_base", "budget", "max_turns", "max_depth", "sandbox",
             "allow_read", "allow_write", "allow_net", "workdir", "where")  # fmt: skip
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    for name in ("allow_read", "allow_write"):
        if name in given:
            given[name] = [path for path in given[name] if path]  # --allow-read '': none
    if any(given.get(name, 1) < 1 for name in ("max_turns", "max_depth")):
        raise ConfigError("--max-turns and --max-depth are whole numbers from 1 on.")
    return given


def contexts_of(paths: list[str]) -> Any:
    """Load what ``--context`` names; empty where it names nothing."""
    if "-" in paths:
        if len(paths) > 1:
            raise ConfigError("--context '-' stands alone: files can't be mixed with it.")
        if sys.stdin is None:
            raise ConfigError("--context '-' reads standard input, and there is no standard input.")
        return load(sys.stdin.buffer)  # as bytes, so that what isn't UTF-8 is refused, as in files
    return load_paths(paths) if paths else []


def print_answer(run: Run) -> None:
    """Print the answer plainly, or one sentence on stderr about why there is none."""
    if run.answer_text is not None:
        print(_printable(run.answer_text))
    if run.status != "done":
        print(f"rlm-kernel: {run.status}: {clean(run.reason)}", file=sys.stderr)


def _printable(text: str) -> str:
    """Give the answer as it is, save what would command a terminal or can't be encoded."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = clean(text) if sys.stdout.isatty() else text
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def as_dict(run: Run) -> dict[str, Any]:
    """Give a run as JSON-able data."""
    usage = run.usage
    answer = run.answer_text
    if run.answer_text is not None and run.ended:
        try:
            json.dumps(run.answer)
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
    }
