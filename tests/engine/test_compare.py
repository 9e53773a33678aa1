"""Runs side by side: what each answered and cost, and where they part."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.cli import main
from rlm_kernel.engine.compare import Cell, Pair, compare

LOOK = "```repl\nn = len(context)\nprint(n)\n```"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))


def rlm(*replies: Any, **options: Any) -> RLM:
    return RLM(model=ScriptedModel(list(replies)), sandbox="none", **options)


@pytest.fixture
def runs() -> Iterator[list[Any]]:
    with rlm(LOOK, "```repl\nFINAL(n + 1)\n```") as one, rlm("```repl\nFINAL(n + 2)\n```") as two:
        first = one.run("How long?", "abc" * 5)
        assert first.answer == 16
        other = two.fork(first, turn=1)
        assert other.answer == 17
        yield [first, other]


def test_two_runs_stand_side_by_side_and_part_where_they_do(runs: list[Any]) -> None:
    found = compare(*runs)
    assert [side.answer for side in found.sides] == ["16", "17"]
    parting = found.parts()
    assert parting is not None
    assert parting.left is not None
    assert parting.left.turn == 2
    assert parting.diff == ["- FINAL(n + 1)", "+ FINAL(n + 2)"]
    text = str(found)
    assert "parts from" in text
    assert "at turn 2" in text
    assert "16" in found._repr_html_()
    again = compare(runs[0], runs[0])
    assert again.parts() is None
    assert "has the same cells and outputs" in str(again)


def test_long_code_is_compared_line_by_line_not_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    ratio = difflib.SequenceMatcher.real_quick_ratio

    def look(self: Any) -> float:
        nonlocal looks
        looks += 1
        assert looks < 10_000, "two lines are held beside each other for every two that there are"
        return ratio(self)

    monkeypatch.setattr(difflib.SequenceMatcher, "real_quick_ratio", look)
    left, right = (
        Cell(1, "\n".join(["same = 0", *(f"value_{i} = {word}({i})" for i in range(1500))]), "")
        for word in ("left", "right")
    )
    diff = Pair(left, right).diff
    assert len(diff) == 3000
    assert sorted(diff)[0] == "+ value_0 = right(0)"


def test_what_a_branch_has_from_its_origin_is_said_not_to_be_in_its_price(runs: list[Any]) -> None:
    with rlm("12") as asked:
        alone = asked.plain(runs[0])
    word = "without the turns that it has from its origin."
    assert word in str(compare(runs[1], alone))
    assert word not in str(compare(runs[0], alone))


def test_runs_are_called_by_their_files_or_as_is_said(runs: list[Any], tmp_path: Path) -> None:
    paths = [run.save(tmp_path / name) for run, name in zip(runs, ("one", "two"), strict=True)]
    assert [side.name for side in compare(*paths).sides] == ["1: one", "2: two"]
    assert [side.name for side in compare(*runs, names=["a", "b"]).sides] == ["1: a", "2: b"]
    assert runs[0].id in compare(*runs).sides[0].name


def test_cells_that_only_one_run_has_dont_shift_the_others(runs: list[Any]) -> None:
    with rlm("```repl\nprint('before')\n```", LOOK, "```repl\nFINAL(n + 1)\n```") as third:
        longer = third.run("How long?", "abc" * 5)
    pairs = compare(runs[0], longer).pairs[0]
    assert [pair.same for pair in pairs] == [False, True, True]
    assert pairs[0].left is None


def test_the_command_line_compares_recordings(
    runs: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs[0].save(tmp_path / "first")
    assert main(["compare", str(path), str(runs[1].log.folder)]) == 0
    out = capsys.readouterr().out
    assert "tokens in" in out
    assert "at turn 2, in 2 lines of code" in out
    assert main(["compare", str(path)]) == 2
    assert "give another" in capsys.readouterr().err
