"""Calls that wait to be allowed, and going on to something, in a notebook without our extension."""

from __future__ import annotations

from typing import Any

import pytest

SET = (
    "text = 'x' * 30\nsub = ScriptedModel(lambda m: 'ok', name='sub')\n"
    "m = script('rs = llm_query_batched([str(i) for i in range(len(context))])', 'FINAL(rs[0])')"
)
ASK = "%%rlm r --context text --model m --sub-model sub --mode 'ask when calls > 5'{}\nGo"


@pytest.mark.parametrize("where", ["", " --where kernel"])
def test_the_person_is_asked_at_the_keyboard_while_the_cell_runs(ours: Any, where: str) -> None:
    ours.run(SET)
    cell = ours.run(ASK.format(where), stdin=["1"])
    assert cell.ok, cell.text
    assert "Cell 1 wants 30 calls" in cell.prompts[0]
    assert "(its calls come to 30 calls (calls > 5))" in cell.prompts[0]
    assert ours.value("r.answer") == "'ok'"
    assert ours.value("len(sub.requests)") == "30"


def test_refused_at_the_keyboard_they_are_errors_in_their_places(ours: Any) -> None:
    ours.run(SET.replace("rs[0])", "str(rs[0]))"))
    cell = ours.run(ASK.format(""), stdin=["refuse", "too dear"])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "'A person refused these calls: too dear.'"
    assert ours.value("len(sub.requests)") == "0"


def test_run_to_goes_on_to_what_it_names_and_asks_there(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1', 'b = 2', '1 / 0', 'FINAL(a + b)')")
    ours.run("%%rlm r --context text --model m --mode step\nGo", stdin=["q"])
    cell = ours.run("%rlm run to error", stdin=["a"])
    assert cell.ok, cell.text
    assert len(cell.prompts) == 1
    assert ours.value("r.answer") == "3"
    by = ours.value("[c.by for c in r.tree.find(kind='cell')]")
    assert by == "['run to', 'auto', 'auto', 'notebook']"


def test_run_to_nothing_known_is_one_sentence(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1', 'FINAL(a)')")
    ours.run("%%rlm r --context text --model m --mode step\nGo", stdin=["q"])
    for line in ("%rlm run", "%rlm run to", "%rlm run amok"):
        assert "where to stop" in ours.run(line).text
    cell = ours.run("%rlm run to noon", stdin=[])
    assert "use 'error', 'child', 'turn 5' or '$0.50'" in cell.text
    assert "Traceback" not in cell.text
    assert ours.value("r.phase") == "'paused'"
    ours.run("%rlm stop")


def test_the_status_says_what_the_calls_of_a_proposal_may_come_to(ours: Any) -> None:
    ours.run("text = 'word ' * 4000\nm = script('llm_query(context)', 'FINAL(1)')")
    ours.run("%%rlm r --context text --model m --mode step\nGo", stdin=["q"])
    cell = ours.run("%rlm status")
    assert "its calls: 1 call · about" in cell.text, cell.text
    assert "run to" in ours.run("%rlm help").text
    ours.run("%rlm stop")
