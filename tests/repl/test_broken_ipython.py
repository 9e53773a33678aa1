"""A cell that breaks IPython itself costs its kernel, not the turns after it."""

import pytest

from rlm_kernel import RLM, ScriptedModel


def cell(code):
    return f"```repl\n{code}\n```"


@pytest.mark.parametrize("breaking", ["displayhook", "display_pub"])
def test_a_kernel_that_can_run_no_more_cells_is_replaced_and_the_run_goes_on(breaking):
    root = ScriptedModel([
        cell(f"get_ipython().{breaking} = None"), cell("print('once')"), cell("print('twice')"),
        cell("FINAL('went on')"),
    ], name="root")  # fmt: skip
    with RLM(model=root, max_turns=5, save=False) as rlm:
        run = rlm.run("q", "c")
    assert run.answer == "went on"
    told = " ".join(entry.observation for entry in run.transcript)
    assert "twice" in told
    died = [n for n in run.tree.find(kind="cell") if n.status == "died"]
    assert len(died) == 1
    assert "can't run cells any more" in str(died[0].error) + died[0].note
