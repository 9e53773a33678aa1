"""Through the real litellm, offline: its mock replies, its errors, its import."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from helpers_lm import ROOT, ListSink, ask, call
from servers import Fault, OpenAIServer, Say

from rlm_kernel.errors import ModelError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway, LiteLLMProvider, litellm_provider, run_sync
from rlm_kernel.protocol import Constraint, Reply


def through(mock: Any, origin: Any = None, model: str = "l/gpt-5-mini") -> tuple[Any, ListSink]:
    sink = ListSink()

    async def main() -> Reply | ModelError:
        provider = LiteLLMProvider(api_key="sk-x", mock_response=mock)
        gateway = Gateway(providers={"l": provider}, max_retries=1, retry_base=0.001)
        try:
            more = {"origin": origin} if origin else {}
            return await call(gateway, ask("hi", model), BudgetLedger("$1"), sink, **more)
        except ModelError as error:
            return error

    return run_sync(main()), sink


def test_a_mock_reply_comes_with_a_price_from_the_map() -> None:
    reply, _ = through("hello")
    assert reply.text == "hello"
    assert reply.usage.input_tokens > 0
    entry_cost = reply.usage.input_tokens * 2.5e-7 + reply.usage.output_tokens * 2e-6
    assert reply.usage.cost == pytest.approx(entry_cost)


def test_a_mock_reply_streams() -> None:
    reply, sink = through("one two three", ROOT)
    assert reply.text == "one two three"
    assert sink.of("call.text")


@pytest.mark.parametrize(
    ("mock", "kind"),
    [
        ("litellm.RateLimitError", "rate"),
        ("litellm.ContextWindowExceededError", "window"),
        ("litellm.InternalServerError", "server"),
    ],
)
def test_its_errors_are_ours(mock: str, kind: str) -> None:
    error, _ = through(mock)
    assert isinstance(error, ProviderError)
    assert error.kind == kind
    assert "\n" not in str(error)


def test_a_server_is_reached_through_it_too(openai_server: OpenAIServer) -> None:
    openai_server.script(Say("via litellm", usage={"prompt_tokens": 9}))
    sink = ListSink()

    async def main() -> Any:
        gateway = Gateway(api_base=openai_server.api_base, api_key="sk-secret-0123456789",
                          direct=False, retry_base=0.001)  # fmt: skip
        assert type(gateway.resolve("openai/x-sub")[0]) is LiteLLMProvider
        first = await call(gateway, ask("hi"), sink=sink)
        openai_server.script(
            Fault(status=401, body={"error": {"message": "bad key sk-secret-0123456789"}})
        )
        with pytest.raises(ProviderError) as info:
            await call(gateway, ask("again"), sink=sink)
        openai_server.script(Fault("null"), Fault(status=503), "fine")
        third = await call(gateway, ask("third"), sink=sink)
        openai_server.script("yes")
        fourth = await call(gateway, ask("4", constraint=Constraint(choices=("yes", "no"))))
        return first, info.value, third, fourth

    first, error, third, fourth = run_sync(main())
    assert (first.text, first.usage.input_tokens) == ("via litellm", 9)
    assert first.usage.cost is None  # a server of one's own has no price
    assert error.kind == "auth"
    assert "sk-secret" not in str(error)
    assert third.text == "fine"
    assert fourth.value == "yes"


def test_a_server_that_is_not_there_is_a_connection_error() -> None:
    async def main() -> None:
        gateway = Gateway(api_base="http://127.0.0.1:9/v1", direct=False, max_retries=0)
        with pytest.raises(ProviderError) as info:
            await call(gateway, ask("hi"))
        assert info.value.kind == "connect"

    run_sync(main())


def test_its_import_reads_no_dotenv_and_says_nothing(tmp_path: Any) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    code = (
        "import os\n"
        "from rlm_kernel.lm.litellm_provider import load_litellm\n"
        "litellm = load_litellm()\n"
        "assert 'FROM_DOTENV' not in os.environ\n"
        "assert litellm.suppress_debug_info and not litellm.telemetry\n"
        "assert os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] == 'True'\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("LITELLM")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, timeout=100, env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_cancelling_ends_a_call_through_it(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("hang"))

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base, direct=False)
        task = asyncio.create_task(call(gateway, ask("hi")))
        await asyncio.to_thread(openai_server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            while openai_server.flying:
                await asyncio.sleep(0.01)

    run_sync(main())


def test_a_stream_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        async def acompletion(self, **arguments: Any) -> Any:
            async def chunks() -> Any:
                while True:
                    yield self

            return chunks()

        def model_dump(self) -> dict[str, Any]:
            return {"choices": [{"delta": {"content": "x" * 1000}}]}

    monkeypatch.setattr(litellm_provider, "load_litellm", Endless)
    monkeypatch.setattr(litellm_provider, "MAX_BODY", 1 << 20)
    came: list[str] = []
    with pytest.raises(ProviderError, match="reply of more than 1 MiB") as caught:
        asyncio.run(LiteLLMProvider().complete(ask("hi"), came.append))
    assert caught.value.cut  # it is booked
    assert 1000 < len(came) < 1100
