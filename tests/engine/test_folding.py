"""A run longer than its model's window goes on, and nothing that was said is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from policies import cell
from servers import OpenAIServer
from traitlets.config import Config

from rlm_kernel.engine import RLM
from rlm_kernel.errors import ProviderError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.lm.tokens import upper_messages

Make = Callable[..., RLM]
WINDOW = 8_000


def counting(messages: Any) -> Any:
    """Count to a hundred, one cell a turn; what is next is read from the newest output."""
    last = messages[-1]["content"]
    if "older turns will be replaced" in last:
        found = re.findall(r"done (\d+)", "\n".join(m["content"] for m in messages))
        return f"`total` holds the sum so far; done {max(map(int, found))}."
    if len(messages) == 2:
        return cell("total = 0\nprint('done', 0, len(context))")
    done = int(re.findall(r"done (\d+)", last)[-1])
    if done == 97:
        return cell("first = history[1]['content']\nturns = len(history)\nprint('done', 98)")
    if done == 98:
        return cell("FINAL([total, turns, first])")
    noise = f"print('noise {done} ' * 150)"
    return cell(f"total += {done + 1}\n{noise}\nprint('done', {done + 1})", "I go on. " * 20)


@pytest.fixture
def long_run(make: Make) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(counting, name="root", window=WINDOW)
    return make(model, max_turns=100).run("what is the sum of one to ninety-seven?", "abc"), model


def test_a_run_of_a_hundred_turns_fits_a_window_of_8k_and_answers(long_run: Any) -> None:
    run, model = long_run
    assert run.status == "done", run.reason
    total, turns, first = run.answer
    assert total == sum(range(1, 98))
    roots = [n for n in run.tree.walk() if n.role == "root"]
    assert len(roots) == 100
    assert max(upper_messages(r.messages) for r in model.requests) < WINDOW
    folds = [n for n in run.tree.walk() if n.role == "fold"]
    assert len(folds) > 5
    assert all(n.parent == run.node and n.status == "ok" for n in folds)
    assert turns > 150  # two for each turn up to the last fold
    assert "done 0 3" in first


def test_history_holds_every_output_whole(make: Make) -> None:
    def root(messages: Any) -> Any:
        return checking(messages) or counting(messages)

    def checking(messages: Any) -> Any:
        last = messages[-1]["content"]
        if "done 60" in last and "older turns" not in last:
            return cell("""
texts = [h['content'] for h in history]
seen = [n for n in range(50) if any(f'noise {n} ' * 150 in t for t in texts)]
print('seen', seen)""")
        if "seen [" in last:
            return cell("FINAL([seen, [h['role'] for h in history[:4]]])")
        return None

    model = ScriptedModel(root, name="root", window=WINDOW)
    run = make(model, max_turns=100).run("what?", "abc")
    assert run.status == "done", run.reason
    assert run.answer == [list(range(50)), ["assistant", "user", "assistant", "user"]]


def test_the_question_and_the_newest_output_are_never_folded(long_run: Any) -> None:
    _, model = long_run
    for request in model.requests:
        assert request.messages[0]["role"] == "system"
        assert "sum of one to ninety-seven" in request.messages[1]["content"]
    later = [r for r in model.requests if "in your own summary" in str(r.messages)]
    assert later
    for request in later:
        if "older turns will be replaced" not in request.messages[-1]["content"]:
            assert re.search(r"done \d+", request.messages[-1]["content"])


def test_folding_is_told_in_the_log_with_its_sizes(long_run: Any) -> None:
    run, _ = long_run
    folded = [e.event for e in run.events if e.event.type == "run.folded"]
    for event in folded:
        assert event.messages > 0
        assert event.tokens_after < event.tokens_before
        assert "`total` holds the sum so far" in event.summary


def test_a_summary_that_cant_be_made_doesnt_end_the_run(make: Make) -> None:
    def root(messages: Any) -> Any:
        if "older turns will be replaced" in messages[-1]["content"]:
            return ProviderError("The summary is down.", kind="refused")
        return counting(messages)

    run = make(ScriptedModel(root, name="root", window=WINDOW), max_turns=100).run("what?", "abc")
    assert run.status == "done", run.reason
    assert run.answer[0] == sum(range(1, 98))


@pytest.mark.parametrize("window", [1_500, 3_000])
def test_one_flood_of_output_never_breaks_a_small_window(make: Make, window: int) -> None:
    floods = 0

    def root(messages: Any) -> Any:
        nonlocal floods
        if "older turns will be replaced" in messages[-1]["content"]:
            return "flooded"
        floods += 1
        return cell("print('x' * 100_000)\nlen(context)") if floods < 4 else cell("FINAL('ok')")

    run = make(ScriptedModel(root, name="root", window=window)).run("what?", "abc")
    assert (run.status, run.answer) == ("done", "ok"), run.reason


def test_a_window_that_the_question_alone_fills_ends_in_a_sentence(make: Make) -> None:
    model = ScriptedModel(counting, name="root", window=400)
    run = make(model).run("what? " * 3_000, "abc")
    assert run.status == "failed"
    assert "window" in run.reason
    assert [e for e in run.events if e.event.type == "run.folded"] == []


def test_the_window_of_a_served_model_is_kept_to(make: Make, openai_server: OpenAIServer) -> None:
    """The server answers as one does whose window is passed."""
    openai_server.reply_with(lambda body: counting(body["messages"]))
    config = Config({"Gateway": {"windows": {"openai/x-*": WINDOW}}})
    rlm = make(
        "openai/x-root", "openai/x-sub", api_base=openai_server.api_base, api_key="k",
        config=config, max_turns=100,
    )  # fmt: skip
    run = rlm.run("what?", "abc")
    assert run.status == "done", run.reason
    assert run.answer[0] == sum(range(1, 98))
    most = max(upper_messages(seen.json["messages"]) for seen in openai_server.requests)
    assert most < WINDOW
