"""``rlm-kernel run``: a question over files, from a terminal or a script."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..context import load, load_paths
from ..engine import RLM
from ..errors import ConfigError
from . import unboxed
from .ending import end
from .progress import watch
from .streams import say

NO_CONTEXT = (
    "There is no context, so the model has nothing to look into: give a file, a glob or a folder "
    "by --context PATH."
)


def main(args: argparse.Namespace) -> int:
    """Ask, show the progress on stderr, print the answer on stdout."""
    rlm = make_rlm(args)
    try:
        contexts = contexts_of(args.context)
        quiet = args.quiet or args.json
        if not (contexts or quiet):
            say(NO_CONTEXT)
        run = rlm.start(args.question, contexts) if contexts else rlm.start(args.question)
        stopped = watch(run, quiet=quiet)
        return end(run, rlm, args.context, stopped=stopped, as_json=args.json)
    finally:
        rlm.close()


def make_rlm(args: argparse.Namespace, *, ours: bool = False) -> RLM:
    """Make the RLM that the options of a verb describe.

    Args:
        args: the options.
        ours: whether text and question are ours, so that code may run unboxed where it must.
    """
    rlm = rlm_of({"mode": "auto", **given_options(args)})
    if rlm.sandbox == "auto" and unboxed.needed() and (ours or unboxed.allowed()):
        rlm.sandbox = "none"
        say("The code runs without a sandbox, with your rights.")
    return rlm


def rlm_of(options: dict[str, Any]) -> RLM:
    """Make an RLM whose models can answer here: in a terminal no person can be one.

    Raises:
        ConfigError: a model is a person, or as for ``RLM``.
    """
    rlm = RLM(**options)
    for flag, name in (("--model", rlm.model), ("--sub-model", rlm.sub_model)):
        if name.partition("/")[0] == "human":
            raise ConfigError(
                f"{flag} {name} has a person answer in a model's place, and nobody can in a "
                "terminal: ask in a notebook or in IPython, by %%rlm with that option, or name "
                f"another model by {flag}."
            )
    return rlm


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Give the options of ``RLM`` that were given on the command line."""
    try:
        os.getcwd()
    except OSError:
        raise ConfigError("The working directory was removed: go to one that is there.") from None
    names = ("model", "sub_model", "api_base", "budget", "max_turns", "max_depth", "sandbox",
             "allow_read", "allow_write", "allow_net", "workdir", "where",
             "otlp")  # fmt: skip
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    if tools := getattr(args, "tool", None):
        given["tools"] = tools
    for name in ("allow_read", "allow_write"):
        if name in given:
            given[name] = [path for path in given[name] if path]  # --allow-read '': none
    if "budget" in given and (not given["budget"].strip() or given["budget"].lstrip()[0] in ",;"):
        raise ConfigError(
            f"--budget has no amount of money in {given['budget']!r}: a shell takes $1 for a "
            "variable where it isn't in single quotes, as in --budget '$1, 200 calls'."
        )
    for name in ("max_turns", "max_depth"):
        if given.get(name, 1) < 1:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{flag} is a whole number from 1 on, not {given[name]}.")
    return given


def contexts_of(paths: list[str]) -> Any:
    """Load what ``--context`` names; empty where it names nothing."""
    if "" in paths:  # an unset variable of the shell; as a path it would be this folder
        raise ConfigError("--context is given an empty name: name a file, a glob or a folder.")
    if "-" in paths:
        if len(paths) > 1:
            raise ConfigError("--context '-' stands alone: files can't be mixed with it.")
        if sys.stdin is None:
            raise ConfigError("--context '-' reads standard input, and there is no standard input.")
        return load(sys.stdin.buffer)  # as bytes, so that what isn't UTF-8 is refused, as in files
    return load_paths(paths) if paths else []
