"""``rlm-kernel resume``: goes on with a run whose process ended, from its folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..engine.record import read_record
from ..engine.regrant import logged_options
from ..engine.rlm import RLM, UNSET
from ..errors import RecordingError
from ..log import runs_dir
from ..log.format import clean
from . import INTERRUPTED, exit_code
from .progress import watch
from .run import as_dict, contexts_of, given_options, print_answer

LOOKED_AT = 50  # runs, newest first


def newest_without_answer() -> Path:
    """Give the folder of the newest run that can be picked up.

    Raises:
        RecordingError: there is none.
    """
    folders = sorted(runs_dir().glob("*/log.jsonl"), key=lambda p: p.stat().st_mtime, reverse=True)
    for log in folders[:LOOKED_AT]:
        try:
            record = read_record(log)
        except RecordingError:
            continue
        if record.ended is None or record.ended.status != "done":
            print(f"Going on with {clean(record.started.question)[:200]!r} in {log.parent}",
                  file=sys.stderr)  # fmt: skip
            return log.parent
    raise RecordingError(f"No run in {runs_dir()} is without an answer: name its folder.")


def main(args: argparse.Namespace) -> int:
    """Go on, show the progress on stderr, print the answer on stdout."""
    folder = args.folder or str(newest_without_answer())
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
