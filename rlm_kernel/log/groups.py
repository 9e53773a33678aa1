"""Repeated sibling calls as one: what a view shows in place of a hundred rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from ..protocol import Usage
from .node import NOTHING_USED, Node

LEAST = 5  # siblings that make a group


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of several nodes are done, failed and open, and what they took together.

    ``failed`` are all that came to nothing; of them ``cancelled`` and ``refused`` weren't made.
    """

    done: int
    failed: int
    cancelled: int
    refused: int
    open: int
    median: float | None
    total: Usage


@dataclass(frozen=True, slots=True)
class Group:
    """Sibling calls that one line of code issued, one after another."""

    nodes: tuple[Node, ...]
    title: str

    @property
    def tally(self) -> Tally:
        """What they came to."""
        return tally(self.nodes)


def tally(nodes: Iterable[Node]) -> Tally:
    """Count nodes by how they ended and add up what they used."""
    done = failed = cancelled = refused = still = 0
    total, seconds = NOTHING_USED, []
    for node in nodes:
        if node.live or not node.known:
            still += 1
        elif node.status in ("ok", "done"):
            done += 1
        else:
            failed += 1
            cancelled += node.status in ("cancelled", "stopped")
            refused += node.status == "error" and node.error_kind == "budget"
        total = total + node.total
        if node.seconds is not None:
            seconds.append(node.seconds)
    middle = median(seconds) if seconds else None
    return Tally(done, failed, cancelled, refused, still, middle, total)


def grouped(nodes: Iterable[Node], least: int = LEAST) -> list[Node | Group]:
    """Give siblings in their order, with ``least`` or more alike in a row as one group."""
    found: list[Node | Group] = []
    for key, run in groupby(nodes, key=_alike):
        alike = tuple(run)
        if key is None or len(alike) < least:
            found.extend(alike)
        else:
            where = "" if alike[0].line is None else f", line {alike[0].line}"
            title = f"llm_query × {len(alike)}{where}"  # noqa: RUF001 - the sign is meant
            found.append(Group(alike, title))
    return found


def _alike(node: Node) -> tuple[str, int | None] | None:
    if node.kind != "call" or node.role not in ("", "sub") or node.children:
        return None
    return (node.role, node.line)
