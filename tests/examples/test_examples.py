"""Every example runs top to bottom, in our kernel and in a plain one, under each ipykernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from kernels import MODULES, PYTHONS, SECONDS, execute, outputs_text

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))

pytestmark = pytest.mark.timeout(SECONDS + 60)


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
@pytest.mark.parametrize("kind", list(MODULES))
@pytest.mark.parametrize("kernel", list(PYTHONS))
def test_an_example_runs_top_to_bottom(
    kernel: str, kind: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(example, as_version=4)
    said = "import ipykernel, sys; print('ipykernel', ipykernel.__version__)"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(said))
    if kind == "plain":
        notebook.cells.insert(1, nbformat.v4.new_code_cell("%load_ext rlm"))
    done = execute(notebook, tmp_path, PYTHONS[kernel], kind)
    assert f"ipykernel {kernel}" in outputs_text(done.cells[0])
    asked = [c for c in done.cells if c.cell_type == "code" and c.source.startswith("%%rlm")]
    assert asked, "an example asks at least one question"
    for cell in asked:
        assert outputs_text(cell).strip(), cell.source
