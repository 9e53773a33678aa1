"""What macOS and Windows lack isn't needed there: our modules see a standard library like theirs.

This finds what they lack, not what they do otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMS = ["macos", "windows"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it shows another system's")
#: In a box only, and with torch only.
NOT_EVERYWHERE = ("rlm_kernel.repl.box.rlimits:", "rlm_kernel.trm.learn.",
                  "rlm_kernel.evals._plain_trm")
ANSWER = """
from rlm_kernel import RLM, ScriptedModel
turns = ["```python\\nx = llm_query('hi')\\n```", "```python\\nFINAL(context.upper() + x)\\n```"]
with RLM(model=ScriptedModel(turns), sub_model=ScriptedModel(["ho"]), sandbox="none") as rlm:
    run = rlm.run("What?", "abc")
    print(run.answer, run.status, run.log.folder, sep=";")
"""


def there(system: str, home: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run our modules as on another system; give what they printed."""
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(home)])
    env = {**os.environ, "RLM_HOME": str(home / "rlm"), "COLUMNS": "200", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("elsewhere.py")), system, *arguments],
        env=env, cwd=home, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in codes, done.stderr
    return done.stdout


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_module_can_be_imported(system: str, tmp_path: Path) -> None:
    failed = there(system, tmp_path).splitlines()
    assert [line for line in failed if not line.startswith(NOT_EVERYWHERE)] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_question_is_answered_and_its_recording_replayed(system: str, tmp_path: Path) -> None:
    (tmp_path / "question.py").write_text(ANSWER, "utf-8")
    answer, status, folder = there(system, tmp_path, "question").strip().split(";")
    assert (answer, status) == ("ABCho", "done")
    again = there(system, tmp_path, "rlm_kernel.cli", "replay", folder, "--sandbox", "none")
    assert "\nAnswer: ABCho\n" in again


@pytest.mark.parametrize("system", SYSTEMS)
def test_doctor_says_what_there_is_and_advises_nothing_that_is_not(
    system: str, tmp_path: Path
) -> None:
    # 1: there is no model here that can be reached
    said = " ".join(there(system, tmp_path, "rlm_kernel.cli", "doctor", codes=(0, 1)).split())
    assert "could not look" not in said
    assert "gateway process" in said
    assert "your other processes could read its memory" in said
    assert "install bubblewrap" not in said
