"""``rlm-kernel fork``: a branch of a run, from its folder or a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..engine._branching import UNSET
from ..engine.regrant import logged_options
from ..errors import ConfigError
from .ending import end
from .progress import watch
from .run import contexts_of, given_options, rlm_of


def main(args: argparse.Namespace) -> int:
    """Go on from a turn of a run, show the progress on stderr, print the answer on stdout."""
    cells = {}
    for number, path in args.cell:
        if not number.isdecimal():
            raise ConfigError(
                f"--cell takes the number of a cell and a file, not {number!r:.60}: --cell 2 FILE."
            )
        try:
            cells[int(number)] = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"--cell {number}: {path} can't be read ({why}): name a file with its code."
            ) from error
    with rlm_of({**logged_options(args.path), **given_options(args)}) as rlm:
        context = contexts_of(args.context)
        run = rlm.fork(
            args.path, args.turn, cells=cells, told=args.told, question=args.question,
            context=context if context else UNSET,
        )  # fmt: skip
        stopped = watch(run, quiet=args.quiet or args.json)
        return end(run, rlm, args.context, stopped=stopped, as_json=args.json)
