"""``rlm-kernel compare``: recorded runs side by side."""

from __future__ import annotations

import argparse

from ..engine.compare import compare
from . import OK
from .streams import give


def main(args: argparse.Namespace) -> int:
    """Print the table, and where they part."""
    give(str(compare(*args.paths)))
    return OK
