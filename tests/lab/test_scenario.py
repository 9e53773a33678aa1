"""A whole run in one notebook, as a person lives through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab_page import Lab

LOOK = "n = len(context)\nprint('length', n)"
NEVER = "print('never runs')"
DROPPED = "print('dropped')"
CALLS = """parts = llm_query_batched(["fast one", "slow two", "fast three", "slow four"])
print([type(part).__name__ for part in parts])"""
END = "FINAL(n + human_var)"
ASK = "%%rlm r --context text --model m --sub-model sub --mode step\nHow long, and one more?"


def notebook(load: str = "") -> list[str]:
    from lab_page import SCRIPT

    replies = ", ".join(map(repr, (LOOK, NEVER, DROPPED, CALLS, END)))
    return [f"{load}\n{SCRIPT}", f"m = script({replies})", ASK, "print('a cell of the person')"]


@pytest.mark.parametrize(
    ("app", "kernel", "load"),
    [("lab", "rlm", ""), ("lab", "python3", "%load_ext rlm"), ("notebook", "rlm", "")],
    ids=["JupyterLab", "plain-kernel", "Notebook-7"],
)
def test_a_person_edits_rejects_takes_over_cancels_and_gets_the_answer(
    tab: Callable[..., Lab], app: str, kernel: str, load: str
) -> None:
    lab = tab(app).open(notebook(load), kernel=kernel)
    lab.run_cell(0)
    lab.run_cell(1)

    # %%rlm returns at once; the proposal is a real cell under it, and the kernel is idle.
    lab.run_cell(2)
    first = lab.wait_proposal(LOOK)
    assert lab.index(first) == 3
    assert first["execution_count"] is None
    lab.wait_idle()
    assert "waits for you" in lab.header(first).inner_text()

    # An edit is typed into the cell; what runs is what stands there.
    edited = "n = 3\nprint('edited', n)"
    lab.edit(3, edited)
    lab.click(first, "Run edited")
    done = lab.wait_output(edited, "edited 3")
    lab.until(
        lambda: lab.cells()[3]["metadata"]["rlm"].get("decision") == "edit", "the decision is kept"
    )
    assert lab.cells()[3]["metadata"]["rlm"]["proposed"] == LOOK
    assert "edited by you" in lab.header(done).inner_text()

    # A rejected cell that nobody touched goes away, and the model is told why.
    second = lab.wait_proposal(NEVER)
    lab.click(second, "Reject…")
    lab.page.keyboard.type("not needed")
    lab.page.keyboard.press("Enter")
    third = lab.wait_proposal(DROPPED)
    lab.until(lambda: NEVER not in lab.sources(), "the rejected cell goes away")

    # Taken over: the person's cell is part of the run, and the model goes on from it.
    lab.click(third, "Take over")
    lab.until(lambda: "Hand back…" in lab.cells()[lab.index(third)]["header"], "taken over")
    aside = lab.cells()[lab.index(third)]["header"]
    assert "set aside" in aside
    assert "You are at the keyboard: run cells below. Hand back ends it." in aside
    assert "waits for you" not in aside
    assert "Reject…" not in aside
    lab.panel.get_by_text("You are at the keyboard.").wait_for()
    lab.edit(len(lab.cells()) - 1, "human_var = 39")
    lab.run_cell(len(lab.cells()) - 1)
    # The button stands on the newest cell of the run, which is now the person's.
    lab.until(lambda: "Hand back…" in lab.cells()[-1]["header"], "the button has moved")
    assert "Hand back…" not in lab.cells()[lab.index(third)]["header"], "there alone"
    lab.click(lab.cells()[-1], "Hand back…")
    lab.page.keyboard.type("human_var is mine")
    lab.page.keyboard.press("Enter")
    fourth = lab.wait_proposal(CALLS)
    lab.until(lambda: DROPPED not in lab.sources(), "what was dropped goes away")
    told = "print(m.requests[-2].messages[-1]['content'])"

    # Run by the keyboard, without any button, it is recognised all the same.
    lab.run_cell(lab.index(fourth), wait=False)
    lab.panel.get_by_text("2 calls in flight").wait_for()
    if app == "lab":
        assert "Busy" in lab.status_bar()
    lab.row("slow two", "call").click()
    lab.panel.get_by_role("button", name="Cancel the call").click()
    lab.until(lambda: "cancelled" in lab.row_text("call 2", "call"), "the call is cancelled")
    # A command doesn't make a busy kernel look idle (for longer than it takes to say so).
    lab.until(lambda: lab.kernel_status() == "busy", "busy", 1)
    if app == "lab":
        lab.until(lambda: "Busy" in lab.status_bar(), "busy", 1)
    lab.row("slow four", "call").click()
    lab.panel.get_by_role("button", name="Cancel the call").click()
    lab.wait_output(CALLS, "['str', 'Cancelled', 'str', 'Cancelled']")

    # In auto mode the rest runs by itself, and the answer has used what the person made.
    fifth = lab.wait_proposal(END)
    lab.click(fifth, "Auto")
    lab.wait_idle()
    lab.wait_phase("done")
    last = len(lab.cells()) - 1
    lab.edit(last, f"print(r.answer)\n{told}")
    lab.run_cell(last)
    assert lab.output(last).startswith("42\n")
    assert "human_var is mine" in lab.output(last), "the model was told"
    assert [cell["execution_count"] for cell in lab.ours()].count(None) <= 1  # the dropped one


def test_the_run_is_steered_by_the_keyboard_alone(lab: Lab) -> None:
    lab.open(notebook())
    for index in range(2):
        lab.run_cell(index)
    keys = lab.page.keyboard

    lab.run_cell(2)
    first = lab.wait_proposal(LOOK)
    lab.select(lab.index(first))
    keys.press("Shift+Enter")
    lab.wait_output(LOOK, "length")

    # Reject, with a reason, by the shortcut.
    lab.wait_proposal(NEVER)
    keys.press("ControlOrMeta+Shift+y")
    keys.press("r")
    lab.page.locator(".rlm-Form-input:focus").wait_for()
    keys.type("not needed")
    keys.press("Enter")
    lab.wait_proposal(DROPPED)
    lab.until(lambda: NEVER not in lab.sources(), "the rejected cell goes away")
    assert lab.focused(".jp-Notebook"), "the keyboard is still in the notebook"

    keys.press("ControlOrMeta+Shift+y")
    keys.press("t")
    lab.wait_phase("you write")
    last = len(lab.cells()) - 1
    lab.edit(last, "human_var = 39")
    lab.run_cell(last)
    keys.press("ControlOrMeta+Shift+y")
    keys.press("h")
    lab.page.locator(".jp-Dialog input:focus").wait_for()
    dialog = lab.page.locator(".jp-Dialog")
    assert dialog.locator("button.jp-mod-accept").inner_text() == "Hand back"
    keys.press("Enter")
    fourth = lab.wait_proposal(CALLS)
    lab.until(lambda: DROPPED not in lab.sources(), "what was dropped goes away")

    lab.select(lab.index(fourth))
    keys.press("ControlOrMeta+Enter")
    lab.wait_phase("2 calls in flight")
    # The tree: to it by the shortcut, through it by arrows and letters, X cancels.
    keys.press("ControlOrMeta+Shift+y")
    keys.press("y")
    lab.until(lambda: lab.focused(".rlm-Panel"), "the panel has the keyboard")
    for _ in range(12):
        if lab.focused(".rlm-row"):
            break
        keys.press("Tab")
    for text in ("slow two", "slow four"):
        lab.go_to_row(text)
        keys.press("x")
        lab.until(lambda: "cancelled" in lab.focused(".rlm-kind-call"), f"{text} is cancelled")
    lab.wait_output(CALLS, "Cancelled")

    fifth = lab.wait_proposal(END)
    lab.select(lab.index(fifth))
    keys.press("Shift+Enter")
    lab.wait_phase("done")
