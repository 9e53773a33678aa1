"""The model alone beside a run: the same question and context, one call, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.context import several
from rlm_kernel.engine.compare import compare
from rlm_kernel.engine.record import newest_without_answer
from rlm_kernel.errors import ConfigError, ContextError, RecordingError
from rlm_kernel.protocol import ModelInfo

CODE = "```repl\nFINAL(str(len(context)) + llm_query('five'))\n```"
TEXT = "abc" * 5


class Both:
    """A model that is a root of runs, a sub-model, and asked alone."""

    def __init__(self) -> None:
        self.alone: list[Any] = []

    def __call__(self, messages: Any) -> str:
        if messages[0]["role"] == "system":
            return CODE
        if messages[-1]["content"] == "five":
            return "!"
        self.alone.append(messages)
        return "fifteen"


@pytest.fixture
def model() -> Both:
    return Both()


@pytest.fixture
def rlm(model: Both, make: Callable[..., RLM]) -> RLM:
    return make(model)


def test_the_model_alone_is_asked_the_same_with_the_whole_context(rlm: RLM, model: Both) -> None:
    run = rlm.run("How long?", TEXT)
    said: list[str] = []
    alone = rlm.plain(run, tell=said.append)
    assert (alone.status, alone.answer, alone.usage.calls) == ("done", "fifteen", 1)
    assert model.alone == [({"role": "user", "content": TEXT + "\n\nHow long?"},)]
    assert "is asked alone: one call, 23 tokens, free." in said[0]
    text = str(run.compare(alone))
    assert "2: plain" in text
    assert f"Beside the model alone 1: {run.id} gave another answer for" in text
    assert "times the tokens" in text
    assert "parts from" not in text, "there are no cells to set beside each other"
    assert "different" not in text.lower()


def test_a_saved_run_is_asked_again_where_it_holds_its_context(
    rlm: RLM, model: Both, tmp_path: Path
) -> None:
    run = rlm.run("How long?", TEXT)
    whole = run.save(tmp_path / "whole", context=True)
    assert rlm.plain(whole).answer == "fifteen"
    assert rlm.plain(run.log.folder or "").answer == "fifteen"
    bare = run.save(tmp_path / "bare")
    with pytest.raises(ContextError, match=r"in memory only and isn't kept: give the same"):
        rlm.plain(bare)
    with pytest.raises(ContextError, match="isn't what it was"):
        rlm.plain(bare, "another text")
    assert rlm.plain(bare, TEXT).answer == "fifteen"
    assert len(model.alone) == 3
    with pytest.raises(RecordingError, match="was redacted"):
        rlm.plain(run.save(tmp_path / "red", redact=lambda text: "x"), TEXT)
    official = Run.load(run.export(tmp_path / "theirs.jsonl"))
    with pytest.raises(ContextError, match="log of the official rlm package doesn't hold"):
        rlm.plain(official)
    assert len(model.alone) == 3, "nothing was asked without its context"


def test_several_texts_stand_one_after_another(rlm: RLM, model: Both, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "b.txt").write_text("second")
    run = rlm.start("Which?", several("one", "two"))
    run.wait()
    rlm.plain(run)
    assert model.alone[-1][0]["content"] == "one\n\ntwo\n\nWhich?"
    run = rlm.start("Which?", tmp_path)
    run.wait()
    rlm.plain(run)
    assert "a.txt:\nfirst\n\n" in model.alone[-1][0]["content"]


@pytest.mark.parametrize("words", [5_000, 500_000])
def test_a_context_that_fits_no_window_is_said_and_nothing_is_asked(
    rlm: RLM, model: Both, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    small = ModelInfo("small", "scripted", window=2_000)
    run = rlm.run("How long?", "word " * words)
    monkeypatch.setattr(rlm.gateway, "info", lambda model: small)
    alone = rlm.plain(run)
    assert alone.status == "failed"
    assert "root reads 2,000" in alone.tree[alone.node].reason
    assert alone.usage.calls == 0
    assert model.alone == []
    text = str(compare(run, alone))
    assert "The model alone gave no answer" in text
    assert "root reads 2,000" in text


def test_what_is_no_text_is_refused(rlm: RLM, model: Both) -> None:
    run = rlm.run("How many?", [1, 2, 3])
    with pytest.raises(ConfigError, match="is no text"):
        rlm.plain(run)
    assert model.alone == []


def test_a_call_that_the_budget_doesnt_cover_isnt_made(model: Both, make: Any) -> None:
    rlm = make(model)
    run = rlm.run("How long?", TEXT)
    rlm.budget = "0 calls"
    alone = rlm.plain(run)
    assert (alone.status, model.alone) == ("failed", [])
    assert "budget" in alone.tree[alone.node].reason


def test_the_model_alone_is_nothing_to_go_on_with(rlm: RLM, tmp_path: Path) -> None:
    run = rlm.run("How long?", TEXT)
    alone = rlm.plain(run)
    for go_on in (rlm.resume, lambda path: rlm.fork(path, turn=0)):
        with pytest.raises(RecordingError, match="the model alone, asked once"):
            go_on(alone.path)
    rlm.gateway.info = lambda model: ModelInfo("small", "scripted", window=10)  # type: ignore[method-assign]
    assert rlm.plain(run).status == "failed"
    with pytest.raises(RecordingError, match="without an answer"):
        newest_without_answer()


def test_what_a_foreign_run_is_called_moves_no_cursor(rlm: RLM, tmp_path: Path) -> None:
    first = rlm.run("How long?", TEXT)
    other = RLM(model=ScriptedModel(["```repl\nprint('\x1b[2J')\nFINAL(1)\n```"]), sandbox="none")
    shown = compare(first, other.run("How long?", TEXT))
    assert "\x1b" not in str(shown)
    assert "\x1b" not in shown._repr_html_()
