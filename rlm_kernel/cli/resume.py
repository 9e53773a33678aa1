"""``rlm-kernel resume``: goes on with a run whose process ended, from its folder."""

from __future__ import annotations

import argparse

from ..engine._branching import UNSET
from ..engine.record import newest_without_answer
from ..engine.regrant import logged_options
from .ending import end
from .progress import watch
from .run import contexts_of, given_options, rlm_of
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Go on, show the progress on stderr, print the answer on stdout."""
    folder = args.folder
    if not folder:
        newest, record = newest_without_answer()
        folder = str(newest)
        if not args.json:
            say(f"Going on with {record.started.question[:200]!r} in {folder}")
    rlm = rlm_of({**logged_options(folder), **given_options(args)})
    try:
        context = contexts_of(args.context)
        run = rlm.resume(folder, context if context else UNSET)
        stopped = watch(run, quiet=args.quiet or args.json)
        return end(run, rlm, args.context, stopped=stopped, as_json=args.json)
    finally:
        rlm.close()
