"""Deciding, pausing, interrupting and taking over, from a notebook's front end and a console's."""

from __future__ import annotations

from typing import Any

import pytest

ASK = "%%rlm r --context text --model m --mode step\nHow long?"
SET = "text = 'abc'\nm = script('n = len(context)\\nprint(n)', 'FINAL(n)')"

#: How long a cell stays after an interrupt, for a second one.
BRIEF = "import rlm_kernel.notebook.follow as _f; _f.TWICE = 0.3; del _f"


@pytest.fixture(autouse=True)
def _nothing_lives(ours: Any) -> None:
    """Tests don't depend on how the one before them left the shell."""
    ours.run("if globals().get('_rlm') and not _rlm.ended:\n    _rlm.stop(); _rlm.wait(20)")


def payload(cell: Any) -> str:
    """The text that the front end was asked to put into a new cell."""
    (text,) = [p["text"] for p in cell.reply["payload"] if p["source"] == "set_next_input"]
    return str(text)


def test_step_asks_about_each_cell_and_approving_runs_it(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run(ASK, stdin=["a", "a"])
    assert cell.ok, cell.text
    assert len(cell.prompts) == 2
    assert "[a]pprove" in cell.prompts[0]
    assert "[e]dit" in cell.prompts[0]
    assert "Answer: 3" in cell.text


def test_where_a_person_can_answer_step_is_the_default(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run("%%rlm r --context text --model m\nHow long?", stdin=["u"])
    assert ours.value("r.settings.mode, r.mode.text") == "('step', 'auto')"
    assert len(cell.prompts) == 1, "after [a]uto nothing more is asked"
    assert "Answer: 3" in cell.text


def test_the_proposal_is_shown_before_it_is_decided_and_not_run(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('ran_it = True', 'FINAL(len(context))')")
    cell = ours.run(ASK, stdin=["r", "not needed", "a"])
    assert cell.ok, cell.text
    assert "ran_it = True" in cell.text
    assert "waits for your decision" in cell.at_prompts[0]
    assert ours.value("'ran_it' in globals()") == "False"
    assert ours.value("[c.decision for c in r.tree.find(kind='cell')]") == "['reject', 'approve']"
    assert "not needed" in ours.value("m.requests[1].messages[-1]['content']"), "the model is told"


def test_respond_gives_the_text_to_the_model(ours: Any) -> None:
    ours.run(SET)
    assert ours.run(ASK, stdin=["s", "it is 3 long", "r", "", "q"]).reply["status"] == "error"
    assert "it is 3 long" in ours.value("m.requests[1].messages[-1]['content']")
    ours.run("%rlm stop")


def test_in_a_console_an_edit_is_typed_line_by_line(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run(ASK, lab=False, stdin=["e", "n = len(context) + 1", "print(n)", ".", "a"])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "4"


def test_in_a_notebook_an_edit_goes_on_in_a_new_cell(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run(ASK, stdin=["e"])
    assert cell.ok, cell.text
    text = payload(cell)
    assert text == "%%rlm_cell r cell1\nn = len(context)\nprint(n)"
    assert ours.value("r.phase") == "'proposed'"
    cell = ours.run(text.replace("len(context)", "len(context) + 10"), stdin=["a"])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "13"
    again = ours.run(text, stdin=[])
    assert not again.ok
    assert "no longer open" in again.text
    assert "Traceback" not in again.text


def test_an_edit_that_changes_nothing_approves(ours: Any) -> None:
    ours.run(SET)
    text = payload(ours.run(ASK, stdin=["e"]))
    assert ours.run(text, stdin=["a"]).ok
    assert ours.value("[c.decision for c in r.tree.find(kind='cell')]") == "['approve', 'approve']"


def test_without_stdin_step_fails_at_once_and_says_what_to_do(ours: Any) -> None:
    ours.run(SET + "\nlast = _rlm")
    cell = ours.run(ASK)
    assert not cell.ok
    assert "nobody can be asked" in cell.text
    assert "--mode auto" in cell.text
    assert "--headless" in cell.text
    assert "Traceback" not in cell.text
    assert ours.value("m.requests, _rlm is last") == "([], True)", "nothing was spent"


def test_without_stdin_a_rule_that_asks_stops_the_run_and_says_so(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run('%%rlm r --context text --model m --mode "ask when answer"\nHow long?')
    assert not cell.ok
    assert "nobody can be asked" in cell.text
    assert ours.value("r.phase") == "'stopped'"


def test_headless_approve_and_reject_do_what_they_say(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run(ASK.replace("step", "step --headless approve"))
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "3"
    ours.run("m = script('touched = 1', 'touched = 2', 'touched = 3')")
    cell = ours.run(ASK.replace("step", "step --headless reject --max-turns 3"))
    assert not cell.ok
    assert ours.value("'touched' in globals()") == "False"


def test_quitting_the_question_leaves_the_proposal_waiting(ours: Any) -> None:
    ours.run(SET)
    cell = ours.run(ASK, stdin=["q"])
    assert not cell.ok, "Run All stops here"
    assert cell.errors[0]["ename"] == "RunWaits"
    assert "`%rlm resume`" in cell.text
    assert "Traceback" not in cell.text
    refused = ours.run("%%rlm other --context text --model m\nAnother")
    assert "r is paused (`%rlm resume` goes on)" in refused.text
    assert "--where kernel" in refused.text
    status = ours.run("%rlm").text
    assert "paused" in status
    assert "n = len(context)" in status
    cell = ours.run("%rlm approve", stdin=["a"])
    assert cell.ok, cell.text
    assert ours.value("r.answer, len(m.requests)") == "(3, 2)", "the same proposal, not a new one"


def test_taking_over_records_the_persons_cells_and_handing_back_tells_the_model(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1', 'FINAL(mine + 0 * len(context))')")
    cell = ours.run(ASK, stdin=["t"])
    assert cell.ok, cell.text
    assert "%rlm handback" in cell.text
    assert ours.run("mine = 41 + 1\nprint('by hand')\nmine").results[0]["text/plain"] == "42"
    ours.run("%rlm status")
    ours.run("1/0")
    cell = ours.run("%rlm handback I made mine", stdin=["a"])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "42"
    told = ours.value("m.requests[1].messages[-1]['content']")
    for part in ("I made mine", "mine = 41 + 1", "by hand", "42", "ZeroDivisionError"):
        assert part in told
    assert "%rlm status" not in told
    by = ours.value("[c.author for c in r.tree.find(kind='cell')]")
    assert by == "['model', 'human', 'human', 'model']"


def test_cells_of_a_person_are_theirs_when_nothing_is_taken_over(ours: Any) -> None:
    ours.run(SET)
    ours.run(ASK, stdin=["q"])
    ours.run("private = 'mine alone'")
    ours.run("%rlm approve", stdin=["a"])
    assert ours.value("[c.author for c in r.tree.find(kind='cell')]") == "['model', 'model']"


def test_the_mode_can_change_while_it_runs_and_step_runs_one_cell(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1', 'b = 2', 'FINAL(a + b)')")
    ours.run(ASK, stdin=["q"])
    assert "isn't a mode" in ours.run("%rlm mode sometimes").text
    cell = ours.run("%rlm step", stdin=["q"])
    assert ours.value("a, 'b' in globals()") == "(1, False)", cell.text
    assert "mode auto" in ours.run("%rlm mode auto").text
    ours.run("%rlm resume", stdin=[])
    assert ours.value("r.answer") == "3"


def test_the_budget_can_be_raised_and_a_paused_run_goes_on(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1', 'FINAL(a)')")
    cell = ours.run('%%rlm r --context text --model m --mode auto --budget "1 calls"\nGo', stdin=[])
    assert not cell.ok
    assert "The budget of 1 call doesn't" in cell.text
    assert "`%rlm budget '…'` sets a larger budget, then `%rlm resume`" in cell.text
    assert "Traceback" not in cell.text
    nothing = ours.run("%rlm approve", stdin=[])
    assert "Nothing of r waits for a decision: it is paused. Next: %rlm resume" in nothing.text
    assert "isn't a budget" in ours.run("%rlm budget much").text
    assert "9 calls" in ours.run("%rlm budget 10 calls").text
    cell = ours.run("%rlm resume", stdin=[])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "1"


def test_a_run_that_is_over_says_what_can_be_done_also_after_a_reload(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('a = 1')")
    cell = ours.run("%%rlm r --context text --model m --mode auto --max-turns 1\nGo", stdin=[])
    folder = ours.value("str(r.log.folder)").strip("'")
    goes_on = f"`%rlm resume {folder}` goes on from there"
    assert goes_on in cell.text
    said = ours.run("%rlm step", stdin=[]).text
    assert "r is over" in said
    assert goes_on in said
    ours.run("%reload_ext rlm")
    status = ours.run("%rlm status").text
    assert f"kept in {folder}" in status
    assert "r: " in status


def interrupt_once_shown(kernel: Any, word: str, times: int = 1) -> Any:
    sent: list[str] = []

    def look(msg: Any, cell: Any) -> None:
        ready = word in cell.text if not sent else "Interrupt again" in cell.text
        if ready and len(sent) < times:
            sent.append(word)
            kernel.manager.interrupt_kernel()

    return look


def test_an_interrupt_in_a_cell_pauses_and_resume_goes_on_with_its_variables(ours: Any) -> None:
    ours.run(BRIEF)
    ours.run("import time\ntext = 'abc'\nm = script('kept = 7\\nprint(\"go\" + \"ing\")\\n"
             "time.sleep(60)', 'FINAL(kept)')")  # fmt: skip
    ask = "%%rlm r --context text --model m --mode auto\nGo"
    cell = ours.run(ask, stdin=[], on_output=interrupt_once_shown(ours, "going"))
    assert not cell.ok
    assert cell.errors[0]["ename"] == "RunWaits"
    assert "Interrupted; variables are kept" in cell.text
    assert "Traceback" not in cell.text
    assert ours.value("r.phase, kept") == "('paused', 7)"
    cell = ours.run("%rlm resume", stdin=[])
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "7"


def test_an_interrupt_while_the_model_thinks_pauses_at_once(ours: Any) -> None:
    ours.run(BRIEF)
    ours.run("text = 'abc'\nm = script('a = 5', 'FINAL(a)', latency=1)")
    ask = "%%rlm r --context text --model m --mode auto\nGo"
    cell = ours.run(ask, stdin=[], on_output=interrupt_once_shown(ours, "thinks"))
    assert not cell.ok
    assert ours.value("r.phase") == "'paused'"
    assert ours.run("%rlm resume", stdin=[]).ok
    assert ours.value("r.answer") == "5"


def test_a_second_interrupt_within_three_seconds_stops_the_run(ours: Any) -> None:
    ours.run(BRIEF.replace('0.3', '3.0'))
    ours.run("import time\ntext = 'abc'\nm = script('time.sleep(60)', 'FINAL(1)')")
    ask = "%%rlm r --context text --model m --mode auto\nGo"
    cell = ours.run(ask, stdin=[], on_output=interrupt_once_shown(ours, "cell runs", times=2))
    assert not cell.ok, cell.text
    assert ours.value("r.phase") == "'stopped'", ours.value("r.reason") + cell.text
    assert "Traceback" not in cell.text


def test_ask_human_asks_at_the_keyboard_and_the_answer_reaches_the_code(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('c = ask_human(\"Which colour?\", [\"red\", \"blue\"])', "
             "'FINAL(c)')")  # fmt: skip
    cell = ours.run("%%rlm r --context text --model m --mode auto\nGo", stdin=["green", "2"])
    assert cell.ok, cell.text
    assert "Which colour?" in cell.prompts[0]
    assert len(cell.prompts) == 2, "an answer that is no choice is asked again"
    assert ours.value("r.answer") == "'blue'"


def test_a_question_to_nobody_is_an_error_in_the_cell_and_not_a_hang(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('ask_human(\"Which colour?\")', 'FINAL(\"none\")')")
    cell = ours.run("%%rlm r --context text --model m --mode auto\nGo")
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "'none'"
    assert "ModelError" in cell.text


def test_a_person_can_be_the_root_model(ours: Any) -> None:
    ours.run("text = 'abc'")
    cell = ours.run(
        "%%rlm r --context text --model human --mode auto\nHow long?",
        stdin=["n = len(context)", ".", "FINAL(n)", "."],
    )
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "3"
    assert "How long?" in cell.prompts[0]
