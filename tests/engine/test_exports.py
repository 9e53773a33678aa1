"""A run written for other programs: it runs again from the notebook, and mistakes are said."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel.engine import RLM, Run
from rlm_kernel.engine import exporting as exporting_
from rlm_kernel.errors import ConfigError, RecordingError

CELLS = [
    "```repl\nsaid = llm_query_batched([f'part {i}' for i in range(3)])\n"
    "one = llm_query('part 1')\nprint(len(context), said, one)\n```",
    "```repl\nFINAL(said[2] + context[:3])\n```",
]


@pytest.fixture
def run(make: Callable[..., RLM]) -> Run:
    done = make(CELLS, lambda m: "re " + m[-1]["content"]).run("What?", "abc" * 5)
    assert done.answer == "re part 2abc"
    return done


def test_the_notebook_runs_again_by_itself_and_shows_the_same(run: Run, tmp_path: Path) -> None:
    saved = Run.load(run.save(tmp_path / "r", context=True))
    notebook = json.loads(saved.export(tmp_path / "r.ipynb").read_text())
    namespace: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(cell["source"], namespace)
        shown.append((out.getvalue(), "".join(o.get("text", "") for o in cell["outputs"])))
    again, before = shown[2]
    assert again == before == "15 ['re part 0', 're part 1', 're part 2'] re part 1\n"
    assert namespace["answer"] == {"content": "re part 2abc", "ready": True}


def test_the_official_lines_are_read_back_as_a_run(run: Run, tmp_path: Path) -> None:
    back = Run.load(run.export(tmp_path / "rlm_1.jsonl"))
    assert back.answer == run.answer
    assert [entry.code for entry in back.transcript] == [entry.code for entry in run.transcript]


def test_every_form_is_written_and_what_is_none_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.export(tmp_path / "x.jsonl", "pairs").read_text() == "", "nobody decided anything"
    assert json.loads(run.export(tmp_path / "x.json").read_text())["answer"] == run.answer
    with pytest.raises(ConfigError, match=r"'\.xyz' is no form of a run; there are html \(\.html"):
        run.export(tmp_path / "x.xyz")
    with pytest.raises(RecordingError, match="can't be written"):
        run.export(tmp_path / "no" / "x.json")
    monkeypatch.setattr(exporting_, "STATIC", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="build_lab"):
        run.export(tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_what_cannot_be_written_whole_leaves_what_was_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "x.jsonl"
    kept.write_text("mine")

    def half(*_given: Any) -> Iterator[str]:
        yield "one"
        raise RecordingError("What is next can't be read.")

    monkeypatch.setattr(exporting_, "to_official", half)
    with pytest.raises(RecordingError, match="What is next"):
        run.export(kept)
    assert kept.read_text() == "mine"
    assert [path.name for path in tmp_path.glob("*x.json*")] == ["x.jsonl"]


def test_an_export_is_written_as_it_is_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each line of theirs has all of the chat before it: together they are far more than the run.
    alive = [0, 0]

    class Line(str):
        __slots__ = ()

        def __new__(cls) -> Line:
            alive[0] += 1
            alive[1] = max(alive)
            return super().__new__(cls, "x" * 1000)

        def __del__(self) -> None:
            alive[0] -= 1

    monkeypatch.setattr(exporting_, "to_official", lambda *_: (Line() for _ in range(100)))
    assert run.export(tmp_path / "x.jsonl").stat().st_size == 100 * 1001
    assert alive[1] <= 2


def test_it_can_be_written_to_a_pipe(run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "x.json"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        run.export(pipe)
        assert json.loads(read.result())["answer"] == run.answer
    assert exporting_.if_empty(pipe) == "", "what became of it isn't known"


def test_a_link_is_written_through(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("")
    link = tmp_path / "x.json"
    link.symlink_to("there.json")
    run.export(link)
    assert link.is_symlink()
    assert json.loads((tmp_path / "there.json").read_text())["answer"] == run.answer
