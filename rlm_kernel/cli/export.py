"""``rlm-kernel export``: a recorded run in the forms of other programs."""

from __future__ import annotations

import argparse

from ..engine.recorded import load_run
from . import OK
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Write the file, and say which."""
    say(f"Written: {load_run(args.path).export(args.file, args.form or '')}")
    return OK
