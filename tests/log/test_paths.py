"""Folders of runs sort by time, can be read, and are the owner's."""

from __future__ import annotations

import stat
from pathlib import Path

from rlm_kernel.log import new_run_folder, runs_dir


def test_rlm_home_says_where_runs_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("RLM_HOME", str(tmp_path))
    assert runs_dir() == tmp_path / "runs"
    assert not runs_dir().exists()
    monkeypatch.setenv("RLM_HOME", "")
    assert runs_dir().name == "runs"
    assert runs_dir().is_absolute()


def test_folders_are_named_for_their_question_and_never_shared(tmp_path):
    made = [new_run_folder("Which city? <b>../../etc", tmp_path) for _ in range(3)]
    assert len(set(made)) == 3
    assert all(folder.parent == tmp_path for folder in made)
    assert "which-city-b-etc" in made[0].name
    assert stat.S_IMODE(made[0].stat().st_mode) == 0o700
    assert new_run_folder("日本", tmp_path).name.endswith("_run")
    assert len(new_run_folder("x" * 500, tmp_path).name) < 80


def test_the_default_place_is_made_when_a_run_needs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    assert new_run_folder("q").parent == Path(tmp_path / "home" / "runs")
