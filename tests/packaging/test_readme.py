"""The README's Python runs as it stands, but for the model; its commands and options exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_kernel import ScriptedModel
from rlm_kernel.cli import parser

HERE = Path(__file__).resolve().parents[2]
README = Path(HERE, "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README)


def root(messages: Sequence[Any]) -> str:
    """Find the code as a root model would, and look it up where it was given the function."""
    return (
        "```repl\nimport re\ncode = re.search(r'code is (\\d+)', context).group(1)\n"
        "who = look_up(code) if 'look_up' in globals() else None\n"
        "answer = {'content': int(code), 'ready': True}\n```"
    )


def test_the_python_examples_run_and_answer_right(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"MODEL": ScriptedModel(root)}
    examples = blocks("python")
    assert len(examples) >= 3
    answers = []
    for code in examples:
        exec(code.replace('model="local"', "model=MODEL"), namespace)
        answers.append(namespace["run"].answer)
    assert answers == [7319] * len(examples)
    printed = capsys.readouterr().out
    assert "7319 done" in printed


def test_every_command_of_the_readme_is_understood() -> None:
    lines = [line for block in blocks("") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("rlm-kernel ")]
    assert len(commands) >= 4
    for line in commands:
        given = parser().parse_args(shlex.split(line)[1:])
        for path in getattr(given, "context", ()):
            assert Path(HERE, path).is_file(), f"{line}: {path} isn't there after a clone"


def test_every_option_and_verb_of_the_readme_exists() -> None:
    from rlm_kernel.notebook._verbs import VERBS
    from rlm_kernel.notebook.magics import RLMMagics

    options = {o for a in RLMMagics.question.parser._actions for o in a.option_strings}
    section = README.partition("## In a notebook")[2].partition("## On the command line")[0]
    named = set(re.findall(r"(?<=[`\s])--[a-z-]+", section))
    named -= {"--lab", "--install-only", "--user"}  # of the commands in that section
    assert named <= options
    verbs = set(re.findall(r"(?<!%)%rlm ([a-z]+)", section))
    assert verbs <= set(VERBS)
    assert len(verbs) >= 8


def test_every_file_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).resolve().parents[2] / target).exists(), target
