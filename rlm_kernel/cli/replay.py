"""``rlm-kernel replay``: a recorded run, shown and run again without any model."""

from __future__ import annotations

import argparse
import json

from ..engine._branching import UNSET
from ..engine.recorded import load_run
from ..engine.regrant import logged_options
from ..engine.rlm import RLM
from ..log import tree_text
from . import NO_ANSWER, OK
from .run import contexts_of, given_options
from .streams import give, say


def main(args: argparse.Namespace) -> int:
    """Print the tree and whether the same comes of its cells; 1 where it doesn't."""
    run = load_run(args.path)
    if not args.json:
        give(tree_text(run.tree))
    if args.show:
        if args.json:
            give(json.dumps(_told(run)))
        return OK
    run.refuse_redacted()
    if not args.json:
        say("Its cells run again; the calls are answered from the recording.")
    context = contexts_of(args.context)
    with RLM(**{**logged_options(args.path), **given_options(args), "mode": "auto"}) as rlm:
        rerun = rlm.replay(args.path, context if context else UNSET)
    if args.json:
        differ = list(map(str, rerun.differences))
        found = {"same": rerun.same, "cells": rerun.cells, "calls": rerun.calls,
                 "left_out": rerun.left_out, "differences": differ}  # fmt: skip
        give(json.dumps({**_told(run), **found}, indent=2))
    else:
        give(str(rerun))
    return OK if rerun.same else NO_ANSWER


def _told(run: object) -> dict[str, object]:
    names = ("id", "question", "status", "answer_text")
    return {name: getattr(run, name) for name in names}
