"""The five shapes of question, each with its faults, over HTTP, in the shell and in a kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from policies import (
    MARK,
    SHAPES,
    Messages,
    Shape,
    browse,
    by_model,
    cell,
    codeqa,
    detour,
    needle,
    oolong,
)
from servers import Fault

from rlm_kernel.engine import RLM, Run

Served = Callable[..., tuple[RLM, Any]]


def answered(run: Run, shape: Shape) -> None:
    assert run.status == "done", (run.reason, str(run.transcript)[-3000:])
    assert run.answer == shape.truth


@pytest.mark.parametrize("where", ["shell", "kernel"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_answered(served: Served, name: str, where: str) -> None:
    shape = SHAPES[name]()
    rlm, server = served(shape, where=where)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    assert {seen.json["model"] for seen in server.requests} <= {"x-root", "x-sub"}
    assert run.usage.subtree.calls == len(server.requests)  # each call is in the tree, once


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_answered_by_the_magic_in_a_notebooks_shell(
    name: str, shell: Any, openai_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_kernel import load_ipython_extension, unload_ipython_extension

    shape = SHAPES[name]()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    openai_server.reply_with(by_model(shape))
    shell.user_ns["material"] = shape.context
    load_ipython_extension(shell)
    options = "--model openai/x-root --sub-model openai/x-sub --mode auto --context material"
    try:
        result = shell.run_cell(
            f"%%rlm the_run {options} --api-base {openai_server.api_base}\n{shape.question}"
        )
    finally:
        run = shell.user_ns.get("the_run")
        unload_ipython_extension(shell)
    assert result.success, result.error_in_exec or result.error_before_exec
    answered(run, shape)
    assert run.settings.where == "shell"
    assert shell.user_ns["material"] is shape.context


def test_a_needle_takes_no_sub_call_and_few_turns(served: Served) -> None:
    shape = needle()
    rlm, server = served(shape)
    run = rlm.run(shape.question, shape.context)
    assert [s.json["model"] for s in server.requests] == ["x-root"] * 4
    assert len(run.transcript) == 4


# -- how a root can stumble ------------------------------------------------------------------------

FENCE = "```"
STUMBLES: dict[str, tuple[list[str | Callable[[str], str]], str]] = {
    "no code": (["I should look at the data first."], "no code block"),
    "empty": (["```repl\n```"], "no code block"),
    "final in the plan": (
        ["My plan: look at it, then FINAL(answer) once the output supports it."],
        "no code block",
    ),
    "ready before content": (
        [cell("answer['ready'] = True\nlen(context)")], "the answer is empty",
    ),
    "final before looking": ([cell("FINAL('forty-two')")], "had been looked at"),
    "failed cell submits": (
        [cell("len(context)\nFINAL('x')\nraise RuntimeError('too late')")], "failed",
    ),
    "unclosed fence that parses": ([f"{FENCE}repl\nprint('opened', len(context))"], "opened"),
    "unclosed fence that doesn't": ([f"{FENCE}repl\nprint(len(context"], "no closing"),
    "another language": ([f"{FENCE}bash\nls\n{FENCE}"], "'bash'"),
    "invented output": (
        [cell("print(len(context))") + "\n```output\n12\n```\nFINAL(12)"], "Output of cell",
    ),
    "output over the limit": (
        [
            cell("print('\\n'.join(f'row {n}' for n in range(30_000)))"),
            lambda told: cell(
                "print('page:', show_output({}, 150_000, 150_040))".format(
                    re.search(r"show_output\((\d+), start, stop\)", told)[1]  # type: ignore[index]
                )
            ),
        ],
        "row 16113\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("stumble", STUMBLES)
@pytest.mark.parametrize("shape", [needle(), browse(), codeqa()], ids=str)
def test_a_root_that_stumbles_is_told_and_goes_on(
    served: Served, shape: Shape, stumble: str
) -> None:
    steps, told = STUMBLES[stumble]
    clumsy = detour(shape, *steps)
    rlm, server = served(clumsy)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    heard = "\n".join(m["content"] for m in server.requests[-1].json["messages"])
    assert told in heard


@pytest.mark.parametrize("where", ["shell", "kernel"])
@pytest.mark.parametrize("stumble", STUMBLES)
def test_a_root_that_stumbles_before_it_counts_is_told_and_goes_on(
    served: Served, stumble: str, where: str
) -> None:
    """In one session, so that kernels aren't what takes the time."""
    steps, told = STUMBLES[stumble]
    shape = oolong(40)
    rlm, server = served(detour(shape, *steps, after=0), where=where)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    assert told in "\n".join(m["content"] for m in server.requests[-1].json["messages"])


def test_an_output_over_the_limit_shows_its_head_and_tail_and_can_be_paged(
    served: Served,
) -> None:
    shape = detour(needle(), *STUMBLES["output over the limit"][0])
    rlm, server = served(shape)
    rlm.run(shape.question, shape.context)
    flooded = server.requests[1].json["messages"][-1]["content"]
    assert "row 0\nrow 1\n" in flooded
    assert "row 29999" in flooded
    assert len(flooded) < 21_000
    whole = "\n".join(f"row {n}" for n in range(30_000)) + "\n"
    head, missing, tail = re.split(r"\n\[\.\.\. ([\d,]+) characters left out .*\]\n", flooded)
    head = head.removeprefix("Output of cell 1:\n")
    tail = tail.partition("\n\nTurn 2")[0] + "\n"
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + int(missing.replace(",", "")) + len(tail) == len(whole)
    page = server.requests[2].json["messages"][-1]["content"]
    assert whole[150_000:150_040] in page


# -- how sub-models and providers fail -------------------------------------------------------------


def once(shape: Shape, wrong: Callable[[str], Any], picks: Callable[[str], bool]) -> Shape:
    """Let the sub-model's first reply to a prompt that ``picks`` be wrong."""
    done: set[str] = set()

    def sub(messages: Messages) -> Any:
        prompt = str(messages[-1]["content"])
        right = shape.sub(messages)
        if picks(prompt) and not done:
            done.add(prompt)
            return wrong(right)
        return right

    return replace(shape, sub=sub)


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_a_missing_label_is_asked_for_again_and_nothing_else_is(served: Served, where: str) -> None:
    shape = once(oolong(), lambda right: "\n".join(right.splitlines()[:-2]), lambda p: "0: " in p)
    rlm, server = served(shape, where=where)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    subs = [s.prompt for s in server.requests if s.json["model"] == "x-sub"]
    assert len(subs) == 6  # five batches of twenty, and one with the two that were missing
    assert len(re.findall(r"^\d+: ", subs[-1], re.MULTILINE)) == 2


REFUSED = {
    "malformed": Fault("json"),
    "rate": Fault(status=429, headers={"Retry-After": "0"}),
    "server": Fault(status=500),
    "html": Fault("html"),
    "no choices": Fault("empty"),
    "null": Fault("null"),
    "drop": Fault("drop"),
    "half": Fault("half"),
    "refused": Fault(status=400),
}


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("name", ["oolong", "pairs", "codeqa"])
def test_a_failing_item_of_a_batch_is_a_value_and_the_rest_is_kept(
    served: Served, name: str, fault: str
) -> None:
    """The fault lasts over every try; when the root asks again, it has passed."""
    inner = SHAPES[name]()
    failing = True

    def sub(messages: Messages) -> Any:
        prompt = str(messages[-1]["content"])
        if failing and ("20: " in prompt or "retry.py" in prompt):
            return REFUSED[fault]
        return inner.sub(messages)

    def root(messages: Messages) -> Any:
        nonlocal failing
        told = str(messages[-1]["content"])
        if "failed: " in told or "bad ['" in told:
            failing = False
        return inner.root(messages)

    shape = replace(inner, sub=sub, root=root)
    rlm, server = served(shape)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    assert not failing
    first = next(n for n in run.tree.walk() if n.kind == "batch")
    assert first.failed == 1
    assert first.ok == first.size - 1
    paid = [s.prompt for s in server.requests if s.json["model"] == "x-sub"]
    again = {p for p in paid if paid.count(p) > 1}
    assert all("20: " in p or "retry.py" in p for p in again)  # nothing paid was asked twice


@pytest.mark.parametrize("where", ["shell", "kernel"])
def test_an_interrupt_in_a_batch_keeps_what_was_paid(
    served: Served, where: str, watch: Any, beside: Any
) -> None:
    inner = oolong()
    hanging = True

    def sub(messages: Messages) -> Any:
        if hanging and "\n20: " in str(messages[-1]["content"]):
            return Fault("hang")
        return inner.sub(messages)

    shape = replace(inner, sub=sub)
    rlm, server = served(shape, where=where)
    run = rlm.start(shape.question, shape.context)
    watcher = watch(run)

    def person() -> None:
        nonlocal hanging
        watcher.wait("call.ended", 4, status="ok", model="x-sub")
        hanging = False
        assert run.interrupt().ok

    other = beside(person)
    assert not run.wait()
    other.joined()
    assert run.phase == "paused"
    assert "variables are kept" in run.reason
    batch = next(n for n in run.tree.walk() if n.kind == "batch")
    assert (batch.ok, batch.failed) == (4, 1)
    order = [e.event.type for e in run.events if e.event.type in ("call.ended", "batch.ended")]
    assert order[-6:] == ["call.ended"] * 5 + ["batch.ended"]
    assert run.resume().ok
    assert run.wait()
    answered(run, shape)
    subs = [s.prompt for s in server.requests if s.json["model"] == "x-sub"]
    assert len(subs) == 6  # the four that were paid for aren't asked again
    assert len(set(subs)) == 5


def test_what_the_root_is_told_of_a_stumble_never_holds_the_marks_of_another(
    served: Served,
) -> None:
    """Two blocks in one reply are both run, in order, as one turn."""
    shape = detour(needle(), cell("a = 1\nprint('first')") + "\n" + cell("print('second', a)"))
    rlm, server = served(shape)
    run = rlm.run(shape.question, shape.context)
    answered(run, shape)
    told = server.requests[1].json["messages"][-1]["content"]
    assert told.index("first") < told.index("second 1")
    assert MARK not in told
