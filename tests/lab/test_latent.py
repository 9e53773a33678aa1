"""A solve in JupyterLab: the widget stands where the strip is saved, and keys play it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab_page import Lab

SOLVE = """import numpy as np
from rlm_kernel import trm
config = trm.Config(vocab=8, length=36, width=32, heads=4, slots=4, outer=2, inner=2, steps=3)
rng = np.random.default_rng(1)
model = trm.Checkpoint("sudoku6", config, {
    name: rng.standard_normal(shape).astype(np.float32) / shape[-1] ** 0.5
    for name, shape in config.shapes().items()})
puzzle = "3....2" ".62.1." "....6." "...3.." ".1..5." "......"
trm.solve(puzzle, model, halt=99, steps=3)"""

WEIGHTS = Path(__file__).resolve().parents[2] / "rlm_kernel/trm/weights/sudoku6.safetensors"
PICTURE = """from rlm_kernel import trm

trm.solve("3....2 .62.1. ....6. ...3.. .1..5. ......")"""


def test_a_solve_is_played_by_keys_and_saved_as_a_strip(
    tab: Callable[..., Lab], pictures: Path
) -> None:
    from playwright.sync_api import expect

    lab = tab(reduced_motion="reduce")  # it doesn't play by itself then
    lab.open([SOLVE])
    lab.run_cell(0)
    view = lab.page.locator(".rlm-latent")
    view.wait_for()
    said = view.locator(".rlm-latent-said")
    expect(said).to_contain_text("Step 3, cycle 2")
    expect(said).to_contain_text("Not solved")
    view.locator(".rlm-board").click()  # its keys are heard from then on
    keys = lab.page.keyboard
    keys.press("Home")
    expect(said).to_contain_text("The network hasn't begun")
    expect(view.locator(".rlm-board .rlm-found")).to_have_count(0)
    keys.press("ArrowRight")
    expect(said).to_contain_text("Step 1, cycle 1: 3 calls")
    keys.press("ArrowRight")
    expect(view.locator(".rlm-latent-where")).to_have_text("step 1, cycle 2")
    assert view.locator(".rlm-corner").count() > 1, "what changed is marked, beside the key"
    keys.press("Home")
    keys.press("Space")
    expect(said).to_contain_text("Not solved")  # played to its end
    assert len(lab.cells()) == 1, "no key went to the notebook"
    for name in ("JupyterLab Light", "JupyterLab Dark"):
        lab.theme(name)
        assert lab.axe(".rlm-latent") == [], name
        lab.screenshot(pictures, f"latent-{name.split()[-1].lower()}")
    (shown,) = lab.cells()[0]["outputs"]
    assert "<table" in "".join(shown["data"]["text/html"])
    assert "application/vnd.jupyter.widget-view+json" not in shown["data"]


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights come along")
def test_a_trained_network_solves_it_as_the_picture_in_the_docs_shows(
    tab: Callable[..., Lab], pictures: Path
) -> None:
    from playwright.sync_api import expect

    lab = tab(reduced_motion="reduce", device_scale_factor=1.5)
    lab.page.set_viewport_size({"width": 900, "height": 700})
    lab.open([PICTURE])
    lab.command("application:toggle-left-area")
    lab.run_cell(0)
    view = lab.page.locator(".rlm-latent")
    expect(view.locator(".rlm-latent-said")).to_contain_text("Solved: every row")
    view.locator(".rlm-board").click()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        lab.page.keyboard.press(key)
    expect(view.locator(".rlm-latent-where")).to_have_text("step 1, cycle 2")
    view.screenshot(path=pictures / "latent.png", animations="disabled")
