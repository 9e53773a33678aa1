"""A recording made under one ipykernel runs again under the others, and under every Python here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kernels import PYTHONS, SECONDS, execute, outputs_text
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
THIS = f"python3.{sys.version_info.minor}"
OTHERS = [name for name in ("python3.11", "python3.12", "python3.13") if name != THIS]

pytestmark = pytest.mark.timeout(SECONDS + 60)

# What a cell can come to: a value, output, an error, an answer of a call, a display.
ASK = """\
from rlm_kernel import ScriptedModel
text = "a\\r\\nb\\u2028ü " * 50
cells = ["n = len(context)\\nprint(n, repr(context[:6]))\\n{'n': n, 'half': n / 2}",
         "1 / 0", "said = llm_query_batched(['x', 'y'])\\nprint(said)\\nnothing",
         "from IPython.display import display, HTML\\ndisplay(HTML('<b>b</b>'))\\nFINAL(said)"]
root = ScriptedModel([f"```repl\\n{cell}\\n```" for cell in cells])
sub = ScriptedModel(lambda messages: "re " + messages[-1]["content"], name="sub")"""
RUN = "%%rlm r --context text --model root --sub-model sub --mode auto\nWhat is said?"
AGAIN = """\
import sys
from rlm_kernel import RLM, Run
run = Run.load(sys.argv[1])
assert run.answer == ["re x", "re y"], run.answer
with RLM(sandbox="none", where="kernel") as rlm:
    print(sys.version_info[:2], rlm.replay(run))
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A recording of the same run for each ipykernel, made in a notebook of it."""
    made = {}
    for kernel, python in PYTHONS.items():
        folder = tmp_path_factory.mktemp("made")
        path = folder / "run.rlm"
        said = "import ipykernel\nprint('ipykernel', ipykernel.__version__)"
        cells = [said, ASK, RUN, f"%rlm save {path} --context"]
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RLM_HOME", str(folder / "home"))
            done = execute(notebook, folder, python, "rlm")
        assert f"ipykernel {kernel}" in outputs_text(done.cells[0])
        assert path.is_file(), outputs_text(done.cells[3])
        made[kernel] = path
    return made


@pytest.mark.parametrize("kernel", list(PYTHONS))
def test_a_recording_runs_again_under_every_ipykernel(
    kernel: str, recordings: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    asked = [f"%rlm replay {path} --sandbox none" for path in recordings.values()]
    fork = f"%rlm fork {next(iter(recordings.values()))} --turn 3 --where shell --model k --as b"
    fork += " --sub-model k"
    model = "from rlm_kernel import ScriptedModel\nk = ScriptedModel(['```repl\\nFINAL(n)\\n```'])"
    cells = [new_code_cell(cell) for cell in (*asked, model, fork, "print(b.answer)")]
    done = execute(new_notebook(cells=cells), tmp_path, PYTHONS[kernel], "rlm")
    for made, cell in zip(recordings, done.cells, strict=False):
        assert "The same: 4 cells ran again with 2 recorded replies." in outputs_text(cell), made
    assert outputs_text(done.cells[-1]) == "350\n"


@pytest.mark.parametrize("name", OTHERS)
def test_a_recording_runs_again_under_every_python_here(
    name: str, recordings: Mapping[str, Path], tmp_path: Path
) -> None:
    python = shutil.which(name)
    home = {"PYTHONPATH": str(ROOT), "RLM_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    env = {**os.environ, **home}
    imports = [python or name, "-c", "import rlm_kernel.engine.rlm, rlm_kernel.repl.kernel"]
    if python is None or subprocess.run(imports, env=env, capture_output=True).returncode:
        pytest.skip(f"{name} isn't here, or lacks what rlm-kernel needs")
    for path in recordings.values():
        done = subprocess.run(
            [python, "-c", AGAIN, str(path)], env=env, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "The same: 4 cells ran again with 2 recorded replies." in done.stdout


def test_a_recording_holds_texts_only(recordings: Mapping[str, Path]) -> None:
    import zipfile

    for path in recordings.values():
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                data = archive.read(info)
                assert b"cpython" not in data, info.filename
                if info.filename.startswith("log"):
                    assert all(json.loads(line) for line in data.splitlines())
