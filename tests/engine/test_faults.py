"""A provider that fails in every way, at the root, at one call, at one item of a batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from policies import Messages, Shape, cell
from servers import Fault, OpenAIServer, Say
from traitlets.config import Config

from rlm_kernel.engine import RLM, Run

Served = Callable[..., tuple[RLM, OpenAIServer]]

KEY = "sk-test-0123456789"  # what the fixture gives
SOON = Config({"Gateway": {"retry_base": 0.001, "call_timeout": 0.4}})

PASSING = {  # what a further try may mend
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, headers={"Retry-After": "0.01"}),
    "500": Fault(status=500),
    "503": Fault(status=503, body="<html>overloaded</html>"),
    "malformed": Fault("json"),
    "not json": Fault("notjson"),
    "no choices": Fault("empty"),
    "null content": Fault("null"),
    "cut off": Fault("half"),
    "dropped": Fault("drop"),
    "html": Fault("html"),
    "hang": Fault("hang"),
    "error in a 200": Fault("inner", status=500),
    "another shape": Fault("list"),
}
LASTING = {
    **PASSING,
    "wrong model": Fault(
        status=404, body={"error": {"message": "The model `x-root` does not exist"}}
    ),
    "expired key": Fault(
        status=401, body={"error": {"message": f"Incorrect API key provided: {KEY}"}}
    ),
    "no credit": Fault(
        status=429, body={"error": {"message": "You exceeded your insufficient_quota"}}
    ),
    "refusal": Fault("refusal"),
    "asks to wait for an hour": Fault(status=429, headers={"Retry-After": "3600"}),
}


def looks(messages: Messages) -> str:
    """A root that looks, asks one thing, asks three things, and submits."""
    told = str(messages[-1]["content"]) if len(messages) > 2 else ""
    if not told:
        return cell("print('size', len(context))")
    if "size 3" in told:
        return cell("""
try:
    one = llm_query('one')
except Exception as error:
    one = f'{type(error).__name__}: {error}'
print('one is', one)""")
    if "one is" in told:
        return cell(
            "many = llm_query_batched(['a', 'b', 'c'])\nprint('many', [str(m) for m in many])"
        )
    assert "many [" in told, told
    return cell("FINAL([one] + [m if isinstance(m, str) else f'!{m}' for m in many])")


def shout(messages: Messages) -> str:
    return str(messages[-1]["content"]).upper()


GOOD = Shape("faults", "what?", "abc", ["ONE", "A", "B", "C"], looks, shout)


def sentence(text: str) -> None:
    """One or two plain sentences that a person can read."""
    assert text.strip(), "nothing was said"
    assert "\n" not in text
    assert "Traceback" not in text
    assert KEY not in text
    assert len(text) < 900
    assert text[0].isupper() or text.startswith(("openai/", "http", "127."))


def reason(run: Run) -> str:
    """Give the reason of a run, which ends as a sentence does."""
    sentence(run.reason)
    assert run.reason.endswith((".", "!", "?", "…")), run.reason
    return run.reason


def says_nothing_of_the_key(run: Run) -> None:
    from rlm_kernel.protocol import event_to_dict

    assert KEY not in str([event_to_dict(logged.event) for logged in run.events])


# -- what passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_the_run_nothing(served: Served, fault: str) -> None:
    """At each of the places where a model is called, once."""
    failed: set[str] = set()

    def failing(model: Callable[[Messages], Any], picks: Callable[[str], bool]) -> Any:
        def policy(messages: Messages) -> Any:
            prompt = str(messages[-1]["content"])
            if picks(prompt) and prompt not in failed:
                failed.add(prompt)
                return PASSING[fault]
            return model(messages)

        return policy

    shape = replace(
        GOOD,
        root=failing(looks, lambda p: "size 3" in p),
        sub=failing(shout, lambda p: p in ("one", "b")),
    )
    rlm, server = served(shape, config=SOON)
    run = rlm.run(shape.question, shape.context)
    assert (run.status, run.answer) == ("done", GOOD.truth)
    assert len(failed) == 3
    retried = [e.event for e in run.events if e.event.type == "call.retried"]
    assert len(retried) == 3
    for event in retried:
        sentence(event.error)
    assert len(server.requests) == 8 + 3


# -- what lasts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", LASTING)
def test_a_call_that_fails_is_an_error_in_the_cell_or_a_value_in_the_batch(
    served: Served, fault: str
) -> None:
    def sub(messages: Messages) -> Any:
        prompt = str(messages[-1]["content"])
        return LASTING[fault] if prompt in ("one", "b") else shout(messages)

    rlm, _ = served(replace(GOOD, sub=sub), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert run.status == "done", run.reason
    one, a, b, c = run.answer
    assert (a, c) == ("A", "C")
    name, _, said = one.partition(": ")
    assert name == "ProviderError"
    sentence(said)
    assert b.startswith("!")
    sentence(b[1:])
    says_nothing_of_the_key(run)


@pytest.mark.parametrize("fault", LASTING)
def test_a_root_that_fails_at_once_fails_the_run_in_a_sentence(served: Served, fault: str) -> None:
    rlm, server = served(replace(GOOD, root=lambda messages: LASTING[fault]), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert run.status == "failed"
    assert "No cell had run, so there is no answer." in reason(run)
    says_nothing_of_the_key(run)
    assert len(server.requests) <= 6


@pytest.mark.parametrize("fault", ["500", "hang", "html", "expired key", "null content"])
@pytest.mark.parametrize("draft", [True, False])
def test_a_root_that_fails_later_leaves_the_draft_or_says_there_is_none(
    served: Served, fault: str, draft: bool
) -> None:
    code = "answer['content'] = {'so far': len(context)}" if draft else "len(context)"

    def root(messages: Messages) -> Any:
        return cell(code) if len(messages) == 2 else LASTING[fault]

    rlm, _ = served(replace(GOOD, root=root), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert reason(run)
    if draft:
        assert (run.status, run.answer) == ("partial", {"so far": 3})
        assert "This is a draft." in run.reason
    else:
        assert run.status == "failed"
        assert run.reason.endswith("A closing answer failed for the same reason.")
    assert [n.status for n in run.tree.walk() if n.kind == "cell"] == ["ok"]


def test_a_root_that_is_down_for_its_next_turn_only_is_made_to_answer(served: Served) -> None:
    def root(messages: Messages) -> Any:
        if len(messages) == 2:
            return cell("len(context)")
        return "three" if "no turns left" in messages[-1]["content"] else Fault(status=400)

    rlm, _ = served(replace(GOOD, root=root), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert (run.status, run.answer) == ("partial", "three")
    ended = run.events[-1].event
    assert ended.forced
    assert reason(run)
    assert next(n for n in run.tree.walk() if n.role == "closing").status == "ok"


@pytest.mark.parametrize("fault", ["429", "500", "hang", "malformed", "html", "expired key"])
def test_where_a_person_is_there_a_failing_root_pauses_and_resume_goes_on(
    served: Served, fault: str
) -> None:
    down = True

    def root(messages: Messages) -> Any:
        return LASTING[fault] if down and len(messages) == 6 else looks(messages)

    rlm, server = served(replace(GOOD, root=root), config=SOON, attended=True, mode="auto")
    run = rlm.start(GOOD.question, GOOD.context)
    assert not run.wait()
    assert run.phase == "paused"
    assert "Nothing is lost: resume tries again" in reason(run)
    down = False
    assert run.resume().ok
    assert run.wait()
    assert (run.status, run.answer) == ("done", GOOD.truth)
    subs = [s.prompt for s in server.requests if s.json["model"] == "x-sub"]
    assert sorted(subs) == ["a", "b", "c", "one"]  # nothing paid for was asked again


def test_a_reply_that_was_cut_by_its_length_is_told_as_what_it_is(served: Served) -> None:
    first = True

    def root(messages: Messages) -> Any:
        nonlocal first
        if first:
            first = False
            return Say("Let me see.\n```repl\nprint(len(contex", finish="length")
        return looks([*messages[:2], *messages[4:]])

    rlm, server = served(replace(GOOD, root=root), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert (run.status, run.answer) == ("done", GOOD.truth)
    assert "no closing" in server.requests[1].prompt


def test_a_schema_that_is_never_met_is_a_value_and_says_so(served: Served) -> None:
    def root(messages: Messages) -> Any:
        if len(messages) == 2:
            return cell(
                "rs = llm_query_batched(['a', 'b'], schema={'type': 'integer'})\n"
                "print([str(r) for r in rs], len(context))"
            )
        return cell("FINAL([r if isinstance(r, int) else str(r) for r in rs])")

    def sub(messages: Messages) -> Any:
        first = str(next(m["content"] for m in messages if m["role"] == "user"))
        return "7" if re.match(r"a\b", first) else "seven"

    rlm, _ = served(replace(GOOD, root=root, sub=sub), config=SOON)
    run = rlm.run(GOOD.question, GOOD.context)
    assert run.status == "done"
    assert run.answer[0] == 7
    assert "no reply of the form asked for" in run.answer[1]
    sentence(run.answer[1])
