"""``rlm-kernel bench``: our times beside the limits."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from ..errors import ConfigError
from ..evals.bench import ROWS, measure


def main(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    unknown = sorted(set(args.rows) - set(ROWS))
    if unknown:
        raise ConfigError(f"There is no row {unknown[0]!r}; the rows: {', '.join(ROWS)}.")
    rows = []
    for row in measure(args.rows, lambda name: print(f"measuring {name} …", file=sys.stderr)):
        rows.append(row)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    table = Table(title="rlm-kernel bench (one run; compare ratios, not seconds)")
    for column in ("what", "ours", "limit", "ratio", "asked"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.name, row.ours, row.limit, row.ratio, row.asked)
    Console().print(table)
    return 0
