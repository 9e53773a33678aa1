"""``rlm-kernel bench``: our times beside the limits."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import ConfigError
from ..evals import trm
from ..evals.bench import LONG, ROWS, measure
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    tiny = args.suite == "trm"
    there = trm.ROWS if tiny else (*ROWS, *LONG)
    unknown = sorted(set(args.rows) - set(there))
    if unknown:
        known = ", ".join(there)
        raise ConfigError(f"There is no row {unknown[0]!r}; the rows: {known}.")

    def tell(name: str) -> None:
        say(f"measuring {name} …")

    rows = list(trm.measure(args.rows, tell) if tiny else measure(args.rows, tell, args.full))
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    table = Table(title="rlm-kernel bench (one run; compare ratios, not seconds)")
    for column in ("what", "ours", "limit", "ratio", "asked", ""):
        table.add_column(column, overflow="fold")
    marks = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for row in rows:
        cells = (row.name, row.ours, row.limit, row.ratio, row.asked)
        table.add_row(*map(escape, cells), marks[row.fine])
    Console().print(table)
    return 0
