"""``rlm-kernel export``: a recorded run in the forms of other programs, or as spans."""

from __future__ import annotations

import argparse

from ..engine.exporting import if_empty
from ..engine.recorded import load_run
from ..errors import ConfigError
from ..log.format import plural
from . import OK
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Write the file, send the spans, and say so."""
    if not (args.file or args.otlp):
        raise ConfigError("Nothing says where to: name a file, or a collector by --otlp URL.")
    run = load_run(args.path)
    if args.file:
        path = run.export(args.file, args.form or "")
        say(f"Written: {path}" + (f".{empty}" if (empty := if_empty(path)) else ""))
    if args.otlp:
        say(f"Sent: {plural(run.send_spans(args.otlp), 'span')}")
    return OK
