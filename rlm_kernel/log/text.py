"""The tree as plain text: for a terminal, a console, a screen reader, a file."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from .format import (
    call_title,
    capped,
    clean,
    context_text,
    cost_text,
    duration_text,
    estimate_text,
    icon,
    label,
    oneline,
    plural,
    sandbox_text,
    state_text,
    sum_text,
    tokens_text,
)
from .groups import LEAST, Group, Tally, grouped, tally
from .node import Node
from .tree import Tree

ANSWER = 4_000  # characters of the answer that are shown
_LEAST_LEFT = 24  # columns that titles keep however much is told beside them
_SHOWN_FAILURES = 3
_COLORS = {"✓": "32", "✗": "31", "◐": "33", "⊘": "33", "■": "33", "‖": "33", "?": "36"}


@dataclass(frozen=True, slots=True)
class _Row:
    lines: str  # the box drawing before it
    mark: str
    title: str
    stats: str


def tree_text(
    tree: Tree,
    *,
    width: int = 100,
    max_rows: int | None = None,
    color: bool = False,
    outcome: bool = True,
) -> str:
    """Give the tree as text, the answer last.

    Args:
        tree: of a run or a session; it may still grow.
        width: columns that no row is longer than.
        max_rows: rows of the tree at most; those in the middle are left out and counted.
        color: whether to colour it by ANSI escapes. Escapes in foreign text never come through.
        outcome: whether the answer, or why there is none, stands below it once it is over.
    """
    root = tree.root
    if root is None:
        return "(nothing happened yet)"
    over = root.ended is not None
    below = _below(tree, root)
    if max_rows is not None and len(below) > max(max_rows, 3):
        head = max(max_rows, 3) // 3
        tail = max(max_rows, 3) - 1 - head
        left_out = f"… {len(below) - head - tail:,} more rows …"
        below = [*below[:head], (left_out, ""), *below[-tail:]]
    rows = [_row(tree, item, lines, over) for item, lines in below]
    lines = [*_header(root, over, width, color), *_laid_out(rows, width, color)]
    for level, text in root.notes:
        lines.append(_line(f"{level}: {text}" if level != "info" else f"note: {text}", width))
    if over and not outcome:
        return "\n".join(lines)
    if root.reason and root.status != "done":
        lines.append(_line(f"{root.status}: {root.reason}", width))
    if root.answer is not None and over:
        word = "Partial answer" if root.status == "partial" else "Answer"
        lines.append(f"{word}: {clean(capped(root.answer, ANSWER))}")
    return "\n".join(lines)


def _header(root: Node, over: bool, width: int, color: bool) -> list[str]:
    models = root.model if root.sub_model in ("", root.model) else f"{root.model}, {root.sub_model}"
    said = [
        root.status,
        models,
        sum_text(root, tokens=True),
        duration_text(root.seconds),
        sandbox_text(root.sandbox),
    ]
    mark = icon(root.status)
    line = _line(" · ".join(part for part in said if part), width - 2)
    title = _line(root.question or root.title, width)
    lines = [_paint(title, "1", color), f"{_paint(mark, _COLORS.get(mark, '36'), color)} {line}"]
    for context in root.context:
        lines.append(_paint(_line(context_text(context), width), "2", color))
    return lines


def _below(tree: Tree, root: Node) -> list[tuple[Node | Group | str, str]]:
    """Give what is shown below the root, in order, with the lines that lead to it."""
    found: list[tuple[Node | Group | str, str]] = []
    # (item, the lines of the rows below it, whether it is the last of its siblings)
    stack: list[tuple[Node | Group | str, str, bool]] = _siblings(tree, root, "")
    while stack:
        item, before, last = stack.pop()
        lines = before + ("└─ " if last else "├─ ")
        found.append((item, lines))
        if isinstance(item, Node):
            stack.extend(_siblings(tree, item, before + ("   " if last else "│  ")))
    return found


def _siblings(tree: Tree, node: Node, before: str) -> list[tuple[Node | Group | str, str, bool]]:
    """Give what is shown below a node, last first (for a stack)."""
    children = tree.children(node)
    items: list[Node | Group | str]
    if node.kind == "batch" and len(children) >= LEAST:
        bad = [child for child in children if child.ended is not None and _went_wrong(child)]
        items = [*bad[:_SHOWN_FAILURES]]
        if len(bad) > _SHOWN_FAILURES:
            items.append(f"… {len(bad) - _SHOWN_FAILURES:,} more failed")
    else:
        items = [*grouped(children)]
    if node.kind == "cell" and node.status == "proposed" and node.live:
        items += [f"its calls: {said}"] if (said := estimate_text(node.estimate)) else []
    if node.kind == "cell" and node.asking:
        items.append(f"calls wait to be allowed: {node.reason}")
    if node.kind == "cell" and node.error:
        items.append(node.error)
    if node.kind == "run" and node.parent is not None and node.answer is not None:
        items.append(f"answer: {node.answer}")
    if len(before) > 60:  # a log from elsewhere may be nested without end
        items = [f"… {plural(len(children), 'node')} and what is below"] if children else []
    last = len(items) - 1
    return [(item, before, i == last) for i, item in enumerate(items)][::-1]


def _went_wrong(node: Node) -> bool:
    return node.status not in ("ok", "done")


def _row(tree: Tree, item: Node | Group | str, lines: str, over: bool) -> _Row:
    if isinstance(item, str):
        return _Row(lines, "", item, "")
    if isinstance(item, Group):
        return _Row(lines, _mark(item.tally), item.title, tally_text(item.tally))
    name, title = label(item), item.title
    if item.kind == "call" and item.role in ("root", "closing"):
        title = item.name
    if item.kind == "call":
        title = call_title(item, title)
    words = f"{name}: {title}" if name and title else name or title
    return _Row(lines, icon(item.status), words, " · ".join(_stats(tree, item, over)))


def _stats(tree: Tree, node: Node, over: bool) -> list[str]:
    said = [state_text(node, over=over)]
    if node.kind == "call":
        said += [tokens_text(node.own), cost_text(node.own) if node.own.calls else ""]
        said.append("cached" if node.cached else "")
        said.append(plural(node.retries, "retry", "retries") if node.retries else "")
    elif node.kind == "batch":
        said.append(tally_text(tally(tree.children(node))))
        return [part for part in said if part]
    else:
        if node.decision in ("edit", "reject", "respond"):
            word = {"edit": "edited", "reject": "rejected", "respond": "answered"}[node.decision]
            said[0] = f"{word} by {_line(node.by, 20)}" if node.by else word
        if node.refusal:
            said.append("answer not accepted")
        said.append(sum_text(node))
    said.append(duration_text(node.seconds))
    return [part for part in said if part]


def tally_text(counts: Tally) -> str:
    """Say how several calls went: counts, the median duration, the sum of what they cost."""
    said = [f"{counts.done:,} ✓"] if counts.done else []
    failed = counts.failed - counts.cancelled - counts.refused
    said += [f"{failed:,} ✗"] if failed else []
    said += [f"{counts.refused:,} ⊘"] if counts.refused else []
    said += [f"{counts.cancelled:,} ■"] if counts.cancelled else []
    said += [f"{counts.open:,} open"] if counts.open else []
    words = [" ".join(said)]
    if counts.total.calls:
        words.append(f"∑ {cost_text(counts.total)}")
    if counts.median is not None:
        words.append(f"median {duration_text(counts.median)}")
    return " · ".join(word for word in words if word)


def _mark(counts: Tally) -> str:
    if counts.open:
        return icon("running")
    return icon("ok" if not counts.failed else "partial" if counts.done else "error")


def _laid_out(rows: list[_Row], width: int, color: bool) -> list[str]:
    """Put titles and what is told beside them into two columns."""
    room = max((cell_len(row.stats) for row in rows), default=0)
    wanted = max((cell_len(_left(row, _line(row.title, width))) for row in rows), default=0)
    column = min(wanted, max(width - 2 - room, width // 2, _LEAST_LEFT))
    lines = []
    for row in rows:
        stats = _line(row.stats, max(width - column - 2, 0))
        most = column if stats else width
        title = _line(row.title, max(most - cell_len(_left(row, "")), 0))
        gap = " " * (column - cell_len(_left(row, title)) + 2) if stats else ""
        mark = _paint(row.mark, _COLORS.get(row.mark, "36"), color) + " " if row.mark else ""
        lines.append(_paint(row.lines, "2", color) + mark + title + gap + _paint(stats, "2", color))
    return lines


def _left(row: _Row, title: str) -> str:
    return row.lines + (row.mark + " " if row.mark else "") + title


def _line(text: str, cells: int) -> str:
    """Give foreign text on one line of at most so many columns (wide characters take two)."""
    return _fit(oneline(text, cells), cells)


def _fit(text: str, cells: int) -> str:
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, max(cells - 1, 0)).rstrip() + "…" if cells > 0 else ""


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and text else text
