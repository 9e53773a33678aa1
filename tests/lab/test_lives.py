"""What must not be lost: reloads, restarts, other tabs and notebooks, kernels of every age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab_page import Lab

ASK = "%%rlm r --context text --model m --sub-model sub --mode {mode}\nHow long?"


def notebook(*replies: str, mode: str = "auto", more: str = "") -> list[str]:
    from lab_page import SCRIPT

    said = ", ".join(map(repr, replies))
    ask = ASK.format(mode=mode)
    return [f"{SCRIPT}\nm = script({said})", ask.replace("%%rlm r", f"%%rlm r{more}")]


@pytest.fixture
def started(lab: Lab) -> Iterator[Callable[..., Lab]]:
    def start(*replies: str, **more: str) -> Lab:
        lab.open(notebook(*replies, **more))
        lab.run_cell(0)
        lab.run_cell(1)
        return lab

    return start


def test_a_reload_in_a_busy_cell_brings_the_tree_back_and_loses_no_output(
    started: Callable[..., Lab],
) -> None:
    busy = "print('before')\nuntil('go')\nprint('after')"
    lab = started(busy, "FINAL(7)")
    lab.wait_output(busy, "before")
    lab.command("docmanager:save")
    lab.until(
        lambda: not lab.page.evaluate("jupyterapp.shell.currentWidget.context.model.dirty"), "saved"
    )
    lab.reload()
    began = time.monotonic()
    lab.until(lambda: any("running" in row for row in lab.rows()), "the tree is back", 5)
    assert time.monotonic() - began < 5
    assert lab.kernel_status() in ("busy", "unknown")
    lab.make("go")
    lab.wait_output(busy, "before\nafter")
    lab.wait_phase("done")
    assert lab.sources().count(busy) == 1


def test_in_two_tabs_each_cell_runs_once(tab: Callable[..., Lab]) -> None:
    from lab_page import output_text

    replies = [f"seen = globals().get('seen', []) + [{n}]\nprint(seen)" for n in range(4)]
    one, two = tab(), tab()
    one.open(notebook(*replies, "FINAL(len(seen))"))
    two.goto("notebook.ipynb")
    one.run_cell(0)
    one.run_cell(1)
    one.wait_phase("done")
    two.wait_phase("done")
    # Which tab ran a cell may change; that it ran twice would be in the list.
    shown = [output_text(cell) for lab in (one, two) for cell in lab.ours()]
    assert sorted(filter(None, shown)) == sorted(
        ["[0]\n", "[0, 1]\n", "[0, 1, 2]\n", "[0, 1, 2, 3]\n"]
    )


def test_two_notebooks_go_on_side_by_side(tab: Callable[..., Lab]) -> None:
    one, two = tab(), tab()
    one.open(notebook("print('first notebook')", "FINAL(1)"), name="one.ipynb")
    two.open(notebook("print('second notebook')", "FINAL(2)", mode="step"), name="two.ipynb")
    for lab in (one, two):
        lab.run_cell(0)
    two.run_cell(1)
    waiting = two.wait_proposal("print('second notebook')")
    one.run_cell(1)
    one.wait_phase("done")
    assert "print('second notebook')" not in one.sources()
    two.click(waiting, "Auto")
    two.wait_phase("done")
    assert "print('first notebook')" not in two.sources()


def test_after_a_restart_the_old_run_is_gone_and_the_next_one_works(
    started: Callable[..., Lab],
) -> None:
    lab = started("print('one')", "FINAL(1)", mode="step")
    first = lab.wait_proposal("print('one')")["metadata"]["rlm"]["run"]
    lab.command("kernelmenu:restart")
    lab.page.locator(".jp-Dialog .jp-mod-accept").click()
    lab.until(lambda: not lab.rows(), "the panel drops the runs of the kernel that is gone")
    lab.wait_idle()
    lab.run_cell(0)
    lab.run_cell(1)
    again = lab.until(
        lambda: next((c for c in lab.ours() if c["metadata"]["rlm"]["run"] != first), None),
        "the next run's proposal",
    )
    lab.click(again, "Auto")
    lab.wait_phase("done")


def test_run_all_with_a_cell_that_reads_the_answer_deadlocks_nowhere(lab: Lab) -> None:
    cells = notebook("n = len(context)\nprint('looked at', n)", "FINAL(n)")
    lab.open([*cells, "print('the answer is', r.answer)", "print('and on')"])
    lab.run_all()
    lab.until(lambda: any("and on" in text for text in outputs(lab)), "the last cell has run")
    assert any("the answer is 4021" in text for text in outputs(lab))


def test_one_of_many_running_calls_is_cancelled_and_the_others_go_on(
    started: Callable[..., Lab],
) -> None:
    code = """asked = [f"slow {n}" if n == 30 else f"call {n}" for n in range(60)]
parts = llm_query_batched(asked)
print([n for n, part in enumerate(parts) if not isinstance(part, str)])"""
    lab = started(code, "FINAL(1)")
    batch = lab.panel.locator(".rlm-kind-batch, .rlm-kind-group").first
    batch.wait_for()
    batch.click()
    lab.page.keyboard.press("ArrowRight")
    lab.panel.locator(".rlm-row").filter(has_text="running").last.wait_for()
    lab.page.keyboard.press("ArrowRight")
    lab.go_to_row("slow 30")
    lab.page.keyboard.press("x")
    lab.wait_output(code, "[30]")


def test_a_decision_while_the_shell_is_busy(lab: Lab, ipykernel: str) -> None:
    """``--block``: the shell is in the ``%%rlm`` cell for the whole run, and everything works."""
    calls = 'part = llm_query_batched(["slow call"])[0]\nprint(type(part).__name__)'
    cells = notebook("n = 1\nprint('ran', n)", calls, "FINAL(n)", mode="step", more=" --block")
    lab.open(cells, kernel=f"rlm-{ipykernel}")
    lab.run_cell(0)
    lab.run_cell(1, wait=False)
    first = lab.wait_proposal("n = 1\nprint('ran', n)")
    lab.until(lambda: lab.kernel_status() == "busy", "busy", 1)
    lab.click(first, "Run")
    second = lab.wait_proposal(calls)
    lab.until(lambda: lab.kernel_status() == "busy", "busy", 1)
    lab.click(second, "Auto")
    lab.row("slow call", "call").click()
    lab.panel.get_by_role("button", name="Cancel the call").click()
    lab.wait_phase("done")
    lab.wait_idle()
    assert "Answer: 1" in lab.output(1)
    lab.wait_output(calls, "Cancelled")


def test_neither_a_scroll_nor_a_save_that_never_ends_holds_the_run_up(
    started: Callable[..., Lab],
) -> None:
    """JupyterLab's do that: where the page is slow, and while it asks what to do with the file."""
    lab = started("print('first')", "print('second')", "FINAL(1)", mode="step")
    first = lab.wait_proposal("print('first')")
    lab.page.evaluate(
        """() => {
            const { content, context } = jupyterapp.shell.currentWidget;
            const never = () => new Promise(() => undefined);
            content.scrollToItem = never;
            context.save = never;
        }"""
    )
    lab.click(first, "Run")
    second = lab.wait_proposal("print('second')")
    lab.click(second, "Auto")
    lab.wait_phase("done")


def outputs(lab: Lab) -> list[str]:
    from lab_page import output_text

    return [output_text(cell) for cell in lab.cells()]
