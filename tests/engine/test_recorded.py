"""A recording that is loaded: what it doesn't do is said, and what is damaged leaves nothing."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken import damage

from rlm_kernel import RLM, RecordingError, Run, ScriptedModel
from rlm_kernel.engine._control import Steering

TEXT = "the only context"


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    with rlm("```repl\nn = len(context)\nprint(n)\n```", "FINAL(n)") as asked:
        return asked.run("How long?", TEXT).save(tmp_path / "run", context=True)


def rlm(*replies: str) -> RLM:
    return RLM(model=ScriptedModel(list(replies)), sandbox="none")


STEERING = [name for name in vars(Steering) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*STEERING, "wait", "log", "phase", "turn"])
def test_what_only_a_live_run_has_is_said_to_be_over(name: str, saved: Path) -> None:
    old: Any = Run.load(saved)
    with pytest.raises(RecordingError) as raised:
        getattr(old, name)
    said = str(raised.value)
    assert said.startswith(f"This is a recording, so its run is over and has no {name!r}.")
    for way in ("%rlm load", "fork(it, turn=1)", "replay(it)"):
        assert way in said


def test_other_names_are_as_ever(saved: Path) -> None:
    old: Any = Run.load(saved)
    assert len(STEERING) >= 15
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = old.nothing
    assert not hasattr(old, "step")
    assert not hasattr(old, "_repr_mimebundle_")
    assert getattr(old, "wait", None) is None
    assert copy.deepcopy(old).answer == old.answer == len(TEXT)


@pytest.mark.parametrize("do", ["replay", "fork", "plain"])
def test_a_recording_with_a_damaged_context_is_refused_and_leaves_nothing(
    do: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(saved, "contexts/context")
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = sorted((tmp_path / "home").rglob("*"))
    with rlm("FINAL(n)") as asked:
        begin: Callable[..., Any] = getattr(asked, do)
        with pytest.raises(RecordingError, match="doesn't hold context"):
            begin(saved)
        assert sorted((tmp_path / "home").rglob("*")) == before
        left = [path.name for path in scratch.iterdir()]
        # A kernel that is made ready meanwhile, for whatever comes next, has a folder of its own.
        assert [name for name in left if not name.startswith("rlm-kernel-")] == []
