"""The kernel as its kernelspec starts it: without keys, beside a gateway process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Kernel
from servers import OpenAIServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the front end's socket is ipc")
KEY = "sk-planted-for-the-kernel-0123456789"

LOOK = f"""
import os, gc, re, pathlib
key = {KEY[:12]!r} + {KEY[12:]!r}
found = [name for name, value in os.environ.items() if key in value]
if key.encode() in pathlib.Path('/proc/self/environ').read_bytes():
    found.append('/proc/self/environ')
mine = key.encode()
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
    for line in maps:
        span, rights = line.split()[:2]
        if rights.startswith('rw') and 'vvar' not in line:
            low, high = (int(x, 16) for x in span.split('-'))
            try:
                memory.seek(low)
                data = memory.read(high - low)
            except (OSError, ValueError, OverflowError):
                continue
            found += [hex(low)] * data.count(mine)
print(len(found))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    def policy(request: dict[str, Any]) -> str:
        messages = request["messages"]
        if messages[0]["role"] != "system":
            return "re: " + messages[-1]["content"]
        turn = sum(m["role"] == "assistant" for m in messages)
        return "```python\n" + ["x = llm_query('hi')", "FINAL(x)"][min(turn, 1)] + "\n```"

    with OpenAIServer(policy) as one:
        yield one


@pytest.fixture(scope="module")
def kernel(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("MY_DATABASE_PASSWORD", KEY)
        patch.setenv("KEPT_TOKEN", "kept")
        patch.setenv("RLM_KEEP_ENV", "KEPT_TOKEN")
        patch.setenv("OPENAI_BASE_URL", server.api_base)
        one = Kernel("ours", tmp_path_factory.mktemp("k"))
    try:
        one.run("text = 'abc ' * 100")
        yield one
    finally:
        one.close()


ASK = "%%rlm r --context text --model openai/x --mode auto\nGo"


def test_a_run_uses_a_key_that_the_kernel_never_had(kernel: Kernel, server: OpenAIServer) -> None:
    cell = kernel.run(ASK)
    assert cell.ok, cell.text
    assert "Answer: re: hi" in cell.text
    assert server.requests[-1].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in str(cell.messages)
    found = kernel.run(LOOK)
    # The cell's own two: the variable that it made, and its bytes.
    assert found.ok, found.text
    assert int(found.stdout) <= 8, "the cell's own copies of what it looks for, at most"
    assert kernel.value("os.environ.get('MY_DATABASE_PASSWORD'), os.environ['KEPT_TOKEN']") == (
        "(None, 'kept')"
    )
    folder = Path(kernel.value("str(r.log.folder)").strip("'"))
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    assert not (folder / "paid.jsonl").exists(), "all of it is in the log"


def test_status_says_where_calls_are_made(kernel: Kernel) -> None:
    text = kernel.run("%rlm status r").text
    assert "gateway process" in text
    assert "still runs as you" in text


def test_a_key_is_typed_at_a_prompt_and_listed_by_name(
    kernel: Kernel, server: OpenAIServer
) -> None:
    cell = kernel.run("%rlm key OPENAI_API_KEY", stdin=["sk-typed-by-a-person-123"])
    assert cell.ok, cell.text
    assert "sk-typed" not in str(cell.messages)
    assert "OPENAI_API_KEY (given here)" in kernel.run("%rlm key").text
    assert kernel.run("r.gateway.cache = False\n").ok
    assert kernel.run(ASK.replace("Go", "Again")).ok
    assert server.requests[-1].headers["Authorization"] == "Bearer sk-typed-by-a-person-123"
    wrong = kernel.run("%rlm key OPENAI_API_KEY sk-typed-into-a-cell")
    assert not wrong.ok
    assert "would stay in the notebook" in wrong.text
    assert kernel.run("%rlm key -d OPENAI_API_KEY").ok
    assert "OPENAI_API_KEY" not in kernel.run("%rlm key").text


def test_a_restart_keeps_the_gateway_and_what_it_was_given(
    kernel: Kernel, server: OpenAIServer
) -> None:
    pid = "__import__('rlm_kernel.lm.served.client', fromlist=['x']).installed().ask('status')"
    before = kernel.value(pid + "['pid']")
    assert kernel.run("%rlm key OPENAI_API_KEY", stdin=["sk-kept-over-a-restart"]).ok
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    assert kernel.value(pid + "['pid']") == before
    kernel.run("text = 'abc'")
    assert kernel.run(ASK).ok
    assert server.requests[-1].headers["Authorization"] == "Bearer sk-kept-over-a-restart"


def test_where_there_are_no_unix_sockets_a_gateway_process_has_the_key_all_the_same(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.api_base)
    kernel = Kernel("loopback", tmp_path)
    try:
        kernel.run("text = 'abc'")
        cell = kernel.run(ASK)
        assert cell.ok, cell.text
        assert "Answer: re: hi" in cell.text
        assert server.requests[-1].headers["Authorization"] == f"Bearer {KEY}"
        assert kernel.value("__import__('os').environ.get('OPENAI_API_KEY')") == "None"
        assert "gateway process" in kernel.run("%rlm status r").text
        ours = "__import__('rlm_kernel.lm.served.client', fromlist=['x']).installed().address"
        assert kernel.value(ours).strip("'").endswith("port.json")
    finally:
        kernel.close()


def test_without_a_gateway_process_it_is_said_once(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.api_base)
    plain = Kernel("plain", tmp_path)
    try:
        plain.run("%load_ext rlm\ntext = 'abc'")
        first, second = plain.run(ASK), plain.run(ASK)
        assert first.ok, first.text
        assert "can read the keys it uses" in first.text
        assert "can read the keys it uses" not in second.text
        assert os.environ["OPENAI_API_KEY"] == KEY
    finally:
        plain.close()
