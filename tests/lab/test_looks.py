"""What panel and widget look like, and that they can be read without eyes.

The pictures go to ``RLM_SCREENSHOTS``; ``python scripts/screenshots.py`` takes those of docs/.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab_page import Lab

LOOK = """days = [line for line in context.split(" ") if line == "needle"]
print(len(days), "needles in", len(context), "characters")"""
PARTS = """parts = [context[at:at + 200] for at in range(0, 4000, 20)]
notes = llm_query_batched([f"Part {n}: does it name a needle? " + p for n, p in enumerate(parts)])
print(len(notes), "notes")"""
SOME_FAIL = """asked = [("fail " if n % 4 == 1 else "note ") + str(n) for n in range(12)]
found = llm_query_batched(asked)"""
CHILD = """found = rlm_query("Where is the first needle?", context[:400])
print(found)"""
END = "FINAL(f'{len(days)} needles')"


def notebook(*replies: str, mode: str = "auto", more: str = "", load: str = "") -> list[str]:
    from lab_page import SCRIPT

    said = ", ".join(map(repr, replies))
    ask = f"%%rlm report --context text --model m --sub-model sub --mode {mode}{more}"
    return [f"{load}{SCRIPT}\nm = script({said})", f"{ask}\nHow many needles are in the haystack?"]


def finished(lab: Lab, *replies: str, **more: str) -> Lab:
    lab.open(notebook(*replies, **more))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_phase("done")
    return lab


def test_panel_and_headers_have_no_accessibility_violation_in_light_and_dark(
    lab: Lab, pictures: Path
) -> None:
    lab.open(notebook(LOOK, PARTS, END, mode="step"))
    lab.run_cell(0)
    lab.run_cell(1)
    first = lab.wait_proposal(LOOK)
    lab.panel.wait_for()
    assert lab.axe(".rlm-Panel") == [], "with the first hint"
    lab.tidy()
    for name in ("JupyterLab Light", "JupyterLab Dark"):
        lab.theme(name)
        for part in (".rlm-Panel", ".rlm-Header", ".rlm-Toolbar", ".rlm-Status"):
            assert lab.axe(part) == [], f"{part} in {name}"
        lab.screenshot(pictures, f"panel-{name.split()[-1].lower()}-waiting")
    lab.click(first, "Run")
    second = lab.wait_proposal(PARTS)
    lab.click(second, "Auto")
    lab.wait_phase("done")
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(name)
        for row in (lab.row("turn 2"), lab.panel.locator(".rlm-row:not(.rlm-head)").nth(0)):
            row.click()
            assert lab.axe(".rlm-Panel") == [], name
        lab.screenshot(pictures, f"panel-{name.split()[-1].lower()}")


def test_a_proposal_that_is_being_edited(lab: Lab, pictures: Path) -> None:
    lab.open(notebook(LOOK, END, mode="step"))
    lab.run_cell(0)
    lab.run_cell(1)
    first = lab.wait_proposal(LOOK)
    index = lab.index(first)
    lab.tidy()
    lab.edit(index, LOOK.replace('" "', "None"))
    changes = lab.header(first).get_by_role("button", name="Changes")
    changes.click()
    lab.header(first).locator(".rlm-Header-diff").wait_for()
    assert lab.axe(".rlm-Header") == []
    lab.screenshot(pictures, "proposal")


def test_a_batch_of_200_calls_is_one_row_with_its_counts(lab: Lab, pictures: Path) -> None:
    finished(lab, LOOK, PARTS, END)
    batch = lab.panel.locator(".rlm-kind-batch, .rlm-kind-group").first
    assert "200" in batch.inner_text()
    batch.click()
    lab.page.keyboard.press("ArrowRight")
    lab.row("Part 0").wait_for()
    drawn = lab.panel.locator(".rlm-row").count()
    assert drawn < 120, "only what is in sight is in the page"
    assert lab.axe(".rlm-Panel") == []
    lab.tidy()
    lab.screenshot(pictures, "batch")


def test_a_cell_that_ran_says_in_its_header_that_calls_of_it_failed(
    lab: Lab, pictures: Path
) -> None:
    finished(lab, SOME_FAIL, LOOK, END)
    cell = next(one for one in lab.ours() if "fail" in one["source"])
    header = lab.header(cell)
    said = header.locator(".rlm-Header-amiss")
    said.filter(has_text="12 calls, 3 failed").wait_for()
    assert "ran" in header.inner_text()
    edge = header.evaluate("(node) => getComputedStyle(node).getPropertyValue('--rlm-edge')")
    warning = "(node) => getComputedStyle(node).getPropertyValue('--jp-warn-color1')"
    assert edge.strip() == header.evaluate(warning).strip()
    meta = lab.cells()[lab.index(cell)]["metadata"]["rlm"]
    assert (meta["calls"], meta["failed"]) == (12, 3)
    good = next(one for one in lab.ours() if one["source"] == LOOK)
    assert not lab.header(good).locator(".rlm-Header-amiss").is_visible()
    assert lab.axe(".rlm-Header") == []
    assert lab.panel.locator(".rlm-wait, .rlm-idle").count() == 0, "nobody was waited for"
    lab.screenshot(pictures, "failed-calls")


def test_a_child_run_is_nested_in_the_cell_that_started_it(lab: Lab, pictures: Path) -> None:
    finished(lab, LOOK, CHILD, END, more=" --max-depth 2")
    levels = lab.panel.locator(".rlm-kind-run").evaluate_all(
        "(rows) => rows.map((row) => Number(row.getAttribute('aria-level')))"
    )
    assert levels[0] == 1
    assert max(levels) > 2
    lab.tidy()
    lab.panel.get_by_role("treegrid").hover()
    lab.page.mouse.wheel(0, -4000)
    lab.screenshot(pictures, "children")
    lab.theme("JupyterLab Dark")
    lab.screenshot(pictures, "children-dark")


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_widget_in_the_output_has_no_accessibility_violation(
    tab: Callable[..., Lab], pictures: Path, app: str
) -> None:
    lab = tab(app)
    lab.open([*notebook(LOOK, PARTS, END), "%rlm tree"])
    lab.run_cell(0)
    lab.run_cell(1)
    lab.panel.get_by_text("done").first.wait_for()
    last = len(lab.cells()) - 1
    lab.run_cell(last)
    shown = lab.cell(last).locator(".jp-OutputArea-output").get_by_role("treegrid")
    shown.first.scroll_into_view_if_needed()
    shown.first.wait_for()
    assert lab.axe(".jp-OutputArea-output:has([role=treegrid])") == []
    lab.screenshot(pictures, f"widget-{app}")
