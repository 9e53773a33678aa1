"""Everything a person can do to a run, and that it does what it says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM, Run
from rlm_kernel.errors import BY_A_PERSON, AnswerError, ConfigError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.log import tree_text
from rlm_kernel.notebook._describe import run_info
from rlm_kernel.protocol import control as c
from rlm_kernel.protocol.events import CellProposed
from rlm_kernel.protocol.front import Meter
from rlm_kernel.repl import ShellRepl, shell_runtime

Make = Callable[..., RLM]

LOOK = cell("size = len(context)\nsize")
END = cell("FINAL(size)")


def told(model: ScriptedModel, number: int = -1) -> str:
    """Give what the root was told last, at a call of its."""
    return model.requests[number].messages[-1]["content"]


def cells(run: Run) -> list[Any]:
    return [node for node in run.tree.walk() if node.kind == "cell"]


def live(run: Run) -> list[Any]:
    return [node for node in run.tree.walk() if node.live]


# -- decisions ------------------------------------------------------------------------------------


def test_in_step_mode_nothing_runs_before_it_is_approved(make: Make) -> None:
    run = make([LOOK, END], mode="step").start("how long?", "abc")
    assert not run.wait()
    assert (run.phase, run.status) == ("proposed", "waiting")
    assert run.pending is not None
    assert run.pending.code == "size = len(context)\nsize"
    assert [node.status for node in cells(run)] == ["proposed"]
    assert run.approve().ok
    assert not run.wait()
    assert run.pending.code == "FINAL(size)"
    assert run.approve().ok
    assert run.wait()
    assert run.answer == 3
    assert [(n.decision, n.by) for n in cells(run)] == [("approve", "api"), ("approve", "api")]


def test_an_edited_cell_runs_as_edited_and_the_model_sees_whose_it_is(make: Make) -> None:
    model = ScriptedModel([LOOK, END], name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    assert run.edit("size = 42").ok
    run.wait()
    assert "A person changed your cell" in told(model)
    assert "size = 42" in told(model)
    run.approve()
    run.wait()
    assert run.answer == 42
    first = cells(run)[0]
    assert (first.proposed_code, first.code) == ("size = len(context)\nsize", "size = 42")


def test_a_rejected_cell_never_runs_and_the_model_is_told_why(make: Make) -> None:
    model = ScriptedModel([cell("open('notes.txt', 'w')"), LOOK, END], name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    assert run.reject("leave my files alone").ok
    run.wait()
    assert "leave my files alone" in told(model)
    assert cells(run)[0].status == "rejected"
    run.set_mode("auto")
    assert run.wait()
    assert run.answer == 3


def test_a_response_stands_for_the_output_without_running_the_cell(make: Make) -> None:
    model = ScriptedModel([LOOK, cell("FINAL('as you said')")], name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    assert run.respond("It has seventeen letters.").ok
    run.wait()
    assert "It has seventeen letters." in told(model)
    assert cells(run)[0].status == "responded"
    run.approve()
    run.wait()
    assert run.answer == "as you said"


def test_each_proposal_has_a_number_of_its_own_by_which_its_output_is_found(make: Make) -> None:
    page = cell("show_output(3, 2, 6)")
    replies = [LOOK, LOOK, cell("print('abcdefgh')"), page, cell("FINAL(context)")]
    model = ScriptedModel(replies, name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    run.reject("not this one")
    run.wait()
    run.respond("Three.")
    for _ in range(3):
        run.wait()
        run.approve()
    run.wait()
    assert [node.number for node in cells(run)] == [1, 2, 3, 4, 5]
    assert [node.output for node in cells(run)][2:4] == ["abcdefgh\n", "cdef"]
    assert "cell 4" in told(model).lower()


def test_an_edit_to_nothing_is_refused_and_the_proposal_waits_on(make: Make) -> None:
    run = make([LOOK, END], mode="step").start("how long?", "abc")
    run.wait()
    ack = run.edit("  \n")
    assert not ack.ok
    assert "empty" in ack.message
    assert run.phase == "proposed"


def test_the_same_command_is_done_once(make: Make) -> None:
    run = make([LOOK, LOOK, END], mode="step").start("how long?", "abc")
    run.wait()
    command = c.Approve(id="one")
    first = run.send(command)
    run.wait()
    assert run.send(command) == first  # the double click of a slow connection
    assert len([n for n in cells(run) if n.decision]) == 1
    assert run.phase == "proposed"


def test_a_decision_about_an_older_proposal_is_refused(make: Make) -> None:
    run = make([LOOK, cell("len(context) + 1"), END], mode="step").start("how long?", "abc")
    run.wait()
    stale = run.pending.id
    run.approve()
    run.wait()
    ack = run.edit("FINAL('wrong cell')", proposal=stale)
    assert not ack.ok
    assert ack.message == f"{stale} is no longer open; {run.pending.id} waits now."


def test_of_two_decisions_the_first_wins(make: Make) -> None:
    run = make([LOOK, END], mode="step").start("how long?", "abc")
    run.wait()
    proposal = run.pending.id
    acks: list[Any] = []
    gun = threading.Barrier(4)

    def decide() -> None:
        gun.wait()
        acks.append(run.approve(proposal))

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ack.ok for ack in acks) == [False, False, False, True]


def test_rules_ask_only_for_what_they_name(make: Make) -> None:
    run = make([LOOK, cell("import os"), END], mode="ask when imports os").start("?", "abc")
    run.wait()
    assert run.pending.code == "import os"
    run.approve()
    assert run.wait()
    assert [n.by for n in cells(run)] == ["auto", "api", "auto"]


# -- pausing --------------------------------------------------------------------------------------


def test_resuming_runs_the_proposal_that_waited_and_asks_for_no_other(make: Make) -> None:
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    assert run.pause().ok
    model.release()
    assert not run.wait()
    assert run.phase == "paused"
    assert run.pending.code == "size = len(context)\nsize"
    assert model.came == 1
    assert run.resume().ok
    assert run.phase != "paused"

    def go_on() -> None:
        model.wait_for(2)
        model.release()

    thread = threading.Thread(target=go_on)
    thread.start()
    assert run.wait()
    thread.join()
    assert run.answer == 3
    assert model.came == 2


def test_a_paused_proposal_can_be_decided_right_away(make: Make) -> None:
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    run.pause()
    model.release()
    run.wait()
    assert run.edit("size = 5").ok
    threading.Thread(target=lambda: (model.wait_for(2), model.release())).start()
    assert run.wait()
    assert run.answer == 5


def test_a_step_runs_one_cell_and_waits_at_the_next(make: Make) -> None:
    rlm = make([LOOK, cell("size += 1"), END], mode="ask when turn = 1")
    run = rlm.start("how long?", "abc")
    run.wait()
    assert run.step().ok
    assert not run.wait()
    assert run.pending.code == "size += 1"  # which the mode alone wouldn't have asked for
    run.approve()
    assert run.wait()
    assert run.answer == 4


def test_waiting_in_the_main_thread_right_after_a_decision_waits_for_what_comes(
    make: Make,
) -> None:
    looks = [cell(f"print({n}, len(context))") for n in range(20)]
    run = make([*looks, END], mode="step", max_turns=30).start("how long?", "abc")
    for number in range(1, 21):
        assert not run.wait()
        assert len(cells(run)) == number
        run.approve()
    run.wait()
    run.approve()
    assert run.wait()


def test_the_mode_can_be_changed_while_a_run_goes_on(make: Make) -> None:
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    assert run.set_mode("step").ok
    model.release()
    assert not run.wait()
    assert run.phase == "proposed"
    refused = run.set_mode("whenever")
    assert not refused.ok
    assert "isn't a mode" in refused.message
    assert run.mode.text == "step"


# -- stopping and interrupting --------------------------------------------------------------------


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_stop_ends_a_run_at_once_in_a_hanging_call(
    make: Make, where: str, watch: Any, beside: Any
) -> None:
    sub = HeldModel([], name="sub")
    rlm = make([cell("answer['content'] = 'a draft'\nllm_query('never')")], sub, where=where)
    run = rlm.start("q", "abc")

    def person() -> None:
        sub.wait_for(1)
        assert run.stop().ok

    other = beside(person)
    began = time.monotonic()
    assert run.wait()
    other.joined()
    assert time.monotonic() - began < 10
    assert (run.status, run.reason) == ("stopped", "Stopped by a person.")
    assert live(run) == []
    call = next(n for n in run.tree.walk() if n.role == "sub")
    assert call.status == "cancelled"
    with pytest.raises(AnswerError, match="stopped and has no answer: Stopped by a person"):
        _ = run.answer


def test_stop_keeps_the_draft_of_an_earlier_cell(make: Make, beside: Any) -> None:
    sub = HeldModel([], name="sub")
    rlm = make([cell("answer['content'] = 'a draft'"), cell("llm_query('never')")], sub)
    run = rlm.start("q", "abc")
    other = beside(lambda: (sub.wait_for(1), run.stop()))
    assert run.wait()
    other.joined()
    assert run.status == "stopped"
    assert run.answer == "a draft"


def test_stop_ends_a_run_whose_root_hangs_however_often_it_is_asked(make: Make) -> None:
    model = HeldModel([])
    run = make(model).start("q", "abc")
    model.wait_for(1)
    acks = [run.stop() for _ in range(20)]
    assert acks[0].ok
    assert run.wait(20)
    assert run.status == "stopped"
    assert [e.event.type for e in run.events].count("run.ended") == 1
    late = run.stop()
    assert not late.ok
    assert late.message == "The run is over (stopped); start another one."


def test_a_cell_that_was_stopped_before_it_began_never_runs(
    make: Make, shell: Any, watch: Any
) -> None:
    """The main thread is elsewhere; when it comes back, it is for the next run."""
    repl = ShellRepl(shell_runtime(shell))
    rlm = make([cell("ghost = len(context)"), LOOK, END], keep=True, make_repl=lambda: repl)
    run = rlm.start("q", "abc")
    while not repl.waiting:  # until the cell stands in the queue
        assert not run.ended
    run.stop()
    watch(run).wait("run.ended")
    assert rlm.run("how long?", "abc").answer == 3
    assert "ghost" not in shell.user_ns


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_an_interrupt_stops_the_cell_keeps_its_variables_and_pauses(
    make: Make, where: str, watch: Any, beside: Any
) -> None:
    model = ScriptedModel(
        [cell("kept = 7\nready()\nwhile True: pass"), cell("FINAL(kept)")], name="root"
    )
    ready = threading.Event()
    run = make(model, where=where, tools={"ready": ready.set}).start("q", "abc")

    def person() -> None:
        assert ready.wait(30)
        assert run.interrupt().ok

    other = beside(person)
    assert not run.wait()
    other.joined()
    assert run.phase == "paused"
    run.resume()
    assert run.wait()
    assert run.answer == 7
    assert "interrupted" in told(model).lower()


def test_an_interrupt_between_cells_pauses_at_once_and_a_resume_waits_for_the_end(
    make: Make, beside: Any
) -> None:
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    assert run.interrupt().ok
    assert run.phase == "paused"  # the call goes on: it is paid for
    assert not run.wait()
    assert run.resume().ok

    def go_on() -> None:
        for number in (1, 2):
            model.wait_for(number)
            model.release()

    other = beside(go_on)
    assert run.wait()
    other.joined()
    assert run.answer == 3
    assert model.came == 2


def test_a_second_interrupt_stops_the_run(make: Make) -> None:
    model = HeldModel([LOOK])
    run = make(model).start("q", "abc")
    model.wait_for(1)
    run.interrupt()
    run.interrupt()
    run.stop()  # changes nothing any more, the reason neither
    assert run.wait(20)
    assert (run.status, run.reason) == ("stopped", "Stopped by a second interrupt.")


def test_code_that_raises_keyboardinterrupt_doesnt_leave_a_script_waiting(make: Make) -> None:
    model = ScriptedModel([cell("kept = 1\nraise KeyboardInterrupt"), cell("FINAL(kept)")])
    run = make(model, where="kernel").run("q", "abc")
    assert run.status == "done"
    assert run.answer == 1
    errors = [e.event.error for e in run.events if e.event.type == "cell.ended"]
    assert errors == ["KeyboardInterrupt", None]  # no colon with nothing behind it


# -- one node -------------------------------------------------------------------------------------

TRY = cell("""
try:
    r = llm_query('one')
except Exception as error:
    r = f'{type(error).__name__}: {error}'
print(r)
""")


def test_a_cancelled_call_is_an_error_in_the_cell_and_the_run_goes_on(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel([], name="sub")
    run = make([TRY, cell("FINAL(r)")], sub).start("q", "abc")

    def person() -> None:
        sub.wait_for(1)
        call = watch(run).wait("call.started", role="sub").node
        assert run.cancel(call).ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.status == "done"
    assert run.answer == "Cancelled: " + BY_A_PERSON


BATCH = cell("rs = llm_query_batched(['a', 'b', 'c'])\nprint([str(r) for r in rs])")
KINDS = cell("FINAL([r if isinstance(r, str) else type(r).__name__ for r in rs])")


def test_a_cancelled_item_of_a_batch_is_a_value_in_its_place(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: m[-1]["content"].upper(), name="sub")
    run = make([BATCH, KINDS], sub).start("q", "abc")

    def person() -> None:
        sub.wait_for(3)
        assert run.cancel(watch(run).wait("call.started", role="sub", index=1).node).ok
        sub.release()

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == ["A", "Cancelled", "C"]


def test_a_cancelled_batch_keeps_the_items_that_were_there(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: m[-1]["content"].upper(), name="sub")
    run = make([BATCH, KINDS], sub).start("q", "abc")

    def person() -> None:
        watcher = watch(run)
        sub.wait_for(3)
        first = watcher.wait("call.started", role="sub", index=0).node
        assert run.answer_call(first, "by hand").ok
        watcher.wait("call.ended", node=first)
        assert run.cancel(watcher.wait("batch.started").node).ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == ["by hand", "Cancelled", "Cancelled"]
    calls = [node for node in run.tree.walk() if node.status == "cancelled"]
    assert [node.error for node in calls] == [BY_A_PERSON] * 2
    assert "call 3: c" in tree_text(run.tree), "it is known by what it asked"
    assert live(run) == []


def test_a_call_tried_again_gets_the_second_reply(make: Make, watch: Any, beside: Any) -> None:
    sub = HeldModel(["second"], name="sub")
    run = make([TRY, cell("FINAL(r)")], sub).start("q", "abc")

    def person() -> None:
        sub.wait_for(1)
        assert run.retry(watch(run).wait("call.started", role="sub").node).ok
        sub.wait_for(2)
        sub.release()

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "second"


def test_commands_about_what_isnt_in_flight_are_refused(make: Make) -> None:
    run = make([LOOK, END], mode="step").start("how long?", "abc")
    run.wait()
    for ack in (run.cancel("call99"), run.retry("call99"), run.answer_call("call99", "x")):
        assert not ack.ok
        assert ack.message == "call99 isn't in flight now."
    assert run.hand_back().message == "Nothing to hand back: nobody has taken over."
    assert run.resume().message == "The run isn't paused."


def test_cancelling_the_root_call_pauses_and_resume_asks_again(make: Make, beside: Any) -> None:
    model = HeldModel([LOOK, END])
    run = make(model).start("how long?", "abc")
    model.wait_for(1)
    call = next(n for n in run.tree.walk() if n.role == "root")
    assert run.cancel(call.id).ok
    assert not run.wait()
    assert "cancelled" in run.reason
    run.resume()

    def go_on() -> None:
        for number in (2, 3):
            model.wait_for(number)
            model.release()

    other = beside(go_on)
    assert run.wait()
    other.joined()
    assert run.answer == 3


# -- a person as a model, or asked ----------------------------------------------------------------


def test_a_person_can_be_the_sub_model(make: Make, watch: Any, beside: Any) -> None:
    rlm = make([BATCH, cell("FINAL(rs)")], "human", attended=True, mode="auto")
    run = rlm.start("q", "abc")

    def person() -> None:
        watcher = watch(run)
        for index in (2, 0, 1):
            call = watcher.wait("call.started", role="sub", index=index)
            assert run.answer_call(call.node, call.prompt * 2).ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == ["aa", "bb", "cc"]
    assert run.usage.subtree.cost == 0.0


def test_a_person_can_be_the_root(make: Make, watch: Any, beside: Any) -> None:
    rlm = make("human", [], attended=True, mode="auto")
    run = rlm.start("how long?", "abc")

    def person() -> None:
        watcher = watch(run)
        for number, reply in enumerate([LOOK, END], 1):
            call = watcher.wait("call.started", number, role="root").node
            assert run.answer_call(call, reply).ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == 3


def test_a_person_as_the_model_where_nobody_is_there_fails_in_one_sentence(make: Make) -> None:
    run = make("human", []).run("how long?", "abc")
    assert run.status == "failed"
    assert 'model="human" needs a person who can answer' in run.reason


ASK = cell("""
try:
    r = ask_human('Which year?', ['1931', '1977'])
except Exception as error:
    r = str(error)
print(r)
""")


def test_a_question_to_a_person_is_answered_through_control(
    make: Make, watch: Any, beside: Any
) -> None:
    run = make([ASK, cell("FINAL(r)")], attended=True, mode="auto").start("q", "abc")

    def person() -> None:
        call = watch(run).wait("call.started", role="human")
        assert "1977" in call.prompt
        assert run.answer_call(call.node, "1977").ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "1977"


def test_a_question_to_a_person_is_answered_at_the_keyboard(make: Make) -> None:
    asked: list[Any] = []

    def ask(question: str, choices: list[str] | None) -> str:
        asked.append((question, choices))
        return "1931"

    run = make([ASK, cell("FINAL(r)")], ask=ask).run("q", "abc")
    assert run.answer == "1931"
    assert asked == [("Which year?", ["1931", "1977"])]


def test_a_question_where_nobody_is_there_is_an_error_the_code_can_take(make: Make) -> None:
    run = make([ASK, cell("FINAL(r)")]).run("q", "abc")
    assert "nobody is there" in run.answer


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_question_that_is_cancelled_is_over_in_the_tree(
    make: Make, where: str, watch: Any, beside: Any
) -> None:
    rlm = make([ASK, cell("FINAL(r)")], where=where, attended=True, mode="auto")
    run = rlm.start("q", "abc")

    def person() -> None:
        assert run.cancel(watch(run).wait("call.started", role="human").node).ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.status == "done"
    assert "cancelled" in run.answer
    assert next(n for n in run.tree.walk() if n.role == "human").status == "cancelled"


# -- taking over ----------------------------------------------------------------------------------


def test_what_a_person_did_and_says_is_told_when_they_hand_back(make: Make, shell: Any) -> None:
    from rlm_kernel.protocol import CellResult, Output

    model = ScriptedModel([cell("print('mine')"), cell("FINAL(found)")], name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    assert run.take_over().ok
    shell.run_cell("found = context[::-1]")
    run.note_human_cell(
        "found = context[::-1]", CellResult("ok", Output("cba"), changed=("found",))
    )
    assert run.phase == "taken over"
    assert run.hand_back("use `found`").ok
    assert not run.wait()
    heard = told(model)
    assert "a person took over" in heard
    assert "found = context[::-1]" in heard
    assert "cba" in heard
    assert "The person says: use `found`" in heard
    run.approve()
    assert run.wait()
    assert run.answer == "cba"
    theirs = [n for n in cells(run) if n.author == "human"]
    assert [n.code for n in theirs] == ["found = context[::-1]"]
    asked = [e.event for e in run.events if isinstance(e.event, CellProposed)]
    assert [e.author for e in asked] == ["model", "human", "model"]


def test_handing_back_without_having_done_anything_goes_on_with_the_proposal(
    make: Make,
) -> None:
    model = ScriptedModel([LOOK, END], name="root")
    run = make(model, mode="step").start("how long?", "abc")
    run.wait()
    run.take_over()
    run.wait()
    assert run.phase == "taken over"
    run.set_mode("auto")
    run.hand_back()
    assert run.wait()
    assert run.answer == 3
    assert len(model.requests) == 2


# -- budget ---------------------------------------------------------------------------------------


def test_a_run_paused_by_its_budget_goes_on_with_a_larger_one(make: Make) -> None:
    model = ScriptedModel([LOOK, cell("size += 1"), END], name="root", price=(0.0, 0.0))
    run = make(model, budget="2 calls", attended=True, mode="auto").start("how long?", "abc")
    assert not run.wait()
    assert run.phase == "paused"
    assert "budget of 2 calls" in run.reason
    refused = run.set_budget("a lot")
    assert not refused.ok
    assert "isn't a budget" in refused.message
    assert run.ledger.refused() == {"calls": 1}
    assert run.set_budget("5 calls").ok
    assert run.phase == "paused"
    assert run.reason.startswith("The budget is $1.00, 5 calls now (")
    assert run.ledger.refused() == {}
    assert run.resume().ok
    assert run.wait()
    assert (run.status, run.answer) == ("done", 4)
    assert run.usage.subtree.calls == 3


def test_calls_that_a_budget_refuses_are_told_while_the_cell_still_runs(make: Make) -> None:
    runs: list[Run] = []
    seen: list[Any] = []

    def look() -> None:
        info = run_info(runs[0], run_id="r", seq=0)
        seen.append((runs[0].phase, info.budget["calls"], info.budget["money"].refused))

    batch = cell("rs = llm_query_batched(['a', 'b', 'c'])\nlook()")
    rlm = make([batch, KINDS], lambda m: "x", budget="3 calls", mode="auto",
               attended=True, tools={"look": look})  # fmt: skip
    runs.append(rlm.start("q", "abc"))
    assert not runs[0].wait()
    assert seen == [("running", Meter(used=3, limit=3, refused=1), 0)]


# -- nobody is there ------------------------------------------------------------------------------


def test_headless_approve_runs_what_would_have_been_asked(make: Make) -> None:
    run = make([LOOK, END], mode="step", headless="approve").run("how long?", "abc")
    assert run.answer == 3
    assert {n.by for n in cells(run)} == {"headless"}


def test_headless_reject_tells_the_model_and_ends(make: Make) -> None:
    model = ScriptedModel([cell("import os"), LOOK, END], name="root")
    rlm = make(model, mode="ask when imports os", headless="reject")
    run = rlm.run("how long?", "abc")
    assert run.answer == 3
    assert "nobody is there" in told(model, 1)


def test_headless_error_refuses_before_anything_is_spent(make: Make) -> None:
    model = ScriptedModel([LOOK, END], name="root")
    rlm = make(model, mode="step")
    with pytest.raises(ConfigError, match="nobody is there"):
        rlm.run("how long?", "abc")
    with pytest.raises(ConfigError, match="nobody is there"):
        asyncio.run(rlm.arun("how long?", "abc"))
    assert model.requests == []


def test_headless_error_comes_back_where_a_rule_asks(make: Make) -> None:
    run = make([cell("import os")], mode="ask when imports os").run("how long?", "abc")
    assert run.status == "waiting"
    with pytest.raises(AnswerError, match="no answer yet"):
        _ = run.answer
