"""``rlm-kernel compare``: recorded runs side by side, and the model alone beside them."""

from __future__ import annotations

import argparse

from ..engine._branching import UNSET
from ..engine.compare import compare
from ..engine.record import Record
from ..engine.recorded import RecordedRun, load_run
from ..engine.regrant import options_of
from ..errors import ConfigError
from . import OK
from .run import contexts_of, given_options, rlm_of
from .streams import give, say


def main(args: argparse.Namespace) -> int:
    """Print the table, where they part and, with ``--plain``, what recursion cost."""
    found = [load_run(path) for path in args.paths]
    if args.plain:
        found.append(_plain(found[0], args))
    elif given := [name for name in ("context", "model", "api_base", "budget")
                   if getattr(args, name)]:  # fmt: skip
        raise ConfigError(f"--{given[0].replace('_', '-')} is for --plain, which isn't given.")
    give(str(compare(*found)))
    return OK


def _plain(run: RecordedRun, args: argparse.Namespace) -> RecordedRun:
    context = contexts_of(args.context)
    here = {"mode": "auto", "sandbox": "none", "sub_model": ""}  # no code runs
    with rlm_of({**options_of(Record(run.events)), **given_options(args), **here}) as rlm:
        return rlm.plain(run, context if context else UNSET, tell=say)
