"""A run as a plain notebook: it opens anywhere, and runs again without us, from what it holds.

Its first cells hold the context, where that is a text that isn't too long, and the replies that
were recorded; the run's own cells follow with what they had shown. Nothing is called.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...protocol import Logged
from ...protocol import events as e
from ..format import plural
from ..node import Node
from ..tree import Tree

LONGEST = 1 << 20  # characters of a context that is put into the notebook

_STAND_INS = '''\
# Stand-ins that answer from the recording: nothing is called, nothing is paid.
import json

_replies = json.loads({replies})


def llm_query(prompt, *args, **kwargs):
    found = _replies.get(prompt if isinstance(prompt, str) else json.dumps(prompt))
    if not found:
        raise LookupError(f"not in the recording: {{str(prompt)[:100]!r}}")
    return found.pop(0) if len(found) > 1 else found[0]


def llm_query_batched(prompts, *args, **kwargs):
    return [llm_query(prompt) for prompt in prompts]


rlm_query, rlm_query_batched = llm_query, llm_query_batched
ask_human = llm_query
answer = {{"content": "", "ready": False}}


def FINAL(value):
    answer.update(content=value, ready=True)
    print("Answer:", value)


def FINAL_VAR(name):
    FINAL(globals()[name])


def SHOW_VARS():
    print([name for name in globals() if not name.startswith("_")])
'''


def to_notebook(
    events: Sequence[Logged], tree: Tree, run: str, contexts: dict[str, str] | None = None
) -> dict[str, Any]:
    """Give the notebook, as JSON-able data (nbformat 4.5).

    Args:
        events: of the run's log.
        tree: folded from them.
        run: its node.
        contexts: the texts of its contexts by name, as far as they are known; longer ones than
            ``LONGEST`` are left for the reader to give.
    """
    node = tree[run]
    replies = repr(json.dumps(_replies(events, tree, run)))
    cells = [markdown_cell(_title(node)), code_cell(_contexts(node, contexts or {}))]
    cells.append(code_cell(_STAND_INS.format(replies=replies)))
    for turn in tree.children(node):
        if turn.kind == "cell":  # a person's own
            cells.append(_ran(turn))
        for cell in tree.children(turn) if turn.kind == "turn" else ():
            if cell.kind == "cell":
                cells += _cell(turn, cell)
    if node.answer is not None:
        cells.append(markdown_cell(f"**Answer ({node.status}):** {shown_plain(node.answer)}"))
    return notebook_of(cells)


def notebook_of(
    cells: list[dict[str, Any]], kernel: str = "python3", title: str = "Python 3"
) -> dict[str, Any]:
    """Give a notebook of these cells, as JSON-able data (nbformat 4.5)."""
    for number, one in enumerate(cells):
        one["id"] = f"rlm-{number}"
    spec = {"display_name": title, "language": "python", "name": kernel}
    return {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def code_cell(source: str) -> dict[str, Any]:
    """Give a cell of code that hasn't run."""
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [],
            "execution_count": None}  # fmt: skip


def markdown_cell(source: str) -> dict[str, Any]:
    """Give a cell of Markdown."""
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def shown_plain(text: str) -> str:
    """Give foreign text as Markdown that shows it as it is, on one line."""
    line = " ".join(text.split())
    marks = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#+-.!|<>&$~"})
    return line.translate(marks)


def _title(node: Node) -> str:
    used = plural(node.calls, "call")
    return (
        f"# {shown_plain(node.question)}\n\nA recorded run of rlm-kernel: "
        f"{shown_plain(node.model)}, {used}, {node.status}. Its cells run again from what is "
        "recorded below; nothing is called."
    )


def _contexts(node: Node, contexts: dict[str, str]) -> str:
    lines = []
    for info in node.context:
        name = str(info.get("name") or "context")
        if not name.isidentifier():
            continue
        text = contexts.get(name)
        if text is not None and len(text) <= LONGEST:
            lines.append(f"{name} = {text!r}")
        else:
            said = " ".join(str(info.get(key) or "") for key in ("kind", "size")).strip()
            lines.append(f"# The run's {name} ({said}) isn't in this notebook: set it here.")
    return "\n".join(lines) or "context = ''"


def _replies(events: Sequence[Logged], tree: Tree, run: str) -> dict[str, list[str]]:
    """Give what the run's own cells were answered, by what they asked."""
    found: dict[str, list[str]] = {}
    for logged in events:
        event = logged.event
        node = tree.get(event.node)
        if node is None or node.parent is None or _run_of(tree, tree[node.parent]) != run:
            continue
        if isinstance(event, e.CallEnded) and node.role in ("sub", "human"):
            if event.status == "ok":
                found.setdefault(node.prompt, []).append(event.text)
        elif isinstance(event, e.RunEnded) and event.answer is not None:
            found.setdefault(node.question, []).append(event.answer)
    return found


def _run_of(tree: Tree, node: Node) -> str:
    return next((above.id for above in [node, *tree.above(node)] if above.kind == "run"), "")


def _cell(turn: Node, cell: Node) -> list[dict[str, Any]]:
    said = f"Turn {turn.number}"
    if cell.decision in ("edit", "reject", "respond"):
        words = {"edit": "edited", "reject": "rejected", "respond": "answered"}[cell.decision]
        said += f", {words} by a person" + (f": {shown_plain(cell.reason)}" if cell.reason else "")
    if cell.refusal:
        said += f". {shown_plain(cell.refusal)}"
    if cell.decision in ("reject", "respond"):
        quoted = "\n".join(f"# {line}" for line in cell.code.splitlines())
        return [markdown_cell(said), code_cell(quoted)]
    return [markdown_cell(said), _ran(cell)]


def _ran(cell: Node) -> dict[str, Any]:
    outputs: list[dict[str, Any]] = []
    if cell.output:
        outputs.append({"output_type": "stream", "name": "stdout", "text": cell.output})
    if cell.result:
        outputs.append({"output_type": "execute_result", "execution_count": cell.number or None,
                        "data": {"text/plain": cell.result}, "metadata": {}})  # fmt: skip
    if cell.error:
        name, _, value = cell.error.partition(": ")
        outputs.append({"output_type": "error", "ename": name, "evalue": value,
                        "traceback": (cell.traceback or cell.error).splitlines()})  # fmt: skip
    tags = ["raises-exception"] if cell.error else []  # it may be meant to
    return {**code_cell(cell.code), "outputs": outputs, "execution_count": cell.number or None,
            "metadata": {"tags": tags} if tags else {}}  # fmt: skip
