"""The tree is a fold over events, in whatever order they come."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.log import Log, Tree
from rlm_kernel.log import tree as tree_module
from rlm_kernel.protocol import Logged, Usage
from rlm_kernel.protocol.events import (
    AnswerGiven,
    BatchEnded,
    BatchStarted,
    CallEnded,
    CallRetried,
    CallStarted,
    CallText,
    CellDecided,
    CellEnded,
    CellProposed,
    CellStarted,
    Noted,
    PhaseChanged,
    RunEnded,
    RunStarted,
    SessionStarted,
    TurnEnded,
    TurnStarted,
)


def used(cost=0.5, calls=1):
    return {"input_tokens": 10, "output_tokens": 2, "calls": calls, "cost": cost,
            "known_cost": cost or 0.0}  # fmt: skip


def a_run():
    """A run of one turn: a root call, a cell with a batch of three, and a child run in it."""
    return [
        RunStarted(node="run1", question="How  many\nlines?", model="m", mode="step"),
        TurnStarted(node="turn1", parent="run1", number=1, of=30),
        CallStarted(node="call1", parent="turn1", role="root", model="m", prompt="P"),
        CallEnded(node="call1", text="```repl\nx```", usage=used(), first_token=0.2),
        CellProposed(node="cell1", parent="turn1", code="a = 1", number=1),
        CellDecided(node="cell1", decision="edit", by="widget", code="a = 2"),
        CellStarted(node="cell1", where="shell"),
        BatchStarted(node="batch1", parent="cell1", size=3, line=4),
        *(CallStarted(node=f"call{n}", parent="batch1", index=n - 2) for n in (2, 3, 4)),
        CallEnded(node="call3", text="t", usage=used()),
        CallEnded(node="call2", status="error", error="no", error_kind="rate", usage={}),
        CallEnded(node="call4", text="t", usage=used()),
        BatchEnded(node="batch1", ok=2, failed=1),
        RunStarted(node="run2", parent="cell1", question="child", depth=1),
        TurnStarted(node="turn2", parent="run2", number=1),
        CallStarted(node="call5", parent="turn2", role="root"),
        CallEnded(node="call5", usage=used(cost=None)),
        TurnEnded(node="turn2"),
        RunEnded(node="run2", answer="7"),
        CellEnded(node="cell1", output="out", output_chars=3, seconds=1.5, changed=["a"]),
        AnswerGiven(node="cell1", answer="42"),
        TurnEnded(node="turn1", observation="seen"),
        RunEnded(node="run1", answer="42", answer_type="int", seconds=3.0),
    ]  # fmt: skip


def logged(events):
    return [Logged(n, float(n), event) for n, event in enumerate(events, 1)]


def shape(tree):
    return {
        n.id: (n.kind, n.parent, sorted(n.children), n.status, n.own, n.answer, n.code, n.known)
        for n in tree.walk()
    }


def test_a_run_folds_to_what_happened():
    tree = Tree(logged(a_run()))
    assert tree.root is tree["run1"]
    run, cell, batch = tree["run1"], tree["cell1"], tree["batch1"]
    assert (run.title, run.status, run.answer, run.seconds) == (
        "How many lines?", "done", "42", 3.0,
    )  # fmt: skip
    assert (cell.code, cell.proposed_code, cell.decision, cell.by) == (
        "a = 2", "a = 1", "edit", "widget",
    )  # fmt: skip
    assert (cell.status, cell.output, cell.seconds, cell.where) == ("ok", "out", 1.5, "shell")
    assert cell.children == ["batch1", "run2"]
    assert (batch.status, batch.ok, batch.failed, batch.progress) == ("partial", 2, 1, (3, 3))
    assert tree["call1"].parent == "turn1"
    assert tree["call1"].first_token == 0.2
    assert tree["call2"].error_kind == "rate"
    assert [n.id for n in tree.find(kind="call", status="error")] == ["call2"]
    assert len(tree.calls) == 5
    order = [n.id for n in tree.walk()]
    assert order[:5] == ["run1", "turn1", "call1", "cell1", "batch1"]


def test_totals_are_rolled_up_and_an_unknown_price_stays_unknown():
    tree = Tree(logged(a_run()))
    assert tree["batch1"].total == Usage(20, 4, 0, 1.0, 1.0, 2)
    assert tree["run2"].total.cost is None
    assert tree["run1"].total.cost is None
    assert tree["run1"].total.known_cost == 1.5
    assert tree["run1"].total.calls == 4
    assert tree["run1"].own.calls == 0
    assert tree["call1"].own == tree["call1"].total


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_order_of_events_gives_the_same_tree(rnd):
    events = logged(a_run())
    expected = shape(Tree(events))
    rnd.shuffle(events)
    tree = Tree(events)
    assert shape(tree) == expected
    got, want = tree["run1"].total, Tree(logged(a_run()))["run1"].total
    assert (got.calls, got.tokens, got.cost) == (want.calls, want.tokens, want.cost)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5), st.integers(0, 3)), max_size=40))
def test_any_parents_give_a_tree_even_circles(triples):
    makers = (RunStarted, CallStarted, BatchStarted)
    events = [
        makers[what](node=f"n{a}", parent=f"n{b}" if b >= 0 else "")
        if what < 3
        else CallEnded(node=f"n{a}", usage=used())
        for a, b, what in triples
    ]
    tree = Tree(logged(events))
    walked = list(tree.walk())
    assert len(walked) == len({n.id for n in walked}) == len(tree)
    for node in walked:
        below = [n.own.calls for n in tree.walk(node)]
        assert node.total.calls == sum(below)


def test_a_parent_that_was_never_told_is_there_and_marked():
    tree = Tree(logged([CallStarted(node="call9", parent="cell4"), CallEnded(node="call9")]))
    assert (tree["cell4"].kind, tree["cell4"].known) == ("cell", False)
    assert tree["cell4"].children == ["call9"]
    assert tree.root is tree["cell4"]


def test_streamed_text_grows_and_the_end_says_the_whole():
    tree, log = Tree(), Log()
    log.listen(tree.apply)
    log.emit(CallStarted(node="call1", parent="turn1"))
    for piece in ("ab", "c", ""):
        log.emit(CallText(node="call1", text=piece))
    assert tree["call1"].text == "abc"
    assert tree["call1"].first_token is not None
    log.emit(CallRetried(node="call1", attempt=1, error="rate"))
    assert (tree["call1"].text, tree["call1"].status) == ("", "retrying")
    log.emit(CallText(node="call1", text="x"))
    assert tree["call1"].status == "running"
    log.emit(CallEnded(node="call1", text="xyz", usage=used()))
    log.emit(CallText(node="call1", text="late"))
    log.emit(CallEnded(node="call1", text="twice", usage=used()))
    assert tree["call1"].text == "xyz"
    assert tree["turn1"].total.calls == 1


def test_phases_and_progress_are_live():
    tree = Tree(logged(a_run()[:12]))
    assert tree["batch1"].progress == (1, 3)
    assert tree["batch1"].live
    tree.apply(Logged(99, 99.0, PhaseChanged(node="run1", phase="paused", reason="budget")))
    assert (tree["run1"].status, tree["run1"].reason) == ("paused", "budget")
    tree.apply(Logged(100, 99.0, RunEnded(node="run1", status="stopped")))
    tree.apply(Logged(101, 99.0, PhaseChanged(node="run1", phase="thinking")))
    assert tree["run1"].status == "stopped"


def test_a_rejected_proposal_ends_without_running():
    events = a_run()[:5]
    tree = Tree(logged([*events, CellDecided(node="cell1", decision="reject", reason="slow")]))
    assert (tree["cell1"].status, tree["cell1"].reason, tree["cell1"].live) == (
        "rejected", "slow", False,
    )  # fmt: skip


def test_a_session_holds_runs_and_calls_of_its_own():
    tree = Tree(
        logged([
            SessionStarted(node="session1", title="notebook"),
            CallStarted(node="call1", parent="session1"),
            RunStarted(node="run1", parent="session1", question="Q"),
            Noted(node="run1", text="said"),
        ])
    )  # fmt: skip
    assert tree.root is tree["session1"]
    assert tree["session1"].children == ["call1", "run1"]
    assert tree["run1"].notes == [("info", "said")]


def test_what_a_usage_should_not_hold_is_taken_as_not_told():
    usage = {"calls": 1, "cost": "free", "input_tokens": [1], "colour": 3}
    tree = Tree(logged([CallStarted(node="c", parent="t"), CallEnded(node="c", usage=usage)]))
    assert tree["t"].total == Usage(calls=1)


def test_the_work_grows_with_the_events_and_not_faster(monkeypatch):
    """Counts additions of usage and steps upwards, for ten times the calls."""

    def work(calls):
        added = 0
        real = Usage.__add__

        def counting(self, other):
            nonlocal added
            added += 1
            return real(self, other)

        monkeypatch.setattr(tree_module.Usage, "__add__", counting)
        looked = 0

        class Nodes(dict):
            def __getitem__(self, key):
                nonlocal looked
                looked += 1
                return super().__getitem__(key)

        tree = Tree()
        tree._nodes = Nodes()
        for event in logged(a_run()[:8]):
            tree.apply(event)
        ids = [f"call{n}" for n in range(10, 10 + calls)]
        for node in ids:
            tree.apply(Logged(1, 1.0, CallStarted(node=node, parent="batch1")))
        random.Random(1).shuffle(ids)
        for node in ids:
            tree.apply(Logged(1, 1.0, CallEnded(node=node, usage=used())))
        assert tree["run1"].total.calls == calls + 1
        return added, looked

    small, large = work(1000), work(10_000)
    assert large[0] <= 10 * small[0] + 20  # the first usage below a node is taken as it is
    assert large[1] <= 10 * small[1]
    assert small[0] <= 5 * 1001
