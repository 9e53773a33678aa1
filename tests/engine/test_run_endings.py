"""How a run ends without an accepted answer, and what an answer can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from policies import cell

from rlm_kernel.engine import RLM
from rlm_kernel.errors import AnswerError, ConfigError, ContextError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.protocol import Reply, Usage, event_to_dict
from rlm_kernel.protocol.events import AnswerGiven

Make = Callable[..., RLM]

LOOK = cell("len(context)")


def refusals(run: Any) -> list[str]:
    events = [logged.event for logged in run.events]
    return [e.reason for e in events if isinstance(e, AnswerGiven) and not e.accepted]


# -- turns and budget used up ---------------------------------------------------------------------


def test_turns_used_up_give_the_draft_and_say_so(make: Make) -> None:
    draft = cell("answer['content'] = [len(context)]")
    run = make([draft, LOOK, LOOK], max_turns=3).run("q", "abc")
    assert (run.status, run.answer) == ("partial", [3])
    assert run.reason == "The 3 turns are used up. This is a draft."
    assert not run.events[-1].event.forced


def test_turns_used_up_without_a_draft_force_one_reply_and_flag_it(make: Make) -> None:
    model = ScriptedModel([LOOK, LOOK, "three, unsure"], name="root")
    run = make(model, max_turns=2).run("q", "abc")
    assert (run.status, run.answer) == ("partial", "three, unsure")
    assert run.events[-1].event.forced
    assert "made to answer without an accepted cell" in run.reason
    assert "no turns left" in model.requests[-1].messages[-1]["content"]


def test_the_transcript_says_why_an_answer_was_not_accepted(make: Make) -> None:
    run = make([LOOK, cell("print('abc')\nFINAL('')"), cell("FINAL('good')")]).run("q", "abc")
    _, refused, accepted = run.transcript
    assert refused.observation.startswith("abc")
    assert "The answer was not accepted: the answer is empty" in refused.observation
    assert accepted.observation == ""
    assert "not accepted" in str(run.transcript)


def test_the_last_turns_are_announced(make: Make) -> None:
    model = ScriptedModel([LOOK] * 4 + ["x"], name="root")
    make(model, max_turns=4).run("q", "abc")
    said = [r.messages[-1]["content"] for r in model.requests]
    assert "Turn 2 of 4. Few are left" in said[1]
    assert "Turn 4 of 4. This is the last one" in said[3]


def test_a_run_in_which_no_cell_ran_is_never_made_to_answer(make: Make) -> None:
    model = ScriptedModel(["hm", "hm", "made up"], name="root")
    run = make(model, max_turns=2).run("q", "abc")
    assert run.status == "failed"
    assert "No cell had run" in run.reason
    assert len(model.requests) == 2
    with pytest.raises(AnswerError, match="failed and has no answer: The 2 turns are used up"):
        _ = run.answer


def test_three_replies_without_code_ask_for_an_answer_once(make: Make) -> None:
    model = ScriptedModel([LOOK, "I think", "I still think", "So", "three"], name="root")
    run = make(model).run("q", "abc")
    assert (run.status, run.answer) == ("partial", "three")
    assert "3 replies in a row held no code" in run.reason
    assert len(model.requests) == 5


def test_code_in_between_starts_the_count_anew(make: Make) -> None:
    run = make(["hm", "hm", LOOK, "hm", "hm", cell("FINAL(len(context))")]).run("q", "abc")
    assert (run.status, run.answer) == ("done", 3)


def test_a_forced_reply_that_is_code_is_no_answer(make: Make) -> None:
    run = make([LOOK, cell("FINAL(4)")], max_turns=1).run("q", "abc")
    assert run.status == "failed"
    assert "held code instead of an answer" in run.reason


ASK = cell("rs = llm_query_batched(list('abcdefghij'))\nprint([str(r)[:60] for r in rs])")
KINDS = cell("FINAL([r if isinstance(r, str) else type(r).__name__ for r in rs])")


def test_a_budget_used_up_in_a_batch_keeps_what_was_paid_and_never_passes_the_limit(
    make: Make,
) -> None:
    def cent(messages: Any) -> Reply:
        text = messages[-1]["content"].upper()
        return Reply(text, "sub", Usage(9, 1, cost=0.01, known_cost=0.01, calls=1))

    sub = ScriptedModel(cent, name="sub", price="unknown", latency=0.01)
    run = make([ASK, KINDS], sub, budget="$0.05").run("q", "abc")
    assert run.status == "done"
    assert run.usage.subtree.known_cost == pytest.approx(0.05)
    assert len(sub.requests) == 5
    texts = [item for item in run.answer if item != "BudgetExceeded"]
    assert len(texts) == 5
    assert run.answer == [c.upper() if c.upper() in texts else "BudgetExceeded"
                          for c in "abcdefghij"]  # fmt: skip
    errors = [e.event.error for e in run.events if e.event.type == "call.ended" and e.event.error]
    assert len(errors) == 5
    assert all("doesn't cover this call" in error for error in errors), errors


def test_a_budget_of_calls_is_held_to_the_call(make: Make) -> None:
    root = ScriptedModel([ASK, KINDS], name="root")
    sub = ScriptedModel(lambda m: m[-1]["content"].upper(), name="sub")
    run = make(root, sub, budget="6 calls").run("q", "abc")
    assert run.status == "failed"  # one call was the root's, five were paid; none is left
    assert len(root.requests) + len(sub.requests) == 6
    batch = next(n for n in run.tree.walk() if n.kind == "batch")
    assert (batch.ok, batch.failed) == (5, 5)
    assert "budget of 6 calls" in run.reason


def test_a_budget_used_up_with_a_draft_gives_the_draft(make: Make) -> None:
    draft = cell("answer['content'] = 'so far'\nlen(context)")
    run = make([draft, LOOK, LOOK], budget="2 calls").run("q", "abc")
    assert (run.status, run.answer) == ("partial", "so far")
    assert "budget" in run.reason


def test_a_budget_of_time_ends_a_cell_that_runs_on(make: Make) -> None:
    slow = cell("answer['content'] = 'so far'\nwhile True: pass")
    run = make([slow, LOOK], budget="0.7 s").run("q", "abc")
    assert (run.status, run.answer) == ("partial", "so far")


# -- what an answer can be ------------------------------------------------------------------------

VALUES = {
    "text": "'a\\r\\nb\\x00\\ud800😀'", "int": "10**40", "float": "float('inf')", "zero": "0",
    "false": "False", "list": "[1, 'two', [3.0, None]]", "dict": "{1: 'a', (2, 3): {'x'}}",
    "tuple": "(1, 2)", "set": "{1, 2}", "bytes": "b'\\x00\\xff'", "empty list": "[]",
    "date": "__import__('datetime').date(2024, 2, 29)",
    "array": "__import__('numpy').arange(6).reshape(2, 3)",
    "frame": "__import__('pandas').DataFrame({'a': [1, 2], 'b': ['x', None]})",
}  # fmt: skip


@pytest.mark.parametrize("how", ["FINAL({})", "answer['content'] = {}; answer['ready'] = True",
                                 "v = {}\nFINAL_VAR('v')", "v = {}\nFINAL_VAR(v)"])  # fmt: skip
def test_an_answer_can_be_submitted_in_each_way(make: Make, how: str) -> None:
    run = make([LOOK, cell(how.format("['x', 1]"))]).run("q", "abc")
    assert (run.status, run.answer) == ("done", ["x", 1])


def test_any_value_can_be_the_answer_from_a_kernel_by_value(make: Make) -> None:
    """One kernel for all of them."""
    model = ScriptedModel([], name="root")
    rlm = make(model, where="kernel", keep=True)
    for name, code in VALUES.items():
        model._lines += [LOOK, cell(f"FINAL({code})")]
        run = rlm.run(f"a {name}", "abc")
        assert run.status == "done", run.reason
        same(run.answer, eval(code))


def same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if hasattr(one, "equals"):
        assert one.equals(other)
    elif hasattr(one, "shape"):
        assert (one == other).all()
    else:
        assert one == other


class Live:
    """An object that can't be copied."""

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


def test_in_the_shell_the_answer_is_the_very_object(make: Make) -> None:
    mine = Live()
    run = make([cell("type(context).__name__"), cell("FINAL(context)")]).run("q", mine)
    assert run.answer is mine


def test_what_cant_cross_from_a_kernel_is_refused_and_the_model_can_mend_it(make: Make) -> None:
    model = ScriptedModel(
        [LOOK, cell("import threading\nFINAL(threading.Lock())"), cell("FINAL('a lock')")],
        name="root",
    )
    run = make(model, where="kernel").run("q", "abc")
    assert (run.status, run.answer) == ("done", "a lock")
    assert "can't cross" in refusals(run)[0]
    assert "can't cross" in model.requests[-1].messages[-1]["content"]


REFUSED = {
    "empty text": ("FINAL('')", "the answer is empty"),
    "none": ("FINAL(None)", "the answer is empty"),
    "blank": ("FINAL('  \\n ')", "the answer is empty"),
    "ready without content": ("answer['ready'] = True", "the answer is empty"),
    "failed cell": ("FINAL(1)\n1 / 0", "the cell that submitted it failed"),
    "no such variable": ("FINAL_VAR('nothing')", "no variable 'nothing'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_that_is_none_is_refused_with_the_reason(make: Make, case: str) -> None:
    code, why = REFUSED[case]
    model = ScriptedModel([LOOK, cell(code), cell("FINAL('good')")], name="root")
    run = make(model).run("q", "abc")
    assert (run.status, run.answer) == ("done", "good")
    assert len(refusals(run)) == 1
    assert why in model.requests[-1].messages[-1]["content"]


def test_an_answer_before_anything_was_looked_at_is_refused_once(make: Make) -> None:
    run = make([cell("FINAL('made up')"), LOOK, cell("FINAL('seen')")]).run("q", "abc")
    assert run.answer == "seen"
    assert "had been looked at" in refusals(run)[0]


def test_without_a_context_there_is_nothing_to_look_at(make: Make) -> None:
    run = make([cell("FINAL(6 * 7)")]).run("six times seven?")
    assert (run.status, run.answer) == ("done", 42)


def test_a_final_answer_in_prose_counts_where_there_is_no_code(make: Make) -> None:
    run = make([cell("total = len(context)\ntotal"), "It is clear.\nFINAL_VAR(total)"]).run(
        "q", "abc"
    )
    assert (run.status, run.answer) == ("done", 3)


def test_an_answer_that_was_refused_stays_as_a_draft(make: Make) -> None:
    run = make([LOOK, cell("FINAL('many')"), LOOK], max_turns=3, answer_type=int).run("q", "abc")
    assert (run.status, run.answer) == ("partial", "many")


class Count(pydantic.BaseModel):
    word: str
    times: int


@pytest.mark.parametrize(
    ("wanted", "bad", "good", "answer", "why"),
    [
        (int, "'three'", "3", 3, "valid integer"),
        (list[str], "[1]", "['a']", ["a"], "valid string"),
        (Count, "{'word': 'a'}", "{'word': 'a', 'times': 2}", Count(word="a", times=2), "times"),
        ({"type": "object", "required": ["n"]}, "{}", "{'n': 1}", {"n": 1}, "'n' is a required"),
    ],
)
def test_an_answer_of_another_type_is_sent_back_with_the_fault(
    make: Make, wanted: Any, bad: str, good: str, answer: Any, why: str
) -> None:
    model = ScriptedModel([LOOK, cell(f"FINAL({bad})"), cell(f"FINAL({good})")], name="root")
    run = make(model, answer_type=wanted).run("q", "abc")
    assert (run.status, run.answer) == ("done", answer)
    heard = model.requests[-1].messages[-1]["content"]
    assert "doesn't have the form" in heard
    assert why in heard
    assert "must be a Python value that fits" in model.requests[0].messages[0]["content"]


def test_a_final_in_the_middle_of_a_cell_lets_the_cell_end(make: Make) -> None:
    run = make([LOOK, cell("FINAL(1)\nafter = 2\nFINAL(after)")]).run("q", "abc")
    assert run.answer == 2


def test_blocks_after_the_one_that_submitted_arent_run(make: Make) -> None:
    run = make([LOOK, cell("FINAL(1)") + "\n" + cell("FINAL(2)")]).run("q", "abc")
    assert run.answer == 1


def test_a_block_after_one_that_failed_isnt_run(make: Make) -> None:
    model = ScriptedModel(
        [cell("n = len(context)\n1 / 0") + "\n" + cell("FINAL(99)"), cell("FINAL(n)")], name="root"
    )
    run = make(model).run("q", "abc")
    assert run.answer == 3
    assert "ZeroDivisionError" in model.requests[1].messages[-1]["content"]


# -- what is refused before anything is spent -----------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"budget": "lots"}, "isn't a budget"),
        ({"mode": "whenever"}, "isn't a mode"),
        ({"answer_type": 42}, "can't be checked"),
        ({"max_turn": 3}, "has no option 'max_turn'"),
        ({"max_turns": 0}, "max_turns"),
        ({"where": "moon"}, "where"),
    ],
)
def test_an_option_that_is_none_is_a_sentence(make: Make, options: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        make([LOOK], **{"where": "kernel", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("modle", "did you mean 'mode' or 'model'?"), ("answertype", "did you mean 'answer_type'?"),
     ("tool", "did you mean 'tools'?"), ("xyz", "RLM has no option 'xyz'; its options"),
     ("question", "'question': run() and start() take it, as in RLM(…).run(question)."),
     ("context", "run() and start() take it, as in RLM(…).run(question, context=…).")],
)  # fmt: skip
def test_an_option_that_isnt_there_is_told_with_what_was_meant(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RLM(**{name: "local"})
    told = str(caught.value)
    assert said in told
    if "take it" in said:
        return
    listed = told.partition("options: ")[2].partition(";")[0].split(", ")
    for option in listed:
        assert option in RLM.class_trait_names() or option in RLM.__init__.__kwdefaults__
    assert {"answer_type", "tools", "sub_tools", "model", "budget", "gateway"} <= set(listed)
    assert told.endswith("; run() and start() take question, context, earlier, name and budget.")


def test_a_live_note_has_no_other_moment(make: Make) -> None:
    run = make(["FINAL(1)"]).run("q", "abc")
    with pytest.raises(ConfigError, match=r"comes at the moment .* at='cell1'\)"):
        run.note("Look.", at="cell1")
    run.note("Look.")
    assert run.tree[run.node].notes[-1][1] == "Look."


def test_what_cant_be_asked_is_refused_before_a_call(make: Make, tmp_path: Any) -> None:
    model = ScriptedModel([LOOK], name="root")
    with pytest.raises(ConfigError, match="question is empty"):
        make(model).run(" \n", "abc")
    with pytest.raises(ContextError):
        make(model).run("q", tmp_path / "nothing.txt")
    for name in ("nosuch/model", "gpt-5"):
        with pytest.raises(ConfigError, match="model"):
            make(name, []).run("q", "abc")
    assert model.requests == []


def test_the_answer_stands_in_the_log_as_text(make: Make) -> None:
    run = make([LOOK, cell("FINAL({'n': 3})")]).run("q", "abc")
    ended = event_to_dict(run.events[-1].event)
    assert (ended["answer"], ended["answer_type"]) == ("{'n': 3}", "dict")
    assert repr(run).endswith("done: \"{'n': 3}\">")
