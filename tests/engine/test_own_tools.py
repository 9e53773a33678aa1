"""The tool that comes along: a root model solves puzzles by ``trm_solve`` where it was allowed."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trm"))

from models_trm import small, weights

from rlm_kernel import RLM, Run, ScriptedModel, trm
from rlm_kernel.engine.recorded import load_run
from rlm_kernel.errors import ConfigError
from rlm_kernel.log import Tree, read_log
from rlm_kernel.protocol import Call
from rlm_kernel.protocol import events as e
from rlm_kernel.protocol.solves import solve_place

Make = Callable[..., RLM]
PUZZLE = "1...|..3.|.1..|...4".replace("|", "\n")
SOLVE = f"found = trm_solve({PUZZLE!r})\nfound"
ALL = {"solved", "answer", "said", "steps"}


def cell(code: str) -> str:
    return f"```repl\n{code}\n```"


@pytest.fixture(autouse=True)
def _weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for sudokus of 4 comes along."""
    config = small("mlp")
    folder = tmp_path / "weights"
    folder.mkdir()
    trm.save(
        trm.Checkpoint("sudoku4", config, weights(config)), folder / "sudoku4.safetensors"
    )  # fmt: skip
    monkeypatch.setattr("rlm_kernel.trm.api.WEIGHTS", folder)


def solves(run: Any) -> list[Any]:
    return list(run.tree.find(kind="solve"))


def test_a_models_code_solves_a_puzzle_and_the_solve_is_below_its_cell(make: Make) -> None:
    root = ScriptedModel([cell("x = 1\n" + SOLVE), cell("FINAL(found)")], name="root")
    run = make(root, where="kernel", tools=["trm_solve"], budget="2 calls").run("q", "abc")
    assert run.status == "done", run.reason
    alone = trm.solve(PUZZLE)
    assert run.answer == {
        "solved": alone.solved, "said": alone.verdict.said, "steps": alone.steps,
        "answer": trm.kind_of(PUZZLE).text(alone.answer),
    }  # fmt: skip
    system = root.requests[0].messages[0]["content"]
    assert "trm_solve(puzzle: str | list, model: str = '', ways: int = 1) -> dict - Solve" in system
    (solve,) = solves(run)
    assert (solve.parent, solve.line, solve.model) == ("cell1", 2, "sudoku4")
    assert solve.text == run.answer["answer"]
    assert [run.tree[step].kind for step in solve.children] == ["step"] * alone.steps
    assert run.ledger.spent.calls == 2, "the root's own"


def test_a_hard_puzzle_is_tried_by_several_ways(make: Make) -> None:
    code = cell(f"found = trm_solve({PUZZLE!r}, ways=3)")
    run = make([code, cell("FINAL(found)")], where="kernel", tools=["trm_solve"]).run("q", "abc")
    several = trm.explore(PUZZLE, k=3)
    assert several.answer != trm.solve(PUZZLE).answer, "or this shows nothing"
    assert run.answer["answer"] == trm.kind_of(PUZZLE).text(several.answer)
    assert [solve.text for solve in solves(run)] == [run.answer["answer"]]


def test_it_works_from_a_boxed_kernel(make: Make) -> None:
    from boxes import need

    need("landlock")
    run = make(
        [cell(SOLVE), cell("FINAL(sorted(found))")], where="kernel", sandbox="landlock",
        tools={"solver": "trm_solve", "trm_solve": "trm_solve"},
    ).run("q", "abc")  # fmt: skip
    assert run.answer == sorted(ALL), run.reason
    assert len(solves(run)) == 1


def test_without_being_named_it_isnt_there(make: Make) -> None:
    root = ScriptedModel([cell(SOLVE), cell("FINAL(1)")], name="root")
    run = make(root, where="kernel").run("q", "abc")
    assert "NameError" in run.tree["cell1"].error
    assert "trm_solve(puzzle" not in root.requests[0].messages[0]["content"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("'12'", "A puzzle has 16"), ("5", "this is none: int"), ("None", "this is none: NoneType"),
        ("'1' * 16", "The givens contradict one another"),
        (f"{PUZZLE!r}, '/etc/passwd'", "has no model '/etc/passwd'; it has sudoku4"),
        (f"{PUZZLE!r}, 'sudoku9'", "has no model 'sudoku9'"), ("[[{}]]", "{} is no cell of"),
        (f"{PUZZLE!r}, ways=65", "ways is a whole number, at least 1 and at most 64, not 65"),
    ],
)  # fmt: skip
def test_a_bad_puzzle_is_one_sentence_for_the_model(make: Make, call: str, said: str) -> None:
    code = f"try:\n    trm_solve({call})\nexcept ValueError as error:\n    said = str(error)\nsaid"
    run = make([cell(code), cell("FINAL(said)")], tools=["trm_solve"]).run("q", "abc")
    assert said in run.answer, run.reason
    assert "\n" not in run.answer
    for solve in solves(run):
        assert solve.status == "error"
        assert solve.error


@pytest.mark.parametrize(
    ("tools", "said"),
    [(["trm_solv"], "no tool 'trm_solv' that comes along; .* Did you mean 'trm_solve'"),
     ({"x": "nothing"}, "no tool 'nothing'"), ([lambda: 1], "can't be a name in Python"),
     ([5], "The tool '' can't be a name")],
)  # fmt: skip
def test_a_tool_that_isnt_there_is_said_before_anything_is_spent(tools: Any, said: str) -> None:
    rlm = RLM(model=ScriptedModel([]), save=False, tools=tools)
    with pytest.raises(ConfigError, match=said):
        rlm.start("q")


def test_a_function_of_ones_own_that_solves_is_shown_as_well(make: Make) -> None:
    config = small("attention")
    model = trm.Checkpoint("sudoku4", config, weights(config))

    def mine(puzzle: str) -> bool:
        return trm.solve(puzzle, model).solved

    async def later(puzzle: str) -> bool:
        await asyncio.sleep(0)
        return trm.solve(puzzle, model).solved

    code = f"a = mine({PUZZLE!r})\nb = later({PUZZLE!r})"
    run = make([cell(code), cell("FINAL(1)")], where="kernel", tools=[mine, later]).run("q", "abc")
    assert [(one.parent, one.line) for one in solves(run)] == [("cell1", 1), ("cell1", 2)]
    assert solve_place() is None


def test_a_run_that_is_stopped_leaves_no_solve_open(make: Make, watch: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        for frame in trm.stream(PUZZLE, halt=99):
            if frame.step == 2:
                begun.set()
                go_on.wait(30)

    run = make([cell("slow()")], where="kernel", tools=[slow]).start("q", "abc")
    assert begun.wait(30)
    run.stop()
    run.wait(30)
    (solve,) = solves(run)
    count = len(run.log.events)
    go_on.set()
    assert (run.status, solve.status) == ("stopped", "cancelled")
    watched = [event.event for event in run.log.events]
    assert isinstance(watched[-1], e.RunEnded)
    assert len(run.log.events) == count


def test_a_recording_has_the_solve_as_it_was(make: Make, tmp_path: Path) -> None:
    run = make([cell(SOLVE), cell("FINAL(found)")], where="kernel", tools=["trm_solve"]).run("q")
    again = load_run(run.save(tmp_path / "run"))
    (was,), (now,) = solves(run), solves(again)
    for name in ("title", "prompt", "text", "note", "applied", "children", "parent"):
        assert getattr(now, name) == getattr(was, name)
    assert again.tree[now.children[0]].frames == run.tree[was.children[0]].frames != []


def test_resumed_it_solves_again_and_the_tree_has_it_once(make: Make) -> None:
    first = make([cell(SOLVE)], where="kernel", tools=["trm_solve"], max_turns=1, sandbox="none")
    run = first.run("q", "abc")
    assert run.status in ("partial", "failed")
    code = "try:\n    trm_solve('')\nexcept ValueError:\n    pass\nfound"
    root = ScriptedModel([cell(code), cell("FINAL(found['steps'])")])
    went_on: Run = Run.resume(
        run.log.folder, model=root, sub_model=root, max_turns=4, sandbox="none"
    )
    assert went_on.wait(60)
    assert went_on.status == "done", went_on.reason
    assert "trm_solve(puzzle" in str(root.requests[0].messages), "the log says it was allowed"
    tree = Tree(read_log(run.log.folder))
    assert [(one.parent, one.status) for one in tree.find(kind="solve")] == [
        ("cell1", "partial"), ("cell2", "error")
    ]  # fmt: skip


def test_a_log_grants_no_tool_but_those_that_come_along(make: Make) -> None:
    def mine() -> int:
        return 1

    tools = {"mine": mine, "solver": "trm_solve"}
    run = make([cell("1 / 0")], where="kernel", tools=tools, max_turns=1).run("q", "abc")
    options = run.log.events[0].event.config["options"]
    assert options["tools"] == {"solver": "trm_solve"}
    from rlm_kernel.engine.record import Record
    from rlm_kernel.engine.regrant import options_of

    record = Record(run.log.events)
    record.started.config["options"]["tools"] = {"a": "os.system", "b": "trm_solve", "c": 5}
    assert options_of(record)["tools"] == {"b": "trm_solve"}


def test_replayed_its_cells_get_the_same(make: Make, tmp_path: Path) -> None:
    rlm = make([cell(SOLVE), cell("FINAL(found)")], where="kernel", tools=["trm_solve"],
               sandbox="none")  # fmt: skip
    run = rlm.run("q", "abc")
    path = run.save(tmp_path / "run", context=True)
    rerun = make(where="kernel", sandbox="none", tools=["trm_solve"]).replay(path)
    assert rerun.same, str(rerun)


def test_services_tell_a_solve_under_the_run_where_no_cell_asks(make: Make) -> None:
    run = make([cell("FINAL(1)")]).start("q", "abc")
    place = run.services.solves(Call(cell=""))
    assert place is not None
    assert place.parent == run.node
    run.wait()
