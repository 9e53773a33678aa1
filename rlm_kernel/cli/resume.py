"""``rlm-kernel resume``: goes on with a run whose process ended, from its folder."""

from __future__ import annotations

import argparse
import json
import sys

from ..engine.record import newest_without_answer
from ..engine.regrant import logged_options
from ..engine.rlm import RLM, UNSET
from ..log.format import clean
from . import INTERRUPTED, exit_code
from .progress import watch
from .run import as_dict, contexts_of, given_options, print_answer


def main(args: argparse.Namespace) -> int:
    """Go on, show the progress on stderr, print the answer on stdout."""
    folder = args.folder
    if not folder:
        newest, record = newest_without_answer()
        folder = str(newest)
        print(f"Going on with {clean(record.started.question)[:200]!r} in {folder}",
              file=sys.stderr)  # fmt: skip
    rlm = RLM(**{**logged_options(folder), **given_options(args)})
    try:
        context = contexts_of(args.context)
        run = rlm.resume(folder, context if context else UNSET)
        interrupted = watch(run, quiet=args.quiet or args.json)
        if args.json:
            print(json.dumps(as_dict(run), indent=2))
        else:
            print_answer(run)
    finally:
        rlm.close()
    return INTERRUPTED if interrupted else exit_code(run.status)
