"""``rlm-kernel save``: a run in its folder, as one file that can be given away."""

from __future__ import annotations

import argparse

from ..engine.recorded import load_run
from ..engine.saving import save_whole
from ..errors import ConfigError
from ..log.recording import cutting_out
from . import OK
from .run import contexts_of
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Write the file and say where it is, and what it holds."""
    if args.context is not None and args.redact:
        raise ConfigError("--redact leaves the context out, so --context can't go with it.")
    run = load_run(args.path)
    if args.context is not None:
        path = save_whole(run, args.file, contexts_of(args.context) if args.context else ...)
        say(f"Written: {path}, with what it was asked over")
    else:
        redact = cutting_out(args.redact) if args.redact else None
        say(f"Written: {run.save(args.file, context=False, redact=redact)}")
    return OK
