"""What is said of cells and runs that are over, and of cells that a person has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_page import Lab

LOOK = "print(len(context))"
END = "FINAL(len(context))"
RESTART = "() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()"


def notebook(*replies: str, mode: str = "step") -> list[str]:
    from lab_page import SCRIPT

    said = ", ".join(map(repr, replies))
    ask = f"%%rlm r --context text --model m --sub-model sub --mode {mode}\nHow long?"
    return [f"{SCRIPT}\nm = script({said})", ask]


def start(lab: Lab, *replies: str, mode: str = "step") -> None:
    lab.open(notebook(*replies, mode=mode))
    lab.run_cell(0)
    lab.run_cell(1)


def test_run_in_the_panel_runs_what_the_person_made_of_the_cell(lab: Lab) -> None:
    start(lab, LOOK, END)
    first = lab.wait_proposal(LOOK)
    lab.edit(lab.index(first), "print('MY EDIT')")
    lab.page.keyboard.press("Escape")
    button = lab.panel.get_by_role("button", name="Run edited")
    button.wait_for()
    button.click()
    lab.wait_output("print('MY EDIT')", "MY EDIT")
    lab.wait_proposal(END)
    assert LOOK not in lab.sources()
    assert "edited by you" in lab.ours()[0]["header"]


def test_run_all_again_tells_the_two_runs_apart(lab: Lab) -> None:
    start(lab, LOOK, END, mode="auto")
    lab.wait_phase("done")
    lab.until(lambda: [c["metadata"]["rlm"]["status"] for c in lab.ours()] == ["ok"] * 2, "told")
    first = lab.ours()[0]["metadata"]["rlm"]["run"]
    lab.run_all()

    def apart() -> list[bool] | None:
        ours = [c["metadata"]["rlm"] for c in lab.ours()]
        old = [one["run"] == first for one in ours]
        over = all(one["status"] == "ok" for one in ours)
        return old if len(old) == 4 and over else None

    assert lab.until(apart, "the second run is over") == [True, True, False, False]
    lab.until(lambda: "earlier run" in lab.ours()[0]["header"], "it says so")
    assert "run again as plain code" not in lab.ours()[0]["header"]
    assert "earlier run" not in lab.ours()[2]["header"]
    lab.click(lab.ours()[0], "Remove the cells of this old run")
    lab.until(lambda: len(lab.ours()) == 2, "the old run's are gone")
    assert first not in [c["metadata"]["rlm"]["run"] for c in lab.ours()]


def test_a_kernel_without_rlm_is_told_and_both_ways_out_are_there(lab: Lab) -> None:
    lab.open(["1 + 1"], kernel="python3")
    lab.panel.get_by_text("This kernel has no rlm: choose the kernel RLM (Python 3)").wait_for()
    assert not lab.panel.get_by_role("button", name="Insert this cell").count()
    lab.panel.get_by_role("button", name="Choose the kernel…").click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Cancel").first.click()
    lab.panel.get_by_role("button", name="Run %load_ext rlm").click()
    lab.panel.get_by_text("No run in this kernel yet").wait_for()
    assert lab.sources()[1] == "%load_ext rlm"


def test_after_a_restart_nothing_says_that_it_waits(lab: Lab) -> None:
    start(lab, f"until('go')\n{LOOK}", END)
    first = lab.wait_proposal(f"until('go')\n{LOOK}")
    lab.page.evaluate(RESTART)
    notice = lab.cell(1).get_by_text("This run ended with the kernel")
    notice.wait_for()
    lab.wait_idle()
    lab.edit(0, f"{lab.sources()[0]}\ncontext = text")
    lab.run_cell(0)
    lab.run_cell(lab.index(first), wait=False)
    lab.until(lambda: "running" in lab.header(first).inner_text(), "it runs")
    assert "interrupted" not in lab.header(first).inner_text()
    lab.make("go")
    lab.until(lambda: "run as plain code" in lab.header(first).inner_text(), "it ran")
    assert "waits" not in lab.header(first).inner_text()
    lab.run_cell(1)
    lab.until(lambda: not notice.count(), "the notice goes with what it is about")


def test_the_way_to_a_cell_that_was_removed_says_so(lab: Lab) -> None:
    start(lab, LOOK, END, mode="auto")
    lab.wait_phase("done")
    lab.until(lambda: [c["metadata"]["rlm"]["status"] for c in lab.ours()] == ["ok"] * 2, "told")
    lab.select(2)
    lab.page.keyboard.press("d")
    lab.page.keyboard.press("d")
    lab.until(lambda: len(lab.ours()) == 1, "it is gone")
    lab.row(LOOK, "cell").click()
    lab.panel.get_by_role("button", name="Go to the notebook cell").click()
    lab.page.get_by_text("That cell was removed from the notebook").first.wait_for()
