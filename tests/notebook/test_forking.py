"""Forking from the tree: what a front end asks for, and the branch that comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from front_end import FrontEnd

TWO = "'n = len(context)\\nnote = llm_query(\"How?\")\\nprint(n, note)', 'FINAL(n)'"
ASK = "%%rlm r --context text --model m --sub-model s --mode auto\nHow long?"


@pytest.fixture
def over(front: FrontEnd) -> dict[str, Any]:
    """A run that is over, with a turn that called a model."""
    front.run(f"text = 'abc'\nm = script({TWO})\ns = ScriptedModel(['so'] * 9, name='s')")
    front.patience(0.1)
    return front.ended(front.start(ASK)["run"])


def fork(front: FrontEnd, run: str, model: str, **fields: Any) -> dict[str, Any]:
    """Fork, to go on with a model that says this, and give what the branch ended as."""
    front.run(f"k = script({model!r})")
    reply = front.ask("fork", run=run, model="k", **fields)
    assert reply["ok"], reply["message"]
    branch = reply["info"]["run"]
    front.until(lambda: branch in front.infos)
    return front.ended(branch)


def test_a_branch_is_a_run_of_its_own_with_the_change_that_was_asked_for(
    front: FrontEnd, over: dict[str, Any]
) -> None:
    run = over["run"]
    before = front.run("print(len(r.events), r.answer)")["stdout"]
    ids = "print(r.tree.find(kind='cell')[0].id, *[c.id for c in r.tree.calls if c.role == 'sub'])"
    cell, call = front.run(ids)["stdout"].split()

    info = fork(front, run, "FINAL(n * 100)", turn=1)
    assert info["answer"] == "300"
    assert (info["branch_of"], info["branch_turn"]) == (run, 1)
    name = info["name"]
    assert name.startswith("r_")
    assert front.run(f"print({name}.answer)")["stdout"] == "300\n"

    info = fork(front, run, "FINAL(n)", turn=1, change="code", node=cell, text="n = 50")
    assert (info["answer"], info["branch_turn"]) == ("50", 0)

    info = fork(front, run, "FINAL(note)", turn=1, change="reply", node=call, text="other")
    assert info["answer"] == "other"

    info = fork(front, run, "FINAL(n)", turn=1, change="told", text="It is four.")
    assert "It is four." in front.run("print(k.requests[0].messages[-1]['content'])")["stdout"]

    info = fork(front, run, "FINAL(len(context) + 1)", change="question", text="How wide?")
    assert (info["question"], info["answer"]) == ("How wide?", "4")

    assert front.run("print(len(r.events), r.answer)")["stdout"] == before


def test_what_cannot_be_forked_is_one_sentence_and_begins_nothing(
    front: FrontEnd, over: dict[str, Any]
) -> None:
    count = len(front.ask("sync")["runs"])
    for fields, said in (
        ({"turn": 9}, "no turn 9 that is whole"),
        ({"turn": 1, "change": "code", "node": "call1", "text": "x"}, "no cell 'call1'"),
        ({"turn": 1, "change": "reply", "node": "nowhere", "text": "x"}, "'nowhere' is no call"),
        ({"turn": 1, "change": "all"}, "can't be changed in its 'all'"),
        ({"turn": 1, "model": "none/such"}, "none/such"),
        ({"run": "nowhere"}, "There is no run 'nowhere'"),
    ):
        reply = front.ask("fork", **{"run": over["run"], **fields})
        assert not reply["ok"], fields
        assert said in reply["message"]
    assert len(front.ask("sync")["runs"]) == count


def test_a_recording_is_forked_like_any_run(
    front: FrontEnd, over: dict[str, Any], tmp_path: Any
) -> None:
    path = tmp_path / "x.rlm"
    front.run(f"r.save({str(path)!r}, context=True)\nold = None")
    assert not front.run(f"%rlm load {path} old")["errors"]
    old = [info for info in front.ask("sync")["runs"] if info["recorded"]][-1]
    assert (old["name"], old["answer"]) == ("old", "3")
    info = fork(front, old["run"], "FINAL(n * 2)", turn=1)
    assert (info["name"], info["answer"], info["recorded"]) == ("old_2", "6", False)
