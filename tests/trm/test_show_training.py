"""A training as a notebook shows it: in one place, by time left and by accuracy, in words too."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest

from rlm_kernel import trm
from rlm_kernel.trm import show_training
from rlm_kernel.trm.report import Report
from rlm_kernel.trm.show_training import PLATEAU, Shown

from .models_trm import small, weights


def report(at: int, exact: tuple[float, ...] = (0.1, 0.3, 0.5)) -> Report:
    return Report(10 * at, 12.0 * at, 3.0 / at, exact, tuple(0.5 + e / 2 for e in exact), 0.5)


def text(shown: Shown) -> str:
    formatters = pytest.importorskip("IPython.core.formatters")
    found: str = formatters.PlainTextFormatter()(shown)
    return found


def test_it_says_how_far_it_is_and_promises_nothing() -> None:
    shown = Shown(240)
    assert PLATEAU in text(shown)
    assert PLATEAU in shown._repr_html_()
    for at in range(1, 6):
        shown(report(at))
    assert text(shown) == (
        "50 updates in 60 s, 3.0 min left: 50 % of the held-out puzzles are solved in 3 steps, "
        f"10 % in one; 75 % of their cells are right; loss 0.6. {PLATEAU}"
    )
    html = shown._repr_html_()
    assert "50 updates in 60 s, 3.0 min left" in html
    assert html.count("<polyline") == 5  # three steps, the cells, the loss
    assert all(f">step {step}<" in html for step in (1, 2, 3))
    assert "<script" not in html


def test_by_updates_the_time_that_is_left_is_reckoned() -> None:
    shown = Shown(600, updates=100)
    shown(report(2))
    assert "20 updates in 24 s, 1.6 min left" in text(shown)
    shown(report(10))
    assert "none left" in text(shown)


def test_names_of_curves_stay_in_the_picture_and_apart() -> None:
    for exact in ((0.0,) * 8, (1.0,) * 8, (0.2, 0.9, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0)):
        shown = Shown(240)
        shown(report(1, exact))
        shown(report(2, exact))
        chart = shown._repr_html_().split("</svg>")[0]
        lows = sorted(
            float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>step', chart)
        )
        assert len(lows) == 4
        assert lows[0] >= 8
        assert lows[-1] <= 110
        assert all(b - a >= 10.9 for a, b in pairwise(lows))


class Shell:
    kernel = object()


def test_in_a_notebook_one_display_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    ipython = sys.modules["IPython"]
    seen: list[tuple[str, Any]] = []

    class Handle:
        def update(self, shown: Any) -> None:
            seen.append(("update", text(shown)))

    def show(shown: Any, *, display_id: bool) -> Handle:
        assert display_id
        seen.append(("display", text(shown)))
        return Handle()

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr(ipython, "get_ipython", lambda: None)
    assert show_training.here(60) is None
    monkeypatch.setattr(ipython, "get_ipython", lambda: object())  # a terminal's
    assert show_training.here(60) is None
    monkeypatch.setattr(ipython, "get_ipython", Shell)
    shown = show_training.here(60)
    assert shown is not None
    shown(report(1))
    config = small("mlp")
    shown.end(trm.Checkpoint("sudoku4", config, weights(config)), "It was interrupted.")
    assert [kind for kind, _ in seen] == ["display", "update", "update"]
    assert seen[1][1].startswith("10 updates in 12 s")
    assert seen[2][1].startswith("It was interrupted. One ")
    assert "network for sudoku4" in seen[2][1]


def test_a_report_and_its_display_need_no_torch() -> None:
    code = (
        "import sys; from rlm_kernel.trm.report import Report; "
        "from rlm_kernel.trm.show_training import Shown; "
        "s = Shown(60); s(Report(1, 1.0, 1.0, (0.5,), (0.5,), 0.5)); s._repr_html_(); "
        "print([m for m in ('torch', 'IPython', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
