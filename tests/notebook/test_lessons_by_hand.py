"""The lessons in which somebody is the root, or a sub-model, done by a person at the keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
ALL = r"""
parts = mail.split("\n\n")
labels = llm_query_batched(
    ["A line each.\n\n" + "\n\n".join(parts[i:i + 20]) for i in range(0, len(parts), 20)])
lines = [line for text in labels for line in text.splitlines()]
print(len(lines), "of", len(parts))
"""


def cells(name: str) -> list[str]:
    """Give the code cells of a lesson."""
    (path,) = FOLDER.glob(f"{name}-*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def lesson(ours: Any) -> Any:
    assert ours.run(f"import os\nos.chdir({str(FOLDER)!r})").ok
    return ours


def test_a_learner_takes_the_run_over_and_is_told_how_it_went(lesson: Any) -> None:
    for code in cells("04"):
        if code.startswith("%%rlm"):
            taken = lesson.run(code, stdin=["t"])
            assert "You have the notebook" in taken.text
        elif code.startswith("# your cells"):
            for mine in (ALL, "my_answer = sum(line.endswith('noise') for line in lines)"):
                assert lesson.run(mine, stdin=[]).ok
            assert lesson.run("%rlm handback", stdin=["a"]).ok
        elif "print(beside" in code:
            told = lesson.run(code, stdin=[]).stdout
            assert re.fullmatch(
                r"Right, by \d cells and 3 calls \([\d,]+ tokens\): less than in the recording, "
                r"by 4 cells and 60 calls \(4,400 tokens\)\.", told.strip()
            ), told  # fmt: skip
        elif "did(theirs)" in code:
            told = lesson.run(code, stdin=[]).stdout
            assert "the recording: 4 cells and 60 calls" in told
            assert re.search(r"you: \d cells and 3 calls", told)
        else:
            assert lesson.run(code, stdin=[]).ok, code
    assert lesson.value("mine.answer == about.count('noise')") == "True"


def test_a_learner_answers_the_calls_of_the_root(lesson: Any) -> None:
    said = ["which letter?"] * 3
    for code in cells("05"):
        if code.startswith("%%rlm"):
            about = lesson.value("about")
            said += re.findall(r"'(\w+)'", about)
            lines = [line for text in said for line in (text, ".")]  # a dot ends each
            asked = lesson.run(code, stdin=lines)
            assert len(asked.prompts) == 12, asked.text
        elif "print(answered(mine" in code:
            assert lesson.run(code, stdin=[]).stdout.startswith("Right: ")
        else:
            assert lesson.run(code, stdin=[]).ok, code
