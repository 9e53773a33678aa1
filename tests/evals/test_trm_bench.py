"""The tiny network's rows of the bench."""

from __future__ import annotations

import importlib.util

import pytest

from rlm_kernel.cli import main
from rlm_kernel.evals import trm


def test_every_row_is_there_and_says_what_it_is() -> None:
    for name in trm.ROWS:
        assert (getattr(trm.TinyBench, name).__doc__ or "").strip(), name


def test_importing_it_brings_no_torch() -> None:
    (row,) = trm.measure(["opening"])
    assert "no torch" in row.ours


def test_a_training_step_stands_beside_the_plain_rendering_or_says_that_torch_is_not_here() -> None:
    (row,) = trm.measure(["small_step"])
    if importlib.util.find_spec("torch") is None:
        assert "pip install 'rlm-kernel[trm]'" in row.ours
    else:
        assert "plain torch" in row.limit
        assert row.fine is not None


def test_a_row_whose_network_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trm, "shipped", dict)
    (row,) = trm.measure(["explore_minimal"])
    assert "doesn't come along" in row.ours
    assert row.fine is None


def test_a_row_of_another_suite_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--suite", "trm", "turn"]) == 2
    assert "There is no row 'turn'; the rows: opening, solve" in capsys.readouterr().err
