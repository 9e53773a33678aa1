"""``rlm-kernel trm``: what it prints, and its exit codes."""

from __future__ import annotations

import importlib.util
import io
import json
import random
from pathlib import Path

import pytest

from rlm_kernel import trm
from rlm_kernel.cli import main
from rlm_kernel.trm.puzzles.task import task

from .models_trm import small, weights

PUZZLE = "".join(str(symbol or ".") for symbol in task("sudoku4").make(random.Random(5))[0])


@pytest.fixture
def kept(tmp_path: Path) -> str:
    config = small("mlp")
    made = trm.Checkpoint("sudoku4", config, weights(config))
    return str(trm.save(made, tmp_path / "m.safetensors"))


def test_a_puzzle_is_given_in_words_or_in_a_file(
    kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "puzzle.txt").write_text(task("sudoku4").text([int(c) if c != "." else 0
                                                               for c in PUZZLE]))  # fmt: skip
    said = []
    other = tmp_path / "of_windows.txt"
    other.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "puzzle.txt").read_bytes())
    for puzzle in (PUZZLE, str(tmp_path / "puzzle.txt"), str(other)):
        assert main(["trm", "solve", puzzle, "--model", kept]) == 1, "an untaught network"
        said.append(capsys.readouterr().out.rpartition(", ")[0])
    assert said[0] == said[1] == said[2]
    assert "Not solved" in said[0]
    other.write_text(PUZZLE, "utf-16")
    assert main(["trm", "solve", str(other), "--model", kept]) == 2
    assert f"{other} isn't a text in UTF-8." in capsys.readouterr().err


def test_a_puzzle_is_made_that_can_be_solved(
    kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trm", "puzzle", "sudoku4", "--seed", "5"]) == 0
    made = capsys.readouterr().out
    assert made == trm.puzzle("sudoku4", 5) + "\n"
    assert trm.kind_of(made).read(made) == trm.kind_of(PUZZLE).read(PUZZLE)
    assert main(["trm", "solve", made, "--model", kept]) == 1
    assert main(["trm", "puzzle", "sudoku5"]) == 2
    assert "There is no kind of puzzle 'sudoku5'" in capsys.readouterr().err


def test_each_cycle_is_shown_and_what_recursion_does(
    kept: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PUZZLE.encode())))
    main(["trm", "solve", "-", "--model", kept, "--steps", "2", "--show"])
    shown = capsys.readouterr().out
    found = trm.solve(PUZZLE, kept, steps=2)
    kind = trm.kind_of(PUZZLE)
    for frame in found.frames:
        said = f"Step {frame.step}, cycle {frame.cycle}: "
        assert kind.text(frame.grid) in shown[shown.index(said) :]
    assert shown.count("Step ") == len(found.frames) == 6
    assert "in 2 steps" in shown
    assert main(["trm", "compare", PUZZLE, "--model", kept]) == 0
    assert capsys.readouterr().out == f"{trm.compare(PUZZLE, kept)}\n"


def test_all_of_it_is_given_as_json(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["trm", "solve", PUZZLE, "--model", kept, "--explore", "2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["solved"] is False
    assert len(found["answer"]) == 16
    assert found["frames"][0]["step"] == 1


def test_it_is_evaluated_by_the_rules(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trm", "eval", kept, "--puzzles", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("20 puzzles, sudoku4, solved by the rules")
    assert "after step  1 to 16     0.0%" in out
    main(["trm", "eval", kept, "--puzzles", "20", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["exact"] == [0.0] * 16
    assert not capsys.readouterr().err
    assert main(["trm", "eval", kept, "--puzzles", "700"]) == 0
    assert capsys.readouterr().err == "640 of 700 puzzles tried\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["trm"], "needs one of puzzle, solve, compare, train and eval"),
        (["trm", "slove"], "did you mean solve?"),
        (["trm", "solve"], "needs the puzzle"),
        (["trm", "solve", "123"], "and this one has 3"),
        (["trm", "solve", PUZZLE, "--model", "nowhere"], "There is no model 'nowhere', and"),
        (["trm", "train", "sudoku4", "--out", "no/such/m"], "There is no folder no/such for m"),
        (["trm", "train", "sudoku4", "--out", "/"], "/ can't be written: it is a folder"),
        (["trm", "train", "sudoku4", "--out", "\0/m"], "can't be the name of a file"),
        (["trm", "train", "sudoku4", "--minutes", "few"], "--minutes"),
        (["trm", "solve", "." * 900, "--model", "nowhere"], "There is no model 'nowhere', and"),
        (["trm", "solve", PUZZLE, "--explore", "2", "--seed", "-1"], "seed is a whole number"),
        (["trm", "solve", PUZZLE, "--explore", "0"], "--explore is a whole number, at least 1"),
        (["trm", "solve", "nofile.txt"], "There is no file nofile.txt."),
        (["trm", "compare", "no/file"], "There is no file no/file."),
        (["trm", "solve", "/"], "/ is a folder: give a file, or the puzzle's cells."),
        (["trm", "puzzle"], "needs a kind: sudoku4, sudoku6, sudoku9, maze9, as in"),
        (["trm", "train", "sudoku4", "--data"], "--data needs what comes after it: --data PATH"),
    ],
)
def test_a_mistake_is_one_sentence(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(given)
    except SystemExit as ended:
        code = int(str(ended.code))
    told = capsys.readouterr().err.strip()
    assert code == 2
    assert said in told
    assert "\n" not in told


def test_puzzles_of_a_file_are_named_by_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small("mlp", vocab=11, length=81, steps=1)
    model = trm.Checkpoint("sudoku-extreme", config, weights(config))
    kept = str(trm.save(model, tmp_path / "e.safetensors"))
    kind = task("sudoku9")
    kind.clues = (60, 70)  # type: ignore[union-attr]
    both = ",".join("".join(map(str, part)) for part in kind.make(random.Random(0)))
    (tmp_path / "test.csv").write_text(f"source,question,answer,rating\nx,{both},0\n")
    assert main(["trm", "eval", kept, "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("1 puzzles, sudoku-extreme, solved by the rules")
    for more, said in (
        ([], "aren't made here: give --data PATH, a folder with test.csv, or a file."),
        (["--data", "none"], "none can't be read: No such file"),
        (["--data", kept], "isn't a CSV file"),
    ):
        assert main(["trm", "eval", kept, *more]) == 2
        told = capsys.readouterr().err.strip()
        assert said in told
        assert "\n" not in told


@pytest.mark.skipif(importlib.util.find_spec("torch") is None,
                    reason="torch isn't here: pip install 'rlm-kernel[trm]'")  # fmt: skip
def test_a_trained_model_is_written_and_solves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.safetensors"
    assert main(["trm", "train", "sudoku4", "--minutes", "0.02", "--out", str(out)]) == 0
    told = capsys.readouterr().err
    assert "updates" in told
    assert f"Written: {out}" in told
    assert trm.load(out).card["preset"] == "sudoku4"
    assert main(["trm", "solve", PUZZLE, "--model", str(out)]) in (0, 1)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None,
                    reason="torch isn't here: pip install 'rlm-kernel[trm]'")  # fmt: skip
def test_a_twin_is_not_written_over_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--once"]):
        assert main(["trm", "train", "sudoku4", "--updates", "2", "--seed", "1", *more]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "sudoku4-1.safetensors", "sudoku4-once-1.safetensors"
    ]  # fmt: skip
