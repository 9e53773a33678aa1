"""How each event changes the tree: a small function per type gives the node it was about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ..protocol import Event, NodeKind
from ..protocol import events as ev
from .format import count_text, plural
from .node import Amiss, Node, amiss_of
from .usage import recorded_usage

if TYPE_CHECKING:
    from .tree import Tree

KINDS = ("session", "run", "turn", "cell", "batch", "call", "solve", "step")
_TITLE = 120  # characters


def guess(node_id: str) -> NodeKind:
    word = node_id.rstrip("0123456789")
    return cast(NodeKind, word) if word in KINDS else "run"


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


def _run_started(tree: Tree, e: ev.RunStarted, time: float) -> Node:
    name = "" if e.parent is None else e.name  # that of a variable says less than the question
    return tree._start(
        e, "run", time, status="starting", title=_title(name or e.question), run_id=e.run_id,
        question=e.question, name=e.name, context=e.context, model=e.model, sub_model=e.sub_model,
        mode=e.mode, where=e.where, depth=e.depth, line=e.line, index=e.index, config=e.config,
        sandbox=e.sandbox,
    )  # fmt: skip


def _run_opened(tree: Tree, e: ev.RunOpened, time: float) -> Node:
    return tree._node(e.node, "run")


def _run_resumed(tree: Tree, e: ev.RunResumed, time: float) -> Node:
    node = tree._node(e.node, "run")
    if node.kind != "run":
        return node
    node.ended = node.seconds = node.answer = None
    node.status, node.reason, node.answer_type, node.forced = "starting", "", "", False
    node._text, node._pieces = "", None
    node.model, node.sub_model = e.model or node.model, e.sub_model or node.sub_model
    node.where, node.sandbox = e.where or node.where, e.sandbox or node.sandbox
    turns = f"after turn {e.turns}" if e.turns else "from its start"
    what = f"This is a branch of {e.branch}" if e.branch else "The run was picked up again"
    node.add_note("info", f"{what} {turns}.")
    return node


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
        tree._add_amiss(tree._parent(node), tree._own_amiss(node))
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
        proposed_code=e.code, author=e.author, number=e.number, place=e.place,
        estimate=e.estimate,
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
        _refused(tree, node, e.refused - node.refused)
    return node


def _calls_proposed(tree: Tree, e: ev.CallsProposed, time: float) -> Node:
    node = tree._node(e.node, "cell")
    if node.ended is None:
        node.asking, node.asked, node.reason = e.ask, e.calls, e.reason
    return node


def _calls_decided(tree: Tree, e: ev.CallsDecided, time: float) -> Node:
    node = tree._node(e.node, "cell")
    if node.asking == e.ask:
        if e.decision == "reject" and e.by == "stop":
            asked = node.asked
            tree._add_amiss(node, Amiss(cancelled=asked, unmade=asked))
        elif e.decision == "reject":
            _refused(tree, node, node.asked)
        node.asking = node.reason = ""
        node.asked = 0
    if e.decision == "reject":
        node.reason = " ".join(filter(None, ["calls were refused", e.reason and f"({e.reason})"]))
    return node


def _refused(tree: Tree, node: Node, calls: int) -> None:
    """Count more calls of a cell that weren't allowed."""
    if calls > 0:
        node.refused += calls
        tree._add_amiss(node, Amiss(refused=calls, unmade=calls))


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
        choices=e.choices,
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
    usage = recorded_usage(e.usage)
    node._text, node._pieces = e.text, None
    node.model = e.model or node.model
    node.finish, node.cached = e.finish, e.cached
    node.error, node.error_kind = e.error, e.error_kind
    if e.first_token is not None:
        node.first_token = e.first_token
    tree._end(node, time, e.status)
    node.own = usage
    tree._add(node, usage)
    tree._add_amiss(node, amiss_of(e.status, e.error_kind, usage.calls))
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


def _solve_started(tree: Tree, e: ev.SolveStarted, time: float) -> Node:
    node = tree._start(
        e, "solve", time, task=e.task, model=e.model, prompt=e.puzzle, parameters=e.parameters,
        of=e.of, line=e.line,
    )  # fmt: skip
    return _named(node)


def _solve_step(tree: Tree, e: ev.SolveStep, time: float) -> Node:
    above = tree.get(e.parent)
    before = above.started if above is not None else None  # since when it went on
    if above is not None and above.children:
        before = tree[above.children[-1]].ended
    wrong = f"{e.wrong:,}" if e.wrong else "none"
    breaks = "break" if e.wrong > 1 else "breaks"
    title = (
        f"{plural(e.changed, 'cell')} changed, {wrong} {breaks} a rule · "
        f"halt {100 * min(max(e.halt, 0.0), 1.0):.0f} %"
    )
    node = tree._start(
        e, "step", time if before is None else min(before, time), title=title, number=e.number,
        applied=e.calls, cells_changed=e.changed, cells_wrong=e.wrong, halt=e.halt, moved=e.moved,
        frames=e.frames, _text=e.grid, _pieces=None,
    )  # fmt: skip
    if node.kind == "step":
        tree._end(node, time, "ok")
    return node


def _solve_ended(tree: Tree, e: ev.SolveEnded, time: float) -> Node:
    node = tree._node(e.node, "solve")
    if node.ended is None:
        node.solved, node.note, node.error = e.solved, e.said, e.error
        node._text, node._pieces = e.answer, None
        node.number, node.applied, node.seconds = e.steps, e.calls, e.seconds or None
        # It ran to its end, and its grid isn't the solution: no mark says that all is well.
        tree._end(node, time, "partial" if e.status == "ok" and not e.solved else e.status)
    return _named(node)


def _named(node: Node) -> Node:
    """Give a solve its title: what is solved, and what came of it."""
    if node.kind == "solve":
        said = node.error
        if node.ended is not None and node.status in ("ok", "partial"):
            said = (
                f"{'solved' if node.solved else 'not solved'} in {plural(node.number, 'step')}, "
                f"{plural(node.applied, 'call')} of one {count_text(node.parameters)}-parameter net"
            )
        node.title = _title(" · ".join(part for part in (node.task, said) if part))
    return node


def _answer_given(tree: Tree, e: ev.AnswerGiven, time: float) -> Node:
    node = tree._node(e.node, guess(e.node))
    if e.accepted:
        node.answer = e.answer
    else:
        node.reason = node.refusal = e.reason
    return node


def _folded(tree: Tree, e: ev.Folded, time: float) -> Node:
    node = tree._node(e.node, "run")
    tokens = f"{e.tokens_before:,} to {e.tokens_after:,} tokens"
    node.add_note("info", f"{e.messages} older messages were folded ({tokens}).")
    return node


def _noted(tree: Tree, e: ev.Noted, time: float) -> Node:
    node = tree._node(e.node, guess(e.node))
    node.add_note(e.level, e.text)
    return node


FOLDS: dict[type[Event], Callable[[Tree, Any, float], Node]] = {
    ev.RunStarted: _run_started,
    ev.RunOpened: _run_opened,
    ev.RunResumed: _run_resumed,
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
    ev.CallsProposed: _calls_proposed,
    ev.CallsDecided: _calls_decided,
    ev.BatchStarted: _batch_started,
    ev.BatchEnded: _batch_ended,
    ev.CallStarted: _call_started,
    ev.CallText: _call_text,
    ev.CallRetried: _call_retried,
    ev.CallEnded: _call_ended,
    ev.SolveStarted: _solve_started,
    ev.SolveStep: _solve_step,
    ev.SolveEnded: _solve_ended,
    ev.AnswerGiven: _answer_given,
    ev.Folded: _folded,
    ev.Noted: _noted,
}
