"""The command line: what it prints, and exit codes that mean something."""

import io
import json
import os
import select
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from servers import Fault

from rlm_kernel.cli import doctor, main
from rlm_kernel.cli.ending import print_answer
from rlm_kernel.evals.bench import server


@pytest.fixture(scope="module")
def wire():
    """A scripted model behind a server on loopback, in a process of its own."""
    with server() as base:
        yield ["--api-base", base, "--model", "openai/x-root"]


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RLM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    path = tmp_path / "notes.txt"
    path.write_bytes(b"one\r\ntwo\r\n" * 100)
    return str(path)


def test_the_answer_is_on_stdout_and_the_progress_on_stderr(wire, text, capsys):
    assert main(["run", "bench:turns=3", "-c", text, *wire]) == 0
    out, err = capsys.readouterr()
    assert out == "done\n"
    assert "root x-root" in err
    assert "budget $1.00" in err
    assert "| x = 0" in err
    assert "turn 3 of 30" in err


def test_json_is_one_object_and_nothing_else(wire, text, capsys):
    assert main(["run", "bench:fan=20", "-c", text, "--json", *wire]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["answer"] == "20"
    assert data["status"] == "done"
    assert data["usage"]["calls"] == 22
    assert err == ""


def test_a_run_without_an_answer_ends_with_1(wire, text, capsys):
    assert main(["run", "bench:turns=9", "-c", text, "--max-turns", "2", *wire]) == 1
    assert "2 turns are used up" in capsys.readouterr().err


def test_the_newest_run_without_an_answer_goes_on(wire, text, capsys):
    assert main(["run", "bench:turns=5", "-c", text, "--max-turns", "2", *wire]) == 1
    capsys.readouterr()
    assert main(["resume", "--max-turns", "9", "--api-base", wire[1]]) == 0
    out, err = capsys.readouterr()
    assert out == "done\n"
    assert "Going on with 'bench:turns=5'" in err
    assert main(["resume"]) == 2
    assert "without an answer" in capsys.readouterr().err


def test_a_draft_ends_with_3_and_says_that_it_is_none_to_rely_on(openai_server, text, capsys):
    openai_server.reply_with(lambda request: "I think it is 7.")
    wire = ["--api-base", openai_server.api_base, "--model", "openai/x"]
    assert main(["run", "q", "-c", text, *wire]) == 3
    out, err = capsys.readouterr()
    assert out == "I think it is 7.\n"
    assert "partial" in err
    assert "nothing supports" in err


def test_a_folder_of_texts_is_a_context(wire, tmp_path, text, capsys):
    assert main(["run", "bench:turns=1", "-c", str(tmp_path / "*.txt"), *wire]) == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["run", "q", "-c", "nowhere.txt"], "nowhere.txt"),
        (["run", " "], "question is empty"),
        (["run", "q", "--budget", "moon"], "isn't a budget"),
        (["run", "q", "--max-turns", "0"], "max-turns"),
        (["run", "q", "--model", "nosuch/model"], "three ways"),
        (["run", "q", "--model", "anthropic/claude-sonnet-4-5"], "ANTHROPIC_API_KEY"),
        (["run", "q"], "models pull"),
        (["models", "pull", "nope"], "no model 'nope'"),
        (["models", "add", "nope.gguf"], "nope.gguf"),
        (["bench", "nope"], "no row"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(args, said, text, monkeypatch, capsys):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_an_option_that_there_is_not_is_none_of_those_that_begin_alike(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "q", "--mode", "step"])
    assert ended.value.code == 2
    assert "--mode" in capsys.readouterr().err


def test_a_file_that_isnt_text_is_refused_with_the_byte(tmp_path, text, capsys):
    path = tmp_path / "latin.txt"
    path.write_bytes("caf\xe9".encode("latin-1"))
    assert main(["run", "q", "-c", str(path)]) == 2
    err = capsys.readouterr().err
    assert "byte 3" in err
    assert "iconv -f cp1252" in err


def test_doctor_is_a_table_a_person_can_act_on(text, capsys):
    code = main(["doctor", "--json"])
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["python"]["state"] in ("ok", "note")
    assert "OPENAI_API_KEY" in rows["keys"]["found"]
    assert "not-a-real-key" not in json.dumps(rows)
    assert "models pull" in json.dumps(rows)
    assert "maze9, sudoku4, sudoku4-once, sudoku6" in rows["tiny networks"]["found"]
    reachable = any(w.startswith("model") and r["state"] == "ok" for w, r in rows.items())
    assert code == (0 if reachable else 1)


def test_the_kernel_is_installed_under_a_prefix(tmp_path, capsys):
    assert main(["install", "--prefix", str(tmp_path)]) == 0
    assert (tmp_path / "share" / "jupyter" / "kernels" / "rlm" / "kernel.json").exists()


def test_models_lists_what_is_here_and_what_can_be_fetched(text, capsys):
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "qwen2.5-coder-1.5b" in out
    assert "smollm2-135m" in out


def test_nothing_asked_is_help(capsys):
    assert main([]) == 2
    assert "run" in capsys.readouterr().out


def test_a_bench_row_is_measured_beside_its_limit(capsys, text):
    assert main(["bench", "--json", "first_call"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["ours"].endswith(" s")


@pytest.fixture
def typed(monkeypatch):
    """Give bytes as standard input."""

    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return give


def saying(openai_server, code):
    """Let the model propose this cell each time."""
    openai_server.reply_with(lambda request: f"```repl\n{code}\n```")
    return ["--api-base", openai_server.api_base, "--model", "openai/x"]


def test_standard_input_is_a_context_with_its_line_ends(openai_server, text, typed, capsys):
    wire = saying(openai_server, "print(context)\nFINAL(repr(context))")
    typed(b"a\r\nb")
    assert main(["run", "q", "-c", "-", *wire]) == 0
    assert capsys.readouterr().out == "'a\\r\\nb'\n"


def test_standard_input_that_cant_be_a_context_is_a_mistake(text, typed, monkeypatch, capsys):
    typed(b"caf\xe9")
    assert main(["run", "q", "-c", "-", "-m", "openai/x"]) == 2
    assert "byte 3" in capsys.readouterr().err
    assert main(["run", "q", "-c", "-", text, "-m", "openai/x"]) == 2
    assert "'-' stands alone" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["run", "q", "-c", "-", "-m", "openai/x"]) == 2
    assert "no standard input" in capsys.readouterr().err


def test_progress_cant_command_the_terminal(openai_server, text, capsys):
    wire = saying(openai_server, "print(context[:3], '\\x1b]0;mine\\x07')\nFINAL('ok')")
    assert main(["run", "q", "-c", text, *wire]) == 0
    err = capsys.readouterr().err
    assert "mine" in err
    assert "\x1b" not in err


def test_a_tool_that_comes_along_is_given_by_its_name(openai_server, text, capsys):
    code = "try:\n    trm_solve('12\\x1b[31m')\nexcept ValueError:\n    FINAL('no puzzle')"
    wire = saying(openai_server, code)
    assert main(["run", "q", "-c", text, "--tool", "trm_solve", *wire]) == 0
    out, err = capsys.readouterr()
    assert out == "no puzzle\n"
    assert "  solve1 latent recursion: '\\x1b' is no cell of a sudoku" in err
    assert "\x1b" not in err
    assert main(["run", "q", "-c", text, "--tool", "trm_sovle", *wire]) == 2
    assert "no tool 'trm_sovle' that comes along" in (err := capsys.readouterr().err)
    assert "Did you mean 'trm_solve'?" in err


def test_an_answer_is_whole_in_a_pipe_and_harmless_on_a_terminal(monkeypatch):
    run = SimpleNamespace(answer_text="\x1b[31mred \ud800", status="done")

    def printed(tty: bool) -> bytes:
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="utf-8")
        out.isatty = lambda: tty
        monkeypatch.setattr(sys, "stdout", out)
        print_answer(run)
        out.flush()
        return raw.getvalue()

    assert printed(tty=False) == b"\x1b[31mred \\ud800\n"
    assert b"\x1b" not in printed(tty=True)


def test_a_call_that_failed_names_its_model_and_retries_are_told(
    openai_server, text, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    (tmp_path / "rlm_kernel_config.json").write_text('{"Gateway": {"retry_base": 0.001}}')
    openai_server.reply_with(lambda request: Fault("status", 503))
    wire = ["--api-base", openai_server.api_base, "--model", "openai/x"]
    assert main(["run", "q", "-c", text, *wire]) == 1
    err = capsys.readouterr().err
    assert "call1 x: " in err or "call1 openai/x: " in err
    assert "tried again" in err


def test_doctor_names_the_extra_to_install(monkeypatch, text, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(doctor, "examine", lambda: [
        doctor.Finding("package xllamacpp", "note", "not here", 'pip install "rlm-kernel[local]"')
    ])  # fmt: skip
    main(["doctor"])
    assert "rlm-kernel[local]" in capsys.readouterr().out


def test_an_interrupted_run_ends_with_130(openai_server, text):
    wire = saying(openai_server, "print('here we are')\nwhile True: pass")
    command = [sys.executable, "-m", "rlm_kernel.cli", "run", "q", "-c", text, *wire]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        err = ""
        while "| while True: pass" not in err:
            line = process.stderr.readline()
            assert line, err
            err += line
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=30)
    assert "stopped" in rest
    assert out == ""
    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_at_a_terminal_an_interrupt_asks_how_to_go_on(openai_server, text):
    wire = saying(openai_server, "print('here we are')\nwhile True: pass")
    command = [sys.executable, "-m", "rlm_kernel.cli", "run", "q", "-c", text, *wire]
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""

        def until(words: bytes) -> None:
            nonlocal seen
            while words not in seen:
                assert select.select([ours], [], [], 30)[0], seen
                seen += os.read(ours, 65536)

        try:
            until(b"cell 1")
            process.send_signal(signal.SIGINT)
            until(b"[Enter] goes on, [q] stops")
            os.write(ours, b"q\n")
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            os.close(ours)
    assert out == b""
    assert process.returncode in (130, -signal.SIGINT)
