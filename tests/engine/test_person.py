"""A person in the loop at any node and any moment: questions, calls by hand, taking over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.errors import ModelError, ProviderError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.protocol import CellResult, Output

Make = Callable[..., RLM]

ASK = cell("""
try:
    r = ask_human('Which year?', ['1931', '1977'])
except Exception as error:
    r = f'{type(error).__name__}: {error}'
print(r)
""")
TELL = cell("FINAL(r)")


def nobody(question: str, choices: list[str] | None) -> str:
    TRIED.set()
    raise ModelError("Nobody can be asked here: the front end has no input.")


TRIED = threading.Event()


# -- questions ------------------------------------------------------------------------------------


def test_a_question_that_the_keyboard_cant_ask_waits_for_control_where_somebody_is(
    make: Make, watch: Any, beside: Any
) -> None:
    TRIED.clear()
    run = make([ASK, TELL], ask=nobody, attended=True, mode="auto").start("q", "abc")

    def person() -> None:
        call = watch(run).wait("call.started", role="human")
        assert TRIED.wait(30)
        for _ in range(5):  # so that the failure at the keyboard has come back by then
            assert not run.answer_call(call.node, "no choice").ok
        assert run.answer_call(call.node, "1977").ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "1977"


def test_it_fails_clearly_where_nobody_is(make: Make) -> None:
    run = make([ASK, TELL], ask=nobody).run("q", "abc")
    assert run.answer == "ModelError: Nobody can be asked here: the front end has no input."


def test_of_choices_only_one_is_taken_and_front_ends_are_told_them(
    make: Make, watch: Any, beside: Any
) -> None:
    run = make([ASK, TELL], attended=True, mode="auto").start("q", "abc")

    def person() -> None:
        call = watch(run).wait("call.started", role="human")
        assert call.choices == ["1931", "1977"]
        assert run.tree[call.node].choices == ["1931", "1977"]
        refused = run.answer_call(call.node, "1950")
        assert (refused.ok, refused.message) == (False, "The answer is one of: '1931', '1977'.")
        assert run.tree[call.node].live
        assert run.answer_call(call.node, " 1931 ").ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "1931"


def test_code_of_a_child_asks_the_same_person(make: Make, watch: Any) -> None:
    root = [cell("r = rlm_query('ask', context)"), TELL]
    sub = ScriptedModel([cell("r = ask_human('Who?')\nprint(context)"), TELL], name="sub")
    rlm = make(root, sub, where="kernel", max_depth=2, attended=True, mode="auto")
    run = rlm.start("q", "abc")
    watcher = watch(run)
    call = watcher.wait("call.started", role="human")
    assert run.answer_call(call.node, "Ada").ok
    assert run.wait()
    assert run.answer == "Ada"


# -- calls ----------------------------------------------------------------------------------------

BATCH = cell("rs = llm_query_batched(['a', 'b'], choices=['yes', 'no'])\nprint(rs)")


def test_an_item_of_a_batch_is_answered_by_hand_in_the_form_it_asks_for(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: "no", name="sub")
    run = make([BATCH, cell("FINAL(rs)")], sub).start("q", "abc")

    def person() -> None:
        sub.wait_for(2)
        call = watch(run).wait("call.started", role="sub", index=0)
        assert call.choices == ["yes", "no"]
        refused = run.answer_call(call.node, "perhaps")
        assert not refused.ok
        assert refused.message == (
            f"{call.node} asks for an answer of another form: one of 'yes', 'no'."
        )
        assert run.answer_call(call.node, "yes").ok
        sub.release()

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == ["yes", "no"]


@pytest.mark.parametrize("verb", ["retry", "cancel", "answer_call"])
def test_a_call_that_is_over_is_over_and_the_sentence_says_what_to_do(
    make: Make, verb: str
) -> None:
    sub = ScriptedModel([ProviderError("No.", kind="other")], name="sub")
    run = make([cell("r = llm_query_batched(['a'])\nprint(r)"), TELL], sub, mode="step").start("q")
    run.wait()
    run.approve()
    run.wait()
    call = next(n for n in run.tree.walk() if n.role == "sub")
    more = ("text",) if verb == "answer_call" else ()
    ack = getattr(run, verb)(call.id, *more)
    assert not ack.ok
    assert ack.message == (
        f"{call.id} is over (error) and the cell has its result: only calls in flight can be tried "
        "again, answered or cancelled; ask anew in a cell."
    )


# -- taking over and pausing while something runs -------------------------------------------------


def test_taking_over_while_a_cell_is_busy_comes_after_it_and_nothing_is_lost(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: "x", name="sub")
    root = ScriptedModel([cell("r = llm_query('a')"), cell("FINAL(r + mine)")], name="root")
    run = make(root, sub).start("q", "abc")

    def person() -> None:
        sub.wait_for(1)
        assert run.take_over().phase == "running"
        sub.release()

    other = beside(person)
    assert not run.wait()
    other.joined()
    assert run.phase == "taken over"
    assert [n.status for n in run.tree.find(kind="cell")] == ["ok"]
    run.repl.runtime.shell.run_cell("mine = '!'")
    run.note_human_cell("mine = '!'", CellResult("ok", Output(), changed=("mine",)))
    assert run.hand_back("use `mine`").ok
    assert run.wait()
    assert run.answer == "x!"
    heard = root.requests[-1].messages[-1]["content"]
    assert "mine = '!'" in heard
    assert "The person says: use `mine`" in heard


def test_pausing_while_the_model_thinks_says_so(make: Make) -> None:
    model = HeldModel([cell("x = len(context)"), cell("FINAL(x)")])
    run = make(model, where="kernel").start("q", "abc")
    model.wait_for(1)
    ack = run.pause()
    assert (ack.phase, run.reason) == ("thinking", "Pausing after the model's reply.")
    model.release()
    assert not run.wait()
    assert run.phase == "paused"
    proposal = run.pending.id
    assert run.resume().ok
    model.wait_for(2)
    assert run.tree[proposal].decision == "approve"  # the same one, and no other was asked for
    run.stop()
    run.wait()


def test_a_running_cell_is_cancelled_and_the_model_goes_on_or_the_person_decides(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: "x", name="sub")
    run = make([cell("kept = 1\nllm_query('a')"), cell("FINAL(kept)")], sub,
               where="kernel").start("q", "abc")  # fmt: skip
    sub.wait_for(1)
    node = watch(run).wait("cell.started").node
    assert run.cancel(node).ok
    assert watch(run).wait("cell.ended").status == "interrupted"
    assert run.cancel(node).message == f"{node} is over (interrupted)."
    run.wait()
    if run.phase == "paused":
        run.resume()
    assert run.wait()
    assert run.answer == 1


def test_the_time_that_a_person_takes_to_answer_isnt_the_runs(
    make: Make, watch: Any, beside: Any
) -> None:
    run = make([ASK, TELL], attended=True, mode="auto", budget="5 s").start("q", "abc")

    def person() -> None:
        call = watch(run).wait("call.started", role="human")
        before = run.ledger.seconds
        run.ledger._started -= 1_000.0
        assert run.ledger._paused_at is not None
        run.ledger._paused_at -= 1_000.0
        assert run.ledger.seconds == pytest.approx(before, abs=0.001), "it stands"
        assert run.answer_call(call.node, "1977").ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert (run.status, run.answer) == ("done", "1977")
    assert run.ledger._paused_at is None, "and goes on"


def test_an_answer_that_a_person_wrote_is_taken_though_a_models_would_be_doubted(
    make: Make, watch: Any, beside: Any
) -> None:
    run = make([cell("print(1)")], mode="step", attended=True).start("q", "abc")

    def person() -> None:
        watch(run).wait("cell.proposed")
        watch(run).wait("run.phase", phase="proposed")
        assert run.edit("FINAL('Ines Varga')").ok
        decided.set()

    decided = threading.Event()
    other = beside(person)
    assert decided.wait(30)
    assert run.wait()
    other.joined()
    assert run.answer == "Ines Varga"
