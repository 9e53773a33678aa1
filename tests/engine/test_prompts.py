"""What the engine tells a model is true of the run, and the person's texts arrive unharmed."""

from __future__ import annotations

import inspect
import re

import pytest

from rlm_kernel.engine import prompts
from rlm_kernel.engine.doubts import doubt
from rlm_kernel.engine.probe import probe
from rlm_kernel.engine.prompts import PromptEnv, system_prompt

BRACES = "Is {x} or {0} or {{y}} in %s?"


def test_braces_in_the_persons_texts_survive() -> None:
    env = PromptEnv(extra=BRACES, answer_type='{"type": "object"}')
    assert BRACES in system_prompt(env)
    assert '{"type": "object"}' in system_prompt(env)
    first = prompts.first_message(BRACES, BRACES, BRACES)
    assert first.count(BRACES) == 3
    assert BRACES in prompts.rejected(BRACES)
    assert BRACES in prompts.edited(BRACES)
    assert BRACES in prompts.fold_request(BRACES)
    assert BRACES in prompts.answer_refused("type", BRACES)
    assert "{}" in probe("{}\n{}\n", "{} {x}", grep=True)


def test_the_limits_that_are_said_are_those_that_are_given() -> None:
    text = system_prompt(PromptEnv(output_limit=12_345, max_turns=17, budget="$0.80"))
    assert "12,345 characters" in text
    assert "17 turns" in text
    assert "$0.80" in text


def test_the_sub_models_window_is_one_number_and_unknown_where_it_is_unknown() -> None:
    known = system_prompt(PromptEnv(sub_window_tokens=32_768))
    assert "32,768 tokens" in known
    assert "110,000 characters" in known
    assert "isn't known" in system_prompt(PromptEnv(sub_window_tokens=None))


@pytest.mark.parametrize("style", ["full", "small"])
def test_only_bound_names_are_spoken_of(style: prompts.Style) -> None:
    text = system_prompt(PromptEnv(names=("context", "FINAL"), style=style), "How many?")
    for name in ("llm_query", "rlm_query", "ask_human", "history", "show_output"):
        assert name not in text


def test_a_child_is_offered_only_above_the_deepest_level() -> None:
    names = (*prompts.BOUND_NAMES, "rlm_query")
    assert "kernel of its own" in system_prompt(PromptEnv(names=names, depth=0, max_depth=2))
    flat = system_prompt(PromptEnv(names=names, depth=1, max_depth=2))
    assert "kernel of its own" not in flat
    assert "same as `llm_query`" in flat


def test_a_tool_is_described_by_its_signature_and_first_line() -> None:
    def lookup(code: str, *, deep: bool = False) -> list[str]:
        """Give the names behind a code.

        More that isn't needed here.
        """
        return [code] if deep else []

    said = prompts.describe_tool(lookup)
    assert said == "lookup" + str(inspect.signature(lookup)) + " - Give the names behind a code."
    assert prompts.describe_tool(lookup, "find").startswith("find(")
    assert prompts.describe_tool(dict.get).startswith("get(")
    assert said in system_prompt(PromptEnv(tools={"lookup": said}))
    assert said in system_prompt(PromptEnv(tools={"lookup": said}, style="small"))


@pytest.mark.parametrize(
    ("model", "small"),
    [("local", True), ("ollama/qwen2.5-coder:7b", True), ("openai/gpt-5", False), ("x-9b", True),
     ("qwen3-30b-a3b", False), ("llama-3.1-70b-instruct", False), ("gemma-2b-it", True),
     ("phi-3.8b", True), ("local/qwen2.5-coder-1.5b", True), ("claude-sonnet-4-5", False)],
)  # fmt: skip
def test_small_models_are_told_by_name(model: str, small: bool) -> None:
    assert prompts.is_small(model) is small


def test_models_that_call_too_much_are_told_so_and_others_are_not() -> None:
    assert "few, large" in system_prompt(PromptEnv(model="openrouter/qwen3-coder-480b"))
    assert prompts.addenda("openai/gpt-5") == ""


@pytest.mark.parametrize(
    ("question", "kind"),
    [("How many lines say x?", "count"), ("Count the entries of May.", "count"),
     ("Who wrote most often?", "extreme"), ("What is the average depth?", "aggregate"),
     ("Which code was recorded for pale heron?", "find"), ("Summarise it.", "understand"),
     ("Go through it once more.", "else"),
     ("What is the number of lines that say x?", "count"),
     ("What is the special number for pale heron?", "find")],
)  # fmt: skip
def test_the_kind_of_a_question_is_told_by_its_words(question: str, kind: str) -> None:
    assert prompts.kind_of(question) == kind


LOG = "\n".join(f"2023-04-{1 + i % 28:02d} | user u{i % 11} | {e} | ok"
                for i, e in enumerate(["login", "logout", "reset"] * 60))  # fmt: skip


def example_of(question: str, text: str) -> str:
    return probe(text, question).split("```repl\n")[1].split("```")[0]


@pytest.mark.parametrize(
    ("question", "tests", "count"),
    [("How many lines are there of reset?", ['"user Lena" in row'], 2),
     ("How many lines of user u3 are a reset?", ['"user Lena" in row', '"fog" in row'], 1),
     ("How many lines are from April 2023?", ['"2021-09" in line'], 3),
     ("How many times was it 2023-04-02?", ['"2021-09-02" in row'], 2)],
)  # fmt: skip
def test_the_example_for_counting_has_the_shape_of_text_and_question(
    question: str, tests: list[str], count: int
) -> None:
    code = example_of(question, LOG)
    assert all(test in code for test in tests)
    assert len(re.findall(r'" in (?:row|line)\b', code)) == len(tests)
    days = ("02 | user Lena | fog", "02 | user Lena | dry", "03 | user Ole | fog")
    names = {"context": LOG + "".join(f"\n2021-09-{day} | ok" for day in days)}
    exec(code, names)  # the example itself has to run, on a text of this shape
    assert names["count"] == count


@pytest.mark.parametrize("form", [
    "[{date}] u{n}: {event} ({level})", "{date};u{n};{event};{level}",
    "{date}\tu{n}\t{event}\t{level}",
    "Date: {date} || User: u{n} || Event: {event} || Level: {level}",
])  # fmt: skip
@pytest.mark.parametrize("question", ["How many?", "Who was it most often?", "What is the total?"])
def test_examples_run_on_every_shape(form: str, question: str) -> None:
    events = ("login", "logout", "reset")
    lines = [
        form.replace("{date}", f"{1 + i % 28} Apr 2023").replace("{n}", str(i % 11))
        .replace("{event}", events[i % 3]).replace("{level}", str(i % 7))
        for i in range(200)
    ]  # fmt: skip
    said = probe("\n".join(lines), question)
    code = said.split("```repl\n")[1].split("```")[0].replace("best = top[0][0]", "")
    exec(code, {"context": "\n".join(lines)})


def test_prose_gets_no_fields_and_the_probe_stays_short() -> None:
    prose = "\n\n".join("It rained, and nobody spoke: the day went by. " * (1 + i % 9)
                        for i in range(3000))  # fmt: skip
    said = probe(prose, "How many times is rain named?")
    assert "record" not in said
    assert len(said) < 2_500
    assert len(probe(LOG * 50, "How many?", grep=True)) < 3_500
    assert probe("", "What?") == "0 characters, 0 lines."


def test_the_grep_is_off_unless_asked_for() -> None:
    text = "filler words\n" * 500 + "the key pale-heron is 7\n"
    assert "pale-heron" not in probe(text, "What is pale-heron?").replace(
        "last line: the key pale-heron is 7", ""
    )
    assert "pale-heron' stands 1 times" in probe(text, "What is pale-heron?", grep=True)


def test_nothing_of_an_answer_reaches_a_prompt_that_only_knows_the_question() -> None:
    from rlm_kernel.evals.tasks import needle

    task = needle(3, 30_000)
    system = system_prompt(PromptEnv(style="small"), task.question)
    first = prompts.first_message(task.question, "text", probe(task.context, task.question))
    assert task.truth not in system + first


def test_a_doubt_is_raised_once_and_the_same_answer_is_then_taken() -> None:
    raised: list[prompts.Refusal] = []
    assert doubt(0, "How many?", [], raised) == "first"
    raised.append("first")
    assert doubt(0, "How many?", ["Output of cell 1:\n0 []"], raised) == "zero"
    raised.append("zero")
    assert doubt(0, "How many?", ["Output of cell 1:\n0 []"], raised) is None


def test_a_number_of_any_length_is_doubted():
    assert doubt(10**5_000, "How many?", ["many"]) == "unshown"


def test_an_answer_that_repeats_the_question_or_was_never_shown_is_doubted() -> None:
    assert doubt("70", "What belongs to compass 70?", ["... 70 ..."]) == "echo"
    assert doubt("C-19", "Which berth?", ["something else"]) == "unshown"
    assert doubt("C-19", "Which berth?", ["the berth is C-19"]) is None
    assert doubt(["a"], "Which?", ["nothing"]) is None


def test_the_next_step_fits_what_the_cell_gave() -> None:
    assert "FINAL" in prompts.next_step("14 ['a line']")
    assert "FINAL" in prompts.next_step()
    assert "Nothing was found" in prompts.next_step("0 []")
    assert "Nothing was printed" in prompts.next_step("")
    assert "failed" in prompts.next_step("IndexError: list index out of range")


def test_a_repeating_model_is_heated_and_a_fresh_one_is_not() -> None:
    assert prompts.small_model_options()["temperature"] == 0.0
    heats = [prompts.small_model_options(n)["temperature"] for n in (1, 2, 9)]
    assert 0 < heats[0] < heats[1] < heats[2] <= 1.0


def test_turns_near_the_end_say_so() -> None:
    assert prompts.turn_header(2, 30) == "Turn 2 of 30."
    assert "Few are left" in prompts.turn_header(29, 30)
    assert "last one" in prompts.turn_header(30, 30)


def test_observations_name_their_cell_and_say_when_there_is_nothing() -> None:
    assert prompts.observation(3, "", []).startswith("Output of cell 3:\n[no output")
    assert prompts.observation(3, "7\n", ["a", "b"]).endswith("7\nNew variables: a, b")
    assert "1,234 characters" in prompts.cut_note(1234, 3)
    assert "show_output(3" in prompts.cut_note(1234, 3)
    assert "show_output" not in prompts.cut_note(1234, 3, paged=False)


def test_the_small_form_stays_short_enough_for_a_slow_model() -> None:
    for question in ("How many?", "Which code?", "Why?", "Who most often?"):
        text = system_prompt(PromptEnv(style="small", sub_window_tokens=4096), question)
        assert len(text) < 3_200
