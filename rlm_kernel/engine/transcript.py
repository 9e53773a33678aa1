"""What was asked, run, seen and answered, in order: for reading, and for ``history``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..log import Tree


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of a run: who wrote it, what was decided, what it showed."""

    turn: int
    reply: str
    code: str
    author: str
    decision: str
    observation: str
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


class Transcript:
    """The turns of one run as a sequence of ``Entry``; prints as Markdown."""

    def __init__(self, tree: Tree, run: str, answer: str | None, status: str) -> None:
        self._tree, self._run, self._answer, self._status = tree, run, answer, status

    def __iter__(self) -> Iterator[Entry]:
        nodes = self._tree
        run = nodes[self._run]
        number = 0
        for turn_id in run.children:
            turn = nodes[turn_id]
            if turn.kind != "turn":
                continue
            number += 1
            children = [nodes[child] for child in turn.children]
            reply = next((c.text for c in children if c.kind == "call" and c.role == "root"), "")
            cells = [child for child in children if child.kind == "cell"]
            for cell in cells:
                yield Entry(number, str(reply), str(cell.code), cell.author, cell.decision,
                            _seen(cell), cell.status)  # fmt: skip
            if not cells:
                yield Entry(number, str(reply), "", "model", "", str(turn.note), turn.status)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int) -> Entry:
        return list(self)[index]

    def __str__(self) -> str:
        lines: list[str] = [f"**Question:** {self._tree[self._run].title}", ""]
        for entry in self:
            lines.append(f"### Turn {entry.turn} · {entry.author} · {entry.status}")
            if entry.code:
                lines += ["```python", entry.code, "```"]
            else:
                lines.append(entry.reply)
            if entry.observation:
                lines += ["```text", entry.observation.replace("```", "'''"), "```"]
        if self._answer is not None:
            word = "Answer" if self._status == "done" else f"Draft ({self._status})"
            lines += ["", f"**{word}:** {self._answer}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def _seen(cell: Any) -> str:
    parts = [str(p) for p in (cell.output, cell.result, cell.error, cell.refusal) if p]
    return "\n".join(parts)
