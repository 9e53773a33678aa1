"""A log from elsewhere, or damaged: it is read, or one sentence says why not."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_kernel.engine.record import close_open_nodes, open_log
from rlm_kernel.engine.rlm import logged_options
from rlm_kernel.errors import RecordingError, RLMError
from rlm_kernel.log import Log, Tree, read_log, tree_html, tree_text
from rlm_kernel.log.paid import NAME
from rlm_kernel.log.usage import recorded_usage
from rlm_kernel.protocol import Usage
from rlm_kernel.protocol import events as e
from rlm_kernel.protocol.events import usage_to_dict

HEAD = '{"v":1,"log":"rlm-kernel","created":1.0}\n'
ONE_OF_EACH: list[e.Event] = [
    e.RunStarted(node="run1", question="Q?", model="m", sub_model="s",
                 context=[{"name": "context", "kind": "text", "size": "9", "hash": "text:9:x"}],
                 config={"max_turns": 3, "options": {"budget": "$1", "temperature": 0.5,
                                                     "allow_read": ["/a"], "cwd": "/b"}}),
    e.RunOpened(node="run1", system="S", first="F"),
    e.TurnStarted(node="turn1", parent="run1", number=1, of=3),
    e.CallStarted(node="call1", parent="turn1", role="root", model="m", prompt="p"),
    e.CallText(node="call1", text="t"),
    e.CallRetried(node="call1", attempt=2, wait=0.5, error="busy"),
    e.CallEnded(node="call1", text="x = 1\n" * 900, key="k1", first_token=0.2,
                usage={"calls": 1, "cost": 0.5, "known_cost": 0.5, "input_tokens": 7}),
    e.CellProposed(node="cell1", parent="turn1", code="x = 1", number=1,
                   estimate={"calls": 2, "tokens": 900, "cost": 0.1, "loops": True}),
    e.CallsProposed(node="cell1", ask="ask1", calls=2, tokens=9, cost=0.1, line=3, reason="many"),
    e.CallsDecided(node="cell1", ask="ask1", decision="reject", by="human", reason="no"),
    e.CellDecided(node="cell1", decision="edit", by="human", code="x = 2"),
    e.CellStarted(node="cell1"),
    e.BatchStarted(node="batch1", parent="cell1", size=6, line=2),
    *(e.CallStarted(node=f"call{n}", parent="batch1", prompt="P", line=2, index=n, choices=["a"])
      for n in range(2, 8)),
    *(e.CallEnded(node=f"call{n}", status="error", error="no", error_kind="budget")
      for n in range(2, 8)),
    e.BatchEnded(node="batch1", ok=1, failed=5),
    e.RunStarted(node="run2", parent="cell1", question="child", depth=1, line=4, index=0),
    e.RunEnded(node="run2", answer="7", answer_type="int", seconds=1.5),
    e.CallStarted(node="call9", parent="cell1", role="human", prompt="Who?"),
    e.CallEnded(node="call9", text="me"),
    e.CellEnded(node="cell1", output="out", output_chars=3, result="1", error="E", seconds=0.5,
                traceback="tb", waited=0.1, changed=["x"], refused=2),
    e.AnswerGiven(node="cell1", accepted=False, answer="a", reason="no"),
    e.TurnEnded(node="turn1", observation="o", header="h"),
    e.PhaseChanged(node="run1", phase="paused", reason="you"),
    e.ModeChanged(node="run1", mode="step", by="human"),
    e.BudgetChanged(node="run1", budget={"money": 2.0, "tokens": None, "calls": 5,
                                         "seconds": None}, by="human"),
    e.Folded(node="run1", messages=3, tokens_before=900, tokens_after=90, summary="sum"),
    e.Noted(node="run1", text="said", level="warning"),
    e.RunResumed(node="run1", turns=1),
    e.SessionStarted(node="session1", title="t"),
    e.TurnStarted(node="turn2", parent="run1", number=2, of=3, told="told"),
]  # fmt: skip
PAID = {"v": 1, "call": "c", "key": "k2", "at": 1.0, "model": "m", "text": "t", "finish": "stop",
        "usage": {"calls": 1, "cost": 0.1}}  # fmt: skip

odd = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=4),
    st.sampled_from([10**400, -(10**99), 1e308, "9" * 5000, "\ud800", "run1", "cell1", {}, [], [1],
                     {"a": 1}, [[]], {"$blob": "x"}, {"$dict": {"$a": 1}}, [{"name": 3}]]),
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with one event of each type, and more."""
    folder = tmp_path_factory.mktemp("whole")
    with Log(folder) as log:
        for event in ONE_OF_EACH:
            log.emit(event)
    return folder


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value in JSON-able data."""
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    return [before, *(p for key, item in items for p in places(item, (*before, key)))]


def changed(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The data with one value replaced."""
    if not way:
        return value
    data = copy.deepcopy(data)
    at = data
    for key in way[:-1]:
        at = at[key]
    at[way[-1]] = value
    return data


def look(folder: Path) -> None:
    """Do everything that is done with a log that is read, and with one that is picked up."""
    tree = Tree(read_log(folder))
    tree_text(tree)
    tree_html(tree)
    for node in tree.walk():
        repr(node)
    logged_options(folder)
    log, tree, record = open_log(folder)
    try:
        spent = record.spent
        counts = (spent.calls, spent.tokens, spent.known_cost, spent.cost or 0.0, record.seconds)
        assert all(n >= 0 and math.isfinite(n) for n in counts)
        close_open_nodes(log, tree, record.node)
        tree_text(tree)
        tree_html(tree)
    finally:
        log.close()


def tried(folder: Path, lines: list[Any], paid: Any = PAID) -> None:
    """Look at a log of these lines; every error is one sentence of ours."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(HEAD + text)
    (folder / NAME).write_text(json.dumps(paid) + "\n")
    said = ""
    try:
        look(folder)
    except RLMError as error:
        said = str(error)
    assert "\n" not in said


def lines_of(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()[1:]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(data=st.data())
def test_one_value_that_is_another_is_read_or_said(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = lines_of(whole)
    at = data.draw(st.integers(0, len(lines) - 1))
    way = data.draw(st.sampled_from(places(lines[at])))
    lines[at] = changed(lines[at], way, data.draw(odd))
    where = data.draw(st.sampled_from(places(PAID)))
    paid = changed(PAID, where, data.draw(odd)) if data.draw(st.booleans()) else PAID
    tried(tmp_path_factory.mktemp("f"), lines, paid)


@pytest.mark.parametrize(
    "line",
    [
        '{"seq":1,"time":1e999,"type":"note","node":"run1"}',
        '{"seq":1,"time":NaN,"type":"note","node":"run1"}',
        f'{{"seq":1,"time":{10**400},"type":"note","node":"run1"}}',
        '{"seq":1,"time":1,"type":"run.ended","node":"run1","seconds":1e999}',
        f'{{"seq":1,"time":1,"type":"run.ended","node":"run1","seconds":{10**400}}}',
        '{"seq":1,"time":1,"type":"run.started","node":"run1","context":[3]}',
        '{"seq":1,"time":1,"type":"cell.proposed","node":"c","estimate":{"calls":1,"tokens":NaN}}',
        '{"seq":1,"time":1,"type":"note","node":"r","text":' + '{"a":' * 940 + "1" + "}" * 941,
    ],
    ids=["endless", "nan", "huge", "seconds", "huge seconds", "context", "estimate", "deep"],
)
def test_what_no_log_of_ours_says_is_damage(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.jsonl").write_text(HEAD + line + "\n")
    with pytest.raises(RecordingError, match=r"Line 2 of .* is damaged"):
        read_log(tmp_path)


NONSENSE = [-1, -1e9, float("nan"), float("inf"), float("-inf"), 10**400, "7", True, [7], None]


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_what_was_used_is_never_less_than_nothing(value: Any) -> None:
    names = [name for name in Usage.__dataclass_fields__ if name != "cost"]
    assert recorded_usage(dict.fromkeys(names, value)) == Usage()
    whole = recorded_usage({"calls": 2, "input_tokens": 7, "cost": 0.25, "output_tokens": value})
    assert whole == Usage(calls=2, input_tokens=7, cost=0.25, known_cost=0.25)
    assert recorded_usage({"calls": 1, "cost": value}).known_cost == 0.0
    assert recorded_usage(value) == Usage()


def test_an_unknown_price_stays_unknown() -> None:
    usage = Usage(5, 6, 1, None, 0.5, 2, 1.5)
    assert recorded_usage(usage_to_dict(usage)) == usage


def test_nothing_is_given_back_by_a_log_or_by_what_was_paid(tmp_path: Path) -> None:
    bad = {"calls": -50, "input_tokens": -(10**6), "known_cost": -9.0, "cost": -9.0}
    good = {"calls": 2, "input_tokens": 30, "known_cost": 0.5, "cost": 0.5}
    with Log(tmp_path) as log:
        log.emit(e.RunStarted(node="run1", question="Q?"))
        for n, usage in enumerate((bad, good)):
            log.emit(e.CallStarted(node=f"call{n}", parent="run1"))
            log.emit(e.CallEnded(node=f"call{n}", text="t", key=f"k{n}", usage=usage))
    (tmp_path / NAME).write_text(json.dumps({**PAID, "usage": bad}) + "\n")
    log, tree, record = open_log(tmp_path)
    log.close()
    expected = Usage(input_tokens=30, cost=0.5, known_cost=0.5, calls=2)
    assert record.spent == expected
    assert tree["run1"].total == expected


@pytest.mark.parametrize(
    "budget", [{"tokens": [1]}, {"money": "1"}, {"calls": -1}, {"more": 3}, {"money": []}]
)
def test_a_budget_that_is_none_is_left_to_the_default(tmp_path: Path, budget: Any) -> None:
    with Log(tmp_path) as log:
        log.emit(e.RunStarted(node="run1", question="Q?"))
        log.emit(e.BudgetChanged(node="run1", budget=budget))
    assert "budget" not in logged_options(tmp_path)
