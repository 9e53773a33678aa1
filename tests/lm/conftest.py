"""A gateway process, started for a kernel of a test, ended after it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_lm import SERVED_KEY
from servers import OpenAIServer

from rlm_kernel.errors import ProviderError
from rlm_kernel.lm.served import client as served
from rlm_kernel.lm.served.client import Client
from rlm_kernel.lm.served.start import ADDRESS, CAPABILITY, gateway_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer) -> Path:
    """A folder of the test; the process's provider answers there, and has a key."""
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("OPENAI_API_KEY", SERVED_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.api_base)
    openai_server.reply_with(lambda request: "re: " + request["messages"][-1]["content"])
    return tmp_path


@pytest.fixture
def start(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    """Start it, or find it, as ``gateway_for`` does with what is given; the calls go to it then."""
    made: list[Client] = []

    def begin(budget: str | None = None, **more: Any) -> Client:
        found = gateway_for(str(home / "kernel-1.json"), budget, **more)
        client = Client(found[ADDRESS], found[CAPABILITY])
        made.append(client)
        monkeypatch.setattr(served, "_installed", [client])
        return client

    yield begin
    for client in made:
        for name in ("keeper", "pid"):
            with contextlib.suppress(OSError, ProviderError):
                os.kill(client.ask("status")[name], signal.SIGKILL)
