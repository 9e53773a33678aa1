"""Going on without asking until something happens, and then as the mode says again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.protocol import control as c

Make = Callable[..., RLM]
END = cell("FINAL('end')")


def looks(count: int) -> list[str]:
    return [cell(f"print({n}, len(context))") for n in range(1, count + 1)]


def test_to_a_turn_runs_the_cells_before_it_and_waits_at_that_one(make: Make) -> None:
    run = make([*looks(4), END], mode="step").start("q", "abc")
    run.wait()
    assert run.run_to("turn 4").ok
    assert not run.wait()
    assert run.pending.turn == 4
    assert run.reason == "This cell waits for your decision: the run came to turn 4."
    assert run.mode.text == "step"
    run.approve()
    assert not run.wait()  # the mode is what it was
    assert run.pending.turn == 5


def test_it_passes_what_the_rules_would_ask_about_and_asks_again_afterwards(make: Make) -> None:
    rules = [cell("import os\nprint(1)"), cell("import os\nprint(2)"), cell("import os\nprint(3)")]
    run = make([*rules, END], mode="ask when imports os").start("q", "abc")
    run.wait()
    run.run_to("turn 2")
    run.wait()
    assert run.pending.turn == 2
    run.approve()
    run.wait()
    assert (run.pending.turn, run.reason) == (
        3, "This cell waits for your decision: it imports os.",
    )  # fmt: skip


def test_to_an_error_waits_at_the_proposal_after_a_cell_that_failed(make: Make) -> None:
    run = make([*looks(2), cell("1 / 0"), *looks(1), END], mode="step").start("q", "abc")
    run.wait()
    assert run.run_to("error").ok
    assert not run.wait()
    assert run.pending.number == 4
    assert run.reason == "This cell waits for your decision: cell 3 failed."


def test_to_an_error_also_stops_for_a_call_that_failed_inside_a_cell(make: Make) -> None:
    from rlm_kernel.errors import ProviderError

    sub = ScriptedModel([ProviderError("No.", kind="other")], name="sub")
    replies = [*looks(1), cell("r = llm_query_batched(['a'])"), END]
    run = make(replies, sub, mode="step").start("q", "abc")
    run.wait()
    run.run_to("error")
    run.wait()
    assert run.pending.number == 3
    assert run.reason == "This cell waits for your decision: call 1 of cell 2 failed."


def test_to_an_amount_waits_once_that_much_was_used(make: Make) -> None:
    sub = ScriptedModel(lambda m: "a", name="sub", price=(0.0, 0.02))
    calls = [cell(f"r{n} = llm_query('{n}')") for n in range(6)]
    run = make([*calls, END], sub, mode="step", budget=None).start("q", "abc")
    run.wait()
    assert run.run_to("$0.04").ok
    assert not run.wait()
    assert 0.04 <= run.used < 0.07
    assert run.reason.startswith("This cell waits for your decision: the run has used $0.0")


def test_to_a_child_asks_before_it_starts(make: Make, watch: Any, beside: Any) -> None:
    sub = ScriptedModel(lambda m: cell("FINAL('c')\nprint(context)"), name="sub")
    rlm = make([*looks(1), cell("r = rlm_query('x', context)"), END], sub, where="kernel",
               max_depth=2, mode="step")  # fmt: skip
    run = rlm.start("q", "abc")
    run.wait()
    assert run.run_to("child").ok
    watcher = watch(run)
    asked = watcher.wait("calls.proposed")
    watcher.wait("run.phase", phase="asking")
    assert asked.reason == "a child is about to start"
    assert run.until is None
    assert run.tree[asked.node].number == 2
    assert run.approve(asked.ask).ok
    watcher.wait("run.phase", 2, phase="proposed")
    assert run.pending.number == 3
    run.stop()
    run.wait()


def test_where_no_child_can_start_it_says_so(make: Make) -> None:
    run = make([*looks(2), END], mode="step").start("q", "abc")
    run.wait()
    ack = run.run_to("child")
    assert (ack.ok, ack.message) == (False, "No child can start here: max_depth allows none.")


@pytest.mark.parametrize("until", ["", "noon", "turn", "turn x", "5", "$", "$-1"])
def test_bad_words_are_refused_with_what_there_is(make: Make, until: str) -> None:
    run = make([*looks(2), END], mode="step").start("q", "abc")
    run.wait()
    ack = run.run_to(until)
    assert not ack.ok
    assert ack.message.endswith("use 'error', 'child', 'turn 5' or '$0.50'.")
    assert run.phase == "proposed"


def test_what_has_been_reached_already_is_said(make: Make) -> None:
    run = make([*looks(2), END], mode="step", max_turns=9).start("q", "abc")
    run.wait()
    assert run.run_to("turn 1").message == "The run is in turn 1 already."
    assert run.run_to("turn 10").message == "The run has 9 turns at most."
    assert run.run_to("$0").message == "The run has used $0.00 already."
    assert run.phase == "proposed"


def test_while_it_goes_on_the_phase_says_where_to(make: Make) -> None:
    model = HeldModel([*looks(2), END])
    run = make(model, mode="step").start("q", "abc")
    model.wait_for(1)
    assert run.run_to("turn 3").ok
    assert (run.phase, run.reason) == ("thinking", "Running to turn 3.")
    run.stop()
    run.wait()


def test_it_goes_on_from_a_pause_and_with_calls_that_wait(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = ScriptedModel(lambda m: "a", name="sub")
    rlm = make([cell("r = llm_query_batched(['a'] * len(context))"), *looks(2), END], sub,
               mode="ask when calls > 2", attended=True)  # fmt: skip
    run = rlm.start("q", "abcdef")
    watcher = watch(run)

    def person() -> None:
        watcher.wait("run.phase", phase="asking")
        assert run.run_to("turn 3").ok

    other = beside(person)
    assert not run.wait()
    other.joined()
    assert len(sub.requests) == 6
    assert run.pending.turn == 3


def test_a_run_that_nobody_attends_still_waits_where_a_person_said(make: Make) -> None:
    model = HeldModel([*looks(3), END])
    run = make(model, mode="auto", headless="approve").start("q", "abc")
    model.wait_for(1)
    assert run.send(c.RunTo(until="turn 1")).message == "The run is in turn 1 already."
    assert run.run_to("turn 2").ok
    model.release()
    threading.Thread(target=lambda: (model.wait_for(2), model.release()), daemon=True).start()
    assert not run.wait()
    assert (run.phase, run.pending.turn) == ("proposed", 2)
    run.stop()
    run.wait()


def test_another_mode_or_a_step_ends_it(make: Make) -> None:
    for other in (lambda run: run.set_mode("step"), lambda run: run.step()):
        model = HeldModel([*looks(3), END])
        run = make(model).start("q", "abc")
        model.wait_for(1)
        run.run_to("turn 3")
        assert other(run).ok
        model.release()
        assert not run.wait()
        assert run.pending.turn == 1
        run.stop()
        run.wait()


def test_who_has_taken_over_hands_back_first(make: Make) -> None:
    run = make([*looks(2), END], mode="step").start("q", "abc")
    run.wait()
    run.take_over()
    assert run.run_to("error").message == "You have taken over: hand back first."
    assert run.step().message == "You have taken over: hand back first."
    assert run.phase == "taken over"
