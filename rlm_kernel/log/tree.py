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
from typing import Any, cast

from ..protocol import Event, Logged, NodeKind, Usage, usage_from_dict
from ..protocol import events as ev
from .node import NOTHING_USED, Node

_KINDS = ("session", "run", "turn", "cell", "batch", "call")
_TITLE = 120  # characters


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
        self._kinds: dict[str, list[Node]] = {kind: [] for kind in _KINDS}
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
        fold = _FOLDS.get(type(event))
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
        parent = self._node(parent_id, _guess(parent_id)) if parent_id else None
        if parent is None or parent is node or node in self.above(parent):
            self._tops[node.id] = None
            return
        self._tops.pop(node.id, None)
        node.parent = parent.id
        parent.children.append(node.id)
        if node.total != NOTHING_USED:
            self._add(parent, node.total)

    def _add(self, node: Node | None, usage: Usage) -> None:
        while node is not None:
            node.total = node.total + usage
            node = self._nodes[node.parent] if node.parent is not None else None

    def _end(self, node: Node, time: float, status: str) -> bool:
        """Mark a node as ended; False where it had ended already."""
        if node.ended is not None:
            return False
        node.ended = time
        node.status = status
        if node.seconds is None and node.started is not None:
            node.seconds = max(time - node.started, 0.0)
        return True


def _guess(node_id: str) -> NodeKind:
    word = node_id.rstrip("0123456789")
    return cast(NodeKind, word) if word in _KINDS else "run"


def _code_title(code: str) -> str:
    """Give the first line of code that does something."""
    lines = [line.strip() for line in code[:2_000].splitlines()]
    telling = [line for line in lines if line and not line.startswith("#")] or lines
    more = " …" if len(telling) > 1 else ""
    return _title(telling[0]) + more if telling else ""


def _title(text: str) -> str:
    """Give the first words of a text on one line."""
    line = " ".join(text[: 4 * _TITLE].split())
    return line if len(line) <= _TITLE else line[: _TITLE - 1] + "…"


# -- one fold per event type; each gives the node the event was about -----------------------------


def _run_started(tree: Tree, e: ev.RunStarted, time: float) -> Node:
    return tree._start(
        e, "run", time, status="starting", title=_title(e.name or e.question), run_id=e.run_id,
        question=e.question, name=e.name, context=e.context, model=e.model, sub_model=e.sub_model,
        mode=e.mode, where=e.where, depth=e.depth, line=e.line, index=e.index, config=e.config,
    )  # fmt: skip


def _session_started(tree: Tree, e: ev.SessionStarted, time: float) -> Node:
    node = tree._node(e.node, "session")
    tree._become(node, "session")
    node.status, node.started = "open", time
    node.title = _title(e.title or "session")
    return node


def _phase_changed(tree: Tree, e: ev.PhaseChanged, time: float) -> Node:
    node = tree._node(e.node, "run")
    if node.ended is None:
        node.status, node.reason = e.phase, e.reason
    return node


def _mode_changed(tree: Tree, e: ev.ModeChanged, time: float) -> Node:
    node = tree._node(e.node, "run")
    node.mode = e.mode
    return node


def _budget_changed(tree: Tree, e: ev.BudgetChanged, time: float) -> Node:
    node = tree._node(e.node, "run")
    node.budget = e.budget
    return node


def _run_ended(tree: Tree, e: ev.RunEnded, time: float) -> Node:
    node = tree._node(e.node, "run")
    if node.ended is None:
        node.seconds = e.seconds or None
        node.answer, node.answer_type, node.forced = e.answer, e.answer_type, e.forced
        node.reason = e.reason
        tree._end(node, time, e.status)
        _count_in_batch(tree, node, e.status == "done")
    return node


def _turn_started(tree: Tree, e: ev.TurnStarted, time: float) -> Node:
    title = f"turn {e.number}"
    return tree._start(e, "turn", time, number=e.number, of=e.of, title=title)


def _turn_ended(tree: Tree, e: ev.TurnEnded, time: float) -> Node:
    node = tree._node(e.node, "turn")
    node.observation = e.observation
    tree._end(node, time, e.status)
    return node


def _cell_proposed(tree: Tree, e: ev.CellProposed, time: float) -> Node:
    before = tree.get(e.node)
    code = before.code if before is not None and before.code else e.code  # decided already
    return tree._start(
        e, "cell", time, status="proposed", title=_code_title(code), code=code,
        proposed_code=e.code, author=e.author, number=e.number,
    )  # fmt: skip


_DECIDED = {"reject": "rejected", "respond": "responded"}


def _cell_decided(tree: Tree, e: ev.CellDecided, time: float) -> Node:
    node = tree._node(e.node, "cell")
    node.decision, node.by, node.reason = e.decision, e.by, e.reason
    if e.code is not None:
        node.code = e.code
        node.title = _code_title(e.code)
    if e.text:
        node.output = e.text
        node.output_chars = len(e.text)
    if e.decision in _DECIDED:
        tree._end(node, time, _DECIDED[e.decision])
    elif node.ended is None and node.status in ("proposed", "unknown"):
        node.status = "decided"
    return node


def _cell_started(tree: Tree, e: ev.CellStarted, time: float) -> Node:
    node = tree._node(e.node, "cell")
    node.where = e.where
    if node.ended is None:
        node.status, node.started = "running", time
    return node


def _cell_ended(tree: Tree, e: ev.CellEnded, time: float) -> Node:
    node = tree._node(e.node, "cell")
    if node.ended is None:
        node.output, node.output_chars, node.result = e.output, e.output_chars, e.result
        node.error, node.traceback = e.error or "", e.traceback
        node.seconds, node.waited, node.changed = e.seconds or None, e.waited, e.changed
        node.note = e.note
        tree._end(node, time, e.status)
    return node


def _batch_started(tree: Tree, e: ev.BatchStarted, time: float) -> Node:
    what = "rlm_query" if e.kind == "rlm" else "llm_query"
    title = f"{what} × {e.size}"  # noqa: RUF001 - the sign is meant
    return tree._start(e, "batch", time, size=e.size, line=e.line, name=what, title=title)


def _batch_ended(tree: Tree, e: ev.BatchEnded, time: float) -> Node:
    node = tree._node(e.node, "batch")
    if node.ended is None:
        node.ok, node.failed = e.ok, e.failed
        status = "ok" if not e.failed else "partial" if e.ok else "error"
        tree._end(node, time, status)
    return node


def _call_started(tree: Tree, e: ev.CallStarted, time: float) -> Node:
    return tree._start(
        e, "call", time, title=_title(e.name or e.prompt), role=e.role, model=e.model,
        prompt=e.prompt, name=e.name, depth=e.depth, line=e.line, index=e.index, note=e.note,
    )  # fmt: skip


def _call_text(tree: Tree, e: ev.CallText, time: float) -> Node:
    node = tree._node(e.node, "call")
    if node.ended is None:
        if node.first_token is None and node.started is not None:
            node.first_token = max(time - node.started, 0.0)
        if node._pieces is None:
            node._pieces = []
        node._pieces.append(e.text)
        if node.status == "retrying":
            node.status = "running"
    return node


def _call_retried(tree: Tree, e: ev.CallRetried, time: float) -> Node:
    node = tree._node(e.node, "call")
    if node.ended is None:
        node.retries, node.error, node.status = e.attempt, e.error, "retrying"
        node._text, node._pieces, node.first_token = "", None, None
    return node


def _call_ended(tree: Tree, e: ev.CallEnded, time: float) -> Node:
    node = tree._node(e.node, "call")
    if node.ended is not None:
        return node
    usage = _usage(e.usage)
    node._text, node._pieces = e.text, None
    node.model = e.model or node.model
    node.finish, node.cached = e.finish, e.cached
    node.error, node.error_kind = e.error, e.error_kind
    if e.first_token is not None:
        node.first_token = e.first_token
    tree._end(node, time, e.status)
    node.own = usage
    tree._add(node, usage)
    _count_in_batch(tree, node, e.status == "ok")
    return node


def _count_in_batch(tree: Tree, node: Node, ok: bool) -> None:
    """Keep the progress of a batch that hasn't ended."""
    batch = tree._nodes.get(node.parent) if node.parent is not None else None
    if batch is not None and batch.kind == "batch" and batch.ended is None:
        if ok:
            batch.ok += 1
        else:
            batch.failed += 1


def _answer_given(tree: Tree, e: ev.AnswerGiven, time: float) -> Node:
    node = tree._node(e.node, _guess(e.node))
    if e.accepted:
        node.answer = e.answer
    else:
        node.reason = e.reason
    return node


def _folded(tree: Tree, e: ev.Folded, time: float) -> Node:
    node = tree._node(e.node, "run")
    tokens = f"{e.tokens_before:,} to {e.tokens_after:,} tokens"
    node.notes.append(("info", f"{e.messages} older messages were folded ({tokens})."))
    return node


def _noted(tree: Tree, e: ev.Noted, time: float) -> Node:
    node = tree._node(e.node, _guess(e.node))
    node.notes.append((e.level, e.text))
    return node


def _usage(data: dict[str, Any]) -> Usage:
    """Rebuild a usage from an event; what isn't a number is taken as not told."""
    good = {
        name: value
        for name, value in data.items()
        if (isinstance(value, int | float) and not isinstance(value, bool))
        or (name == "cost" and value is None)
    }
    return usage_from_dict(good)


_FOLDS: dict[type[Event], Callable[[Tree, Any, float], Node]] = {
    ev.RunStarted: _run_started,
    ev.SessionStarted: _session_started,
    ev.PhaseChanged: _phase_changed,
    ev.ModeChanged: _mode_changed,
    ev.BudgetChanged: _budget_changed,
    ev.RunEnded: _run_ended,
    ev.TurnStarted: _turn_started,
    ev.TurnEnded: _turn_ended,
    ev.CellProposed: _cell_proposed,
    ev.CellDecided: _cell_decided,
    ev.CellStarted: _cell_started,
    ev.CellEnded: _cell_ended,
    ev.BatchStarted: _batch_started,
    ev.BatchEnded: _batch_ended,
    ev.CallStarted: _call_started,
    ev.CallText: _call_text,
    ev.CallRetried: _call_retried,
    ev.CallEnded: _call_ended,
    ev.AnswerGiven: _answer_given,
    ev.Folded: _folded,
    ev.Noted: _noted,
}
