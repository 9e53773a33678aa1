"""The tree of a run, folded from its events, one after another.

Guarantees
- any prefix of a log, and events in any order, fold to a valid tree: a node that others speak of
  before its own event is there, marked ``known=False``, and is filled in later; a parent that
  would make a circle is not taken;
- totals are kept on the way up (O(depth) for a call), so a tree of n events costs O(n);
- an end told twice counts once;
- event types that aren't known change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..protocol import Logged, NodeKind, Usage
from ._folds import FOLDS, KINDS, guess
from .node import NOTHING_AMISS, NOTHING_USED, Amiss, Node


class Tree:
    """A fold over events.

    Args:
        events: applied at once, oldest first.

    One thread applies; others may read meanwhile and see each node as far as it is told.
    """

    def __init__(self, events: Iterable[Logged] = ()) -> None:
        self.seq = 0  # the number of the last event applied
        self.time: float | None = None  # and its time
        self._nodes: dict[str, Node] = {}
        self._tops: dict[str, None] = {}  # in order; a dict so that leaving it is cheap
        self._kinds: dict[str, list[Node]] = {kind: [] for kind in KINDS}
        for logged in events:
            self.apply(logged)

    # -- reading ----------------------------------------------------------------------------

    @property
    def root(self) -> Node | None:
        """The first run or session that nothing is above of, or None as long as there is none."""
        first = None
        for node in self.tops:
            if node.known and node.kind in ("run", "session"):
                return node
            first = first or node
        return first

    @property
    def tops(self) -> list[Node]:
        """Every node without a parent, oldest first."""
        return [self._nodes[node_id] for node_id in list(self._tops)]

    @property
    def calls(self) -> list[Node]:
        """Every call, the root model's own included, in the order they were started."""
        return list(self._kinds["call"])

    def __getitem__(self, node_id: str) -> Node:
        return self._nodes[node_id]

    def get(self, node_id: str) -> Node | None:
        """Give a node, or None where there is none of that id."""
        return self._nodes.get(node_id)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def children(self, node: Node) -> list[Node]:
        """Give what is right below a node, in the order it was started."""
        return [self._nodes[child] for child in node.children]

    def walk(self, start: Node | None = None) -> Iterator[Node]:
        """Give a node and everything below it, parents first; by default the whole tree."""
        stack = [start] if start is not None else self.tops[::-1]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(self._nodes[child] for child in reversed(node.children))

    def above(self, node: Node) -> list[Node]:
        """Give the nodes above a node, nearest first."""
        found = []
        while node.parent is not None:
            node = self._nodes[node.parent]
            found.append(node)
        return found

    def find(
        self,
        *,
        kind: str | None = None,
        status: str | None = None,
        where: Callable[[Node], bool] | None = None,
    ) -> list[Node]:
        """Give the nodes of a kind and a status (None: any) for which ``where`` holds."""
        if kind is None:
            nodes: Iterable[Node] = list(self._nodes.values())
        else:
            nodes = self._kinds.get(kind, [])
        return [
            node
            for node in nodes
            if (status is None or node.status == status) and (where is None or where(node))
        ]

    def __str__(self) -> str:
        from .text import tree_text

        return tree_text(self)

    def _repr_html_(self) -> str:
        from .html import tree_html

        return tree_html(self)

    def __repr__(self) -> str:
        return f"<Tree of {len(self)} nodes, {len(self._kinds['call'])} calls>"

    # -- folding ----------------------------------------------------------------------------

    def apply(self, logged: Logged) -> Node | None:
        """Take one event in; give the node it was about, or None where its type isn't known."""
        event = logged.event
        fold = FOLDS.get(type(event))
        if fold is None:
            return None
        if logged.seq:
            self.seq = logged.seq
        self.time = logged.time
        return fold(self, event, logged.time)

    def _node(self, node_id: str, kind: NodeKind) -> Node:
        """Give a node that an event speaks of, made as not known where it isn't there."""
        node = self._nodes.get(node_id)
        if node is None:
            node = Node(node_id, kind, known=False, status="unknown", title=node_id)
            self._nodes[node_id] = node
            self._tops[node_id] = None
            self._kinds[kind].append(node)
        return node

    def _start(self, event: Any, kind: NodeKind, time: float, **values: Any) -> Node:
        """Make a node by its own event, or fill it in; a second start changes nothing."""
        node = self._nodes.get(event.node)
        if node is None:
            node = Node(event.node, kind)
            self._nodes[event.node] = node
            self._kinds[kind].append(node)
            self._place(node, event.parent)
        elif node.known:
            return node
        else:
            self._become(node, kind)
            self._place(node, event.parent)
        node.started = time
        if node.ended is not None:  # its end was told first: what the end said stays
            values.pop("status", None)
            node.seconds = max(node.ended - time, 0.0) if node.seconds is None else node.seconds
        for name, value in values.items():
            setattr(node, name, value)
        return node

    def _become(self, node: Node, kind: NodeKind) -> None:
        """Make a node known that only others spoke of so far."""
        if node.kind != kind:
            self._kinds[node.kind].remove(node)
            self._kinds[kind].append(node)
            node.kind = kind
        node.known = True
        if node.status == "unknown":
            node.status = "running"

    def _place(self, node: Node, parent_id: str | None) -> None:
        """Hang a node that has no parent yet below its parent, or at the top."""
        parent = self._node(parent_id, guess(parent_id)) if parent_id else None
        if parent is None or parent is node or node in self.above(parent):
            self._tops[node.id] = None
            return
        self._tops.pop(node.id, None)
        node.parent = parent.id
        parent.add_child(node.id)
        if node.total != NOTHING_USED:
            self._add(parent, node.total)
        self._add_amiss(parent, node.amiss + self._own_amiss(node))

    def _add(self, node: Node | None, usage: Usage) -> None:
        while node is not None:
            node.total = usage if node.total is NOTHING_USED else node.total + usage
            node = self._parent(node)

    def _add_amiss(self, node: Node | None, more: Amiss) -> None:
        if more == NOTHING_AMISS:
            return
        while node is not None:
            node.amiss = node.amiss + more
            node = self._parent(node)

    def _own_amiss(self, node: Node) -> Amiss:
        """Give what a child that ended counts as for what is above it."""
        bad = node.kind == "run" and node.ended is not None and node.status != "done"
        return Amiss(children=1) if bad else NOTHING_AMISS

    def _parent(self, node: Node) -> Node | None:
        return self._nodes[node.parent] if node.parent is not None else None

    def _end(self, node: Node, time: float, status: str) -> bool:
        """Mark a node as ended; False where it had ended already."""
        if node.ended is not None:
            return False
        node.ended = time
        node.status = status
        if node.seconds is None and node.started is not None:
            node.seconds = max(time - node.started, 0.0)
        return True
