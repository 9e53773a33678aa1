"""Children: parallel, apart from each other, within the depth and the budget, and ended in time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from policies import HeldModel, cell

from rlm_kernel.engine import RLM
from rlm_kernel.lm import ScriptedModel

Make = Callable[..., RLM]

KIDS = cell("""
rs = rlm_query_batched(['one', 'two', 'three', 'four'], contexts=['w', 'x', 'y', 'z'])
print([str(r) for r in rs])""")
ALL = cell("FINAL([r if isinstance(r, str) else f'!{r}' for r in rs])")


def runs(run: Any) -> list[Any]:
    return [n for n in run.tree.walk() if n.kind == "run" and n.id != run.node]


def last(messages: Any) -> str:
    return str(messages[-1]["content"])


def test_children_run_at_once_each_in_a_kernel_and_folder_of_its_own(make: Make) -> None:
    def child(messages: Any) -> str:
        if len(messages) == 2:
            return cell("""
import os
mine = context
print('mine:', mine, sorted(n for n in globals() if n in ('theirs', 'rs')))
open('note.txt', 'a').write(mine)""")
        return cell("FINAL(f'{mine} {open(\"note.txt\").read()} {os.getcwd()}')")

    sub = HeldModel(child, name="sub")
    rlm = make([cell("theirs = 1\nlen(context)"), KIDS, ALL], sub, max_depth=2, where="kernel")
    run = rlm.start("q", "abc")
    for asked in (4, 8):  # all four have come to this point before one goes on
        sub.wait_for(asked)
        sub.release()
    assert run.wait()
    assert run.status == "done", run.reason
    answers = [answer.split() for answer in run.answer]
    assert [a[:2] for a in answers] == [["w", "w"], ["x", "x"], ["y", "y"], ["z", "z"]]
    assert len({a[2] for a in answers} | {os.getcwd()}) == 5
    children = runs(run)
    assert [c.index for c in children] == [0, 1, 2, 3]
    assert {c.status for c in children} == {"done"}
    assert {c.depth for c in children} == {1}
    assert [c.question for c in children] == ["one", "two", "three", "four"]
    outputs = [n.output for n in run.tree.walk() if n.kind == "cell" and "mine:" in n.output]
    assert all("[]" in output and output.count("mine:") == 1 for output in outputs)


def test_a_child_without_a_context_finds_its_prompt_there(make: Make) -> None:
    rlm = make(
        [cell("r = rlm_query('what is in here: 42?')\nr"), cell("FINAL(r)")],
        lambda m: cell("FINAL(context)"),
        max_depth=2,
    )
    assert rlm.run("q", "abc").answer == "what is in here: 42?"


def test_a_child_can_have_a_model_and_a_name_and_give_any_value(make: Make) -> None:
    other = ScriptedModel([cell("FINAL({'rows': context})")], name="other")
    rlm = make(
        [cell("r = rlm_query('q', [1, {'a': 2}], model='other', name='rows')"), cell("FINAL(r)")],
        [],
        max_depth=2,
    )
    rlm.gateway.register(other)
    run = rlm.run("q", "abc")
    assert run.answer == {"rows": [1, {"a": 2}]}
    child = runs(run)[0]
    assert (child.model, child.name, child.line) == ("other", "rows", 1)


def test_past_the_depth_a_child_is_a_plain_call_and_its_node_says_so(make: Make) -> None:
    sub = ScriptedModel(lambda m: last(m).upper(), name="sub")
    run = make([KIDS, ALL], sub, max_depth=1).run("q", "abc")
    assert run.answer == ["ONE\n\nW", "TWO\n\nX", "THREE\n\nY", "FOUR\n\nZ"]
    calls = [n for n in run.tree.walk() if n.role == "sub"]
    assert len(calls) == 4
    assert {c.note for c in calls} == {"rlm_query became llm_query: max_depth=1 is reached"}
    assert runs(run) == []


def test_a_grandchild_is_as_deep_as_the_depth_allows(make: Make) -> None:
    def child(messages: Any) -> str:
        if last(messages).endswith("plain"):
            return "leaf"
        if len(messages) == 2:
            return cell("r = rlm_query('plain' if context == 'b' else 'q', "
                        "{'a': 'b'}.get(context, 'plain'))\nprint('r', r)")  # fmt: skip
        return cell("FINAL(context + str(r))")

    run = make([cell("r = rlm_query('q', 'a')"), cell("FINAL(r)")], child, max_depth=3).run("q", "")
    assert run.answer == "ableaf"
    assert [c.depth for c in runs(run)] == [1, 2]


def test_a_child_that_fails_is_a_value_in_the_batch_and_an_error_alone(make: Make) -> None:
    def child(messages: Any) -> str:
        return "no code" if "two" in messages[1]["content"] else cell("FINAL(context * 2)")

    alone = cell("""
try:
    rlm_query('two', 'x')
except Exception as error:
    rs.append(f'{type(error).__name__}: {error}')""")
    run = make([KIDS, alone, ALL], child, max_depth=2, max_turns=4).run("q", "abc")
    assert run.status == "done"
    assert [run.answer[n] for n in (0, 2, 3)] == ["ww", "yy", "zz"]
    failed = run.answer[1]
    assert failed.startswith("!The child run")
    assert "partial" in failed
    assert "3 replies in a row held no code" in failed
    assert run.answer[4].startswith("ModelError: The child run")
    batch = next(n for n in run.tree.walk() if n.kind == "batch")
    assert (batch.ok, batch.failed) == (3, 1)


def test_a_context_that_cant_be_copied_fails_its_child_alone(make: Make) -> None:
    code = cell("""
import threading
rs = rlm_query_batched(['one', 'two'], contexts=[threading.Lock(), 'x'])""")
    run = make([code, ALL], lambda m: cell("FINAL(context)"), max_depth=2).run("q", "abc")
    assert run.status == "done", run.reason
    assert run.answer[1] == "x"
    assert run.answer[0].startswith("!")
    assert "lock" in run.answer[0]


def test_children_end_with_their_parent(make: Make) -> None:
    sub = HeldModel([], name="sub")
    run = make([KIDS], sub, max_depth=2, where="kernel").start("q", "abc")
    sub.wait_for(4)
    began = time.monotonic()
    assert run.stop().ok
    assert run.wait(20)
    assert time.monotonic() - began < 10
    assert run.status == "stopped"
    assert [c.status for c in runs(run)] == ["stopped"] * 4
    assert [n for n in run.tree.walk() if n.live] == []
    ended = [e.event.node for e in run.events if e.event.type == "run.ended"]
    assert ended[-1] == run.node  # a parent ends last


def test_a_cancelled_child_is_a_value_and_its_siblings_go_on(
    make: Make, watch: Any, beside: Any
) -> None:
    sub = HeldModel(lambda m: cell("FINAL(context.upper())"), name="sub")
    run = make([KIDS, ALL], sub, max_depth=2).start("q", "abc")

    def person() -> None:
        watcher = watch(run)
        sub.wait_for(4)
        second = watcher.wait("run.started", index=1)
        assert run.cancel(second.node).ok
        watcher.wait("run.ended", node=second.node)
        sub.release()

    other = beside(person)
    assert run.wait()
    other.joined()
    assert [run.answer[n] for n in (0, 2, 3)] == ["W", "Y", "Z"]
    assert "Cancelled by a person" in run.answer[1]


def test_an_interrupt_ends_the_children_of_the_cell(make: Make, beside: Any) -> None:
    sub = HeldModel([], name="sub")
    run = make([KIDS, cell("FINAL('after')")], sub, max_depth=2).start("q", "abc")
    other = beside(lambda: (sub.wait_for(4), run.interrupt()))
    assert not run.wait()
    other.joined()
    assert run.phase == "paused"
    run.resume()
    assert run.wait()
    assert run.answer == "after"
    assert {c.status for c in runs(run)} == {"stopped"}


def test_a_call_in_a_child_can_be_answered_from_the_parent(
    make: Make, watch: Any, beside: Any
) -> None:
    def child(messages: Any) -> str:
        if len(messages) == 2:
            return cell("r = llm_query('deep', model='human')\nprint('r', r)")
        return cell("FINAL(r)")

    rlm = make([cell("r = rlm_query('q', 'x')"), cell("FINAL(r)")], child, max_depth=2,
               attended=True, mode="auto")  # fmt: skip
    run = rlm.start("q", "abc")

    def person() -> None:
        call = watch(run).wait("call.started", model="human")
        assert run.answer_call(call.node, "from above").ok

    other = beside(person)
    assert run.wait()
    other.joined()
    assert run.answer == "from above"


def test_the_budget_is_one_over_the_whole_tree(make: Make) -> None:
    def child(messages: Any) -> str:
        return cell("n = len(context)\nn") if len(messages) == 2 else cell("FINAL(context)")

    root = ScriptedModel([KIDS, ALL], name="root")
    sub = ScriptedModel(child, name="sub")
    run = make(root, sub, max_depth=2, budget="7 calls").run("q", "abc")
    assert len(root.requests) + len(sub.requests) == 7
    assert run.usage.subtree.calls == 7
    assert run.usage.own.calls <= 2
    assert run.status in ("failed", "done")
    failed = [c for c in runs(run) if c.status != "done"]
    assert failed
    assert all("budget of 7 calls" in c.reason for c in failed)


def test_children_get_their_own_tools_and_none_of_the_parents(make: Make) -> None:
    seen: list[str] = []

    def helper(text: str) -> str:
        seen.append(text)
        return text * 2

    def child(messages: Any) -> str:
        if len(messages) == 2:
            return cell("r = [helper(context), 'secret' in globals()]\nr")
        return cell("FINAL(r)")

    run = make(
        [cell("r = rlm_query('q', 'x')"), cell("FINAL(r)")], child, max_depth=2,
        tools={"secret": lambda: 1}, sub_tools={"helper": helper},
    ).run("q", "abc")  # fmt: skip
    assert run.answer == ["xx", False]
    assert seen == ["x"]


@pytest.mark.parametrize("how", ["rlm_query.aio('q', c)", "rlm_query_batched.aio(['q'], [c])"])
def test_children_can_be_awaited(make: Make, how: str) -> None:
    code = cell(f"""
import asyncio
rs = await asyncio.gather(*[{how} for c in 'ab'])
print(rs)""")
    run = make([code, cell("FINAL(str(rs))")], lambda m: cell("FINAL(context)"), max_depth=2).run(
        "q", "abc"
    )
    assert run.status == "done", run.reason
    assert run.answer in ("['a', 'b']", "[['a'], ['b']]")
