"""Notebooks without a person: nbclient, papermill, and what a saved notebook shows."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "01-first-run.ipynb"
MODULES = {"ours": "rlm_kernel.notebook.launch", "plain": "ipykernel_launcher"}


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernelspecs ``ours`` and ``plain`` of this interpreter, and homes of their own."""
    import json

    for name, module in MODULES.items():
        folder = tmp_path / "data" / "kernels" / name
        folder.mkdir(parents=True)
        argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": name, "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "rlm"))
    monkeypatch.setenv("RLM_MODELS", str(tmp_path / "no-models"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    monkeypatch.setenv("PYTHONPATH", path)
    assert {"ours", "plain"} <= set(KernelSpecManager().find_kernel_specs())


def executed(nb: Any, kernel: str, folder: Path) -> Any:
    from nbclient import NotebookClient

    client = NotebookClient(
        nb, kernel_name=kernel, timeout=120, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return nb


def notebook(*cells: str) -> Any:
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return nb


def shown(cell: Any) -> str:
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@pytest.mark.parametrize("kernel", ["ours", "plain"])
def test_the_first_example_runs_top_to_bottom_without_a_key(
    specs: None, tmp_path: Path, kernel: str
) -> None:
    nb = executed(nbformat.read(EXAMPLE, 4), kernel, tmp_path)
    cells = {cell.source: cell for cell in nb.cells if cell.cell_type == "code"}
    asked = [cell for source, cell in cells.items() if source.startswith("%%rlm why")]
    (display,) = asked[0].outputs
    assert "nothing is generated" in display.data["text/plain"]
    assert "✓ done" in display.data["text/plain"]
    assert "Answer" in display.data["text/html"]
    assert any("right:  True" in shown(cell) for cell in cells.values())
    wrong = [cell for source, cell in cells.items() if "chronicel" in source]
    assert shown(wrong[0]).strip().startswith("UsageError: ")
    assert not any(o.output_type == "error" for cell in cells.values() for o in cell.outputs)
    assert "widgets" not in nb.metadata


def test_the_example_is_saved_without_outputs_machine_paths_or_keys() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    nb = nbformat.reads(text, 4)
    nbformat.validate(nb)
    assert all(not cell.get("outputs") for cell in nb.cells)
    assert "/home/" not in text
    assert "/tmp/" not in text


def test_a_saved_notebook_shows_the_final_tree_as_html_without_scripts(
    specs: None, tmp_path: Path
) -> None:
    nbconvert = pytest.importorskip("nbconvert")
    nb = executed(
        notebook(
            "from rlm_kernel import ScriptedModel\ntext = 'abc' * 9\n"
            "m = ScriptedModel(['```repl\\nn = len(context)\\n```', '```repl\\nFINAL(n)\\n```'])",
            "%%rlm r --context text --model m\nHow long is <it>?",
        ),
        "ours",
        tmp_path,
    )
    page, _ = nbconvert.HTMLExporter().from_notebook_node(nb)
    assert "How long is &lt;it&gt;?" in page
    assert "n = " in page
    body = page.partition("How long is &lt;it&gt;?")[2]
    assert "27" in body
    assert "root model thinks" not in page


def test_papermill_takes_parameters_and_fails_where_there_is_no_answer(
    specs: None, tmp_path: Path
) -> None:
    papermill = pytest.importorskip("papermill")
    nb = notebook(
        "wanted = 'b'",
        "from rlm_kernel import ScriptedModel\n"
        "m = ScriptedModel(['```repl\\nprint(1 / 0)\\n```', "
        "'```repl\\nFINAL(context.count(wanted))\\n```'])\ntext = 'aabbb'",
        "%%rlm r --context text --model m\nHow many?",
        "print('found', r.answer)",
        "%%rlm s --context text --model m\nThe script is at its end.",
    )
    nb.cells[0].metadata["tags"] = ["parameters"]
    nb.metadata["kernelspec"] = {"name": "ours", "language": "python", "display_name": "ours"}
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(nb, source)
    with pytest.raises(papermill.PapermillExecutionError) as failed:
        papermill.execute_notebook(
            source, target, parameters={"wanted": "a"}, kernel_name="ours", progress_bar=False
        )
    assert failed.value.ename == "AnswerError", "the model's own ZeroDivisionError didn't stop it"
    done = nbformat.read(target, 4)
    assert any("found 2" in shown(cell) for cell in done.cells if cell.cell_type == "code")


def test_step_mode_fails_clearly_instead_of_waiting(specs: None, tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    nb = notebook(
        "from rlm_kernel import ScriptedModel\nm = ScriptedModel(['x'])\ntext = 'abc'",
        "%%rlm r --context text --model m --mode step\nHow long?",
    )
    with pytest.raises(CellExecutionError) as failed:
        executed(nb, "ours", tmp_path)
    assert "nobody can be asked" in str(failed.value)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_console_tells_the_run_line_by_line_and_asks_at_its_prompt(
    ours: Any, tmp_path: Path
) -> None:
    pytest.importorskip("jupyter_console")
    pexpect = pytest.importorskip("pexpect")
    # A console that starts its kernel itself connects its channels one by one, whenever each is
    # there; it can miss the end of a first cell that is typed at once, and then waits for ever.
    argv = ["-m", "jupyter_console", "--existing", str(ours.manager.connection_file),
            "--simple-prompt", "--no-confirm-exit"]  # fmt: skip
    env = dict(os.environ, TERM="dumb", HOME=str(tmp_path))
    console = pexpect.spawn(sys.executable, argv, env=env, encoding="utf-8", timeout=60)
    try:
        console.expect_exact("%%rlm; %rlm help")
        console.expect(r"In \[\d*\]:")
        console.sendline(
            "from rlm_kernel import ScriptedModel; text = 'abc'; "
            "m = ScriptedModel(['```repl\\nn = len(context) * 7\\nprint(n)\\n```', "
            "'```repl\\nFINAL(n)\\n```'])"
        )
        console.expect(r"In \[\d*\]:")
        console.sendline(
            "get_ipython().run_cell_magic('rlm', '--context text --model m', 'How long?')"
        )
        console.expect_exact("n = len(context) * 7")
        console.expect_exact("[q]uit")
        console.sendline("a")
        console.expect_exact("FINAL(n)")
        console.expect_exact("[q]uit")
        console.sendline("u")
        console.expect_exact("Answer: 21")
        console.expect(r"In \[\d*\]:")
    finally:
        with contextlib.suppress(OSError):
            console.close(force=True)
