"""A root that runs the same cell over and over is asked for its answer, and stopped."""

from rlm_kernel import RLM, ScriptedModel


def cell(code):
    return f"```repl\n{code}\n```"


def test_a_cell_that_shows_nothing_new_six_times_ends_the_run_as_partial():
    root = ScriptedModel([cell("print(len(context))")] * 6 + ["It is 7."], name="root")
    with RLM(model=root, max_turns=30, save=False) as rlm:
        run = rlm.run("How long?", "context")
    assert run.status == "partial"
    assert "same cell" in run.reason
    assert run.usage.own.calls == 7


def test_the_same_code_with_other_outputs_goes_on():
    loop = cell("n = globals().get('n', 0) + 1\nprint(n)")
    root = ScriptedModel([loop] * 8 + [cell("FINAL(n)")], name="root")
    with RLM(model=root, max_turns=30, save=False) as rlm:
        run = rlm.run("Count.", "context")
    assert run.answer == 8


def test_where_a_person_is_there_it_pauses_and_the_person_decides():
    look = cell("print(len(context))")
    root = ScriptedModel([look] * 6 + [cell("FINAL(7)")], name="root")
    with RLM(model=root, attended=True, mode="auto", save=False) as rlm:
        run = rlm.run("How long?", "context")
        assert run.phase == "paused"
        assert "same cell" in run.reason
        assert run.resume().ok
        assert run.answer == 7
