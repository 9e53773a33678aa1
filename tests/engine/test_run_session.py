"""Several questions of one session: variables, history, contexts, and what becomes of a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.errors import ProviderError
from rlm_kernel.lm import ScriptedModel

Make = Callable[..., RLM]

LOOK = cell("mine = {'size': len(context)}\nmine")
END = cell("FINAL(mine['size'])")
NEXT = cell("print(mine, [h['content'] for h in history if h['role'] == 'user'])")
SAY = cell("FINAL([mine['size'], len(context), history[-1]['content']])")


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_second_question_sees_the_variables_and_history_of_the_first(
    make: Make, where: str
) -> None:
    model = ScriptedModel([LOOK, END, NEXT, SAY], name="root")
    rlm = make(model, where=where, keep=True)
    first = rlm.run("how long?", "abc")
    assert first.answer == 3
    second = rlm.run("and this one?", "abcdef")
    assert second.status == "done", second.reason
    assert second.answer == [3, 6, "3"]
    assert "`history`" in model.requests[2].messages[0]["content"]
    assert "`history`" not in model.requests[0].messages[0]["content"]
    assert second.history[: len(first.history)] == first.history
    assert first.history[1]["output"] == "{'size': 3}"
    assert [h["content"] for h in second.history if h["role"] == "user"] == [
        "how long?", "and this one?"
    ]  # fmt: skip


def test_without_keep_each_question_has_a_fresh_kernel(make: Make) -> None:
    model = ScriptedModel(
        [
            LOOK,
            END,
            cell("len(context)\nleft = 'mine' in globals()"),
            cell("FINAL([left, history])"),
        ],
        name="root",
    )
    rlm = make(model, where="kernel")
    assert rlm.run("how long?", "abc").answer == 3
    assert rlm.run("again?", "abc").answer == [False, []]


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_question_that_fails_or_is_stopped_loses_no_variables(make: Make, where: str) -> None:
    held = HeldModel([], name="held")
    model = ScriptedModel(
        [LOOK, END, ProviderError("down", kind="refused"), cell("len(context)\nmine"), END],
        name="root",
    )
    rlm = make(model, where=where, keep=True)
    assert rlm.run("how long?", "abc").answer == 3
    assert rlm.run("and now?", "abc").status == "failed"
    rlm.model = rlm.gateway.register(held)
    stopped = rlm.start("stopped?", "abc")
    held.wait_for(1)
    stopped.stop()
    assert stopped.wait(20)
    rlm.model = "root"
    assert rlm.run("still there?", "abc").answer == 3


def test_history_can_be_given_by_the_caller(make: Make) -> None:
    rlm = make([cell("history"), cell("FINAL(history)")])
    earlier = [{"role": "user", "content": "before"}]
    assert rlm.start("q", "abc", earlier=earlier).answer == earlier


def test_several_contexts_are_bound_one_by_one(make: Make, tmp_path: Any) -> None:
    from rlm_kernel.context import several

    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\x00")
    model = ScriptedModel(
        [cell("print(context_0, context_1)"), cell("FINAL([context_0, context_1['n']])")],
        name="root",
    )
    run = make(model, where="kernel").run("q", several(tmp_path / "a.txt", {"n": 1}))
    assert run.answer == ["one\r\ntwo\x00", 1]
    assert "context_1" in model.requests[0].messages[1]["content"]


def test_the_persons_own_variables_come_back_when_a_run_ends(make: Make, shell: Any) -> None:
    shell.user_ns.update(context="mine", answer=42, history="mine too")
    run = make([LOOK, END]).run("how long?", "abcd")
    assert run.answer == 4
    ns = shell.user_ns
    assert (ns["context"], ns["answer"], ns["history"]) == ("mine", 42, "mine too")
    assert "llm_query" not in ns
    assert ns["mine"] == {"size": 4}  # what the run made stays, in the person's own shell


def test_a_second_run_at_once_in_the_same_shell_is_refused_in_words(make: Make) -> None:
    model = HeldModel([])
    rlm = make(model)
    first = rlm.start("one?", "abc")
    model.wait_for(1)
    second = rlm.start("two?", "abc")
    assert second.wait()
    assert second.status == "failed"
    assert "live run already" in second.reason
    assert not first.ended
