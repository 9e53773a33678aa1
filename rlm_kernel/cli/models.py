"""``rlm-kernel models``: the local models."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from ..lm import weights
from ..log import size_text
from . import OK
from ._parser import MISTAKE
from .streams import say


def main(args: argparse.Namespace) -> int:
    """List, pull or add."""
    if args.what == "pull":
        return _pull(args)
    if args.what == "add":
        print(f"Added {weights.add(args.path, args.name)}.")
        return OK
    if args.what in (None, "list"):
        _list()
        return OK
    return MISTAKE


def _pull(args: argparse.Namespace) -> int:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    model = weights.in_catalog(args.name)  # before anything is shown
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TransferSpeedColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(model.name, total=None)
        path = weights.pull(
            args.name, args.source,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    print(path)
    return OK


def _list() -> None:
    table = Table(title="Local models", title_justify="left")
    for column in ("name", "here", "size", "licence", "good for"):
        table.add_column(column)
    for model in weights.list_models():
        table.add_row(model.name, "yes" if model.present else "no", size_text(model.size),
                      model.licence, model.note)  # fmt: skip
    Console().print(table)
    say("rlm-kernel models pull NAME fetches one; models add PATH adds a GGUF file.")
