"""A person at a terminal: what they are asked is seen before they answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pexpect = pytest.importorskip("pexpect", reason="there are no pseudo-terminals here")
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = r"""
from rlm_kernel import ScriptedModel
root = ScriptedModel(['''```repl
said = llm_query("Which colour?")
print("it was", said)
```''', '''```repl
FINAL(said)
```'''])
"""


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "script.py").write_text(SCRIPT)
    env = dict(os.environ, HOME=str(tmp_path), IPYTHONDIR=str(tmp_path / "ipython"), TERM="dumb",
               RLM_HOME=str(tmp_path / "rlm"), PYTHONPATH=str(ROOT))  # fmt: skip
    argv = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    child = pexpect.spawn(sys.executable, argv, env=env, cwd=str(tmp_path), timeout=60,
                          encoding="utf-8", echo=False)  # fmt: skip
    child.expect_exact("In [1]: ")
    yield child
    child.close(force=True)


def test_who_is_the_sub_model_sees_the_prompt_first_and_the_root_does_not(console: Any) -> None:
    console.sendline("%load_ext rlm")
    console.expect_exact("In [2]: ")
    console.sendline("%run -i script.py")
    console.expect_exact("In [3]: ")
    console.sendline(
        "get_ipython().run_cell_magic('rlm', 'mine --model root --sub-model human --mode auto', "
        "'Which colour is it?')"
    )
    console.expect_exact("Which colour?\r\n")
    console.expect_exact("You are the sub-model: answer.")
    console.expect_exact("> ")
    console.sendline("red")
    console.expect_exact("> ")
    console.sendline(".")
    console.expect_exact("In [4]: ")
    console.sendline("print(mine.answer, [c.output for c in mine.tree.find(kind='cell')])")
    console.expect_exact("red ['it was red\\n', '']")
