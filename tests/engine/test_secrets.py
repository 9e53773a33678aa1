"""A planted key is nowhere after a full scenario, and importing us talks to nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Fault, OpenAIServer

from rlm_kernel.engine import RLM
from rlm_kernel.log import tree_html, tree_text

KEY = "sk-planted-5tR0ngAndL0ngEn0ugh-0123456789"
TURNS = [
    "print(llm_query('fine'))\nprint(llm_query_batched(['fine too', 'unauthorized']))",
    "import os\nprint(sorted(os.environ.items()))\nllm_query('unauthorized')",
    "FINAL('the end')",
]


def policy(request: dict[str, Any]) -> Any:
    prompt = request["messages"][-1]["content"]
    if prompt == "unauthorized":  # some providers, and proxies, repeat what they were sent
        said = f"Incorrect API key provided: {KEY}. Header was Bearer {KEY}"
        return Fault(status=401, body={"error": {"message": said, "code": "invalid_api_key"}})
    if request["messages"][0]["role"] == "system":
        turn = sum(m["role"] == "assistant" for m in request["messages"])
        return f"```python\n{TURNS[min(turn, 2)]}\n```"
    return "re: " + prompt


@pytest.mark.parametrize("given", ["api_key", "environment"])
def test_a_key_is_in_no_log_error_repr_or_view(
    make: Callable[..., RLM], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch,
    given: str, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    openai_server.reply_with(policy)
    options: dict[str, Any] = {"api_key": KEY} if given == "api_key" else {}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(0)
    rlm = make("openai/x-root", "openai/x-sub", where="kernel", max_turns=5,
               api_base=openai_server.api_base, **options)  # fmt: skip
    run = rlm.run("What?", "some text")
    assert run.status == "done", run.reason
    sent = {r.headers.get("Authorization") for r in openai_server.requests}
    # A key of the environment is its provider's: no other server gets it.
    assert sent == {f"Bearer {KEY}" if given == "api_key" else None}
    seen: dict[str, str] = {
        "repr": repr([rlm, rlm.gateway, run, run.log, run.ledger, run.settings, run.repl]),
        "providers": repr([rlm.gateway.resolve("openai/x-root"), vars(rlm.gateway)["_made"]]),
        "str": str(run), "tree": tree_text(run.tree), "html": tree_html(run.tree),
        "transcript": str(run.transcript), "history": str(run.history),
        "process log": caplog.text, "traits": json.dumps(rlm.trait_defaults(), default=str),
    }  # fmt: skip
    try:
        rlm.run("", "x")
    except Exception:
        seen["traceback"] = traceback.format_exc()
    assert run.log.folder is not None
    for path in sorted(run.log.folder.rglob("*")):
        if path.is_file():
            seen[path.name] = path.read_bytes().decode("utf-8", "replace")
    assert len(seen) > 10
    assert [name for name, text in seen.items() if KEY in text] == []
    assert "unauthorized" in seen["log.jsonl"], "the scenario came to the error"


def test_importing_and_the_magics_talk_to_nobody(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import socket, sys
        def loud(*args, **kwargs):
            raise SystemExit(f"somebody wanted the network: {args}")
        socket.socket.connect = socket.socket.connect_ex = loud
        socket.getaddrinfo = socket.create_connection = loud
        import rlm_kernel, rlm_kernel.cli, rlm_kernel.evals.bench
        from rlm_kernel.notebook import magics, kernel
        from rlm_kernel import RLM, Gateway
        rlm = RLM(model="anthropic/claude-sonnet-4-5", api_key="x")
        rlm.gateway.info("anthropic/claude-sonnet-4-5")
        from rlm_kernel.lm.litellm_provider import load_litellm
        assert load_litellm().telemetry is False
        print("quiet")
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "quiet\n", done.stderr[-2_000:]
