"""What the fault tests share: a process that kills itself in the middle of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from disturbed import TEXT, policy
from servers import OpenAIServer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the runs, of this test's own."""
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def victim(openai_server: OpenAIServer, home: Path) -> Callable[..., Path]:
    """Run ``TURNS`` in a process that kills itself after an event; give the run's folder."""
    openai_server.reply_with(policy)

    def die(after: int | str, **options: Any) -> Path:
        given = {"after": after, "base": openai_server.api_base, "text": TEXT, **options}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("victim.py")), json.dumps(given)],
            env={**os.environ, "RLM_HOME": str(home)}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode in (-9, 0), done.stderr
        (folder,) = (home / "runs").iterdir()
        return folder

    return die
