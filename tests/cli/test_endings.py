"""How the command line ends: what is said of a run without an answer, and how it goes on."""

import errno
import json
import shlex

import pytest
from servers import Fault

from rlm_kernel.cli import main
from rlm_kernel.cli.flags import in_flags
from rlm_kernel.log._files import LogFiles


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo\n")
    return str(path)


@pytest.fixture
def asked(openai_server, text):
    """Ask a question of a server whose root proposes this cell each time."""
    wire = ["--api-base", openai_server.api_base, "--model", "openai/x"]

    def ask(code, *more, context=(text,)):
        openai_server.reply_with(
            lambda request: (
                "yes"
                if request["messages"][-1]["content"].startswith("sub")
                else f"```repl\n{code}\n```"
            )
        )
        given = ["-c", *context] if context else []
        return main(["run", "q", *given, *wire, *more])

    return ask


def command(said):
    """Give the arguments of the command that takes a run up again."""
    (line,) = [line for line in said.splitlines() if line.startswith("To go on: ")]
    program, *arguments = shlex.split(line.removeprefix("To go on: "))
    if arguments[:2] == ["-m", "rlm_kernel.cli"]:
        arguments = arguments[2:]
    assert program
    assert arguments[0] == "resume"
    return arguments


FAN = "print(context)\nllm_query_batched([f'sub {i}' for i in range(30)])\nFINAL('x')"


def test_calls_that_were_refused_alike_are_one_line_and_a_count(asked, capsys):
    assert asked(FAN, "--budget", "5 calls") == 0
    err = capsys.readouterr().err
    assert err.count("doesn't cover this call") == 1
    assert "(25 more like it)" in err


def test_a_failure_is_said_once_with_the_log_and_the_command_that_goes_on(
    openai_server, asked, text, tmp_path, capsys
):
    (tmp_path / "a b").mkdir()
    openai_server.reply_with(lambda request: Fault("status", 401))
    wire = ["--api-base", openai_server.api_base, "--model", "openai/x"]
    assert main(["run", "q", "-c", text, "--allow-read", str(tmp_path / "a b"), *wire]) == 1
    err = capsys.readouterr().err
    assert err.count("No cell had run") == 1
    assert f"Its log: {tmp_path / 'home' / 'runs'}" in err
    openai_server.reply_with(lambda request: "```repl\nprint(context)\nFINAL('fine')\n```")
    assert main(command(err)) == 0
    assert capsys.readouterr().out == "fine\n"


def test_what_is_used_up_is_raised_by_the_command_that_goes_on(asked, capsys):
    look = "print(context[:2])\nn = 1 + globals().get('n', 0)\nif n == 3: FINAL('three')"
    assert asked(look, "--max-turns", "2") == 1
    go_on = command(capsys.readouterr().err)
    assert go_on[go_on.index("--max-turns") + 1] == "4"
    assert main(go_on) == 0
    assert capsys.readouterr().out == "three\n"

    assert asked(look, "--budget", "2 calls") == 1
    go_on = command(capsys.readouterr().err)
    assert go_on[go_on.index("--budget") + 1] == "$1.00, 4 calls"
    assert main(go_on) == 0
    assert capsys.readouterr().out == "three\n"


def test_a_run_that_is_not_kept_says_so(asked, tmp_path, capsys):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rlm_kernel_config.json").write_text('{"RLM": {"save": false}}')
    assert asked("print(context)", "--max-turns", "1") == 1
    err = capsys.readouterr().err
    assert "wasn't kept" in err
    assert "To go on" not in err


def test_json_has_the_command_that_goes_on_and_none_where_there_is_an_answer(asked, capsys):
    assert asked("print(context)", "--max-turns", "1", "--json") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert " resume " in json.loads(out)["resume"]
    assert asked("print(context)\nFINAL('x')", "--json") == 0
    assert json.loads(capsys.readouterr().out)["resume"] is None


def test_a_question_without_a_context_is_remarked_on(asked, capsys):
    assert asked("FINAL('x')", context=()) == 0
    assert "--context PATH" in capsys.readouterr().err
    assert asked("FINAL('x')", "--quiet", context=()) == 0
    assert capsys.readouterr().err == ""
    assert asked("print(context)\nFINAL('x')") == 0
    assert "no context" not in capsys.readouterr().err


def test_an_empty_name_is_not_the_working_directory(asked, capsys):
    assert asked("FINAL('x')", context=("",)) == 2
    assert "empty name" in capsys.readouterr().err


def test_a_log_that_cant_be_written_costs_no_answer_but_is_told(asked, monkeypatch, capsys):
    write = LogFiles.write

    def full(self, data):
        if b'"run.ended"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(LogFiles, "write", full)
    assert asked("print(context)\nFINAL('the answer')", "--quiet") == 4
    out, err = capsys.readouterr()
    assert out == "the answer\n"
    assert err.count("\n") == 1
    assert "No space left" in err
    assert "isn't complete" in err


def test_a_disk_that_is_full_in_the_middle_stops_the_run_and_is_told_once(
    asked, monkeypatch, capsys
):
    write = LogFiles.write

    def full(self, data):
        if b'"cell.proposed"' in data or b'"note' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(LogFiles, "write", full)
    assert asked("print(context)", "--quiet") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("No space left") == 1
    assert "To go on" not in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--model", "locall"], "Did you mean 'local'?"),
        (["--model", "opnai/gpt-5"], "Did you mean 'openai/gpt-5'?"),
        (["--max-depth", "-1"], "--max-depth is a whole number from 1 on, not -1."),
        (["--budget", ""], "single quotes"),
        (["--budget", ", 200 calls"], "single quotes"),
        (["--max-turns", "0"], "--max-turns is a whole number from 1 on, not 0."),
        (["--api-base", "nonsense", "--model", "openai/x"], "--api-base nonsense"),
        (["--allow-read", "/nowhere/at/all"], "--allow-read names"),
        (["--model", "openai/x", "-c", "~nobody-at-all/x"], "~nobody-at-all"),
    ],
)
def test_a_mistake_names_the_flag(args, said, text, capsys):
    assert main(["run", "q", *args]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ('with your rights: sandbox="none" (--sandbox none).', "with your rights: --sandbox none."),
        ('a kernel of its own, by where="kernel" (--where kernel).',
         "a kernel of its own, by --where kernel."),
        ("name another by model=).", "name another by --model)."),
        ("max_depth=1 is reached", "--max-depth 1 is reached"),
        ("give it by context=.", "give it by --context."),
        ("The file a.model=3 stays.", "The file a.model=3 stays."),
        ("it looks like UTF-16: pass encoding='utf-16'.",
         "it looks like UTF-16: convert it to UTF-8 first, perhaps by iconv -f utf-16 -t utf-8."),
    ],
)  # fmt: skip
def test_sentences_have_the_words_of_the_command_line(sentence, said):
    assert in_flags(sentence) == said


@pytest.mark.parametrize(
    ("name", "value"),
    [("RLM_HOME", "~nobody-at-all/x"), ("RLM_HOME", "/dev/null"), ("RLM_LOCAL_THREADS", "many")],
)
def test_rubbish_in_a_variable_is_one_sentence(name, value, asked, monkeypatch, capsys):
    monkeypatch.setenv(name, value)
    given = ("--model", "local:smollm2-135m") if name == "RLM_LOCAL_THREADS" else ()
    assert asked("FINAL('x')", *given) == 2
    err = capsys.readouterr().err
    assert name in err
    assert err.count("\n") == 1


def test_rubbish_in_the_variable_of_the_box_opens_no_box(asked, monkeypatch, capsys):
    monkeypatch.setenv("RLM_BOXED", "yes")
    assert asked("print(context)\nFINAL('x')") == 0
    assert "sandbox: yes" not in capsys.readouterr().err


def test_a_working_directory_that_was_removed_is_one_sentence(asked, tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert asked("FINAL('x')") == 2
    assert "working directory was removed" in capsys.readouterr().err


def test_json_is_json_whatever_the_answer_is(asked, capsys):
    assert asked("print(context)\nFINAL_VAR({'a': [float('nan'), float('inf')]})", "--json") == 0

    def refuse(name):
        raise AssertionError(f"{name} isn't JSON")

    answer = json.loads(capsys.readouterr().out, parse_constant=refuse)["answer"]
    assert answer == "{'a': [nan, inf]}"
