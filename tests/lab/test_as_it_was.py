"""A run as it was: played in the panel and in the widget, and forked from the tree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test_looks import CHILD, LOOK, SOME_FAIL, finished
from test_recording_page import recording

if TYPE_CHECKING:
    from lab_page import Lab

#: Counts what the page sends to the kernel over the control channel.
COUNT = """() => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const send = kernel.sendControlMessage.bind(kernel);
  window.sent = [];
  kernel.sendControlMessage = (message, ...more) => {
    window.sent.push(message.content.type);
    return send(message, ...more);
  };
}"""


def scrub(place: Any, part: float) -> None:
    place.locator(".rlm-scrub input").evaluate(
        f"(e) => {{ e.value = {part} * e.max; "
        "e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )


def test_a_run_is_played_rewound_and_forked_in_the_panel(lab: Lab, pictures: Path) -> None:
    from playwright.sync_api import expect

    finished(lab, LOOK, SOME_FAIL, CHILD, "FINAL(f'{len(days)} needles')", more=" --max-depth 2")
    panel = lab.panel
    rows = panel.locator(".rlm-row[aria-level]")
    lab.until(lambda: rows.count() > 12, "the whole tree")
    hint = panel.get_by_role("button", name="Got it")
    if hint.count():  # an earlier test may have taken it away
        hint.click()
    whole = rows.count()
    asking = panel.get_by_role("button", name="Play", exact=True)
    player = panel.get_by_role("group", name="Player")

    # All that playing asks of the kernel are the events, once.
    lab.page.evaluate(COUNT)
    asking.click()
    player.get_by_role("button", name="Pause").click()
    player.get_by_role("combobox", name="Speed").select_option("8")
    scrub(panel, 0)
    expect(rows).to_have_count(1)
    assert "needles" not in panel.locator(".rlm-head-box").inner_text().split("?")[1]
    scrub(panel, 0.5)
    assert lab.axe(".rlm-Panel") == [], "narrow"
    lab.screenshot(pictures, "played-narrow")
    panel.locator(".rlm-row[aria-level]").first.click()
    lab.page.keyboard.press("s")
    panel.get_by_text("This is the run as it was").first.wait_for()
    lab.page.keyboard.press("Space")
    expect(rows).to_have_count(whole)
    player.get_by_role("button", name="Play").wait_for()
    assert lab.page.evaluate("window.sent") == ["events"]
    lab.page.keyboard.press("l")
    expect(player).to_have_count(0)

    # Back to a turn: as it was when that was over.
    lab.tidy()
    lab.row("turn 2", "turn").click()
    panel.get_by_role("button", name="Back to turn 2").click()
    expect(rows.filter(has_text="turn 3")).to_have_count(0)
    expect(rows.filter(has_text="turn 2")).to_have_count(1)
    lab.screenshot(pictures, "rewound")
    lab.page.keyboard.press("l")
    expect(rows).to_have_count(whole)

    # A branch with other code; the run stays as it is.
    panel.get_by_role("button", name="Fork here…").click()
    what = panel.get_by_role("combobox", name="Otherwise in it")
    what.select_option(label="the code of cell 2")
    code = panel.get_by_role("textbox", name="The code that runs in its place")
    expect(code).to_have_value(SOME_FAIL)
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(name)
        assert lab.axe(".rlm-Panel") == [], name
        lab.screenshot(pictures, f"fork-{name.split()[-1].lower()}")
    code.fill("FINAL('another')")
    panel.get_by_role("button", name="Fork", exact=True).click()
    origin = panel.locator(".rlm-origin")
    origin.filter(has_text="A branch, after turn 1").wait_for()
    panel.locator(".rlm-answer", has_text="another").wait_for()
    assert "report_2" in panel.locator(".rlm-runs option").first.inner_text()
    lab.screenshot(pictures, "branch")
    origin.get_by_role("button", name="report").click()
    panel.locator(".rlm-answer", has_text="3 needles").wait_for()
    expect(rows).to_have_count(whole)
    lab.row("turn 1", "turn").click()
    panel.get_by_role("button", name="report_2").wait_for()
    assert lab.axe(".rlm-Panel") == []

    # The same by Lab's commands: at the active cell, and of the run that is shown.
    lab.select(lab.index(lab.ours()[0]))
    lab.command("rlm:fork")
    panel.get_by_role("group", name="Fork").wait_for()
    expect(what).to_have_value("1")
    expect(what.locator("option:checked")).to_have_text("the code of cell 1")
    lab.command("rlm:play")
    player.wait_for()


def test_a_recording_is_played_in_the_panel_and_in_its_cell_while_the_kernel_is_busy(
    tab: Callable[..., Lab], pictures: Path, tmp_path: Path
) -> None:
    from lab_page import SCRIPT
    from playwright.sync_api import expect

    lab = tab()
    path = recording(tmp_path / "run.rlm")
    lab.open([SCRIPT, f"%rlm load {path} old", "until('go')", "old.note('Look here.')"])
    lab.run_cell(0)
    lab.run_cell(1)
    panel = lab.panel
    shown = lab.cell(1).locator(".jp-OutputArea-output")
    places = (panel, shown.filter(has=lab.page.locator(".rlm-player")))
    for place in places:
        place.get_by_text("Recording", exact=True).wait_for()
        assert "What is it?" in place.inner_text()
        assert place.get_by_role("toolbar").count() == 0, "nothing steers it"
    # What is put into it now is there at once, in both.
    assert not any(place.get_by_text("Look here.").count() for place in places)
    lab.run_cell(3)
    for place in places:
        place.locator(".rlm-caption", has_text="Look here.").wait_for()
    lab.run_cell(2, wait=False)
    lab.until(lambda: lab.kernel_status() == "busy", "the kernel is busy")
    for place in places:
        rows = place.locator(".rlm-row[aria-level]")
        whole = rows.count()
        scrub(place, 0)
        expect(rows).to_have_count(1)
        place.get_by_role("combobox", name="Speed").select_option("8")
        place.get_by_role("button", name="Play").click()
        place.get_by_role("button", name="Play").wait_for()
        expect(rows).to_have_count(whole)
        place.locator(".rlm-row", has_text="turn 1").first.click()
        place.get_by_role("button", name="Back to turn 1").click()
        expect(place.locator(".rlm-answer")).to_have_count(0)
    lab.screenshot(pictures, "recording")
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(name)
        for part in (".rlm-Panel", ".jp-OutputArea-output:has(.rlm-player)"):
            assert lab.axe(part) == [], f"{part} in {name}"
    assert lab.page.evaluate("window.hacked") is None
    lab.make("go")
    saved = lab.cells()[1]["outputs"][0]["data"]
    assert set(saved) == {"text/html", "text/plain"}, "the notebook keeps the static tree"
    assert "forty" in "".join(saved["text/html"])
