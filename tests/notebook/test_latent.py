"""A solve in a cell's output: who gets the widget, what is in it, and what is left when saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("anywidget")

VIEW = "application/vnd.jupyter.widget-view+json"
VSCODE = "vscode-notebook-cell:/work.ipynb#W0sZmlsZQ%3D%3D"
SETUP = """
import pathlib, sys
%load_ext rlm
import rlm_kernel.notebook.latent as latent
early = [name for name in ("anywidget", "numpy", "rlm_kernel.trm") if name in sys.modules]
latent.BUNDLE = pathlib.Path("rlm-latent.js").absolute()
latent.BUNDLE.write_text("export default {render() {}}")
import numpy as np
from rlm_kernel import trm
rng = np.random.default_rng(1)
config = trm.Config(vocab=6, length=16, width=32, heads=4, slots=4, outer=2, inner=2, steps=4,
                    multiple=32)
model = trm.Checkpoint("sudoku4", config, {
    name: rng.standard_normal(shape).astype(np.float32) / shape[-1] ** 0.5
    for name, shape in config.shapes().items()})
solve = lambda **more: trm.solve("1" + "." * 15, model, halt=99, **more)
"""
SHOW_AND_WAIT = """
import threading
display(solve())
for thread in threading.enumerate():
    if thread.name == "rlm-solve":
        thread.join()
"""


class Page:
    """A front end that makes the model of a widget, and says so where it speaks."""

    def __init__(self, kernel: Any, *, speaks: bool = False) -> None:
        self.kernel, self.speaks = kernel, speaks
        self.models: dict[str, dict[str, Any]] = {}
        self.packed: dict[str, int] = {}
        self.closed: list[str] = []
        self.first: list[dict[str, Any]] = []

    def __call__(self, msg: dict[str, Any], _cell: Any) -> None:
        kind, content = msg["header"]["msg_type"], msg["content"]
        if kind == "comm_open" and "_esm" in content["data"].get("state", {}):
            id = content["comm_id"]
            self.models[id] = content["data"]["state"]
            self.packed[id] = sum(len(bytes(part)) for part in msg["buffers"])
            if self.speaks:
                data = {"method": "custom", "content": {"kind": "shown"}}
                client = self.kernel.client
                said = client.session.msg("comm_msg", {"comm_id": id, "data": data})
                client.shell_channel.send(said)
        elif kind == "comm_close":
            self.closed.append(content["comm_id"])
        elif kind == "display_data":
            self.first.append(content["data"])


@pytest.fixture(scope="module")
def kernel(each: Any) -> Any:
    cell = each.run(SETUP)
    assert cell.ok, cell.text
    return each


def test_loading_brings_nothing_of_it(kernel: Any) -> None:
    assert kernel.value("early") == "[]"


@pytest.mark.parametrize("last", ["solve()", "display(solve())"])
def test_a_solve_is_its_widget_in_the_place_of_the_strip(kernel: Any, last: str) -> None:
    page = Page(kernel)
    cell = kernel.run(last, stdin=[], on_output=page)
    assert cell.ok, cell.text
    (model,), (shown,) = page.models.values(), cell.displays.values()
    assert set(shown) == {"text/html", "text/plain"}
    assert f'<div class="{model["mount"]}">' in shown["text/html"]
    assert shown["text/html"].count("<table") == 5
    assert "Not solved" in shown["text/plain"]
    assert "27k-parameter network" in shown["text/plain"]
    assert not cell.results


def test_a_page_gets_less_than_25_kilobytes_besides_the_bundle(kernel: Any) -> None:
    page = Page(kernel)
    cell = kernel.run("solve(steps=300)", stdin=[], on_output=page)
    assert cell.ok, cell.text
    ((id, model),) = page.models.items()
    rest = len(json.dumps({k: v for k, v in model.items() if k not in ("_esm", "_css")}))
    assert 1_000 < page.packed[id] + rest < 25_000


@pytest.mark.parametrize("front", [{"stdin": None}, {"stdin": [], "lab": False}])
def test_without_a_page_there_is_the_strip(kernel: Any, front: dict[str, Any]) -> None:
    page = Page(kernel)
    cell = kernel.run("solve()", on_output=page, **front)
    assert cell.ok, cell.text
    assert not page.models
    assert "<table" in cell.results[0]["text/html"]
    assert "rlm-mount" not in cell.results[0]["text/html"]
    assert "Frame(" not in cell.results[0]["text/plain"]


def test_vscode_gets_a_view_and_the_strip_where_it_shows_none(kernel: Any) -> None:
    assert kernel.run("latent.SHOWN = 0.1").ok
    page = Page(kernel)
    cell = kernel.run("solve()\n", stdin=[], on_output=page, cell_id=VSCODE)
    assert cell.ok, cell.text
    assert set(page.first[0]) == {VIEW, "text/html", "text/plain"}
    assert page.first[0][VIEW]["model_id"] in page.models
    silent = kernel.run(SHOW_AND_WAIT, stdin=[], cell_id=VSCODE)
    (last,) = silent.displays.values()
    assert silent.updates == 1
    assert set(last) == {"text/html", "text/plain"}


def test_a_view_that_speaks_while_the_cell_runs_stays(kernel: Any) -> None:
    if kernel.value("__import__('ipykernel').version_info[0] >= 7") == "False":
        pytest.skip("ipykernel 6 hears a page between cells only")
    assert kernel.run("latent.SHOWN = 20").ok
    page = Page(kernel, speaks=True)
    cell = kernel.run(SHOW_AND_WAIT, stdin=[], on_output=page, cell_id=VSCODE)
    assert cell.ok, cell.text
    assert page.models
    assert cell.updates == 0


def test_of_many_solves_the_latest_are_live(kernel: Any) -> None:
    assert kernel.run("latent.KEPT = 2").ok
    page = Page(kernel)
    cell = kernel.run("for _ in range(4): display(solve(steps=1))", stdin=[], on_output=page)
    assert cell.ok, cell.text
    made = list(page.models)
    assert [id for id in made if id in page.closed] == made[:2]


def test_without_the_bundle_there_is_the_strip(kernel: Any) -> None:
    assert kernel.run("kept, latent.BUNDLE = latent.BUNDLE, pathlib.Path('no.js')").ok
    page = Page(kernel)
    try:
        cell = kernel.run("solve()", stdin=[], on_output=page)
    finally:
        kernel.run("latent.BUNDLE = kept")
    assert not page.models
    assert "<table" in cell.results[0]["text/html"]


def test_unloading_takes_the_widgets_away(kernel: Any) -> None:
    page = Page(kernel)
    assert kernel.run("solve()", stdin=[], on_output=page).ok
    kernel.run("%unload_ext rlm", on_output=page)
    try:
        assert page.models
        assert set(page.models) <= set(page.closed)
        after = kernel.run("solve()", stdin=[], on_output=page)
        assert "<table" in after.results[0]["text/html"]
    finally:
        kernel.run("%load_ext rlm")


def test_a_training_is_one_display_in_any_kernel(kernel: Any) -> None:
    cell = kernel.run("""
from rlm_kernel.trm import show_training
from rlm_kernel.trm.report import Report
shown = show_training.here(60)
for at in (1, 2, 3):
    shown(Report(10 * at, 12.0 * at, 1.0, (0.1, 0.5), (0.5, 0.9), 0.5))
shown.end(model, "")
""")
    assert cell.ok, cell.text
    ((_, last),) = cell.displays.items()
    assert cell.updates == 4
    assert last["text/plain"].startswith("Training is over. One 27k-parameter network for sudoku4.")
    assert last["text/html"].count("<polyline") == 4
