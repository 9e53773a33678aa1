"""``%%rlm`` in real kernels: ours, and a plain one with the extension loaded."""

from __future__ import annotations

from typing import Any

# Fixtures ``both`` and ``ours`` are kernels of tests/notebook/conftest.py.


def test_a_question_is_answered_over_a_variable_and_the_run_is_bound(both: Any) -> None:
    both.run("m = script('n = context.count(\"needle\")\\nprint(n)', 'FINAL(n)')")  # fmt: skip
    cell = both.run("%%rlm found --context text --model m\nHow many needles?")
    assert cell.ok, cell.text
    assert "Answer: 3" in cell.text
    assert both.value("found.answer, found.status, _rlm is found") == "(3, 'done', True)"


def test_a_variable_with_a_value_is_not_taken_for_the_name_of_a_run(both: Any) -> None:
    both.run("m = script('FINAL(1)')\nmine = 'a text of mine'")
    cell = both.run("%%rlm mine --model m\nHow many?")
    assert not cell.ok
    assert "mine has a value already" in cell.text
    assert "--context mine" in cell.text
    assert "Traceback" not in cell.text
    assert both.value("mine") == "'a text of mine'"
    both.run("mine = None")
    assert both.run("%%rlm mine --context text --model m\nHow many?").ok
    both.run("m = script('FINAL(2)')")
    assert both.run("%%rlm mine --context text --model m\nAgain?").ok, "a run gives way to a run"
    assert both.value("mine.answer") == "2"


def test_the_context_is_the_very_object_and_names_are_put_back(both: Any) -> None:
    both.run("""
data = [1, 2, 3]
answer, history = 'mine', 'my history'
m = script("same = context is data\\ncontext.append(4)\\nprint(type(answer), same)",
           "answer['content'] = (same, len(context))\\nanswer['ready'] = True")
""")
    cell = both.run("%%rlm ref --context data --model m\nIs it the same?")
    assert cell.ok, cell.text
    assert both.value("ref.answer, data, answer, history") == (
        "((True, 4), [1, 2, 3, 4], 'mine', 'my history')"
    )
    assert both.value("same") == "True", "what the model made stays"


def test_a_failing_cell_of_the_model_is_no_failure_of_the_persons_cell(both: Any) -> None:
    both.run("m = script('x = 1\\nprint(\"so far\")\\n1/0', 'FINAL(x)')")
    cell = both.run("%%rlm r --context text --model m\nGo")
    assert cell.ok, cell.text
    assert cell.errors == []
    assert "ZeroDivisionError" in cell.text
    assert cell.results == []
    assert "so far" not in cell.stdout, "outputs of cells are in the tree, not beside it"


def test_the_display_is_one_and_its_last_state_is_final_text_and_html(both: Any) -> None:
    both.run("m = script('print(len(context))', 'FINAL(\"<b>$5</b>\")', latency=0.4)")
    cell = both.run("%%rlm r --context text --model m\nWhat & why?")
    (display,) = cell.displays.values()
    assert cell.updates >= 3
    assert set(display) == {"text/plain", "text/html"}
    assert "What &amp; why?" in display["text/html"]
    assert "&lt;b&gt;" in display["text/html"]
    assert "<b>$5" not in display["text/html"]
    assert "<script" not in display["text/html"]
    assert display["text/plain"].rstrip().endswith("Answer: <b>$5</b>")
    assert "thinks" not in display["text/plain"]
    assert not any("state" in m["content"].get("data", {}) for m in cell.messages)


def test_model_price_budget_and_mode_are_the_first_line(both: Any) -> None:
    both.run("m = script('FINAL(len(context))', price=(1e-6, 2e-6))")
    cell = both.run('%%rlm r --context text --model m --budget "$0.50, 20 calls"\nGo')
    first = cell.text.strip().splitlines()[0]
    assert "scripted" in first
    assert "$1.00 in, $2.00 out per million tokens" in first
    assert "budget $0.50, 20 calls" in first
    assert "mode auto" in first
    assert "nothing is generated" in first, "a scripted model says that it is one"


def test_updates_come_at_most_a_few_times_a_second_while_text_streams(both: Any) -> None:
    both.run("m = script('print(1)', 'FINAL(2)', latency=1.0, pieces=10)")
    cell = both.run("%%rlm r --context text --model m\nGo")
    assert cell.ok, cell.text
    seconds = 2.0
    assert cell.updates <= 5 * seconds + 3
    shown = [
        m["content"]["data"]["text/html"] for m in cell.messages
        if m["header"]["msg_type"] == "update_display_data"
    ]  # fmt: skip
    assert any("The root model" in html for html in shown), "what streams in is shown"
    assert "The root model writes" not in shown[-1]


def test_a_batch_shows_a_bar_with_what_is_done_and_paid(both: Any) -> None:
    both.run("""
sub = ScriptedModel(lambda messages: "yes", name="sub", latency=1.0, price=(1e-6, 1e-6))
m = script("got = llm_query_batched([f'is {i} odd?' for i in range(8)])", "FINAL(len(got))")
""")
    cell = both.run("%%rlm r --context text --model m --sub-model sub\nGo")
    assert cell.ok, cell.text
    texts = [
        m["content"]["data"]["text/plain"] for m in cell.messages
        if m["header"]["msg_type"] == "update_display_data"
    ]  # fmt: skip
    assert any("of 8" in text and "so far" in text for text in texts)
    assert "so far" not in texts[-1]
    assert both.value("r.answer, r.usage.subtree.calls") == "(8, 10)"


def test_pictures_that_a_cell_shows_are_shown(both: Any) -> None:
    both.run("""
class Pic:
    def _repr_png_(self):
        return b'\\x89PNG\\r\\n'
    def __repr__(self):
        return '<picture>'
m = script("from IPython.display import display\\ndisplay(Pic())\\nPic()", "FINAL(1)")
""")
    cell = both.run("%%rlm r --context text --model m\nGo")
    pictures = [data for data in cell.displays.values() if "image/png" in data]
    assert len(pictures) == 2, cell.text


def test_quiet_shows_the_answer_only(both: Any) -> None:
    both.run("m = script('print(len(context))', 'FINAL(7)')")
    cell = both.run("%%rlm r --context text --model m --quiet\nGo")
    assert cell.text.strip() == "7"


def test_a_second_question_sees_the_variables_and_history_of_the_first(both: Any) -> None:
    both.run("m = script('kept = len(context)', 'FINAL(kept)', "
             "'FINAL((kept, [h[\"content\"] for h in history]))')")  # fmt: skip
    both.run("%%rlm one --context text --model m\nThe first question")
    cell = both.run("%%rlm two --context text --model m\nThe second")
    assert cell.ok, cell.text
    assert both.value("'The first question' in two.answer[1]") == "True"


def test_a_run_of_its_own_kernel_leaves_the_shell_alone(both: Any) -> None:
    both.run("m = script('made_there = len(context)', 'FINAL(made_there)')")
    cell = both.run("%%rlm own --context text --model m --where kernel\nGo")
    assert cell.ok, cell.text
    assert both.value("own.answer == len(text), 'made_there' in globals()") == "(True, False)"


def test_context_from_files_globs_and_several(both: Any) -> None:
    both.run("""
from pathlib import Path
Path('a.log').write_bytes(b'one\\r\\ntwo'); Path('b.log').write_bytes('zwölf'.encode())
m = script("FINAL((context_0, context_1))", "FINAL(context)", "FINAL(context)")
""")
    assert both.run("%%rlm r -c a.log b.log --model m\nGo").ok
    assert both.value("r.answer") == "('one\\r\\ntwo', 'zwölf')"
    assert both.run("%%rlm r -c *.log --model m\nGo").ok
    assert both.value("r.answer") == "{'a.log': 'one\\r\\ntwo', 'b.log': 'zwölf'}"
    assert both.run("%%rlm r -c a.log --model m\nGo").ok
    assert both.value("r.answer") == "'one\\r\\ntwo'"


def test_a_failed_run_fails_the_cell_with_one_sentence(both: Any) -> None:
    both.run("m = ScriptedModel([])")
    cell = both.run("%%rlm bad --context text --model m\nGo")
    assert not cell.ok
    assert "Traceback" not in cell.text
    (error,) = cell.errors
    assert error["ename"] == "AnswerError"
    assert "has no answer" in error["evalue"]
    assert both.value("bad.status") == "'failed'"


def test_calls_outside_of_a_run_have_a_node_and_a_budget_of_their_own(both: Any) -> None:
    both.run("sub = ScriptedModel(lambda messages: 'an answer', name='sub2', price=(0.001, 0.0))\n"
             "%config RLMMagics.model = 'sub'")  # fmt: skip
    cell = both.run("llm_query('hello')")
    assert cell.results[0]["text/plain"] == "'an answer'"
    assert "sub2" in cell.stdout
    assert "$1.00" in cell.stdout
    assert "1,000 calls" in cell.stdout
    assert both.run("llm_query('again')").stdout == "", "it is said once"
    cell = both.run("%rlm cost")
    assert "outside of runs" in cell.stdout
    both.run("%rlm budget 2 calls")
    cell = both.run("llm_query('no more')")
    assert not cell.ok
    assert cell.errors[0]["ename"] == "BudgetExceeded"
    assert "Traceback" not in cell.text
    both.run("%config RLMMagics.model = ''")


def test_the_context_can_be_set_once_for_all_questions(both: Any) -> None:
    both.run("%reset_selective -f ^context$")
    both.run("m = script('FINAL(context)', 'FINAL(context)')\nshort = 'a short text'")
    assert "text (`str`)" in both.run("%rlm context short").stdout
    both.run("%%rlm r --model m\nGo")
    assert both.value("r.answer, context") == "('a short text', 'a short text')"
