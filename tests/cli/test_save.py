"""``rlm-kernel save``: a run's folder as one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.cli import main

Asked = Callable[..., Path]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Ask over a context; give the run's folder."""
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def ask(context: object) -> Path:
        model = ScriptedModel(["```python\nlast = context.split()[-1]\nprint(last)\n```",
                               "FINAL(last)"])  # fmt: skip
        with RLM(model=model, sandbox="none") as rlm:
            run = rlm.run("Which code did Ada Lovelace send?", context=context)
        assert run.answer == "7319"
        assert run.log.folder is not None
        return run.log.folder

    return ask


def runs_again(path: str) -> bool:
    return main(["replay", path, "--sandbox", "none", "--json"]) == 0


def test_a_run_becomes_one_file_without_its_context(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["save", str(asked("The code is 7319")), "run"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Written: run.rlm\n")
    old = Run.load("run.rlm")
    assert (old.answer, old.texts()) == ("7319", {})


def test_what_it_was_asked_over_goes_along_where_that_is_said(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["save", str(asked("The code is 7319")), "run.rlm", "--context"]) == 0
    assert capsys.readouterr().err == "Written: run.rlm, with what it was asked over\n"
    assert runs_again("run.rlm")
    text = tmp_path / "notes.txt"
    text.write_text("The code of a file is 7319")
    folder = asked(text)
    assert main(["save", str(folder), "of-a-file", "--context"]) == 0
    text.rename(tmp_path / "elsewhere.txt")
    assert Run.load("of-a-file.rlm").texts() == {"context": "The code of a file is 7319"}
    assert runs_again("of-a-file.rlm"), "the file isn't needed"
    assert main(["save", str(folder), "gone", "--context"]) == 2
    assert "--context" in capsys.readouterr().err
    assert not Path("gone.rlm").exists()
    assert main(["save", str(folder), "gone", "--context", "elsewhere.txt"]) == 0
    assert runs_again("gone.rlm")
    text.write_text("The code of another file is 7319")
    assert main(["save", str(folder), "another", "--context", "notes.txt"]) == 2
    assert not Path("another.rlm").exists(), "it isn't what it was asked over"


def test_a_text_that_is_redacted_is_nowhere_in_the_file(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(asked("The code is 7319"))
    texts = ["--redact", "Lovelace", "--redact", "Ada Lovelace", "--redact", "7319"]
    assert main(["save", folder, "run.rlm", *texts]) == 0
    old = Run.load("run.rlm")
    assert old.question == "Which code did [redacted] send?"
    assert old.answer_text == "[redacted]"
    assert not any(word in str(old.transcript) for word in ("Ada", "Lovelace", "7319"))
    assert not runs_again("run.rlm")
    assert "was redacted" in capsys.readouterr().err
    assert Run.load(folder).answer == "7319", "the run stays as it is"


def test_a_key_keeps_a_context_out_of_the_file(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = asked("sk-planted-0123456789 7319")
    monkeypatch.setenv("PLANTED_API_KEY", "sk-planted-0123456789")
    assert main(["save", str(folder), "run.rlm", "--context"]) == 2
    assert "looks like a key" in capsys.readouterr().err
    assert not Path("run.rlm").exists()
