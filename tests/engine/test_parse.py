"""A reply gives its code, else its final answer, else what is wrong with it."""

from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.engine import prompts
from rlm_kernel.engine.parse import FinalCall, parse_reply

F = "`" * 3


def codes(text):
    return [block.code for block in parse_reply(text).code_blocks]


@pytest.mark.parametrize("label", ["repl", "Repl", "PYTHON", "py", "python3", "ipython", "{python}",
                                   ".py", "python title=x"])  # fmt: skip
def test_labels_of_python_are_taken_in_any_case(label):
    assert codes(f"Let me look.\n{F}{label}\nx = 1\n{F}\nThen more.") == ["x = 1"]


@pytest.mark.parametrize(
    "reply",
    [
        "~~~repl\nx = 1\n~~~",
        "`````repl\nx = 1\n`````",
        f"   {F}repl\n   x = 1\n   {F}",
        f"1. first\n\n   {F}repl\n   x = 1\n   {F}\n",
        f"- {F}repl\n  x = 1\n  {F}\n",
        f"> {F}repl\n> x = 1\n> {F}\n",
        f"{F}repl\r\nx = 1\r\n{F}\r\n",
        f"{F}repl\nx = 1",
        f"{F}repl\nx = 1\n",
        f"{F}repl x = 1{F}",
        f"{F}\nx = 1\n{F}",
        f"<answer>\n{F}repl\nx = 1\n{F}\n</answer>",
        f"{F}pycon\n>>> x = 1\n{F}",
        f"{F}repl\nx = 1\n{F}   \nFINAL(2)",
        f"Text right before\n{F}repl\nx = 1\n{F}\ntext right after",
    ],
)
def test_every_way_to_write_a_block_gives_its_code(reply):
    assert codes(reply) == ["x = 1"]


def test_several_blocks_come_in_order_and_prose_apart():
    reply = parse_reply(f"one\n{F}repl\na = 1\n{F}\ntwo\n{F}python\nb = 2\n{F}\nthree")
    assert [block.code for block in reply.code_blocks] == ["a = 1", "b = 2"]
    assert reply.prose == "one\ntwo\nthree"
    assert reply.final is None
    assert reply.problem is None


def test_a_fence_inside_the_code_does_not_cut_it():
    code = f'prompt = """Reply as\n{F}json\n{{}}\n{F}\nonly."""\nprint(llm_query(prompt))'
    assert codes(f"{F}repl\n{code}\n{F}\nand\n{F}repl\ny = 2\n{F}") == [code, "y = 2"]
    inline = f"s = '{F}'\nprint(s)"
    assert codes(f"{F}repl\n{inline}\n{F}") == [inline]
    listed = f'p = """\n{F}\nx\n{F}\n"""'
    indented = textwrap.indent(f"{F}repl\n{listed}\n{F}", "  ").replace("  ", "- ", 1)
    assert codes(indented) == [listed]


def test_ipythons_own_syntax_is_code():
    for code in ("%time f()", "!ls", "files = !ls", "await g()", "%%time\nf()", "x?"):
        assert codes(f"{F}repl\n{code}\n") == [code], code


def test_a_labelled_block_that_does_not_parse_is_run_all_the_same():
    """The kernel's own SyntaxError tells the model more than we could."""
    assert codes(f"{F}repl\nx = = 1\n{F}") == ["x = = 1"]


def test_blocks_without_a_label_count_only_alone_and_as_code():
    assert codes(f"{F}\ny = 2\n{F}\n{F}repl\nx = 1\n{F}") == ["x = 1"]
    for words in ("Lagos", "not code at all", "42", "'text'"):
        assert codes(f"{F}\n{words}\n{F}") == []


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", prompts.empty_reply()),
        (" \n\t", prompts.empty_reply()),
        ("<think>only thinking", prompts.empty_reply()),
        ("I'll look at the context.", prompts.no_code()),
        (f"{F}js\nlet x = 1\n{F}", prompts.unknown_label("js")),
        (f"{F}output\n12\n{F}\nFINAL(12)", prompts.unknown_label("output")),
        (f"{F}repl\nx = (1,", prompts.unclosed_fence()),
        (f"{F}repl\nx = '''\n\nFINAL(3)", prompts.unclosed_fence()),
        (f"{F}repl\n{F}", prompts.no_code()),
        ("My plan: FINAL(answer) once the output supports it.", prompts.no_code()),
    ],
)
def test_a_reply_without_code_is_told_what_was_wrong(reply, problem):
    parsed = parse_reply(reply)
    assert (parsed.code_blocks, parsed.final, parsed.problem) == ((), None, problem)


def test_thinking_is_left_out():
    think = f"<think>maybe\n{F}repl\nbad()\n{F}\nFINAL(1)\n</think>\n"
    good = f"{F}repl\nx = 1\n{F}"
    assert codes(think + good) == ["x = 1"]
    assert codes(think.removeprefix("<think>") + good) == ["x = 1"]
    assert codes(think + think + good) == ["x = 1"]
    assert parse_reply(think + "FINAL(2)").final == FinalCall("FINAL", 2)
    tagged = "s = '<think>a</think>'"
    assert codes(f"{F}repl\n{tagged}\n{F}") == [tagged]


@pytest.mark.parametrize(
    ("prose", "kind", "value"),
    [
        ("FINAL(42)", "FINAL", 42),
        ("So:\n\nFINAL(Lagos and Lyon)\n", "FINAL", "Lagos and Lyon"),
        ("FINAL('it (really) is')", "FINAL", "it (really) is"),
        ("FINAL(f(x) is (mostly) done", None, None),
        ("FINAL(Lagos (Nigeria), Lyon (France))", "FINAL", "Lagos (Nigeria), Lyon (France)"),
        ("FINAL(it's 3)", "FINAL", "it's 3"),
        ("FINAL(['a', 'b'])", "FINAL", ["a", "b"]),
        ('FINAL("""two\nlines)""")', "FINAL", "two\nlines)"),
        ("FINAL(two\nlines)", "FINAL", "two\nlines"),
        ("**FINAL(7)**", "FINAL", 7),
        ("`FINAL(7)`", "FINAL", 7),
        ("The answer is FINAL(42).", "FINAL", 42),
        ("FINAL_VAR(result)", "FINAL_VAR", "result"),
        ("FINAL_VAR('result')", "FINAL_VAR", "result"),
        ("FINAL(result)", "FINAL_VAR", "result"),
        ("FINAL_VAR(not a name)", None, None),
        ("FINAL()", None, None),
        ("FINAL(answer) once I have looked (soon)", None, None),
        ("I will call FINAL(answer)", None, None),
        ("FINAL(1)\nno, rather:\nFINAL(2)", "FINAL", 2),
        ("FINAL(open\n\nFINAL(3)", "FINAL", 3),
        (f"{F}json\n[1]\n{F}\nFINAL(3)", "FINAL", 3),
    ],
)
def test_a_final_answer_in_prose(prose, kind, value):
    parsed = parse_reply(prose)
    if kind is None:
        assert parsed.final is None
        assert parsed.problem
    else:
        assert parsed.final == FinalCall(kind, value)
        assert parsed.problem is None


def test_a_final_answer_beside_code_is_left_for_after_the_code():
    parsed = parse_reply(f"{F}repl\nx = 1\n{F}\nThe output will be 1.\nFINAL(1)")
    assert parsed.final is None
    assert parsed.code_blocks


def test_a_final_answer_that_must_be_worked_out_is_code():
    assert codes("FINAL(', '.join(found))") == ["FINAL(', '.join(found))"]
    assert codes("FINAL([h for h in hits])") == ["FINAL([h for h in hits])"]
    assert codes("FINAL(counts['Lagos'])") == ["FINAL(counts['Lagos'])"]


PIECES = [
    "`", F, "````", "~~~", "\n", "\n\n", " ", "   ", "- ", "> ", "repl", "python", "js", "x = 1",
    "'", '"', '"""', "(", ")", "FINAL(", "FINAL_VAR(", "<think>", "</think>", "%", "!", "\\", "\t",
    "\r", "é", "\x00", "\ud800", "1. ", ">>> ",
]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text())
def test_any_reply_is_read_without_an_error(text):
    parsed = parse_reply(text)
    said = [bool(parsed.code_blocks), parsed.final is not None, bool(parsed.problem)]
    assert said.count(True) == 1


NAMES = st.sampled_from(["x", "hits", "context", "f(x)", "'a'", "1", f"'{F}'", "'~~~'", "'# no'"])
LINES = st.one_of(
    st.tuples(st.sampled_from(["y", "z"]), NAMES).map(" = ".join),
    NAMES.map(lambda value: f"print({value})"),
    NAMES.map(lambda value: f"for i in {value}:\n    print(i)"),
    st.just(f's = """\n{F}json\n{{}}\n{F}\n"""'),
    st.just("# a note"),
    st.just(""),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(LINES, min_size=1, max_size=4).map("\n".join), min_size=1, max_size=3),
    st.sampled_from(["repl", "python", "Py"]),
    st.sampled_from([F, "````", "~~~", "~~~~"]),
    st.sampled_from(["", " ", "   "]),
    st.sampled_from(["", "Some words.\n", "\n- a list\n\n"]),
)
def test_code_comes_out_as_it_went_in(cells, label, mark, indent, between):
    cells = [f"{cell}\nend_{i} = 1" for i, cell in enumerate(cells)]
    reply = "".join(
        f"{between}{textwrap.indent(f'{mark}{label}{chr(10)}{cell}{chr(10)}{mark}', indent)}\n"
        for cell in cells
    )
    assert codes(reply) == cells


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.text(st.sampled_from("()[]{}'\"\\, \n#aF")),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    LITERALS,
    st.sampled_from(["", "Some words.\n", "\n- a list (of one\n\n", "It's this:\n"]),
    st.sampled_from(["", "\n", "   \n\n"]),
)
def test_a_final_answer_comes_out_as_it_went_in(value, before, after):
    parsed = parse_reply(f"{before}FINAL({value!r}){after}")
    assert parsed.code_blocks == ()  # whatever stands in it
    assert parsed.final == FinalCall("FINAL", value)
    assert type(parsed.final.value) is type(value)


@settings(max_examples=200, deadline=None)
@given(LITERALS, st.lists(LINES, min_size=1, max_size=4).map("\n".join))
def test_code_comes_before_a_final_answer(value, code):
    code += "\nend = 1"
    parsed = parse_reply(f"{F}repl\n{code}\n{F}\nFINAL({value!r})")
    assert [block.code for block in parsed.code_blocks] == [code]
    assert parsed.final is None


@pytest.mark.parametrize(
    "nasty",
    [
        "`" * 10_000,
        (F + "\n") * 5_000,
        (F + "repl\n") * 5_000,
        (F + "repl\nx = (\n" + F + "\n") * 1_000,
        F + "repl\n" + "(" * 10_000,
        F + "repl\n" + "-" * 50_000 + "1",
        F + "repl\nx = '''\n" + (F + "\n") * 5_000,
        f"{F}a `b" * 3_000,
        "`a" * 5_000,
        "FINAL(" * 5_000,
        "FINAL(\n" * 5_000 + ")\n" * 5_000,
        "FINAL('" + "\\" * 20_000,
        "<think>" * 5_000,
        "> " * 5_000 + F,
        "- " * 5_000 + F,
        "'" * 20_000,
        "[" * 20_000,
        "*_" * 10_000,
    ],
)
def test_nasty_replies_take_no_time(nasty):
    started = time.process_time()
    parse_reply(nasty)
    assert time.process_time() - started < 5  # far above what it takes, far below quadratic
