"""A gateway process for the tests of this room."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers_lm import SERVED_KEY
from servers import OpenAIServer

from rlm_kernel.errors import ProviderError
from rlm_kernel.lm.served import client as served
from rlm_kernel.lm.served.client import Client
from rlm_kernel.lm.served.start import ADDRESS, CAPABILITY, gateway_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer) -> Path:
    monkeypatch.setenv("RLM_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("OPENAI_API_KEY", SERVED_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.api_base)
    openai_server.reply_with(lambda request: "re: " + request["messages"][-1]["content"])
    return tmp_path


@pytest.fixture
def start(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def begin(budget: str | None = None) -> Client:
        found = gateway_for(str(home / "kernel-1.json"), budget)
        client = Client(found[ADDRESS], found[CAPABILITY])
        made.append(client)
        monkeypatch.setattr(served, "_installed", [client])
        return client

    yield begin
    for client in made:
        for name in ("keeper", "pid"):
            try:
                os.kill(client.ask("status")[name], signal.SIGKILL)
            except (OSError, ProviderError):
                break
