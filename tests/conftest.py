"""Fixtures for every room's tests."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no failure.
hypothesis.settings.register_profile("rlm-kernel", deadline=None)
hypothesis.settings.load_profile("rlm-kernel")

for folder in (Path(__file__).parent, Path(__file__).parent / "lm"):
    sys.path.insert(0, str(folder))

# A job started in the background ignores SIGINT, and so would every test that sends one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from servers import OpenAIServer  # noqa: E402 (its folder must be on the path first)


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A real OpenAI-compatible server on loopback; see ``servers.py``."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may spend a key that happens to be in the environment."""
    import os

    for name in [n for n in os.environ if n.endswith(("_API_KEY", "_AUTH_TOKEN"))]:
        monkeypatch.delenv(name)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
