"""The second time: another run in the notebook, the next press of a key, the page loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_page import Lab

LOOK = "print(len(context))"
END = "FINAL(len(context))"


def notebook(question: str, *replies: str, mode: str = "auto") -> list[str]:
    from lab_page import SCRIPT

    said = ", ".join(map(repr, replies))
    ask = f"%%rlm r --context text --model m --sub-model sub --mode {mode}\n{question}"
    return [f"{SCRIPT}\nm = script({said})", ask]


def test_the_tree_of_the_second_run_is_the_second_runs(lab: Lab) -> None:
    first, second = notebook("The FIRST question?", END), notebook("The SECOND question?", END)
    again = [second[0].replace("m = ", "m2 = "), second[1].replace("--model m ", "--model m2 ")]
    lab.open([*first, *again])
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_phase("done")
    lab.until(lambda: any("FIRST" in row for row in lab.rows()), "the first run's tree")
    for source in again:
        lab.run_cell(lab.sources().index(source))
    lab.until(lambda: any("SECOND" in row for row in lab.rows()), "the second run's tree")
    assert not any("FIRST" in row for row in lab.rows())


def test_shift_enter_again_and_again_runs_the_proposals(lab: Lab) -> None:
    lab.open(notebook("How long?", LOOK, END, mode="step"))
    lab.run_cell(0)
    lab.select(1)
    lab.page.keyboard.press("Shift+Enter")
    lab.wait_proposal(LOOK)
    active = "() => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.getSource()"
    lab.until(lambda: lab.page.evaluate(active) == LOOK, "the proposal is the active cell")
    lab.page.keyboard.press("Shift+Enter")
    lab.wait_proposal(END)
    lab.until(lambda: lab.page.evaluate(active) == END, "the next one is")
    lab.page.keyboard.press("Shift+Enter")
    lab.wait_phase("done")
    assert lab.sources().count("") <= 1, "no pile of empty cells"


def test_who_types_in_the_empty_cell_goes_on_typing_there(lab: Lab) -> None:
    lab.open(notebook("How long?", f"until('go')\n{LOOK}", END, mode="step"))
    lab.run_cell(0)
    lab.select(1)
    lab.page.keyboard.press("Shift+Enter")
    first = lab.wait_proposal(f"until('go')\n{LOOK}")
    lab.select(lab.index(first))
    lab.page.keyboard.press("Shift+Enter")
    lab.page.keyboard.press("Enter")  # into the empty cell
    lab.page.keyboard.type("mine")
    lab.make("go")
    lab.wait_proposal(END)
    lab.page.keyboard.type(" = 1")
    lab.until(lambda: "mine = 1" in lab.sources(), "what is typed stays together")


def test_a_page_saved_with_the_proposal_shows_after_a_reload_what_ran(lab: Lab) -> None:
    lab.open(notebook("How long?", LOOK, END, mode="step"))
    lab.run_cell(0)
    lab.run_cell(1)
    first = lab.wait_proposal(LOOK)
    lab.edit(lab.index(first), "print('MY EDIT')")
    lab.run_cell(lab.index(first))
    lab.wait_proposal(END)
    lab.reload()
    lab.until(lambda: "print('MY EDIT')" in lab.sources(), "what ran")
    assert LOOK not in lab.sources()


def test_run_all_a_second_time_asks_anew_and_runs_no_cell_of_the_first_run(lab: Lab) -> None:
    import nbformat
    from lab_page import output_text
    from nbclient import NotebookClient

    count = "times = globals().get('times', 0) + 1\nprint('counted', times)"
    lab.open([*notebook("How often?", count, "FINAL(times)"), "print('answer', r.answer)"])
    for times in (1, 2):
        lab.run_all()
        lab.until(lambda n=times: f"answer {n}\n" in map(output_text, lab.cells()), f"run {times}")
        lab.wait_phase("done")
    lab.until(lambda: "counted 2" in str(lab.ours()), "its output")
    said = [output_text(c) for c in lab.ours() if c["source"] == count]
    assert sorted(said) == ["counted 1\n", "counted 2\n"], "what the first run showed stays"
    lab.command("docmanager:save")
    saved = lab.server.work / lab.path
    lab.until(lambda: "counted 2" in saved.read_text(), "it is saved")
    notebook_ = nbformat.read(saved, 4)
    ours = [c for c in notebook_.cells if "rlm" in c.metadata]
    skipped = NotebookClient(notebook_).skip_cells_with_tag
    assert [skipped in c.metadata.tags for c in ours] == [True] * 4, "nor does nbclient run them"
