"""The Python of README and docs/ runs as it stands, but for the model; what they name is there."""

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
README = HERE / "README.md"
PAGES = [README, *sorted((HERE / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"))


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def root(messages: Sequence[Any]) -> str:
    """Find the code as a root model would, and look it up where it was given the function."""
    return (
        "```repl\nimport re\ncode = re.search(r'code is (\\d+)', context).group(1)\n"
        "who = look_up(code) if 'look_up' in globals() else None\n"
        "answer = {'content': int(code), 'ready': True}\n```"
    )


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_examples_run_and_answer_right(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"MODEL": ScriptedModel(root)}
    examples = blocks(page, "python")
    answers, shown = [], ""
    for code in examples:
        exec(code.replace('model="local"', "model=MODEL"), namespace)
        said = capsys.readouterr().out
        solves = "trm.solve" in code
        answers.append("\nSolved: " in said if solves else namespace["run"].answer == 7319)
        shown += said
    assert all(answers)
    if page is README:
        assert "7319 done" in shown


def test_there_are_examples_in_the_readme_and_below_it() -> None:
    found = {page.name for page in WITH_PYTHON}
    assert {"README.md", "python.md", "recordings.md", "sandbox.md"} <= found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_understood(page: Path) -> None:
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("rlm-kernel ")]
    if page is README:
        assert len(commands) >= 4
    for line in commands:
        given = parser().parse_args(shlex.split(line)[1:])
        for path in getattr(given, "context", None) or ():
            assert Path(HERE, path).is_file(), f"{line}: {path} isn't there after a clone"


def test_every_option_and_verb_exists() -> None:
    from rlm_kernel.notebook._verbs import VERBS
    from rlm_kernel.notebook.magics import RLMMagics

    text = README.read_text(encoding="utf-8")
    options = {o for a in RLMMagics.question.parser._actions for o in a.option_strings}
    section = text.partition("## In a notebook")[2].partition("## On the command line")[0]
    section += Path(HERE, "docs", "notebook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<=[`\s])--[a-z-]+", section))
    named -= {"--lab", "--install-only", "--user"}  # of the commands in that section
    assert len(named) >= 6
    assert named <= options
    verbs = set(re.findall(r"(?<!%)%rlm ([a-z]+)", section))
    assert verbs <= set(VERBS)
    assert len(verbs) >= 8


def test_each_command_and_each_of_its_pages_is_named() -> None:
    (verbs,) = (a.choices for a in parser()._actions if a.dest == "verb")
    page = Path(HERE, "docs", "command-line.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"(?m)^\| `([a-z]+)", page))
    assert rows == set(verbs)
    linked = set(re.findall(r"\]\(docs/([a-z-]+\.md)\)", README.read_text(encoding="utf-8")))
    assert linked == {page.name for page in PAGES[1:]}


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as they are made where it is shown."""
    heads = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, HERE / "SECURITY.md"], ids=lambda page: page.name)
def test_every_file_and_heading_that_is_linked_to_is_there(page: Path) -> None:
    for target, anchor in re.findall(
        r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")
    ):
        assert "://" not in target
        found = page.parent / target if target else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, HERE / "SECURITY.md"], ids=lambda page: page.name)
def test_lines_are_short_and_the_readme_too(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []
    if page is README:
        assert len(lines) <= 260
