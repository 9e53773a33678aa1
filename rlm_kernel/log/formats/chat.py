"""The chat of a run's root model: what it was told before each of its replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...protocol import Logged, Message
from ...protocol import events as e
from ..node import Node
from ..tree import Tree


@dataclass(frozen=True, slots=True)
class Exchange:
    """A reply of the root model and what stood before it.

    Args:
        turn: its node.
        messages: all that the model had been told and had said. Where older ones were folded into
            a summary they stand here whole.
        reply: its text.
        cells: of the turn, in order.
    """

    turn: Node
    messages: list[Message]
    reply: str
    cells: list[Node]


def chat(events: Sequence[Logged], tree: Tree, run: str) -> Iterator[Exchange]:
    """Give the exchanges of a run's root, oldest first.

    Args:
        events: of its log.
        tree: folded from them.
        run: its node.
    """
    messages: list[Message] = []
    turns: dict[str, e.TurnStarted] = {}
    for logged in events:
        event = logged.event
        if isinstance(event, e.RunOpened) and event.node == run:
            messages = [
                {"role": "system", "content": event.system},
                {"role": "user", "content": event.first},
            ]
        elif isinstance(event, e.TurnStarted) and event.parent == run:
            turns[event.node] = event
        elif isinstance(event, e.TurnEnded) and event.node in turns and event.status != "cancelled":
            turn = tree[event.node]
            children = tree.children(turn)
            reply = next((c.text for c in children if c.kind == "call" and c.role == "root"), "")
            if told := turns[event.node].told:
                messages.append({"role": "user", "content": told})
            cells = [child for child in children if child.kind == "cell"]
            yield Exchange(turn, list(messages), str(reply), cells)
            said = f"{event.observation}\n\n{event.header}" if event.header else event.observation
            messages += [
                {"role": "assistant", "content": str(reply)},
                {"role": "user", "content": said},
            ]
