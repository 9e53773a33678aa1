"""A budget that is used up: it is said at once, and raised from where it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_page import Lab

BATCH = "got = llm_query_batched(['one', 'two', 'three', 'four'])\nuntil('go')"
END = "FINAL('ok')"
ASK = (
    "%%rlm r --context text --model m --sub-model sub --mode auto --budget '3 calls'\nHow many?"
)


def test_refused_calls_are_said_while_the_cell_runs_and_the_budget_is_raised(lab: Lab) -> None:
    from lab_page import SCRIPT

    lab.open([f"{SCRIPT}\nfrom stage import until", f"m = script({BATCH!r}, {END!r})", ASK])
    lab.run_cell(0)
    lab.run_cell(1)
    lab.run_cell(2)
    lab.command("rlm:show-tree")
    box = lab.panel.get_by_role("group", name="Budget", exact=True)
    box.get_by_text("Budget used up: 3 of 3 calls made, 2 calls were refused.").wait_for()
    assert "running" in lab.phase(), "the cell still runs"

    # The dialog keeps what is wrong, and says why.
    lab.command("rlm:set-budget")
    dialog = lab.page.get_by_role("dialog")
    field = dialog.get_by_role("textbox")
    assert field.input_value() == "10 calls"
    field.fill("a lot")
    lab.page.keyboard.press("Enter")
    dialog.get_by_text("'a lot' isn't a budget").wait_for()
    assert dialog.get_by_role("textbox").input_value() == "a lot"
    lab.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    # Where the run has paused for it, the panel does the same.
    lab.make("go")
    lab.wait_phase("paused")
    box.get_by_role("button", name="Raise budget…").click()
    lab.page.keyboard.type("many")
    lab.page.keyboard.press("Enter")
    box.get_by_role("alert").get_by_text("'many' isn't a budget").wait_for()
    assert box.get_by_role("textbox").input_value() == "many"
    box.get_by_role("textbox").fill("9 calls")
    lab.page.keyboard.press("Enter")
    box.wait_for(state="detached")
    lab.panel.get_by_text("9 calls now").wait_for()
    lab.panel.get_by_role("button", name="Resume").click()
    lab.wait_phase("done")
