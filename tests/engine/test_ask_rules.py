"""Rules of ``ask when``, at the proposal and when the running cell issues calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM, asking
from rlm_kernel.engine.estimate import Estimate
from rlm_kernel.engine.modes import Proposed, parse_mode
from rlm_kernel.errors import ConfigError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.protocol import control as c

Make = Callable[..., RLM]

BATCH = cell("rs = llm_query_batched([f'p{i}' for i in range(len(context))])\nprint(len(rs))")
FORTY = "x" * 40


def upper(price: Any = (1e-3, 1e-3)) -> ScriptedModel:
    return ScriptedModel(lambda m: m[-1]["content"].upper(), name="sub", price=price)


def told(model: ScriptedModel, number: int = -1) -> str:
    return str(model.requests[number].messages[-1]["content"])


def why(mode: str, code: str, estimate: Estimate | None = None) -> str:
    return parse_mode(mode).why(Proposed(code, 1, 0, estimate))


def answer_asks(run: Any, watcher: Any, decisions: list[Any]) -> Callable[[], None]:
    """Give what a person does: decide about each question in turn."""

    def person() -> None:
        for number, decide in enumerate(decisions, 1):
            asked = watcher.wait("calls.proposed", number)
            watcher.wait("run.phase", number, phase="asking")
            decide(asked.ask)
            watcher.wait("calls.decided", number)

    return person


# -- reading rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "over", "under"),
    [
        ("ask when cost > $0.50", Estimate(1, 10, 0.51), Estimate(1, 10, 0.50)),
        ("ask when cost >= 0.5", Estimate(1, 10, 0.5), Estimate(1, 10, 0.49)),
        ("ask when tokens > 100k", Estimate(1, 100_001, 0.0), Estimate(1, 100_000, 0.0)),
        ("ask when tokens > 1.5M", Estimate(1, 1_500_001), Estimate(1, 1_500_000)),
        ("ask when tokens > 100,000", Estimate(1, 100_001), Estimate(1, 99_999)),
        ("ask when calls > 5", Estimate(6), Estimate(5)),
    ],
)
def test_a_rule_on_a_sum_asks_over_its_limit_only(mode: str, over: Any, under: Any) -> None:
    assert why(mode, "llm_query(x)", over)
    assert not why(mode, "llm_query(x)", under)


def test_a_cost_rule_asks_where_no_price_is_known_and_says_so() -> None:
    unknown = Estimate(1, 10, None, unknown=("no price is known for x/y",))
    assert why("ask when cost > $5", "llm_query(x)", unknown) == "no price is known for x/y"
    assert not why("ask when cost > $5", "print(1)", Estimate())


def test_the_reason_names_what_the_code_does_and_the_rule() -> None:
    assert why("ask when calls > 1", "llm_query('a'); llm_query('b')") == (
        "its calls come to 2 calls (calls > 1)"
    )
    assert why("ask when imports os or names eval", "import os") == "it imports os"
    assert why("ask when answer", "FINAL(1)") == "it submits an answer"


@pytest.mark.parametrize(
    "rule",
    [
        "cost < $1", "cost > 1 or", "cost > €1", "calls > $5", "cost = $1", "tokens = 5",
        "calls > 5 and cost > 1", "names open and eval", "turn > 3k", "cost", "price > 1",
        "calls >> 2", "tokens > -5",
    ],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused_with_the_facts_or_what_is_wrong(rule: str) -> None:
    with pytest.raises(ConfigError, match=r"isn't a (rule|mode)") as caught:
        parse_mode(f"ask when {rule}")
    said = str(caught.value)
    assert "calls, cost" in said or "dollars" in said or "compare" in said or "number" in said


# -- before calls are sent ------------------------------------------------------------------------


def test_calls_over_the_limit_wait_until_they_are_allowed(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = upper()
    rlm = make([BATCH, cell("FINAL(rs[-1])")], sub, mode="ask when calls > 5", attended=True)
    rlm.budget = None
    run = rlm.start("q", FORTY)
    watcher = watch(run)

    def person() -> None:
        asked = watcher.wait("calls.proposed")
        watcher.wait("run.phase", phase="asking")
        assert sub.requests == []
        assert run.status == "waiting"
        assert run.asking.ask == asked.ask
        assert (asked.calls, asked.line) == (40, 1)
        assert asked.cost == pytest.approx(asked.tokens * 1e-3)
        wants = f"Cell 1 wants 40 calls, about ${asked.cost:.2f}"
        assert run.reason == f"{wants}: allow or refuse them."
        assert run.tree[asked.node].asking == asked.ask
        assert run.approve(asked.ask).ok
        assert run.phase == "running"

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "P39"
    assert len(sub.requests) == 40
    decided = watcher.wait("calls.decided")
    assert (decided.decision, decided.by) == ("approve", "api")
    assert run.asking is None


def test_refused_calls_are_errors_in_their_places_and_the_model_is_told(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = upper()
    root = ScriptedModel(
        [BATCH, cell("FINAL([type(r).__name__ for r in rs[:2]] + [str(rs[0])])")], name="root"
    )
    run = make(root, sub, mode="ask when calls > 5", attended=True).start("q", FORTY)
    other = beside(answer_asks(run, watch(run), [lambda ask: run.reject("too many", ask)]))
    assert run.wait()
    other.joined()
    assert run.answer == ["ModelError", "ModelError", "A person refused these calls: too many."]
    assert sub.requests == []
    assert "40 calls of this cell: A person refused these calls: too many." in told(root)
    assert [cell.refused for cell in run.tree.find(kind="cell")] == [40, 0]


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_single_call_that_is_refused_raises_in_the_cell(
    make: Make, where: str, watch: Any, beside: Any
) -> None:
    code = """
n = 0
for line in range(9):
    try:
        llm_query('a')
        n += 1
    except Exception as error:
        e = f'{type(error).__name__}: {error}'
"""
    sub = upper()
    rlm = make([cell(code), cell("FINAL([n, e])")], sub, where=where,
               mode="ask when calls > 3", attended=True, budget=None)  # fmt: skip
    run = rlm.start("q", FORTY)
    watcher = watch(run)
    other = beside(answer_asks(run, watcher, [lambda ask: run.reject("", ask)]))
    while not run.wait():  # where="kernel": it comes back when a person is needed
        watcher.wait("calls.decided")
    other.joined()
    # refused once, refused for the rest of the cell: a loop doesn't ask again and again
    assert run.answer == [3, "ModelError: A person refused these calls."]
    assert len(sub.requests) == 3
    assert [cell.refused for cell in run.tree.find(kind="cell")] == [6, 0]


def test_allowing_lets_the_cell_go_on_until_it_passes_the_limit_anew(
    make: Make, watch: Any, beside: Any
) -> None:
    loop = cell("rs = [llm_query(str(i)) for i in range(12)]")
    rlm = make([loop, cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5", attended=True)
    rlm.budget = None
    run = rlm.start("q", "abc")
    watcher = watch(run)
    # the 6th takes it over 5; then the 12th is the 6th since that was allowed
    person = answer_asks(run, watcher, [run.approve, run.approve])
    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == 12
    assert len([e for e in run.events if e.event.type == "calls.proposed"]) == 2


def test_calls_that_come_together_from_threads_are_asked_about_together(
    make: Make, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "GATHER", 1.0)  # on a busy machine threads start late
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(30) as pool:
    rs = list(pool.map(llm_query, [str(i) for i in range(30)]))
"""
    rlm = make([cell(code), cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5",
               where="kernel", attended=True, budget=None)  # fmt: skip
    run = rlm.start("q", "abc")
    watcher = watch(run)
    answer_asks(run, watcher, [run.approve])()
    watcher.wait("run.ended")
    asked = [e.event for e in run.events if e.event.type == "calls.proposed"]
    assert [e.calls for e in asked] == [25]


def test_a_person_who_approved_the_cell_has_allowed_what_it_said(make: Make) -> None:
    code = cell("rs = [llm_query('a'), llm_query('b'), llm_query('c')]")
    rlm = make([code, cell("FINAL(rs)")], upper(), mode="ask when calls > 2", attended=True)
    rlm.budget = None
    run = rlm.start("q", "abc")
    assert not run.wait()
    assert run.phase == "proposed"
    assert run.reason == (
        "This cell waits for your decision: its calls come to 3 calls (calls > 2)."
    )
    run.approve()
    assert run.wait()
    assert run.answer == ["A", "B", "C"]


def test_an_unknown_price_makes_a_cost_rule_ask_when_the_calls_are_made(
    make: Make, watch: Any, beside: Any
) -> None:
    rlm = make([BATCH, cell("FINAL(len(rs))")], upper("unknown"), mode="ask when cost > $100",
               attended=True, budget=None)  # fmt: skip
    run = rlm.start("q", FORTY)
    run.wait()  # the code calls the sub-model, whose price nobody knows: at the proposal already
    assert run.reason.endswith("no price is known for sub.")
    run.approve()
    assert run.wait()
    assert run.answer == 40  # told once, not asked twice


def test_an_unknown_price_that_the_code_hides_is_asked_about_once(
    make: Make, watch: Any, beside: Any
) -> None:
    code = cell("ask = globals()['llm' + '_query']\nrs = [ask(str(n)) for n in range(4)]")
    rlm = make([code, cell("FINAL(len(rs))")], upper("unknown"), mode="ask when cost > $100",
               attended=True, budget=None)  # fmt: skip
    run = rlm.start("q", "abc")

    def decide(ask: str) -> None:
        assert run.reason == "Cell 1 wants 1 call, about 529 tokens at an unknown price: " + (
            "allow or refuse it."
        )
        assert run.asking.reason == "no price is known for sub"
        run.approve(ask)

    other = beside(answer_asks(run, watch(run), [decide]))
    assert run.wait()
    other.joined()
    assert run.answer == 4
    assert len([e for e in run.events if e.event.type == "calls.proposed"]) == 1


def test_a_cost_rule_asks_before_anything_of_the_batch_is_paid(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = upper()
    rlm = make([BATCH, cell("FINAL(len(rs))")], sub, mode="ask when cost > $15", attended=True,
               budget=None)  # fmt: skip
    run = rlm.start("q", FORTY)

    def decide(ask: str) -> None:
        assert sub.requests == []
        assert run.asking.cost > 15
        assert "(cost > $15)" in run.asking.reason
        run.approve(ask)

    other = beside(answer_asks(run, watch(run), [decide]))
    assert run.wait()
    other.joined()
    assert run.answer == 40


def test_the_cells_time_and_the_runs_time_stand_still_while_calls_wait(
    make: Make, watch: Any, beside: Any
) -> None:
    rlm = make([BATCH, cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5", attended=True)
    rlm.budget, rlm.cell_timeout = None, 0.3
    run = rlm.start("q", FORTY)

    def decide(ask: str) -> None:
        before = run.ledger.seconds
        threading.Event().wait(0.6)  # longer than the cell's limit: the time has to pass
        assert run.ledger.seconds == before
        run.approve(ask)

    other = beside(answer_asks(run, watch(run), [decide]))
    assert run.wait()
    other.joined()
    assert run.answer == 40
    assert next(e.event for e in run.events if e.event.type == "cell.ended").waited > 0.5


def test_setting_the_mode_to_auto_allows_what_waits(make: Make, watch: Any, beside: Any) -> None:
    rlm = make([BATCH, cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5", attended=True)
    rlm.budget = None
    run = rlm.start("q", FORTY)
    other = beside(answer_asks(run, watch(run), [lambda ask: run.set_mode("auto")]))
    assert run.wait()
    other.joined()
    assert run.answer == 40


def test_a_decision_about_calls_that_are_decided_is_refused(
    make: Make, watch: Any, beside: Any
) -> None:
    rlm = make([BATCH, cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5", attended=True)
    rlm.budget = None
    run = rlm.start("q", FORTY)
    acks: list[Any] = []

    def decide(ask: str) -> None:
        acks.append(run.send(c.Respond(proposal=ask, text="x")))
        acks.append(run.approve())  # whichever waits
        acks.append(run.reject("late", ask))

    other = beside(answer_asks(run, watch(run), [decide]))
    assert run.wait()
    other.joined()
    assert [ack.ok for ack in acks] == [False, True, False]
    assert acks[0].message == "Calls can only be allowed or refused: approve or reject them."
    assert acks[2].message == "ask1 is no longer open."


# -- ending while they wait -----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_stop_ends_a_run_whose_calls_wait(make: Make, where: str, watch: Any, beside: Any) -> None:
    sub = upper()
    rlm = make([BATCH], sub, where=where, mode="ask when calls > 5", attended=True)
    run = rlm.start("q", FORTY)
    watcher = watch(run)
    other = beside(answer_asks(run, watcher, [lambda ask: run.stop()]))
    while not run.wait():
        watcher.wait("calls.decided")
    other.joined()
    assert run.status == "stopped"
    assert sub.requests == []
    assert run.asking is None


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_an_interrupt_ends_the_question_and_pauses(
    make: Make, where: str, watch: Any, beside: Any
) -> None:
    rlm = make([BATCH, cell("FINAL(1)")], upper(), where=where, mode="ask when calls > 5",
               attended=True)  # fmt: skip
    run = rlm.start("q", FORTY)
    watcher = watch(run)
    other = beside(answer_asks(run, watcher, [lambda ask: run.interrupt()]))
    while run.phase != "paused":
        run.wait()
        watcher.wait("calls.decided")
        watcher.wait("cell.ended")
    other.joined()
    assert watcher.wait("cell.ended").status == "interrupted"
    assert run.asking is None
    run.set_mode("auto")
    run.resume()
    assert run.wait()
    assert run.answer == 1


def test_cancelling_the_cell_ends_the_question(make: Make, watch: Any, beside: Any) -> None:
    rlm = make([BATCH, cell("FINAL(1)")], upper(), mode="ask when calls > 5", attended=True)
    run = rlm.start("q", FORTY)
    watcher = watch(run)
    other = beside(
        answer_asks(run, watcher, [lambda ask: run.cancel(watcher.wait("calls.proposed").node)])
    )
    run.wait()
    other.joined()
    assert watcher.wait("calls.decided").by == "stop"
    assert watcher.wait("cell.ended").status == "interrupted"


# -- nobody is there ------------------------------------------------------------------------------


def test_headless_approve_lets_the_calls_go(make: Make) -> None:
    rlm = make([BATCH, cell("FINAL(len(rs))")], upper(), mode="ask when calls > 5",
               headless="approve", budget=None)  # fmt: skip
    run = rlm.run("q", FORTY)
    assert run.answer == 40
    decided = [e.event for e in run.events if e.event.type == "calls.decided"]
    assert [(e.decision, e.by) for e in decided] == [("approve", "headless")]


def test_headless_reject_refuses_them_and_the_run_goes_on(make: Make) -> None:
    sub = upper()
    rlm = make([BATCH, cell("FINAL(str(rs[0]))")], sub, mode="ask when calls > 5",
               headless="reject")  # fmt: skip
    run = rlm.run("q", FORTY)
    assert run.answer == "These calls were refused: nobody is there to allow them."
    assert sub.requests == []


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_headless_error_ends_the_run_in_one_sentence(make: Make, where: str) -> None:
    sub = upper()
    run = make([BATCH], sub, where=where, mode="ask when calls > 5").run("q", FORTY)
    assert run.status == "stopped"
    assert run.reason.startswith("Cell 1 wants 40 calls, about $")
    assert run.reason.endswith("give headless='approve' or 'reject', or mode='auto'.")
    assert sub.requests == []


# -- children -------------------------------------------------------------------------------------


def child_rlm(make: Make, mode: str, **more: Any) -> tuple[RLM, ScriptedModel]:
    root = ScriptedModel([cell("a = rlm_query('look', context)"), cell("FINAL(a)")], name="root")
    leaf = ScriptedModel(lambda m: m[-1]["content"].upper(), name="leaf")
    sub = ScriptedModel(
        lambda m: (
            cell("FINAL(str(rs[0]))")
            if "Output of cell" in m[-1]["content"]
            else cell("rs = llm_query_batched(['a'] * 8, model='leaf')\nprint(rs)")
        ),
        name="sub",
    )
    rlm = make(root, sub, where="kernel", mode=mode, max_depth=2, attended=True, **more)
    rlm.gateway.register(leaf)
    return rlm, leaf


def wait_out(run: Any, watcher: Any) -> None:
    """Wait for the end while somebody else decides."""
    watcher.wait("run.ended", node=run.node)


def test_the_rules_hold_for_calls_of_a_childs_cells(make: Make, watch: Any, beside: Any) -> None:
    rlm, leaf = child_rlm(make, "ask when calls > 5")
    run = rlm.start("q", "abc")
    watcher = watch(run)

    def decide(ask: str) -> None:
        assert run.reason.startswith("Cell 1 of a child wants 8 calls")
        assert run.approve(ask).ok

    other = beside(answer_asks(run, watcher, [decide]))
    wait_out(run, watcher)
    other.joined()
    assert run.answer == "A"
    assert len(leaf.requests) == 8


def test_a_rule_on_depth_asks_before_a_child_starts(make: Make, watch: Any, beside: Any) -> None:
    rlm, _ = child_rlm(make, "ask when depth > 0")
    run = rlm.start("q", "abc")
    watcher = watch(run)

    def decide(ask: str) -> None:
        assert run.reason == "Cell 1 wants to start 1 child: allow or refuse it."
        assert run.asking.reason == "a child is about to start at depth 1"
        assert len([e for e in run.events if e.event.type == "run.started"]) == 1
        assert run.approve(ask).ok

    other = beside(answer_asks(run, watcher, [decide]))
    wait_out(run, watcher)
    other.joined()
    assert run.answer == "A"


# -- without a rule -------------------------------------------------------------------------------


def test_in_auto_mode_nothing_is_asked_or_counted(make: Make) -> None:
    run = make([BATCH, cell("FINAL(len(rs))")], upper(), mode="auto", budget=None).run("q", FORTY)
    assert run.answer == 40
    assert not any(e.event.type.startswith("calls.") for e in run.events)


def test_a_pause_says_how_many_calls_it_waits_for(make: Make, watch: Any, beside: Any) -> None:
    sub = HeldModel(lambda m: "x", name="sub")
    run = make([cell("rs = llm_query_batched(['a', 'b'])"), cell("FINAL(len(rs))")], sub).start("q")
    watcher = watch(run)

    def person() -> None:
        sub.wait_for(2)
        assert run.pause().ok
        assert (run.phase, run.reason) == ("running", "Pausing after 2 running calls.")
        watcher.wait("run.phase", reason="Pausing after 2 running calls.")
        sub.release()

    other = beside(person)
    assert not run.wait()
    other.joined()
    assert run.phase == "paused"
    run.resume()
    assert run.wait()
    assert run.answer == 2
