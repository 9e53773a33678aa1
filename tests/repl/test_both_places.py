"""What a cell can rely on wherever it runs."""

import threading

import pytest

from rlm_kernel.errors import BudgetExceeded, ReplError
from rlm_kernel.protocol import Limits


def test_a_cell_gives_its_output_and_its_last_expression(place):
    r = place.cell("print('a'); import sys; print('b', file=sys.stderr)\n40 + 2")
    assert (r.status, r.output.head, r.result) == ("ok", "a\nb\n", "42")


def test_a_semicolon_hides_the_last_expression(place):
    assert place.cell("40 + 2;").result is None


def test_a_failing_cell_keeps_its_variables_and_names_its_line(place):
    r = place.cell("kept = 1\ndef f():\n    return 1 / 0\nf()")
    assert r.status == "error"
    assert (r.error.name, r.error.line) == ("ZeroDivisionError", 3)
    assert "line 3, in f" in r.error.traceback
    assert "return 1 / 0" in r.error.traceback
    assert "\x1b" not in r.error.traceback
    assert place.cell("kept").result == "1"


def test_a_traceback_names_the_cell_a_function_came_from(place):
    place.cell("\n\ndef boom():\n    raise ValueError('x' * 100_000 + 'end')")
    r = place.cell("boom()")
    assert "cell 1, line 4, in boom" in r.error.traceback
    assert "cell 2, line 1" in r.error.traceback
    assert len(r.error.traceback) < 10_000
    assert r.error.traceback.endswith("end")


def test_endless_recursion_is_told_shortly(place):
    r = place.cell("def f(): f()\nf()")
    assert r.error.name == "RecursionError"
    assert "more frames" in r.error.traceback
    assert len(r.error.traceback) < 4_000


def test_a_syntax_error_shows_where(place):
    r = place.cell("x = (\ny = 2")
    assert r.error.name == "SyntaxError"
    assert "cell 1, line 1" in r.error.traceback
    assert "<ipython" not in r.error.traceback


def test_changed_names_are_the_users_only(place):
    r = place.cell("import os\na, (b, *c) = 1, (2, 3)\ndef f(): inner = 1\n_hidden = 2")
    assert r.changed == ("a", "b", "c", "f")
    assert place.cell("a").changed == ()
    assert place.cell("a = 1").changed == ("a",)  # the same object, and yet assigned
    assert place.cell("globals()['z'] = 9").changed == ("z",)


def test_magics_commands_and_await_work(place):
    assert place.cell("!echo from $((40 + 2))").output.head.split() == ["from", "42"]
    assert place.cell("%who_ls").status == "ok"
    assert place.cell("import asyncio\nawait asyncio.sleep(0)\n'awaited'").result == "'awaited'"


def test_asyncio_run_works_in_a_cell(place):
    r = place.cell("import asyncio\nasync def f(): return 7\nasyncio.run(f())")
    assert (r.status, r.result) == ("ok", "7")


def test_exit_ends_nothing(place):
    place.cell("kept = 3")
    assert "goes on" in place.cell("exit()").output.head
    r = place.cell("import sys; sys.exit(1)")
    assert (r.error.name, r.output.head) == ("SystemExit", "")
    assert place.cell("kept").result == "3"


def test_display_is_captured_as_text(place):
    r = place.cell(
        "class Rich:\n"
        "    def _repr_html_(self): return '<b>bold</b>'\n"
        "    def __repr__(self): return 'plain form'\n"
        "display(Rich()); print('after')\nRich()"
    )
    assert r.output.head == "plain form\nafter\n"
    assert r.result == "plain form"


def test_odd_text_is_captured_as_it_is(place):
    text = "a\r\nb\0c\ud800d\U0001f600e"
    place.cell(f"print({text!r}, end='')")
    r = place.cell(f"print({text!r}, end='')")
    assert r.output.head == text
    assert r.output.chars == len(text)


def test_many_small_prints_and_long_lines_are_cut_with_their_length(place):
    r = place.cell("for i in range(100_000): print(i)", limits=Limits(output=300))
    whole = "".join(f"{i}\n" for i in range(100_000))
    assert r.output.head == whole[:200]
    assert r.output.tail == whole[-100:]
    assert r.output.cut == len(whole) - 300
    assert place.cell("print('x' * 3_000_000)").output.chars == 3_000_001


def test_a_huge_result_is_cut(place):
    r = place.cell("'x' * 50_000_000", limits=Limits(output=1000))
    assert len(r.result) < 700
    assert "characters cut" in r.result


def test_show_output_pages_an_earlier_cell(place):
    place.cell("print('0123456789' * 1000)")
    assert place.cell("show_output(1, 9_995)").output.head == "56789\n"
    assert place.cell("show_output(1, 3, 6)").output.head == "345"
    assert place.cell("show_output(99)").error.name == "ReplError"


def test_a_cell_is_known_by_the_number_that_it_is_given(place):
    place.cell("print('first')")
    failed = place.cell("1 / 0", number=5)
    assert "cell 5, line 1" in failed.error.traceback
    place.cell("print('third')")
    assert place.cell("show_output(6)").output.head == "third\n"
    assert place.cell("show_output(3)").error.name == "ReplError"


def test_the_engine_pages_outputs_too(place):
    place.cell("print('abc' * 1000)")
    coroutine = place.repl.output(1, 1, 4)
    assert place.engine.run(coroutine) == "bca"
    with pytest.raises(ReplError, match="no output of a cell 7"):
        place.engine.run(place.repl.output(7))


def test_an_endless_loop_is_stopped_at_the_limit(place):
    r = place.cell("n = 5\nwhile True: pass", limits=Limits(seconds=0.2))
    assert (r.status, r.error.name) == ("timeout", "CellTimeout")
    assert "0.2 s" in r.note
    assert not r.stuck
    assert place.cell("n").result == "5"


def test_a_hanging_await_is_stopped_at_the_limit(place):
    r = place.cell("import asyncio\nawait asyncio.sleep(60)", limits=Limits(seconds=0.2))
    assert r.status == "timeout"


def test_time_waited_in_calls_does_not_count(place):
    r = place.cell("llm_query('slow')", limits=Limits(seconds=0.3))
    assert r.status == "ok"
    assert r.waited >= 0.39
    assert r.seconds >= r.waited


def test_memory_over_the_limit_is_an_error_and_the_limit_goes(place):
    r = place.cell("kept = 1\nbytearray(3 << 30)", limits=Limits(memory=1 << 30))
    assert (r.status, r.error.name) == ("memory", "MemoryError")
    assert place.cell("kept").result == "1"
    assert place.cell("import mmap; m = mmap.mmap(-1, 3 << 30); m.close()").status == "ok"


def test_a_person_interrupts_a_cell(place):
    async def both():
        import asyncio

        running = asyncio.ensure_future(place.repl.execute("c", "made = 1\nllm_query('hang')"))
        while not place.services.flying.is_set():  # set by the call itself
            await asyncio.sleep(0.01)
        await place.repl.interrupt()
        return await running

    r = place.play(both()) if hasattr(place, "play") else place.engine.run(both())
    assert (r.status, r.error.name) == ("interrupted", "KeyboardInterrupt")
    assert place.services.cancelled.wait(5)
    assert place.cell("made").result == "1"


def test_a_cell_that_catches_its_interrupt_goes_on_without_the_call(place):
    code = "try: llm_query('hang')\nexcept KeyboardInterrupt: print('caught')\nllm_query('next')"

    async def both():
        import asyncio

        running = asyncio.ensure_future(place.repl.execute("c", code))
        while not place.services.flying.is_set():
            await asyncio.sleep(0.01)
        await place.repl.interrupt()
        return await running

    r = place.play(both()) if hasattr(place, "play") else place.engine.run(both())
    assert (r.status, r.output.head, r.result) == ("ok", "caught\n", "'re: next'")
    assert place.services.cancelled.wait(5)


def test_an_interrupt_ends_the_calls_of_a_thread_pool(place):
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as threads:\n"
        "    list(threads.map(llm_query, ['hang'] * 4))"
    )

    async def both():
        import asyncio

        running = asyncio.ensure_future(place.repl.execute("c", code))
        while not place.services.flying.is_set():
            await asyncio.sleep(0.01)
        await place.repl.interrupt()
        return await running

    r = place.play(both()) if hasattr(place, "play") else place.engine.run(both())
    assert r.status in ("interrupted", "error")
    assert not r.stuck
    assert not r.lost
    assert place.services.cancelled.wait(5)
    assert place.cell("1").status == "ok"


def test_calls_know_their_cell_and_line(place):
    place.cell("def ask(p):\n    return llm_query(p)")
    r = place.cell("\nx = ask('hello')\nx")
    assert r.result == "'re: hello'"
    call = place.services.calls[-1]
    assert (call.cell, call.line, call.batch) == ("cell2", 2, False)


def test_threads_and_tasks_of_a_cell_can_call(place):
    r = place.cell(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as threads:\n"
        "    out = list(threads.map(llm_query, 'abc'))\nout"
    )
    assert r.result == "['re: a', 're: b', 're: c']"
    r = place.cell("import asyncio\nawait asyncio.gather(*(llm_query.aio(c) for c in 'xy'))")
    assert r.result == "['re: x', 're: y']"


def test_a_batch_gives_an_error_as_a_value_in_its_place(place):
    r = place.cell(
        "out = llm_query_batched(['a', 'broke', {'prompt': 'c', 'name': 'third'}])\n"
        "print(out[0], bool(out[1]), type(out[1]).__name__, out[1], out[2])"
    )
    assert r.output.head == "re: a False BudgetExceeded The budget is used up. re: c\n"
    assert place.services.calls[-1].batch
    assert place.services.queries[-1].name == "third"


def test_a_single_call_raises_its_error(place):
    r = place.cell("llm_query('broke')")
    assert (r.error.name, r.error.message) == (BudgetExceeded.__name__, "The budget is used up.")
    assert "frames" not in r.error.traceback


def test_a_refusal_of_the_whole_call_is_raised(place):
    for code in (
        "llm_query('all broke')",
        "llm_query_batched(['all broke'])",
        "await llm_query.aio('all broke')",
    ):
        r = place.cell(code)
        assert (r.error.name, r.error.message) == ("BudgetExceeded", "The budget is used up.")
    assert place.cell("ask_human('anybody?')").error.message == "Nobody is there."


def test_a_prompt_that_is_no_text_gets_a_sentence(place):
    assert "not int" in place.cell("llm_query(3)").error.message
    assert "llm_query_batched takes a list" in place.cell("llm_query(['a'])").error.message
    assert "item 1" in place.cell("llm_query_batched(['a', None])").error.message
    assert "list of prompts" in place.cell("llm_query_batched('abc')").error.message
    assert place.services.calls == []


def test_a_schema_gives_the_parsed_value(place):
    assert place.cell("llm_query('numbers', schema=list[int])").result == "[1, 2]"
    assert place.services.queries[-1].constraint.schema["type"] == "array"
    assert place.cell("llm_query('n', schema={'type': 'array'})").result == "[1, 2]"
    r = place.cell("str(llm_query_batched(['n'], schema=str)[0])")
    assert "isn't what schema asks for" in r.result
    assert place.cell("llm_query('n', choices=['a', 'b'])").status == "ok"
    assert place.services.queries[-1].constraint.choices == ("a", "b")


def test_children_get_their_context(place):
    r = place.cell("rlm_query('q', context={'a': (1, 2)})['a']")
    assert r.result == "(1, 2)"
    r = place.cell("rlm_query_batched(['p', 'q'], contexts=['c', None])")
    assert r.result == "['c', 'q']"
    assert place.services.calls[-1].batch


def test_a_person_is_asked(place):
    assert place.cell("ask_human('which?', ['a', 'b'])").result == "\"which? ['a', 'b']\""


@pytest.mark.parametrize(
    ("code", "via", "content"),
    [
        ("FINAL({'n': 3})", "FINAL", {"n": 3}),
        ("result = [1, 2]\nFINAL_VAR('result')", "FINAL_VAR", [1, 2]),
        ("def f():\n    local = 'x'\n    FINAL_VAR('local')\nf()", "FINAL_VAR", "x"),
        ("answer['content'] = 5; answer['ready'] = True", "answer", 5),
        ("answer['ready'] = True; answer['content'] = 5", "answer", 5),
        ("answer.update(content=5, ready=True)", "answer", 5),
        ("answer |= {'content': 5, 'ready': True}", "answer", 5),
        ("answer = {'content': 5, 'ready': True}", "answer", 5),
        ("answer = dict(content=5, ready=1)", "answer", 5),
    ],
)
def test_an_answer_is_read_however_it_is_set(place, code, via, content):
    a = place.cell(code).answer
    assert (a.ready, a.content, a.via, a.problem, a.empty) == (True, content, via, "", False)
    assert place.cell("answer['content']").answer.ready is False  # refused: a draft from now on


def test_answers_that_are_none_are_told_apart(place):
    a = place.cell("FINAL_VAR('nowhere')").answer
    assert (a.ready, a.content or None, a.via) == (True, None, "FINAL_VAR")
    assert "no variable 'nowhere'" in a.problem
    a = place.cell("e = ''\nFINAL_VAR('e')").answer
    assert (a.ready, a.empty, a.problem) == (True, True, "")
    a = place.cell("answer['content'] = 'draft'").answer
    assert (a.ready, a.content, a.empty) == (False, "draft", False)
    a = place.cell("answer = 7").answer
    assert (a.ready, a.content) == (False, 7)
    assert place.cell("answer").result == "{'content': 7, 'ready': False}"


def test_what_a_model_overwrites_is_put_back_and_said(place):
    place.open(contexts={"context": "the text"})
    r = place.cell("context = context[:3]; llm_query = None; del FINAL")
    assert r.restored == ("llm_query", "FINAL", "context")
    assert place.cell("context, llm_query('a')").result == "('the text', 're: a')"


def test_reset_takes_nothing_of_ours(place):
    place.open(contexts={"context": "the text"}, history=[{"role": "user"}])
    place.cell("mine = 1")
    r = place.cell("%reset -f")
    assert "context" in r.restored
    assert place.cell("context, history, llm_query('a'), answer").result == (
        "('the text', [{'role': 'user'}], 're: a', {'content': '', 'ready': False})"
    )
    assert place.cell("mine").error.name == "NameError"


def test_what_a_person_rebinds_is_theirs(place):
    place.open(contexts={"context": "the text"})
    r = place.cell("context = 'mine'", author="human")
    assert r.restored == ()
    assert place.cell("context").result == "'mine'"


def test_history_can_be_set_anew(place):
    coroutine = place.repl.set_history([{"role": "user", "content": "q"}])
    place.engine.run(coroutine)
    assert place.cell("history[0]['content']").result == "'q'"


def test_show_vars_lists_the_users_variables(place):
    place.cell("%reset -f")
    place.cell("a = 'x' * 1234; b = [1, 2]; c = 7")
    assert place.cell("SHOW_VARS()").output.head.splitlines() == [
        "a  str, 1,234 characters",
        "b  list, 2 items",
        "c  int = 7",
    ]


def test_help_describes_our_names(place):
    assert "Ask a sub-model one thing" in place.cell("help(llm_query)").output.head
    assert place.cell("llm_query").result.startswith("<llm_query: Ask a sub-model")


def test_a_second_run_goes_on_with_the_variables_of_the_first(place):
    place.cell("found = 3\nprint('first')")
    place.open(contexts={"context": "another text"})
    r = place.cell("found, context")
    assert r.result == "(3, 'another text')"
    assert place.engine.run(place.repl.output(1)) == ""  # cells are numbered anew


def test_calls_from_many_threads_at_once_all_come_back(place):
    r = place.cell(
        "import threading\nout = {}\n"
        "def go(i): out[i] = llm_query_batched([str(i)] * 5)\n"
        "ts = [threading.Thread(target=go, args=(i,)) for i in range(20)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]\n"
        "all(out[i] == [f're: {i}'] * 5 for i in range(20))"
    )
    assert r.result == "True"
    assert threading.active_count() < 50
