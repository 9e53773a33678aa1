"""A run in the forms of other programs: what they read is what was recorded."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate

from rlm_kernel.errors import RecordingError
from rlm_kernel.log import Log, Tree, tree_text
from rlm_kernel.log.formats import (
    chat,
    from_official,
    to_notebook,
    to_official,
    to_pairs,
    to_rollout,
)
from rlm_kernel.log.recording import load, save
from rlm_kernel.protocol import events as e

from .samples import a_batch, a_run, a_turn

Made = tuple[list[Any], Tree, str]


def made(*events: Any) -> Made:
    log, tree = Log(), Tree()
    log.listen(tree.apply)
    for event in events:
        log.emit(event)
    run = next(x.event.node for x in log.events if isinstance(x.event, e.RunStarted))
    return list(log.events), tree, run


@pytest.fixture
def sample() -> Made:
    turn = a_turn(1, "x = llm_query_batched(prompts)\nprint(x)", output="out")
    return made(*a_run(*turn[:6], *a_batch(3, 1), *turn[6:]))


# -- the official one -----------------------------------------------------------------------------


def an_object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def a_list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


TEXT, NUMBER, NONE = {"type": "string"}, {"type": "number", "minimum": 0}, {"type": "null"}
#: What the official visualizer reads of a log and of which type, as its parser and its panels use
#: it: times are formatted as numbers, texts are cut and joined, prompts are shown by their role.
VISUALIZER_CALL = an_object(
    prompt=TEXT, response=TEXT, prompt_tokens=NUMBER, completion_tokens=NUMBER,
    execution_time=NUMBER,
)  # fmt: skip
VISUALIZER_RESULT = an_object(
    stdout=TEXT, stderr=TEXT, locals=an_object(), execution_time=NUMBER,
    rlm_calls=a_list(VISUALIZER_CALL),
)  # fmt: skip
VISUALIZER_LINE = an_object(
    type={"const": "iteration"}, iteration={"type": "integer", "minimum": 1}, timestamp=TEXT,
    prompt=a_list(an_object(role={"enum": ["system", "user", "assistant"]}, content=TEXT)),
    response=TEXT, code_blocks=a_list(an_object(code=TEXT, result=VISUALIZER_RESULT)),
    final_answer={"anyOf": [TEXT, NONE]}, iteration_time={"anyOf": [NUMBER, NONE]},
)  # fmt: skip
VISUALIZER_METADATA = an_object(
    type={"const": "metadata"}, root_model=TEXT, backend=TEXT, environment_type=TEXT,
    max_depth={"anyOf": [NUMBER, NONE]}, max_iterations={"anyOf": [NUMBER, NONE]},
    backend_kwargs=an_object(), environment_kwargs=an_object(), other_backends=NONE,
)  # fmt: skip


def strict(text: str) -> Any:
    """Read JSON as a browser does."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"a browser reads no {constant}")

    return json.loads(text, parse_constant=refuse)


def test_the_lines_have_what_the_visualizer_reads(sample: Made) -> None:
    about, *lines = map(strict, to_official(*sample))
    validate(about, VISUALIZER_METADATA)
    assert lines
    for line in lines:
        validate(line, VISUALIZER_LINE)
        assert datetime.fromisoformat(line["timestamp"])
    calls = lines[0]["code_blocks"][0]["result"]["rlm_calls"]
    assert len(calls) == 3
    assert sum("error" in call for call in calls) == 1


def test_a_child_a_person_and_what_was_cut_fit_the_visualizer_as_well() -> None:
    child = [
        e.RunStarted(node="run2", parent="cell1", question="child?", model="m", depth=1),
        e.RunOpened(node="run2", system="You", first="child?"),
        *a_turn(2, "FINAL(1)", output="", text="")[:-1],
        e.TurnEnded(node="turn2"),
        e.RunEnded(node="run2", answer="1", seconds=float("nan")),
    ]
    child = [replace(x, parent="run2") if isinstance(x, e.TurnStarted) else x for x in child]
    turn = a_turn(1, "x = rlm_query('child?')")
    asked = [
        e.CallStarted(node="human1", parent="cell1", role="human", prompt="Which?"),
        e.CallEnded(node="human1", status="cancelled", error="nobody"),
    ]
    last = [
        e.TurnStarted(node="turn3", parent="run1", number=3),
        e.CellProposed(node="cell3", parent="turn3", code="never", number=3),
        e.CellDecided(node="cell3", decision="reject", by="lab"),
        e.TurnEnded(node="turn3"),
    ]
    whole = a_run(*turn[:6], *child, *asked, *turn[6:], *last)
    for size in range(1, len(whole) + 1):
        about, *lines = map(strict, to_official(*made(*whole[:size])))
        validate(about, VISUALIZER_METADATA)
        for line in lines:
            validate(line, VISUALIZER_LINE)
    calls = lines[0]["code_blocks"][0]["result"]["rlm_calls"]
    assert [call["response"] for call in calls] == ["1", ""]


def test_what_was_written_reads_as_the_same_turns_and_calls(sample: Made, tmp_path: Path) -> None:
    path = tmp_path / "rlm_2026-01-01_00-00-00_12345678.jsonl"
    path.write_text("\n".join(to_official(*sample)))
    found = load(path)
    before, after = sample[1], found.tree
    for kind in ("turn", "cell"):
        assert len(list(after.find(kind=kind))) == len(list(before.find(kind=kind)))
    assert [c.code for c in after.find(kind="cell")] == [c.code for c in before.find(kind="cell")]
    subs = [c for c in after.calls if c.role == "sub"]
    assert len(subs) == 3
    assert sum(c.error != "" for c in subs) == 1
    assert sorted(c.own.cost or 0.0 for c in subs) == [0.0, 0.001, 0.001]


THEIRS = [
    {"type": "metadata", "timestamp": "2026-01-01T10:00:00", "root_model": "gpt-5",
     "max_depth": 2, "max_iterations": 30, "backend": "openai", "backend_kwargs": {},
     "environment_type": "local", "environment_kwargs": {}, "other_backends": None},
    {"type": "iteration", "iteration": 1, "timestamp": "2026-01-01T10:00:09", "iteration_time": 8.5,
     "prompt": [{"role": "system", "content": "You are"},
                {"role": "user", "content": 'answer the original query: "How many?"'}],
     "response": "I look.\n```repl\nprint(1)\n```", "final_answer": None,
     "code_blocks": [{"code": "print(1)", "result": {
         "stdout": "1\n", "stderr": "", "locals": {"x": "1"}, "execution_time": 2.0,
         "rlm_calls": [
             {"root_model": "gpt-5-mini", "prompt": "a?", "response": "a", "execution_time": 1.5,
              "usage_summary": {"model_usage_summaries": {
                  "gpt-5-mini": {"total_calls": 1, "total_input_tokens": 7,
                                 "total_output_tokens": 2}}}},
             {"root_model": "gpt-5-mini", "prompt": "child?", "response": "c",
              "execution_time": 0.5, "usage_summary": {"model_usage_summaries": {}},
              "metadata": {"run_metadata": {"root_model": "gpt-5-mini"}, "iterations": [
                  {"iteration": 1, "timestamp": "2026-01-01T10:00:08", "prompt": [],
                   "response": "FINAL(c)", "code_blocks": [], "final_answer": "c",
                   "iteration_time": 0.1}]}},
         ]}}]},
    {"type": "iteration", "iteration": 2, "timestamp": "2026-01-01T10:00:12", "iteration_time": 2,
     "prompt": [{"role": "user", "content": "go on"}], "response": "FINAL(3)",
     "code_blocks": [], "final_answer": ["FINAL", "3"]},
]  # fmt: skip


def test_a_log_of_the_official_package_is_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "rlm.jsonl"
    path.write_text("\n".join(map(json.dumps, THEIRS)))
    found = load(path)
    text = tree_text(found.tree)
    assert text.splitlines()[0] == "How many?"
    assert "Answer: 3" in text
    assert "child run: child?" in text
    top = found.tree[found.events[0].event.node]
    assert (top.total.input_tokens, top.total.output_tokens) == (7, 2)
    assert top.total.cost is None, "a cost that nobody wrote down isn't known"


NUMBERS = (
    "max_depth", "max_iterations", "iteration", "iteration_time", "execution_time",
    "total_input_tokens", "total_output_tokens",
)  # fmt: skip


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", "1" + "0" * 400, "-7"])
def test_a_number_that_nobody_meant_is_taken_as_not_told(number: str, tmp_path: Path) -> None:
    text = "\n".join(map(json.dumps, THEIRS))
    for name in NUMBERS:
        text, changed = re.subn(rf'"{name}": [\d.]+', f'"{name}": {number}', text)
        assert changed, name
    (tmp_path / "rlm.jsonl").write_text(text)
    found = load(tmp_path / "rlm.jsonl")
    assert "Answer: 3" in tree_text(found.tree)
    json.dumps([asdict(logged) for logged in found.events], allow_nan=False)
    again = load(save(found.events, tmp_path / "again"))
    assert [x.event for x in again.events] == [x.event for x in found.events]
    top = again.tree[again.events[0].event.node]
    assert (top.total.input_tokens, top.total.output_tokens) == (0, 0)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2), st.data())
def test_whatever_stands_in_a_line_it_loads_or_is_one_sentence(
    number: int, data: st.DataObject
) -> None:
    lines = json.loads(json.dumps(THEIRS))
    junk = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    junk |= st.floats() | st.just(10**400)
    junk |= st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    line = lines[number]
    line[data.draw(st.sampled_from(sorted(line)))] = data.draw(junk)
    said = ""
    try:
        from_official([json.dumps(one).encode() for one in lines], "x.jsonl")
    except RecordingError as error:
        said = str(error)
    assert "\n" not in said


# -- training -------------------------------------------------------------------------------------


def test_a_persons_decisions_are_pairs_and_what_ran_by_itself_is_none() -> None:
    first = a_turn(1, "x = 1", output="")
    second = [
        e.TurnStarted(node="turn9", parent="run1", number=2),
        e.CallStarted(node="call9", parent="turn9", role="root"),
        e.CallEnded(node="call9", text="```repl\nx = 2\n```"),
        e.CellProposed(node="cell9", parent="turn9", code="x = 2", number=2),
        e.CellDecided(node="cell9", decision="edit", by="lab-1", code="x = 3"),
        e.CellStarted(node="cell9"),
        e.CellEnded(node="cell9"),
        e.TurnEnded(node="turn9", observation="done"),
    ]
    sample = made(*a_run(*first, *second))
    [pair] = to_pairs(*sample)
    assert (pair["rejected"], pair["chosen"], pair["decision"]) == ("x = 2", "x = 3", "edit")
    assert pair["prompt"][-1]["role"] == "user"
    assert (pair["turn"], pair["cell"]) == (2, 2)


def test_a_rollout_is_the_chat_with_its_answer(sample: Made) -> None:
    rollout = to_rollout(*sample)
    exchanges = list(chat(*sample))
    assert rollout["prompt"] == exchanges[0].messages[:2]
    assert [m["role"] for m in rollout["completion"]][-1] == "assistant"
    assert rollout["answer"] == "Lagos"
    assert rollout["reward"] is None
    assert json.dumps(rollout)


# -- a notebook -----------------------------------------------------------------------------------


def test_the_notebook_is_valid_and_shows_what_was_shown(sample: Made) -> None:
    made_ = to_notebook(*sample, {"context": "the text"})
    notebook = nbformat.reads(json.dumps(made_), 4)
    nbformat.validate(notebook)
    assert any("llm_query_batched(prompts)" in cell.source for cell in notebook.cells)
    assert any(o.get("text") == "out" for c in notebook.cells for o in c.get("outputs", ()))
    assert "context = 'the text'" in notebook.cells[1].source


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_hostile_texts_stay_texts_in_a_notebook(question: str, context: str) -> None:
    sample = made(
        e.RunStarted(node="run1", question=question, context=[{"name": "context", "kind": "text"}]),
        e.RunEnded(node="run1", answer=question),
    )
    made_ = to_notebook(*sample, {"context": context})
    cells = json.loads(json.dumps(made_))["cells"]
    namespace: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(cell["source"], namespace)
        else:
            assert "<" not in cell["source"].replace("\\<", "")
    assert namespace["context"] == context
