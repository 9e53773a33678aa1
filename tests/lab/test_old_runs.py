"""What is left in a notebook of a run: after a reload, and after the kernel was started again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_page import Lab


def notebook(*replies: str) -> list[str]:
    from lab_page import SCRIPT

    said = ", ".join(map(repr, replies))
    ask = "%%rlm report --context text --model m --mode auto\nHow many needles?"
    return [f"{SCRIPT}\nm = script({said})", ask]


def shown(lab: Lab) -> list[tuple[dict[str, Any], str]]:
    """The displays of the run under the cell that asked: their metadata and text."""
    return [
        (output["metadata"]["rlm"], output["data"]["text/plain"])
        for output in lab.cells()[1]["outputs"]
        if "rlm" in output.get("metadata", {})
    ]


def rest(lab: Lab) -> list[dict[str, Any]]:
    """What else stands under the cell that asked."""
    return [o for o in lab.cells()[1]["outputs"] if "rlm" not in o.get("metadata", {})]


def test_what_the_cell_shows_follows_its_run_after_a_reload(lab: Lab) -> None:
    lab.open(notebook("until('go')", "FINAL('three')"))
    lab.run_cell(0)
    lab.run_cell(1, wait=False)
    lab.wait_cells(1)
    lab.until(lambda: any("running" in text for _, text in shown(lab)), "it says that it runs")
    lab.command("docmanager:save")
    saved = lab.server.work / lab.path
    lab.until(lambda: '"final": false' in saved.read_text(), "it is saved as it is")
    lab.reload()
    lab.until(lambda: lab.ours(), "the notebook is there")
    others = rest(lab)
    lab.make("go")
    lab.until(lambda: [meta["final"] for meta, _ in shown(lab)] == [True], "it is final")
    assert "Answer: three" in shown(lab)[0][1]
    assert rest(lab) == others


def test_of_a_run_that_is_gone_the_untouched_cells_are_removed_and_come_back(lab: Lab) -> None:
    lab.open(notebook("a = 1", "b = 2", "FINAL(a + b)"))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_phase("done")
    lab.until(
        lambda: [c["metadata"]["rlm"]["status"] for c in lab.ours()] == ["ok"] * 3, "all is told"
    )
    lab.edit(3, "b = 20")
    lab.page.keyboard.press("Escape")
    lab.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    lab.until(lambda: "earlier run" in lab.cells()[2]["header"], "the header says so")
    assert lab.page.get_by_role("button", name="Remove the cells of this old run").count() == 1
    assert lab.axe(".rlm-Header") == []
    lab.click(lab.cells()[2], "Remove the cells of this old run")
    lab.until(lambda: len(lab.cells()) == 3, "two of three are gone")
    assert lab.sources()[2] == "b = 20"
    lab.page.keyboard.press("z")
    lab.until(lambda: lab.sources()[2:] == ["a = 1", "b = 20", "FINAL(a + b)"], "undone at once")
