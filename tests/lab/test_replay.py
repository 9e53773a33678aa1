"""A run as it was: replayed in the panel and in the widget, and forked from the tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from test_looks import CHILD, LOOK, SOME_FAIL, finished, theme

if TYPE_CHECKING:
    from lab_page import Lab


def scrub(lab: Lab, part: float) -> None:
    lab.panel.locator(".rlm-scrub input").evaluate(
        f"(e) => {{ e.value = {part} * e.max; "
        "e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )


def sent(lab: Lab) -> int:
    """How many requests the page has sent to the kernel."""
    return int(lab.page.evaluate("window.rlmSent ?? 0"))


def test_a_run_is_replayed_rewound_and_forked_in_the_panel(lab: Lab, pictures: Path) -> None:
    from playwright.sync_api import expect

    finished(lab, LOOK, SOME_FAIL, CHILD, "FINAL(f'{len(days)} needles')", more=" --max-depth 2")
    lab.tidy()
    panel = lab.panel
    rows = panel.locator(".rlm-row[aria-level]")
    panel.get_by_role("button", name="Replay").click()
    player = panel.get_by_role("group", name="Replay")
    player.wait_for()
    scrub(lab, 0)
    expect(rows).to_have_count(1)
    lab.screenshot(pictures, "replay-start")
    scrub(lab, 0.5)
    lab.screenshot(pictures, "replay-mid")
    assert lab.axe(".rlm-Panel") == []
    player.get_by_role("button", name="End").click()
    lab.row("turn 2", "turn").click()
    lab.screenshot(pictures, "replay-turn")
    panel.get_by_role("button", name="Back to turn 2").click()
    lab.screenshot(pictures, "replay-back")
    panel.get_by_role("button", name="Fork here…").click()
    lab.screenshot(pictures, "fork-form")
    assert lab.axe(".rlm-Panel") == []
    panel.get_by_role("combobox", name="Otherwise in it").select_option(label="the code of cell 2")
    lab.screenshot(pictures, "fork-code")
    theme(lab, "JupyterLab Dark")
    assert lab.axe(".rlm-Panel") == []
    lab.screenshot(pictures, "fork-code-dark")
    panel.get_by_role("textbox", name="The code that runs").fill("FINAL('another')")
    panel.get_by_role("button", name="Fork", exact=True).click()
    panel.locator(".rlm-origin").wait_for()
    panel.get_by_text("another").first.wait_for()
    lab.screenshot(pictures, "fork-done-dark")
