"""``rlm-kernel replay`` and ``rlm-kernel fork``: a recording from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from broken import CREATED, broken
from collector import collecting

from rlm_kernel import RLM
from rlm_kernel.cli import main
from rlm_kernel.engine.recorded import load_run


@pytest.fixture
def recorded(openai_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    openai_server.reply_with(policy)
    with RLM(model="openai/x", api_base=openai_server.api_base, api_key="none",
             sandbox="none") as rlm:  # fmt: skip
        run = rlm.run("How long?", context="abc" * 5)
        assert run.answer == "15 re: hi"
        return run.save(tmp_path / "run", context=True)


def policy(request: dict[str, Any]) -> str:
    messages = request["messages"]
    if messages[0]["role"] != "system":
        return "re: " + messages[-1]["content"]
    turn = sum(m["role"] == "assistant" for m in messages)
    cells = ["x = llm_query('hi')\nn = len(context)\nprint(n, x)", "FINAL(f'{n} {x}')"]
    return f"```repl\n{cells[min(turn, 1)]}\n```"


def test_a_recording_is_shown_and_runs_again_without_its_server(
    recorded: Path, openai_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = len(openai_server.requests)
    given = [str(recorded), "--sandbox", "none", "--api-base", openai_server.api_base]
    assert main(["replay", *given]) == 0
    out = capsys.readouterr().out
    assert "How long?" in out
    assert "The same: 2 cells ran again with 1 recorded reply." in out
    assert main(["replay", str(recorded), "--show"]) == 0
    assert "ran again" not in capsys.readouterr().out
    assert main(["replay", *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    assert len(openai_server.requests) == asked


def test_an_export_with_nothing_in_it_says_why(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pairs.jsonl"
    assert main(["export", str(recorded), str(out), "--form", "pairs"]) == 0
    told = capsys.readouterr().err
    assert out.read_bytes() == b""
    assert told.startswith(f"Written: {out}. It is empty: pairs are made of proposals that a ")
    assert told.endswith("nobody did so in this run.\n")
    assert main(["export", str(recorded), str(out)]) == 0
    assert capsys.readouterr().err == f"Written: {out}\n"


def test_the_model_alone_is_asked_only_where_that_is_said(
    recorded: Path, openai_server: Any, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    asked = len(openai_server.requests)
    server = ["--api-base", openai_server.api_base]
    assert main(["compare", str(recorded), str(recorded), *server]) == 2
    assert "--api-base is for --plain" in capsys.readouterr().err
    assert len(openai_server.requests) == asked
    assert main(["compare", str(recorded), "--plain", *server]) == 0
    printed = capsys.readouterr()
    assert "openai/x is asked alone: one call, 23 tokens, at a price that isn't" in printed.err
    assert "2: plain" in printed.out
    assert f"re: {'abc' * 5}" in printed.out
    assert len(openai_server.requests) == asked + 1


def test_where_its_context_isnt_there_the_model_alone_isnt_asked(
    recorded: Path, openai_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    asked = len(openai_server.requests)
    bare = load_run(recorded).save(tmp_path / "bare", context=False)
    theirs = load_run(recorded).export(tmp_path / "theirs.jsonl")
    for path, said in ((bare, "was in memory only"), (theirs, "doesn't hold what was asked over")):
        given = [str(path), "--plain", "--api-base", openai_server.api_base]
        assert main(["compare", *given]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "--context" in error
        assert error.count("\n") == 1
    assert len(openai_server.requests) == asked
    text = tmp_path / "text.txt"
    text.write_text("abc" * 5)
    assert main(["compare", *given, "--context", str(text)]) == 0
    assert "2: plain" in capsys.readouterr().out


def test_a_run_and_a_recording_are_sent_as_the_same_spans(
    recorded: Path, openai_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (tmp_path / "text.txt").write_text("abc")
    with collecting() as collector:
        size = len(load_run(recorded).tree)
        assert main(["export", str(recorded), "--otlp", collector.url]) == 0
        assert capsys.readouterr().err == f"Sent: {size} spans\n"
        assert len(collector.spans) == size
        both = [str(tmp_path / "r.jsonl"), "--otlp", collector.url]
        assert main(["export", str(recorded), *both]) == 0
        assert (tmp_path / "r.jsonl").is_file()
        assert len({s.id for s in collector.spans}) == size
        collector.spans.clear()
        asked = ["How long?", "--context", str(tmp_path / "text.txt"), "--model", "openai/x",
                 "--api-base", openai_server.api_base, "--sandbox", "none", "-q"]  # fmt: skip
        command = [sys.executable, "-m", "rlm_kernel.cli", "run", *asked, "--otlp", collector.url]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert any(s.name == "run" for s in collector.spans), "nothing is lost as it ends"
        assert done.stderr == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, "the answer doesn't need its collector"
    assert "couldn't be sent to http://127.0.0.1" in done.stderr
    assert main(["export", str(recorded), "--otlp", collector.url]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "The spans couldn't be sent to http://127.0.0.1" in said
    assert main(["export", str(recorded)]) == 2
    assert "name a file, or a collector by --otlp URL" in capsys.readouterr().err


def test_what_a_recording_may_reach_is_asked_for_in_flags(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(recorded)]) == 2
    said = capsys.readouterr().err
    assert "--sandbox none" in said
    assert "Traceback" not in said


def test_a_branch_goes_on_with_the_code_of_a_file(
    recorded: Path, openai_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    code = tmp_path / "cell.py"
    code.write_text("n, x = 7, 'mine'\nprint(n, x)")
    given = ["--sandbox", "none", "--api-base", openai_server.api_base, "-q"]
    assert main(["fork", str(recorded), "--cell", "1", str(code), *given]) == 0
    assert capsys.readouterr().out == "7 mine\n"
    assert main(["fork", str(recorded), "--turn", "8", *given]) == 2
    assert "no turn 8 that is whole; it has 1 to 2" in capsys.readouterr().err
    assert main(["fork", str(recorded), "--cell", "one", str(code), *given]) == 2
    assert "--cell takes the number of a cell and a file" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["replay", "fork", "export", "compare"])
def test_what_is_no_recording_is_one_sentence(
    verb: str, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "broken").mkdir()
    for name, (path, words) in broken(recorded, folder).items():
        more = {"export": [str(tmp_path / "x.html")], "compare": [str(recorded)]}.get(verb, [])
        assert main([verb, str(path), *more]) == 2, name
        said = capsys.readouterr()
        assert words in said.err, name
        assert said.err.count("\n") == 1, name
        assert said.out == "", name
    assert not (tmp_path / "x.html").exists()
    assert not (folder / CREATED).exists()
