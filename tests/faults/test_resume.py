"""A run whose process was killed is picked up, and nothing is paid for twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disturbed import ANSWER, TEXT, Asked, plain_sentence, policy
from servers import Fault, OpenAIServer
from traitlets.config import Config

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.errors import ContextError, RecordingError
from rlm_kernel.log import Tree, read_log
from rlm_kernel.protocol import events as e

EVENTS = 60  # that the run of this file has, about


def in_flight(folder: Path) -> set[str]:
    """The prompts of calls that had been sent, and whose replies weren't in the log."""
    open_: dict[str, str] = {}
    for logged in read_log(folder):
        if isinstance(logged.event, e.CallStarted):
            open_[logged.event.node] = logged.event.prompt
        elif isinstance(logged.event, e.CallEnded):
            open_.pop(logged.event.node, None)
    return set(open_.values())


def resumed(folder: Path, server: OpenAIServer, **options: Any) -> Run:
    run = Run.resume(folder, api_key="sk-none", api_base=server.api_base, **options)
    assert run.wait(60)
    return run


def check(victim: Callable[..., Path], server: OpenAIServer, after: int | str) -> None:
    folder = victim(after)
    flying = in_flight(folder)
    before = [x.event for x in read_log(folder)]
    spent = sum(x.usage.get("calls", 0) for x in before if isinstance(x, e.CallEnded))
    if any(isinstance(x, e.RunEnded) and x.node == "run1" for x in before):
        with pytest.raises(RecordingError, match="has its answer"):
            Run.resume(folder, api_base=server.api_base)
        return
    run = resumed(folder, server)
    assert (run.status, run.answer) == ("done", ANSWER), run.reason
    twice = {p for p, n in Asked(server).counts.items() if n > 1}
    assert {json.loads(p)[-1]["content"] for p in twice} <= flying  # what was in flight, at most
    assert run.ledger.spent.calls >= spent
    tree = Tree()
    for logged in read_log(folder):
        tree.apply(logged)
    assert [n.id for n in tree.walk() if n.ended is None] == []
    assert tree["run1"].status == "done"


@pytest.mark.parametrize(
    "after",
    ["run.started", "call.ended", "cell.decided", "cell.started", "batch.ended", "turn.ended",
     "answer.given", 25, 40],
)  # fmt: skip
def test_it_goes_on_from_wherever_it_was_killed(
    victim: Callable[..., Path], openai_server: OpenAIServer, after: int | str
) -> None:
    check(victim, openai_server, after)


@pytest.mark.full
@pytest.mark.parametrize("after", range(1, EVENTS + 20))
def test_it_goes_on_from_every_event(
    victim: Callable[..., Path], openai_server: OpenAIServer, after: int
) -> None:
    check(victim, openai_server, after)


def test_variables_and_the_words_to_the_root_are_what_they_were(
    victim: Callable[..., Path], openai_server: OpenAIServer
) -> None:
    folder = victim(40)
    run = resumed(folder, openai_server)
    last = [s for s in openai_server.requests if s.json["messages"][0]["role"] == "system"][-1]
    told = last.json["messages"]
    # The same run, undisturbed, is told the same.
    with RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=openai_server.api_base,
             api_key="sk-none", max_depth=2) as rlm:  # fmt: skip
        other = rlm.run("What of it?", TEXT)
    whole = [s for s in openai_server.requests if s.json["messages"][0]["role"] == "system"][-1]
    assert told == whole.json["messages"]
    assert run.answer == other.answer
    assert "picked up again" in str(run.tree["run1"].notes)


def test_the_budget_goes_on_from_what_was_spent(
    victim: Callable[..., Path], openai_server: OpenAIServer
) -> None:
    folder = victim("batch.ended")
    spent = sum(
        1 for x in read_log(folder) if isinstance(x.event, e.CallEnded) and not x.event.cached
    )
    run = resumed(folder, openai_server, budget=f"{spent + 1} calls", mode="auto")
    assert run.status in ("partial", "failed")
    assert "calls" in run.reason
    assert run.ledger.spent.calls <= spent + 1


def test_a_run_that_another_process_has_is_refused(tmp_path: Path, home: Path) -> None:
    with RLM(model=ScriptedModel(["```python\nllm_query('x', model='human')\n```"])) as rlm:
        run = rlm.start("What?", TEXT)
        with pytest.raises(RecordingError, match=r"another process|writes to it|in use"):
            Run.resume(run.log.folder, model=ScriptedModel([]))


def test_what_cannot_be_picked_up_is_said_in_a_sentence(tmp_path: Path, home: Path) -> None:
    with pytest.raises(RecordingError, match="There is no run in"):
        Run.resume(tmp_path)
    with RLM(model=ScriptedModel(["```python\nFINAL(len(context))\n```"])) as rlm:
        run = rlm.run("What?", TEXT)
    with pytest.raises(RecordingError, match="has its answer, so there is nothing to pick up"):
        Run.resume(run.log.folder)


def partial(context: Any, home: Path) -> Path:
    """A run that ended with a draft after its only turn."""
    root = ScriptedModel(["```python\nanswer['content'] = 'a draft'\nx = 1\n```"])
    with RLM(model=root, max_turns=1) as rlm:
        run = rlm.run("What?", context)
        assert run.status == "partial"
        assert run.log.folder is not None
        return run.log.folder


def test_a_run_that_ended_without_an_answer_goes_on_with_more_turns(home: Path) -> None:
    folder = partial("some text", home)
    run = Run.resume(folder, model=ScriptedModel(["```python\nFINAL(x + len(context))\n```"]),
                     max_turns=3)  # fmt: skip
    assert run.wait(60)
    assert (run.status, run.answer) == ("done", 10), run.reason


def test_a_file_is_opened_again_and_one_that_changed_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a text in a file")
    folder = partial(path, home)
    root = ScriptedModel(["```python\nFINAL(context.upper())\n```"])
    path.write_text("b text in a file")
    with pytest.raises(ContextError, match="isn't what it was"):
        Run.resume(folder, model=root, max_turns=3)
    path.unlink()
    with pytest.raises(ContextError, match="bring it back, or give it by"):
        Run.resume(folder, model=root, max_turns=3)
    path.write_text("a text in a file")
    run = Run.resume(folder, model=root, max_turns=3)
    assert run.wait(60)
    assert run.answer == "A TEXT IN A FILE"


class Odd:
    """What can't be kept."""

    def __len__(self) -> int:
        return 3


def test_plain_data_is_kept_and_an_object_must_be_given_again(home: Path) -> None:
    folder = partial({"rows": [(1, "ü\ud800"), (2.5, None)], 3: {4}}, home)
    root = ScriptedModel(["```python\nFINAL(repr(context))\n```"])
    run = Run.resume(folder, model=root, max_turns=3)
    assert run.wait(60)
    assert run.answer == repr({"rows": [(1, "ü\ud800"), (2.5, None)], 3: {4}})


def test_tools_and_a_person_come_back(home: Path) -> None:
    """A person's answer isn't asked for again; a tool is called again, as it must be given."""
    root = ScriptedModel([
        "```python\nwho = ask_human('Who?')\nseen = look('a')\nprint(who, seen)\n```",
        "```python\n1 / 0\n```",
    ])  # fmt: skip
    calls: list[str] = []
    asked: list[str] = []

    def look(code: str) -> str:
        """Look something up."""
        calls.append(code)
        return code * 2

    def person(question: str, choices: Any) -> str:
        asked.append(question)
        return "me"

    with RLM(model=root, max_turns=2, tools={"look": look}, ask=person) as rlm:
        run = rlm.run("What?", TEXT)
    assert run.status in ("partial", "failed")
    again = ScriptedModel(["```python\nFINAL(who + seen)\n```"])
    with RLM(model=again, max_turns=4, tools={"look": look}, ask=person) as rlm:
        went_on = rlm.resume(run.log.folder)
        assert went_on.wait(60)
        assert (went_on.status, went_on.answer) == ("done", "meaa"), went_on.reason
    assert (asked, calls) == (["Who?"], ["a", "a"])


def test_a_cell_that_had_killed_its_kernel_is_not_run_again(home: Path) -> None:
    root = ScriptedModel([
        "```python\nkept = 1\n```",
        "```python\nimport os\nlost = 2\nos._exit(3)\n```",
        "```python\nkept = 7\n```",
    ])  # fmt: skip
    with RLM(model=root, max_turns=3) as rlm:
        run = rlm.run("What?", TEXT)
    again = ScriptedModel(["```python\nFINAL([kept, 'lost' in globals()])\n```"])
    with RLM(model=again, max_turns=5) as rlm:
        went_on = rlm.resume(run.log.folder)
        assert went_on.wait(60)
        assert went_on.answer == [7, False], went_on.reason
        assert "Not run again: cell 2" in str(went_on.tree["run1"].notes)


def test_policy_is_what_the_victim_runs(openai_server: OpenAIServer, home: Path) -> None:
    """Undisturbed it gives the answer that the others are held to."""
    openai_server.reply_with(policy)
    with RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=openai_server.api_base,
             api_key="sk-none", max_depth=2) as rlm:  # fmt: skip
        run = rlm.run("What of it?", TEXT)
    assert (run.status, run.answer) == ("done", ANSWER), run.reason
    assert max(Asked(openai_server).counts.values()) == 1


@pytest.mark.parametrize("attended", [False, True], ids=["nobody", "a person"])
def test_a_root_that_stays_down_leaves_a_run_that_goes_on_later(
    openai_server: OpenAIServer, home: Path, attended: bool
) -> None:
    down = [True]
    answered: Counter[str] = Counter()

    def sometimes(request: dict[str, Any]) -> Any:
        messages = request["messages"]
        later = any(m["role"] == "assistant" for m in messages)
        if down[0] and request["model"] == "x-root" and later:
            return Fault(status=503, body={"error": {"message": "down for repair"}})
        reply = policy(request)
        answered[json.dumps(messages)] += not isinstance(reply, Fault)
        return reply

    openai_server.reply_with(sometimes)
    soon = Config({"Gateway": {"retry_base": 0.001}})
    with RLM(model="openai/x-root", sub_model="openai/x-sub", api_base=openai_server.api_base,
             api_key="sk-none", max_depth=2, config=soon, attended=attended,
             mode="auto") as rlm:  # fmt: skip
        run = rlm.run("What of it?", TEXT)
        assert run.phase == ("paused" if attended else "failed")
        assert "failed (503): down for repair." in run.reason
        assert plain_sentence(f"The server {run.reason}"), run.reason  # it begins with its address
        spent, folder = run.ledger.spent.calls, run.log.folder
    assert folder is not None
    assert spent == answered.total() == 5  # the root's first turn, and what its cell asked
    down[0] = False
    went_on = resumed(folder, openai_server)
    assert (went_on.status, went_on.answer) == ("done", ANSWER), went_on.reason
    assert max(answered.values()) == 1
    assert went_on.ledger.spent.calls == answered.total() > spent
