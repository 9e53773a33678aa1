"""Branches of a run, and runs that run again: free, exact, and nothing of the first one changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel.engine import RLM, Run
from rlm_kernel.engine.compare import compare
from rlm_kernel.engine.fork import Change, branch
from rlm_kernel.engine.heading import header_text
from rlm_kernel.engine.recorded import recorded
from rlm_kernel.errors import ConfigError, ContextError, RecordingError, RLMError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.log import tree_text
from rlm_kernel.protocol import events as e

Make = Callable[..., RLM]

TURNS = [
    "```repl\nn = len(context)\nx = llm_query('what is it?')\nprint(n, x)\n```",
    "```repl\ny = x.upper()\nprint(y)\n```\n```repl\nz = y + '!'\nprint(z)\n```",
    "FINAL(z)",
]


def model(*replies: str, name: str = "root") -> ScriptedModel:
    return ScriptedModel(list(replies), name=name)


@pytest.fixture
def first(make: Make) -> Run:
    run = make(TURNS, ["a text"], where="kernel", sandbox="none").run("What?", "abc" * 5)
    assert run.answer == "A TEXT!"
    return run


def told(run: Run) -> list[str]:
    assert run.driver is not None
    return [m["content"] for m in run.driver.messages if m["role"] == "user"]


def paid(run: Run) -> int:
    """Calls that a provider was asked for."""
    return sum(not x.event.cached for x in run.events if isinstance(x.event, e.CallEnded))


def bytes_of(run: Run) -> dict[str, bytes]:
    assert run.log.folder is not None
    return {str(p): p.read_bytes() for p in run.log.folder.rglob("*") if p.is_file()}


def test_a_branch_goes_on_after_a_turn_and_the_run_stays_as_it_was(
    make: Make, first: Run, tmp_path: Path
) -> None:
    before = bytes_of(first)
    rlm = make(["FINAL(y + '?')"], where="kernel", sandbox="none")
    for source in (first, first.log.folder, first.save(tmp_path / "r", context=True),
                   Run.load(tmp_path / "r.rlm")):  # fmt: skip
        root = model("```repl\nprint(n, x, y)\n```", "```repl\nFINAL(y + '?')\n```")
        rlm = make(root, where="kernel", sandbox="none")
        fork = rlm.fork(source, turn=2)
        assert fork.answer == "A TEXT?"
        assert fork.id != first.id
        assert paid(fork) == 2, "the turns before cost nothing"
        assert told(fork)[:3] == told(first)[:3], "and the model was told what it had been told"
        assert "a branch of " + first.id in str(tree_text(fork.tree))
        assert fork.transcript[3].observation == "15 a text A TEXT\n", "its variables were there"
    assert bytes_of(first) == before


def test_the_time_since_an_old_run_is_not_in_its_branch(first: Run) -> None:
    age = 1e6
    old = {x.seq: replace(x, time=x.time - age) for x in first.events}
    made = branch(list(old.values()), "other", change=Change(cells={2: "y = 'Y'"}))
    assert abs(time.time() - made.events[-1].time) < age / 10
    later = [x.time - old[x.seq].time for x in (*made.events, *made.again)]
    assert max(later) - min(later) < 1e-3, "what they have in common took as long"


def test_another_code_in_the_place_of_a_cell(make: Make, first: Run) -> None:
    root = model("FINAL(z)", "```repl\nFINAL(z)\n```")
    edit = {3: "z = y + '#'\nprint(z)"}
    fork = make(root, where="kernel", sandbox="none").fork(first, cells=edit)
    fork.wait()
    codes = [(c.number, c.code, c.decision) for c in fork.tree.find(kind="cell")][:3]
    assert codes[1] == (2, "y = x.upper()\nprint(y)", "approve")
    assert codes[2] == (3, "z = y + '#'\nprint(z)", "edit")
    assert "A TEXT#" in told(fork)[2]
    assert fork.answer == "A TEXT#"


def test_another_answer_to_one_call_and_another_reply_of_the_root(make: Make, first: Run) -> None:
    sub = next(call for call in first.tree.calls if call.role == "sub")
    root = model("```repl\nFINAL(x)\n```")
    fork = make(root, where="kernel", sandbox="none").fork(first, replies={sub.id: "OTHER"})
    assert fork.answer == "OTHER"
    assert paid(fork) == 1
    roots = [call for call in first.tree.calls if call.role == "root"]
    changed = {roots[1].id: "```repl\nFINAL(x + ' mine')\n```"}
    fork = make(["unused"], where="kernel", sandbox="none").fork(first, replies=changed)
    assert fork.answer == "a text mine"
    assert paid(fork) == 0


def test_another_word_to_the_model_and_another_question(make: Make, first: Run) -> None:
    root = model("```repl\nFINAL(n)\n```")
    fork = make(root, where="kernel", sandbox="none").fork(first, turn=1, told="Say n.")
    assert fork.answer == 15
    assert told(fork)[1].startswith("Say n.")
    root = model("```repl\nprint(context)\n```", "```repl\nFINAL(context[:3])\n```")
    fork = make(root, where="kernel", sandbox="none").fork(first, question="And now?")
    assert fork.answer == "abc"
    assert "And now?" in told(fork)[0]
    assert "What?" not in told(fork)[0]


def test_another_model_makes_the_rest_and_the_first_turns_are_free(make: Make, first: Run) -> None:
    """Calls of turns that run again are known by what they ask, whichever model would be asked."""
    asked: list[str] = []

    def never(messages: Any) -> str:
        asked.append(messages[-1]["content"])
        return "no"

    other = ScriptedModel(never, name="another-sub")
    root = model("```repl\nFINAL(z)\n```", name="another")
    fork = make(root, other, where="kernel", sandbox="none").fork(first, turn=2)
    assert fork.answer == "A TEXT!"
    assert asked == []


def test_a_branch_says_what_holds_it_and_which_models_are_its_own(
    make: Make, first: Run
) -> None:
    """Not what had held the run, nor what had answered there."""
    at = next(i for i, x in enumerate(first.events) if isinstance(x.event, e.RunStarted))
    held = recorded(first)
    held.recording.events[at] = replace(
        first.events[at], event=replace(first.events[at].event, sandbox="bubblewrap")
    )
    root = model("```repl\nFINAL(z)\n```", name="another")
    fork = make(root, [], where="kernel", sandbox="none").fork(
        held, turn=2, context="abc" * 5
    )
    assert fork.answer == "A TEXT!"
    assert "no sandbox" in header_text(fork)
    assert "bubblewrap" not in tree_text(fork.tree)
    assert "another" in tree_text(fork.tree).splitlines()[1]
    assert compare(first, fork).sides[1].model == "another"


def test_a_branch_of_a_branch_and_a_branch_whose_process_died(make: Make, first: Run) -> None:
    one = make(["```repl\nw = 1\nprint(w)\n```", "```repl\nFINAL(w)\n```"],
               where="kernel", sandbox="none").fork(first, turn=2)  # fmt: skip
    assert one.answer == 1
    two = make(["```repl\nFINAL(str(w) + z)\n```"], where="kernel", sandbox="none").fork(one, 3)
    assert two.answer == "1A TEXT!"
    cut = make(["```repl\nw = 2\nprint(w)\n```", RuntimeError("gone")], where="kernel",
               sandbox="none", max_turns=4).fork(first, turn=2)  # fmt: skip
    cut.wait()
    cut.stop()
    again = make(["```repl\nFINAL(w)\n```"], where="kernel", sandbox="none", budget="$1")
    assert again.resume(cut.log.folder).answer == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"turn": 9}, "no turn 9 that is whole; it has 1 to 3"),
        ({"turn": -1}, "no turn -1"),
        ({"cells": {8: "x"}}, "no cell 8; it has 1 to 4"),
        ({"replies": {"call99": "x"}}, "'call99' is no call"),
        ({"replies": {"cell1": "x"}}, "'cell1' is no call"),
        ({"turn": 0, "told": "x"}, "comes after a turn"),
        ({"turn": 2, "question": "x"}, "Another question begins anew"),
        ({"turn": 1, "cells": {4: "x"}}, "is in turn 3"),
        ({"cells": {1: "x", 2: "y"}}, "changed in one turn"),
        ({"cells": {1: 5}}, r"cells\[1\] is 5, which is no text"),
        ({"cells": ["x"]}, "is no dict"),
        ({"replies": {"call1": None}}, r"replies\['call1'\] is None, which is no text"),
        ({"turn": 1, "told": 5}, "told is 5, which is no text"),
        ({"question": 5}, "question is 5, which is no text"),
        ({"question": " "}, "The question is empty"),
        ({"question": ""}, "The question is empty"),
    ],
)
def test_what_cannot_be_changed_is_said_and_nothing_is_left(
    make: Make, first: Run, change: dict[str, Any], said: str
) -> None:
    assert first.log.folder is not None
    before = sorted(first.log.folder.parent.iterdir())
    with pytest.raises(ConfigError, match=said):
        make(["x"], where="kernel", sandbox="none").fork(first, **change)
    assert sorted(first.log.folder.parent.iterdir()) == before


def test_nodes_in_a_circle_are_in_no_turn_and_no_reason_to_look_for_ever(first: Run) -> None:
    last = first.events[-1]
    circles = [e.CallStarted(node=a, parent=b) for a, b in (("a", "a"), ("b", "c"), ("c", "b"))]
    events = [*first.events, *(replace(last, event=event) for event in circles)]
    assert branch(events, "x", 2).turn == 2
    with pytest.raises(ConfigError, match="'b' is no call"):
        branch(events, "x", None, Change(replies={"b": "x"}))


def test_a_script_that_is_not_here_cannot_go_on_and_another_model_is_asked_for(
    first: Run, tmp_path: Path
) -> None:
    old = Run.load(first.save(tmp_path / "r.rlm", context=True))
    assert first.log.folder is not None
    before = sorted(first.log.folder.parent.iterdir())
    with pytest.raises(ConfigError, match=r"'root', can't go on here: name one .*--model"):
        RLM(model="root", sandbox="none").fork(old, turn=1)
    assert sorted(first.log.folder.parent.iterdir()) == before


def test_a_loaded_recording_that_is_saved_again_keeps_its_context(
    first: Run, tmp_path: Path
) -> None:
    path = first.save(tmp_path / "r.rlm", context=True)
    old = Run.load(path)
    old.note("Look here.", at="cell1")
    old.save(path)
    assert Run.load(path).recording.contexts == ["context"]
    old.save(path, context=False)
    assert not Run.load(path).recording.contexts


def test_what_a_recording_may_reach_is_given_again(
    make: Make, first: Run, tmp_path: Path
) -> None:
    path = first.save(tmp_path / "r", context=True)
    with pytest.raises(ConfigError, match='sandbox="none"'):
        make(["x"], where="kernel").fork(path, turn=1)


# -- run again ------------------------------------------------------------------------------------


def test_a_run_that_runs_again_is_the_same_and_calls_nobody(
    make: Make, first: Run, tmp_path: Path
) -> None:
    path = first.save(tmp_path / "r", context=True)
    rlm = make(where="kernel", sandbox="none")
    for source in (first, path, Run.load(path), first.log.folder):
        rerun = rlm.replay(source)
        assert rerun.same, rerun
        assert (rerun.cells, rerun.calls) == (4, 1)
        assert "The same: 4 cells ran again with 1 recorded reply" in str(rerun)


def edited(path: Path, change: Callable[[str], str], tmp_path: Path) -> Path:
    """The recording with its log otherwise."""
    from rlm_kernel.log.recording import extract

    folder = tmp_path / "edited"
    folder.mkdir()
    extract(Run.load(path).recording, folder)
    log = folder / "log.jsonl"
    log.write_text(change(log.read_text()))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("what is it?')", "what was it?')", "cell 1, line 2: it asked 'what was it?'"),
        ('"output":"A TEXT\\n"', '"output":"A TXT\\n"', "cell 2: its output differs from char"),
        ("y + '!'", "y + 1", "cell 3: its error differs"),
        ('"answer":"A TEXT!"', '"answer":"A T!"', "cell 4: its answer differs"),
    ],
)
def test_what_comes_otherwise_is_named(
    make: Make, first: Run, tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = first.save(tmp_path / "r", context=True)
    folder = edited(path, lambda text: text.replace(old, new), tmp_path)
    rerun = make(where="kernel", sandbox="none").replay(folder)
    assert not rerun.same
    assert said in str(rerun), rerun


def test_children_and_batches_and_questions_run_again(make: Make, tmp_path: Path) -> None:
    code = """```repl
parts = llm_query_batched([f"part {n}" for n in range(20)])
child = rlm_query("double it", context="kid")
print(len(context), sorted(parts)[:2], child)
```"""

    def root(messages: Any) -> str:
        if messages[0]["role"] != "system":
            return "re " + messages[-1]["content"]
        if "double it" in str(messages[1]["content"]):
            return "```repl\nFINAL({'twice': context * 2})\n```"
        return code if len(messages) < 4 else "```repl\nFINAL(child)\n```"

    rlm = make(root, root, max_depth=2, where="kernel", sandbox="none")
    run = rlm.run("Go", "abc")
    assert run.answer == {"twice": "kidkid"}
    path = run.save(tmp_path / "r", context=True)
    rerun = make(where="kernel", sandbox="none", max_depth=2).replay(path)
    assert rerun.same, rerun


def test_children_run_again_whichever_depth_the_other_would_have(
    make: Make, tmp_path: Path
) -> None:
    def say(messages: Any) -> str:
        return "```repl\nFINAL(len(context))\n```" if messages[0]["role"] == "system" else "a"

    code = "```repl\nn = rlm_query('How long?', context=context[:4])\nprint(n)\n```"
    run = make([code, "FINAL(n)"], say, where="kernel", sandbox="none", max_depth=2, save=False)
    path = run.run("How long?", "abc" * 5).save(tmp_path / "deep", context=True)
    deep = f'"max_depth":{10**9}'
    path = edited(path, lambda text: text.replace('"max_depth":2', deep), tmp_path)
    assert deep in (path / "log.jsonl").read_text()
    assert Run.load(path).depth == 2, "as deep as it went, whatever it says"
    rerun = RLM(sandbox="none").replay(path)
    assert rerun.same, str(rerun)
    with RLM(model=model("```repl\nFINAL(n)\n```"), sandbox="none") as other:
        fork = other.fork(Run.load(path), turn=1)
        assert str(fork.answer) == "4"
        assert fork.settings.max_depth == 2
        assert paid(fork) == 1, "the child is taken from the recording"


def test_without_its_context_or_redacted_it_is_said(
    make: Make, first: Run, tmp_path: Path
) -> None:
    rlm = make(where="kernel", sandbox="none")
    with pytest.raises(ContextError, match="give the same again by context="):
        rlm.replay(first.save(tmp_path / "a"))
    assert rlm.replay(tmp_path / "a.rlm", "abc" * 5).same
    with pytest.raises(RLMError, match="isn't what it was"):
        rlm.replay(tmp_path / "a.rlm", "abc" * 4)
    hidden = first.save(tmp_path / "b", redact=lambda text: text.replace("a text", "***"))
    with pytest.raises(RecordingError, match="was redacted"):
        rlm.replay(hidden, "abc" * 5)
    with pytest.raises(RecordingError, match="was redacted"):
        rlm.fork(hidden, turn=1, context="abc" * 5)
    with pytest.raises(RecordingError, match="was redacted"):
        rlm.replay(Run.load(hidden).save(tmp_path / "again"), "abc" * 5)


def test_what_is_redacted_holds_no_context_whether_it_runs_or_was_loaded(
    first: Run, tmp_path: Path
) -> None:
    whole = Run.load(first.save(tmp_path / "whole", context=True))
    assert whole.texts() == {"context": "abc" * 5}
    for run in (first, whole):
        hidden = run.save(tmp_path / "hidden", context=True, redact=lambda text: "▮" * len(text))
        assert Run.load(hidden).texts() == {}


def test_keys_of_the_environment_are_in_no_recording(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-planted-0123456789")
    root = ["```repl\nprint(len(context), 'sk-planted-0123456789')\n```", "FINAL(1)"]
    run = make(root).run("sk-planted-0123456789?", "abc")
    path = run.save(tmp_path / "r")
    assert run.answer
    loaded = Run.load(path)
    assert "planted" not in str(loaded.events)
    assert loaded.question == "[secret]?"
    for form in ("ipynb", "rlm", "rollout"):
        assert "planted" not in run.export(tmp_path / form, form).read_text()
    look = ["```repl\nprint(len(context))\n```", "FINAL(1)"]
    over = make(look).run("q", "x sk-planted-0123456789")
    with pytest.raises(ContextError, match="looks like a key"):
        over.save(tmp_path / "over", context=True)
    held = Run.load(over.log.folder)
    assert held.texts() == {"context": "x [secret]"}
    with pytest.raises(ContextError, match="looks like a key"):
        held.save(tmp_path / "over", context=True)
    assert not (tmp_path / "over.rlm").exists()


KEY = 'sk-é"\\-0123456789'


@pytest.mark.parametrize(
    "context",
    [
        KEY.encode(),
        (1, KEY.encode()),
        b"odd" + KEY.encode("utf-16"),
        KEY.encode("utf-16-be") * 500,
        bytearray(KEY.encode()),
        {"a": [KEY]},
        {KEY: 1},
        {"a": {("b", f"x {KEY}")}},
    ],
    ids=["bytes", "tuple", "utf-16", "long", "bytearray", "dict", "name", "set"],
)
def test_a_context_that_holds_a_key_in_any_form_goes_into_no_recording(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    run = make(["FINAL(1)"]).run("q", {"it": context})
    assert run.save(tmp_path / "fine", context=True).exists()
    monkeypatch.setenv("SOME_API_KEY", KEY)
    with pytest.raises(ContextError, match="looks like a key"):
        run.save(tmp_path / "over", context=True)
    with pytest.raises(ContextError, match="looks like a key"):
        Run.load(tmp_path / "fine.rlm").save(tmp_path / "over")
    assert not (tmp_path / "over.rlm").exists()


def test_a_sentence_is_put_into_a_recording_at_its_moment(first: Run, tmp_path: Path) -> None:
    old = recorded(first)
    old.note("Which line would you look at?", at="cell2")
    old.note("That was it.")
    saved = Run.load(old.save(tmp_path / "told"))
    assert [text for _, text in saved.tree[saved.node].notes][-2:] == [
        "Which line would you look at?", "That was it."]  # fmt: skip
    told = [x.event for x in saved.events]
    at = next(i for i, x in enumerate(told) if x.node == "cell2")
    assert isinstance(told[at + 1], e.Noted)
    assert [x.seq for x in saved.events] == list(range(1, len(told) + 1))
    assert saved.answer == first.answer
    assert RLM(sandbox="none").replay(saved, context="abc" * 5).same
    with pytest.raises(ConfigError, match="no node 'cell99'"):
        old.note("?", at="cell99")
    with pytest.raises(ConfigError, match="A note is a text, and 5 is none"):
        old.note(5)  # type: ignore[arg-type]
    old.note("And why?", at="cell2")
    assert [x.event.text for x in old.events if isinstance(x.event, e.Noted)][-3:] == [
        "Which line would you look at?", "And why?", "That was it."]  # fmt: skip
    assert len(recorded(first).events) == len(told) - 2, "the run itself stays as it was"


def test_a_recorded_run_reads_like_the_run(make: Make, first: Run, tmp_path: Path) -> None:
    loaded = Run.load(first.save(tmp_path / "r"))
    assert (loaded.id, loaded.status, loaded.answer) == (first.id, "done", first.answer)
    assert str(loaded.transcript) == str(first.transcript)
    assert str(tree_text(loaded.tree)) == str(tree_text(first.tree))
    assert loaded.versions["python"]
    assert loaded.usage == first.usage.subtree
    assert Run.load(loaded.save(tmp_path / "again")).answer == first.answer
    with pytest.raises(RecordingError, match="There is nothing at"):
        Run.load(tmp_path / "nowhere")
