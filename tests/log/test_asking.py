"""What calls may come to, and that they wait to be allowed, is read in every view of the tree."""

from __future__ import annotations

import pytest

from rlm_kernel.log import Tree, tree_html, tree_text
from rlm_kernel.log.format import estimate_text
from rlm_kernel.protocol import Event, Logged
from rlm_kernel.protocol import events as ev


def tree(*events: Event) -> Tree:
    made = Tree()
    start = [
        ev.RunStarted(node="run1", question="q"),
        ev.TurnStarted(node="turn1", parent="run1", number=1),
        ev.CellProposed(
            node="cell1", parent="turn1", code="llm_query(context)", number=1,
            estimate={"calls": 3, "loops": True, "tokens": 120_000, "cost": 0.62},
        ),
    ]  # fmt: skip
    for number, event in enumerate([*start, *events], 1):
        made.apply(Logged(number, 100.0 + number, event))
    return made


ASKED = [
    ev.CellDecided(node="cell1"),
    ev.CellStarted(node="cell1"),
    ev.CallsProposed(node="cell1", ask="ask1", calls=9, reason="its calls come to 9 <calls>"),
]


def test_a_proposal_says_what_its_calls_may_come_to_until_it_is_decided() -> None:
    said = "its calls: 3 calls or more · about 120k tokens · about $0.62"
    assert said in tree_text(tree())
    assert said in tree_html(tree()).replace("<span>$</span>", "$")
    assert said not in tree_text(tree(ev.CellDecided(node="cell1")))


def test_an_unknown_price_is_said_and_nothing_where_nothing_is_called() -> None:
    unknown = estimate_text({"calls": 1, "tokens": 10, "cost": None})
    assert unknown == "1 call · about 10 tokens · price unknown"
    assert estimate_text({}) == ""
    assert estimate_text({"calls": "x", "tokens": None}) == ""


def test_calls_that_wait_are_shown_as_long_as_they_do() -> None:
    waiting = tree(*ASKED)
    assert "calls wait to be allowed: its calls come to 9 <calls>" in tree_text(waiting)
    assert "calls wait to be allowed: its calls come to 9 &lt;calls&gt;" in tree_html(waiting)
    allowed = tree(*ASKED, ev.CallsDecided(node="cell1", ask="ask1", by="you"))
    assert "calls" not in tree_text(allowed).replace("∑", "").partition("llm_query")[2]
    assert allowed["cell1"].asking == ""


@pytest.mark.parametrize("reason", ["", "too dear"])
def test_refused_calls_leave_their_reason_at_the_cell(reason: str) -> None:
    decided = ev.CallsDecided(node="cell1", ask="ask1", decision="reject", reason=reason)
    said = "reason: calls were refused" + (" (too dear)" if reason else "")
    assert said in tree_html(tree(*ASKED, decided))


def test_calls_that_came_to_nothing_are_told_apart_at_every_node_above_them() -> None:
    ended = [
        ("error", "rate", {}), ("error", "budget", {}), ("cancelled", "cancelled", {}),
        ("ok", "", {"calls": 1, "cost": 0.0}),
    ]  # fmt: skip
    calls: list[Event] = [ev.CellStarted(node="cell1")]
    for number, (status, kind, usage) in enumerate(ended):
        node = f"call{number}"
        calls.append(ev.CallStarted(node=node, parent="cell1"))
        calls.append(ev.CallEnded(
            node=node, status=status, error_kind=kind, usage=usage,  # type: ignore[arg-type]
        ))  # fmt: skip
    child = [
        ev.RunStarted(node="run2", parent="cell1", question="q", depth=1),
        ev.RunEnded(node="run2", status="failed"),
    ]
    made = tree(*calls, *child, ev.CellEnded(node="cell1"))
    said = "∑ 4 calls, 1 failed, 1 refused, 1 cancelled, 1 child not done"
    for view in (tree_text(made, width=160), tree_html(made)):
        assert view.count(said) == 3, "the run, its turn and its cell"
    assert made["run2"].amiss.children == 0, "what is below it"


def test_calls_that_a_person_refused_count_as_asked_for_and_refused() -> None:
    decided = ev.CallsDecided(node="cell1", ask="ask1", decision="reject")
    while_it_runs = tree(*ASKED, decided)
    assert "∑ 9 calls, 9 refused" in tree_text(while_it_runs)
    # the end of the cell counts those that were refused without being asked about again
    over = tree(*ASKED, decided, ev.CellEnded(node="cell1", refused=12))
    assert "∑ 12 calls, 12 refused" in tree_html(over)
    assert over["cell1"].refused == 12
    stopped = tree(*ASKED, ev.CallsDecided(node="cell1", ask="ask1", decision="reject", by="stop"))
    assert "∑ 9 calls, 9 cancelled" in tree_text(stopped)
