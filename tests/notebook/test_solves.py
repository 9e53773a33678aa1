"""Puzzles that are solved in a notebook are nodes of its tree."""

from __future__ import annotations

from typing import Any

import pytest

PUZZLE = "1.....3..1.....4"
SET = """
import pathlib, tempfile
import numpy as np
from rlm_kernel import trm
from rlm_kernel.trm.config import Config
config = Config(vocab=6, length=16, width=32, slots=4, outer=3, inner=2, steps=4, multiple=32)
rng = np.random.default_rng(1)
state = {n: (0.1 * rng.standard_normal(s)).astype("float32") for n, s in config.shapes().items()}
model = trm.Checkpoint("sudoku4", config, state)
trm.api.WEIGHTS = pathlib.Path(tempfile.mkdtemp())
trm.save(model, trm.api.WEIGHTS / "sudoku4.safetensors")
puzzle, text = "1.....3..1.....4", "abc"
"""
OF_SESSION = "get_ipython().magics_manager.registry['RLMMagics'].session.outside"


@pytest.fixture
def solving(both: Any) -> Any:
    assert both.run(SET).ok
    return both


def test_a_persons_solve_belongs_to_the_session(solving: Any) -> None:
    assert solving.run("found = trm.solve(puzzle)").ok
    shown = solving.run("%rlm tree").text
    assert "calls typed outside of a run" in shown
    assert "latent recursion: sudoku4 · " in shown
    assert "step 1: " in shown
    assert solving.value(f"{OF_SESSION}.ledger.spent.calls") == "0"
    solving.run("frames = trm.stream(puzzle, model)\nfirst = next(frames)\nframes.close()")
    solving.run("two = trm.explore(puzzle, model, k=2)")
    parents = f"[(n.parent, n.status) for n in {OF_SESSION}.tree.find(kind='solve')]"
    assert solving.value(parents) == (
        "[('session1', 'partial'), ('session1', 'cancelled'), ('session1', 'partial')]"
    )


def test_what_is_no_puzzle_is_an_error_there_and_harmless(solving: Any) -> None:
    cell = solving.run("trm.solve('<b>\\x1b[31m\\u202e')")
    assert "'<' is no cell of a sudoku" in cell.text
    shown = solving.run(f"from IPython.display import HTML\nHTML({OF_SESSION}.tree._repr_html_())")
    page = shown.results[-1]["text/html"]
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    cell = solving.run("%rlm tree")
    assert "✗ latent recursion" in cell.text
    assert "\x1b[31m" not in cell.stdout
    assert "\u202e" not in cell.stdout


@pytest.mark.parametrize("where", ["", " --where kernel"])
def test_a_run_solves_by_the_tool_and_it_is_below_the_cell(solving: Any, where: str) -> None:
    solving.run("m = script('got = trm_solve(context)\\ngot', 'FINAL(got[\"steps\"])')")
    cell = solving.run(f"%%rlm r --context puzzle --model m --tool trm_solve --quiet{where}\nGo")
    assert cell.ok, cell.text
    assert cell.text.strip() == solving.value("trm.solve(puzzle).steps")
    tree = solving.value("[(n.parent, n.line, n.status) for n in r.tree.find(kind='solve')]")
    assert tree == "[('cell1', 1, 'partial')]"


def test_a_run_in_the_shell_that_solves_by_itself_has_it_below_its_cell(solving: Any) -> None:
    solving.run("m = script('x = 1\\nf = trm.solve(puzzle, model)', 'FINAL(f.steps)')")
    before = solving.value(f"{OF_SESSION} and len({OF_SESSION}.tree)")
    assert solving.run("%%rlm r --context text --model m --quiet\nGo").ok
    tree = solving.value("[(n.parent, n.line) for n in r.tree.find(kind='solve')]")
    assert tree == "[('cell1', 2)]"
    assert solving.value(f"{OF_SESSION} and len({OF_SESSION}.tree)") == before


def test_a_tool_that_isnt_there_is_one_line(solving: Any) -> None:
    cell = solving.run("%%rlm r --context text --tool trm_sovle\nGo")
    assert "no tool 'trm_sovle' that comes along" in cell.text
    assert "Did you mean 'trm_solve'?" in cell.text
    assert "Traceback" not in cell.text


def test_tools_are_completed(solving: Any) -> None:
    assert solving.complete("%%rlm --tool trm") == ["trm_solve"]
    assert "--tool" in solving.complete("%%rlm --to")


def test_it_is_told_as_long_as_the_extension_is_loaded(solving: Any) -> None:
    assert solving.run("trm.solve(puzzle)").ok
    assert solving.run(f"kept = {OF_SESSION}.tree\ncount = len(kept)").ok
    assert solving.run("%unload_ext rlm").ok
    assert solving.run("trm.solve(puzzle)").ok
    assert solving.value("len(kept) == count > 0") == "True"
