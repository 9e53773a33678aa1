"""Options, errors of use, completions and configuration of the magics, in a real kernel."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="module")
def _text(ours: Any) -> None:
    ours.run("text = 'abc'\nm = script('FINAL(len(context))')\nledger = {'a': 1}\n"
             "import os; os.mkdir('folder'); open('notes.txt', 'w').write('hi')\n"
             "open('bin.dat', 'wb').write(bytes(range(256)) * 10)")  # fmt: skip


@pytest.mark.parametrize(
    ("line", "question", "parts"),
    [
        ("--context text --model m", "", ["question is empty", "below the line"]),
        ("--context text --model m", "   \n ", ["question is empty"]),
        ("--context texd --model m", "Go", ["no variable 'texd'", "`text`"]),
        ("--context no/such.log --model m", "Go", ["'no'"]),
        ("--context note.txt --model m", "Go", ["note.txt", "notes.txt"]),
        ("--context *.nothing --model m", "Go", ["*.nothing"]),
        ("--context bin.dat --model m", "Go", ["bin.dat"]),
        ("--context text[:3] --model m", "Go", ["text[:3]", "name first"]),
        ("--context text --model nonsense-9000", "Go", ["nonsense-9000", "three ways"]),
        ("--context text --model openai/gpt-4o", "Go", ["OPENAI_API_KEY"]),
        ("--context text --model m --budget lots", "Go", ["'lots'", "isn't a budget"]),
        ("--context text --model m --mode sometimes", "Go", ["'sometimes' isn't a mode"]),
        ("--context text --model m --max-turns many", "Go", ["max-turns", "many"]),
        ("--context text --model m --max-turns 0", "Go", ["max_turns"]),
        ("--contxt text --model m", "Go", ["--contxt", "Did you mean `--context`"]),
        ("--context text --model m --where moon", "Go", ["--where", "moon"]),
        ("--context text --model m --answer-type strr", "Go", ["strr", "`str`"]),
        ("1abc --context text --model m", "Go", ["1abc"]),
        ("--context 'text --model m", "Go", ["quote"]),
    ],
)
def test_an_error_of_use_is_one_sentence_and_spends_nothing(
    ours: Any, line: str, question: str, parts: list[str]
) -> None:
    before = ours.value("len(m.requests), globals().get('_rlm')")
    cell = ours.run(f"%%rlm {line}\n{question}")
    assert not cell.ok
    assert "Traceback" not in cell.text
    assert cell.errors == []
    assert len(cell.stderr.strip().splitlines()) == 1, cell.stderr
    assert cell.stderr.startswith("UsageError: ")
    for part in parts:
        assert part in cell.stderr
    assert ours.value("len(m.requests), globals().get('_rlm')") == before


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%rlm statsu", ["'statsu'", "`status`"]),
        ("%rlm pause", ["No run yet"]),
        ("%rlm tree nobody", ["no run named 'nobody'"]),
        ("%rlm --run", ["takes a name"]),
    ],
)
def test_an_unknown_verb_or_run_is_one_sentence(ours: Any, line: str, parts: list[str]) -> None:
    ours.run("get_ipython()._rlm_session.current = None")
    cell = ours.run(line)
    assert not cell.ok
    assert len(cell.stderr.strip().splitlines()) == 1
    for part in parts:
        assert part in cell.stderr


def test_an_error_of_ours_in_a_cell_is_one_line_and_tb_shows_the_rest(ours: Any) -> None:
    cell = ours.run("from rlm_kernel import ContextError\nraise ContextError('It is gone.')")
    assert cell.errors[0]["traceback"] == ["ContextError: It is gone."]
    assert "raise ContextError" in ours.run("%tb").text
    assert "Traceback" in ours.run("1/0").text, "errors of others look as ever"


def test_bare_rlm_gives_a_hint_and_help_lists_every_verb(ours: Any) -> None:
    ours.run("get_ipython()._rlm_session.current = None")
    assert "%%rlm" in ours.run("%rlm").stdout
    text = ours.run("%rlm help").stdout
    assert max(map(len, text.splitlines())) <= 80
    for verb in (
        "status", "tree", "pause", "resume", "save", "load", "replay", "fork", "export", "step",
        "approve", "edit", "reject", "respond",
        "takeover", "handback", "stop", "cancel", "retry", "answer", "cost", "models", "context",
        "mode", "budget", "show", "config", "help",
    ):  # fmt: skip
        assert f"%rlm {verb}" in text


def test_help_of_both_magics_says_what_they_do(ours: Any) -> None:
    line = ours.run("%rlm?").reply["payload"][0]["data"]["text/plain"]
    assert "%rlm help" in line
    cell = ours.run("%%rlm?").reply["payload"][0]["data"]["text/plain"]
    for option in ("--context", "--model", "--mode", "--budget", "--where", "--headless"):
        assert option in cell


def test_models_are_listed_with_what_is_missing(ours: Any) -> None:
    ours.run("%config RLMMagics.model = 'openai/gpt-4o'")
    cell = ours.run("%rlm models")
    assert cell.ok
    assert "OPENAI_API_KEY" in cell.stdout
    assert "anthropic/" in cell.stdout
    ours.run("%config RLMMagics.model = ''")


def test_the_configuration_is_the_default_of_the_options(ours: Any) -> None:
    ours.run("%config RLMMagics.model = 'm'\n%config RLMMagics.budget = '7 calls'")
    ours.run("m = script('FINAL(len(context))')")
    cell = ours.run("%%rlm r --context text\nGo")
    assert cell.ok, cell.text
    assert "7 calls" in cell.text
    assert "RLMMagics.budget = '7 calls'" in ours.run("%rlm config").stdout
    assert "isn't a budget" in ours.run("%config RLMMagics.budget = 'x'").text
    assert ours.value("get_ipython()._rlm_session.magics.budget") == "'7 calls'"
    assert "Which process runs the cells" in ours.run("%config RLMMagics").stdout
    ours.run("%config RLMMagics.model = ''\n%config RLMMagics.budget = ''")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%rlm sta", ["status"]),
        ("%rlm re", ["reject", "replay", "respond", "resume", "retry"]),
        ("%rlm mode s", ["step"]),
        ("%rlm context te", ["text"]),
        ("%%rlm --con", ["--context"]),
        ("%%rlm res --context te", ["text"]),
        ("%%rlm res --context text led", ["ledger"]),
        ("%%rlm --context notes", ["notes.txt"]),
        ("%%rlm --context fold", ["folder/"]),
        ("%%rlm --model lo", ["local"]),
        ("%%rlm --model anth", ["anthropic/"]),
        ("%%rlm --where k", ["kernel"]),
        ("%%rlm --headless ap", ["approve"]),
        ("%%rlm --answer-type in", ["int"]),
    ],
)
def test_tab_completes(ours: Any, typed: str, expected: list[str]) -> None:
    assert sorted(ours.complete(typed)) == expected


def test_a_provider_in_a_variable_is_completed_as_a_model(ours: Any) -> None:
    ours.run("my_model = script()")
    assert "my_model" in ours.complete("%%rlm --model my")


def test_the_body_of_a_question_completes_as_ever(ours: Any) -> None:
    assert "--context" not in ours.complete("%%rlm --model m\nledg")


def test_the_answer_type_is_checked_and_told_to_the_model(ours: Any) -> None:
    ours.run("m = script('print(len(context))', 'FINAL(\"three\")', 'FINAL(3)')")
    cell = ours.run("%%rlm r --context text --model m --answer-type int\nGo")
    assert cell.ok, cell.text
    assert ours.value("r.answer") == "3"


def test_the_kernel_says_what_it_is(ours: Any) -> None:
    info = ours.client.kernel_info(reply=True, timeout=60)["content"]
    assert info["implementation"] == "rlm"
    assert "rlm" in info["supported_features"]
    assert "%%rlm" in info["banner"]
    assert info["language_info"]["name"] == "python"


def test_load_ext_means_ours_here_and_import_rlm_stays_the_users(ours: Any) -> None:
    ours.run("import pathlib\npathlib.Path('rlm.py').write_text('whose = \"theirs\"')\n"
             "import sys\nsys.path.insert(0, '')")  # fmt: skip
    for line in ("%load_ext rlm", "%reload_ext rlm", "%load_ext rlm_kernel"):
        cell = ours.run(line)
        assert cell.ok, cell.text
        assert cell.text.strip() == ""
    assert ours.value("__import__('rlm').whose") == "'theirs'"
    ours.run("m = script('FINAL(len(context))')")
    assert ours.run("%%rlm r --context text --model m\nGo").ok


def test_unloading_takes_everything_away_and_a_persons_names_come_back(ours: Any) -> None:
    assert ours.run("%unload_ext rlm").ok
    assert ours.value("'llm_query' in globals(), 'FINAL' in globals()") == "(False, False)"
    assert "not found" in ours.run("%rlm").text
    ours.run("llm_query = 'my own'")
    assert ours.run("%load_ext rlm").ok
    assert ours.value("callable(llm_query)") == "True"
    assert ours.run("%unload_ext rlm").ok
    assert ours.value("llm_query") == "'my own'"
    ours.run("del llm_query")
    assert ours.run("%load_ext rlm").ok


def test_reset_leaves_the_names_there(ours: Any) -> None:
    ours.run("%reset -f")
    ours.run("pass")
    assert ours.value("callable(llm_query), len(context)") == "(True, 0)"
    assert "--context" in ours.run("context").results[0]["text/plain"]
