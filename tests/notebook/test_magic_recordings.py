"""Saving, loading, replaying and forking a run from the cells of a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from broken import CREATED, broken
from collector import collecting
from conftest import SCRIPT

CELLS = "'n = len(context)\\nprint(n)', 'y = n + 1\\nprint(y)', 'FINAL(y)'"


@pytest.fixture
def saved(ours: Any, tmp_path: Path) -> str:
    ours.run(SCRIPT)
    ours.run(f"m = script({CELLS})")
    cell = ours.run("%%rlm r --context text --model m --mode auto\nHow many?")
    assert "Answer: 4022" in cell.text
    path = tmp_path / "run.rlm"
    assert f"r is in {path}" in ours.run(f"%rlm save {path} --context").text
    return str(path)


def test_a_saved_run_is_shown_bound_and_runs_again(ours: Any, saved: str) -> None:
    shown = ours.run(f"%rlm load {saved} old")
    assert "Answer: 4022" in shown.text
    assert ours.value("old.answer, old.question") == "(4022, 'How many?')"
    for line in ("%rlm replay", f"%rlm replay {saved}", "%rlm replay old", "%rlm replay --run old"):
        assert "The same: 3 cells ran again." in ours.run(line).text
    assert ours.value("y") == "4022", "the notebook's variables have no part in it"
    assert "old is in" in ours.run("%rlm export old.json --run old").text
    assert "old is in" in ours.run("%rlm save again.rlm --run old").text
    assert "The same: 3 cells" in ours.run("%rlm replay again.rlm").text, "its context went along"
    assert "n = len(context)" in ours.run("%rlm show 1 --run old").text
    assert "Answer: 4022" in ours.run("%rlm tree old").text


def test_pairs_of_which_there_are_none_are_told(ours: Any, saved: str) -> None:
    told = ours.run("%rlm export pairs.jsonl pairs --run r").text
    assert "r is in pairs.jsonl. It is empty: " in told
    assert "empty" not in ours.run("%rlm export all.jsonl --run r").text


def test_a_text_is_cut_out_where_that_is_asked(ours: Any, saved: str) -> None:
    ours.run("%rlm save cut.rlm --redact 'How many' --redact 4022")
    ours.run("%rlm load cut.rlm cut")
    assert ours.value("cut.question, cut.answer_text") == "('[redacted]?', '[redacted]')"
    both = ours.run("%rlm save cut.rlm --context --redact x")
    assert "--context can't go with it" in both.stderr
    assert "takes a name" in ours.run("%rlm save cut.rlm --redact").stderr


def test_a_recording_that_is_steered_says_that_it_is_one(ours: Any, saved: str) -> None:
    ours.run(f"%rlm load {saved} old")
    cell = ours.run("old.step()")
    assert cell.errors[0]["traceback"][0].startswith("NotLive: This is a recording")


def test_a_branch_is_a_run_of_its_own_and_the_first_stays(ours: Any, saved: str) -> None:
    ours.run("k = script('FINAL(y * 2)')\ncode = 'y = 100'")
    cell = ours.run("%rlm fork --turn 2 --model k --as f")
    assert "This is a branch of" in cell.text
    assert ours.value("f.answer, r.answer, y") == "(8044, 4022, 4022)"
    ours.run("k = script('FINAL(y * 2)')")
    cell = ours.run(f"%rlm fork {saved} --cell 2=code --model k --as g --sandbox none")
    assert "edited by fork" in cell.text
    assert ours.value("g.answer") == "200"
    ours.run("k = script('FINAL(y * 3)')")
    ours.run("%rlm fork --run r --turn 2 --model k --where shell --as h")
    assert ours.value("h.answer") == "12066"


def test_a_branch_can_be_a_notebook_that_is_ready_to_run(
    ours: Any, saved: str, tmp_path: Path, openai_server: Any
) -> None:
    openai_server.reply_with(lambda request: "```repl\nFINAL(y * 2)\n```")
    ours.run("changed = 'y = n + 1000\\nprint(\"y\", y)'")
    path = tmp_path / "my branch.ipynb"
    line = "%rlm fork --run r --cell 2=changed --model openai/x"
    line += f" --api-base {openai_server.api_base}"
    cell = ours.run(f'{line} --sandbox none --notebook "{path}"')
    assert f"The branch is in {path}, ready to run; it reads my branch.rlm beside it." in cell.text
    assert openai_server.requests == [], "it is the notebook that asks"
    made = nbformat.read(path, 4)
    nbformat.validate(made)
    title, *cells = made.cells
    assert title.source.startswith("# How many?\n\nA branch of ")
    said = title.source.replace("\\", "")
    assert "after turn 1. Otherwise in it: the code of cell 2." in said
    assert made.metadata.kernelspec.name == "rlm"
    ours.run(f"del changed\n%cd {tmp_path}")
    for cell in cells:
        done = ours.run(cell.source)
        assert done.ok, done.text
    assert "This is a branch of" in done.text
    assert "after turn 1. Otherwise in it: the code of cell 2." in done.text
    assert ours.value("branch.answer, y") == "(10042, 4022)"
    again = ours.run(f'{line} --notebook "{path}"')
    assert f"{path} is there already" in again.text
    path.unlink()
    again = ours.run(f'{line} --notebook "{path}"')
    assert "my branch.rlm is there already, and it is another run" in again.text
    given = f'"{path.with_suffix(".rlm")}" --notebook "{path}"'
    again = ours.run(f"{line.replace('--run r', '')} {given}")
    assert "ready to run" in again.text
    ours.run("k = script('FINAL(1)')")
    other = ours.run(f"%rlm fork --run r --turn 1 --model k --notebook {tmp_path / 'other'}")
    assert "k is a variable of this notebook" in other.text
    late = ours.run(f"%rlm fork --run r --turn 9 --notebook {tmp_path / 'other'}")
    assert "no turn 9 that is whole" in late.text
    assert sorted(p.name for p in tmp_path.glob("other*")) == []


def test_the_model_alone_stands_beside_a_run(ours: Any, saved: str) -> None:
    ours.run("m._lines.append('alone: 4,022')")
    cell = ours.run("%rlm compare r --plain")
    assert "is asked alone: one call, " in cell.text
    assert "2: plain" in cell.text
    assert "alone: 4,022" in cell.text
    assert "Beside the model alone 1: " in cell.text
    ours.run("k = ScriptedModel(['alone again'])")
    cell = ours.run(f"%rlm compare {saved} r --plain --model k")
    assert "alone again" in cell.text
    assert "3: plain" in cell.text


def test_a_run_is_sent_to_a_collector(ours: Any, saved: str) -> None:
    with collecting() as collector:
        size = int(ours.value("len(r.tree)"))
        assert f"{size} spans of r sent." in ours.run(f"%rlm export --otlp {collector.url}").text
        assert len(collector.spans) == size
        collector.spans.clear()
        ours.run("k = script('print(1)', 'FINAL(2)')")
        ours.run("%%rlm s --context text --model k --mode step\nWhat?", stdin=["q"])
        assert "sent as it goes on" in ours.run(f"%rlm export --otlp {collector.url}").text
        ours.run("%rlm mode auto")
        ours.run("%rlm approve")
        assert collector.wait_for(lambda spans: any(s.name == "run" for s in spans))
        assert len(collector.spans) == int(ours.value("len(s.tree)"))


def test_what_is_no_recording_is_one_sentence(ours: Any, saved: str, tmp_path: Path) -> None:
    (folder := tmp_path / "broken").mkdir()
    for name, (path, words) in broken(Path(saved), folder).items():
        for line in ("load {}", "replay {}", "fork {} --turn 1", "compare {} r"):
            cell = ours.run("%rlm " + line.format(f'"{path}"'))
            assert not cell.ok, name
            assert words in cell.text, name
            assert "Traceback" not in cell.text, name
    assert not (folder / CREATED).exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%rlm save", "takes the name of a file"),
        ("%rlm compare r", "two runs or more (%rlm compare r old.rlm), or one and --plain"),
        ("%rlm export", "takes the name of a file"),
        ("%rlm export --otlp here", "'here' is no collector's address"),
        ("%rlm load", "takes a folder or a .rlm file"),
        ("%rlm load nowhere", "There is nothing at nowhere"),
        ("%rlm load {saved} print", "print has a value"),
        ("%rlm replay a b", "takes a folder or a .rlm file"),
        ("%rlm fork --turn 9 --model m", "no turn 9 that is whole; it has 1 to 3"),
        ("%rlm fork --turn two --model m", "--turn takes a number, not 'two'"),
        ("%rlm fork --cell 2=nope --model m", "a variable that holds its code"),
    ],
)
def test_mistakes_are_one_sentence(ours: Any, saved: str, line: str, said: str) -> None:
    ours.run("print = print")
    cell = ours.run(line.format(saved=saved))
    assert not cell.ok
    assert said in cell.text
    assert "Traceback" not in cell.text
