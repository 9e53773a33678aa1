"""Every example runs top to bottom, in our kernel and in a plain one, under each ipykernel.

``scripts/test.py`` names the interpreters in ``RLM_TEST_KERNELS`` (JSON: ipykernel's version to a
Python); without it the examples run under the installed ipykernel alone.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))
PYTHONS: dict[str, str] = json.loads(os.environ.get("RLM_TEST_KERNELS", "{}")) or {
    version("ipykernel"): sys.executable
}
MODULES = {"rlm": "rlm_kernel.notebook.launch", "plain": "ipykernel_launcher"}
SECONDS = 240

pytestmark = pytest.mark.timeout(SECONDS + 60)


def manager(folder: Path, python: str, kind: str) -> AsyncKernelManager:
    """A manager of the kernel ``kind``, run by another environment's Python."""
    spec = folder / "kernels" / kind
    spec.mkdir(parents=True)
    argv = [python, "-m", MODULES[kind], "-f", "{connection_file}"]
    words = {"argv": argv, "display_name": kind, "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(words))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    return AsyncKernelManager(kernel_name=kind, kernel_spec_manager=specs)


def execute(notebook: NotebookNode, folder: Path, python: str, kind: str) -> NotebookNode:
    """Run a notebook; an error in a cell is an exception here."""
    work = folder / "work"
    work.mkdir()
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        km=manager(folder, python, kind),
        resources={"metadata": {"path": str(work)}},
    )
    done: NotebookNode = client.execute()
    return done


def outputs_text(cell: NotebookNode) -> str:
    """What a cell shows, as plain text."""
    parts = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "".join(parts)


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
