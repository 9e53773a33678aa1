"""However many children code asks for, only so many kernels run at once."""

from rlm_kernel import RLM, ScriptedModel
from rlm_kernel.protocol import events as e


def cell(code):
    return f"```repl\n{code}\n```"


def test_a_batch_of_children_runs_a_few_at_a_time_and_all_of_them():
    root = ScriptedModel(
        [cell("r = rlm_query_batched([str(n) for n in range(5)])"), cell("FINAL(r)")], name="root"
    )
    child = ScriptedModel(lambda messages: cell("FINAL(context)"), name="child")
    with RLM(model=root, sub_model=child, max_depth=2, max_children=2, save=False) as rlm:
        run = rlm.run("q", "c")
    assert run.answer == ["0", "1", "2", "3", "4"]
    live = most = 0
    for logged in run.events:
        if isinstance(logged.event, e.RunStarted) and logged.event.parent:
            live += 1
            most = max(most, live)
        elif isinstance(logged.event, e.RunEnded) and logged.event.node != run.node:
            live -= 1
    assert most == 2
