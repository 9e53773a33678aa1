"""The direct path: each way in which a server can answer, and how many tries it gets."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers_lm import ROOT, ListSink, ask, call
from hypothesis import given
from hypothesis import strategies as st
from servers import Fault, OpenAIServer, Say

from rlm_kernel.errors import ConfigError, ModelError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway, OpenAIProvider, openai_direct
from rlm_kernel.lm._completion import StreamReader
from rlm_kernel.lm._http_errors import from_status, retry_after
from rlm_kernel.protocol import Constraint, Reply

KEY = "test0123456789abcdef"


def make(server: OpenAIServer, **traits: Any) -> Gateway:
    traits = {"retry_base": 0.001, "call_timeout": 20.0, **traits}
    return Gateway(api_base=server.api_base, api_key=KEY, **traits)


def run(server: OpenAIServer, request: Any, **traits: Any) -> tuple[Reply | ModelError, ListSink]:
    sink = ListSink()
    origin = traits.pop("origin", None)

    async def main() -> Reply | ModelError:
        gateway = make(server, **traits)
        try:
            more = {} if origin is None else {"origin": origin}
            return await call(gateway, request, sink=sink, **more)
        except ModelError as error:
            return error
        finally:
            await gateway.close()

    return asyncio.run(main()), sink


def test_a_completion_comes_back_with_its_usage(openai_server: OpenAIServer) -> None:
    openai_server.script(
        Say("hello", usage={"prompt_tokens": 7, "completion_tokens": 2, "cost": 0.25,
                            "prompt_tokens_details": {"cached_tokens": 3}})
    )  # fmt: skip
    reply, sink = run(openai_server, ask("hi", temperature=0.0, stop=("X",), max_tokens=9))
    assert isinstance(reply, Reply)
    assert reply.text == "hello"
    used = reply.usage
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (7, 2, 3)
    assert used.cost == used.known_cost == 0.25  # the bill, where the provider tells it
    seen = openai_server.requests[0]
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.json["model"] == "x-sub"
    assert (seen.json["temperature"], seen.json["stop"], seen.json["max_tokens"]) == (0.0, ["X"], 9)
    assert "stream" not in seen.json
    assert sink.of("call.ended")[0].usage["cost"] == 0.25


def test_text_survives_the_wire_to_the_letter(openai_server: OpenAIServer) -> None:
    text = 'a\r\nb\x00c — 😀 \u2028 \\ " </script>'
    openai_server.reply_with(lambda request: request["messages"][-1]["content"])
    for origin in (None, ROOT):
        reply, _ = run(openai_server, ask(text), origin=origin, cache=False)
        assert isinstance(reply, Reply)
        assert reply.text == text
    reply, _ = run(openai_server, ask("lone \ud800 surrogate"))
    assert isinstance(reply, Reply)
    assert reply.text == "lone ? surrogate"


def test_the_root_streams(openai_server: OpenAIServer) -> None:
    openai_server.script(Say("one two three four five", usage={"cost": 0.5}))
    reply, sink = run(openai_server, ask("hi"), origin=ROOT)
    assert isinstance(reply, Reply)
    assert reply.text == "one two three four five"
    assert reply.usage.cost == 0.5
    assert reply.first_token is not None
    assert openai_server.requests[0].json["stream"] is True
    shown = "".join(e.text for e in sink.of("call.text"))
    assert shown
    assert reply.text.startswith(shown)
    assert all(e.transient for e in sink.of("call.text"))


@pytest.mark.parametrize("pieces", [["x" * 1000], [""]], ids=["text", "no text"])
def test_a_stream_that_never_ends_is_left_and_booked(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, pieces: list[str]
) -> None:
    monkeypatch.setattr(openai_direct, "MAX_BODY", 1 << 20)
    openai_server.script(Say("", pieces=itertools.cycle(pieces)))  # type: ignore[arg-type]
    error, sink = run(openai_server, ask("hi", max_tokens=100), origin=ROOT, max_retries=3)
    assert isinstance(error, ProviderError)
    assert "sent a reply of more than 1 MiB" in str(error)
    assert len(openai_server.requests) == 1  # no further try: it would be billed again
    used = sink.of("call.ended")[0].usage
    assert used["calls"] == 1
    assert used["output_tokens"] > (10_000 if pieces[0] else 0)


def test_a_server_that_does_not_stream_is_understood(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("slow", text="whole"))
    reply, _ = run(openai_server, ask("hi"), origin=ROOT)
    assert isinstance(reply, Reply)
    assert reply.text == "whole"


PASSING = [
    Fault(status=429),
    Fault(status=429, headers={"Retry-After": "0"}),
    Fault(status=500),
    Fault(status=503),
    Fault(status=529),
    Fault("html"),
    Fault("html", status=200),
    Fault("json"),
    Fault("notjson"),
    Fault("list"),
    Fault("empty"),
    Fault("null"),
    Fault("half"),
    Fault("drop"),
    Fault("inner", status=503),
    Fault("status", status=502, body="<html>bad gateway</html>"),
]


@pytest.mark.parametrize("origin", [None, ROOT], ids=["sub", "root"])
@pytest.mark.parametrize("fault", PASSING, ids=lambda f: f"{f.kind}{f.status}")
def test_a_fault_that_passes_costs_a_try_and_no_more(
    openai_server: OpenAIServer, fault: Fault, origin: Any
) -> None:
    openai_server.script(fault, "good")
    reply, sink = run(openai_server, ask("hi"), origin=origin)
    assert isinstance(reply, Reply), reply
    assert reply.text == "good"
    assert len(openai_server.requests) == 2
    assert len(sink.of("call.retried")) == 1
    assert sink.of("call.retried")[0].error
    assert [e.status for e in sink.of("call.ended")] == ["ok"]


def _error(status: int, message: str, **more: Any) -> Fault:
    return Fault(status=status, body={"error": {"message": message, **more}})


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (_error(401, f"Incorrect API key provided: {KEY}"), "auth", "refused the key"),
        (_error(403, "no"), "auth", "refused the key"),
        (_error(404, "The model `x-sub` does not exist"), "model", "no model 'x-sub'"),
        (Fault(status=404, body={"detail": "Not Found"}), "other", "end in /v1"),
        (_error(400, "This model's maximum context length is 8192 tokens"), "window", "window"),
        (_error(400, "nonsense"), "refused", "nonsense"),
        (_error(402, "pay"), "refused", "paid"),
        (_error(429, "You exceeded your quota", code="insufficient_quota"), "refused", "credit"),
        (Fault(status=301, headers={"Location": "http://evil.example/"}), "other", "elsewhere"),
        (Fault("length"), "other", "thinking"),
        (Fault("refusal"), "refused", "refused to answer"),
    ],
)
def test_a_fault_that_stays_is_said_at_once(
    openai_server: OpenAIServer, fault: Fault, kind: str, words: str
) -> None:
    openai_server.script(fault)
    error, sink = run(openai_server, ask("hi"))
    assert isinstance(error, ProviderError)
    assert error.kind == kind
    assert words in str(error)
    assert KEY not in str(error)
    assert len(openai_server.requests) == 1
    ended = sink.of("call.ended")
    assert [(e.status, e.error_kind) for e in ended] == [("error", kind)]
    assert KEY not in repr(sink.events)


@pytest.mark.parametrize("origin", [None, ROOT], ids=["sub", "root"])
@pytest.mark.parametrize("status", [200, 502])
def test_a_web_page_is_called_one(openai_server: OpenAIServer, status: int, origin: Any) -> None:
    openai_server.script(Fault("html", status=status))
    error, _ = run(openai_server, ask("hi"), origin=origin, max_retries=0)
    assert isinstance(error, ProviderError)
    assert error.kind == "server"
    assert "502 Bad Gateway" in str(error)
    assert "<" not in str(error)
    if status == 200:
        assert "web page" in str(error)


def test_a_stream_that_ends_too_early_is_not_taken_for_a_reply(
    openai_server: OpenAIServer,
) -> None:
    openai_server.script(Fault("clip", text="only the beginning"), "the whole")
    reply, sink = run(openai_server, ask("hi"), origin=ROOT)
    assert isinstance(reply, Reply)
    assert reply.text == "the whole"
    assert "broke off after 18 characters" in sink.of("call.retried")[0].error


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        (Fault(status=500), "server", 3),
        (Fault(status=429), "rate", 3),
        (Fault("json"), "malformed", 3),
        (Fault("drop"), "connect", 3),
        (Fault("null"), "malformed", 3),
    ],
    ids=lambda x: getattr(x, "kind", x),
)
def test_tries_are_counted(
    openai_server: OpenAIServer, fault: Fault, kind: str, tries: int
) -> None:
    openai_server.script(fault)
    error, sink = run(openai_server, ask("hi"), max_retries=2)
    assert isinstance(error, ProviderError)
    assert error.kind == kind
    assert len(openai_server.requests) == tries
    assert len(sink.of("call.retried")) == tries - 1
    assert len(sink.of("call.ended")) == 1


def test_a_server_that_hangs_is_left_after_the_time_limit(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("hang"))
    error, _ = run(openai_server, ask("hi"), call_timeout=0.1)
    assert isinstance(error, ProviderError)
    assert error.kind == "timeout"
    assert "0.1 s" in str(error)
    assert len(openai_server.requests) == 2  # one more try, no more


def test_a_try_that_was_cut_off_is_booked_as_it_may_be_billed(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("hang"))
    error, sink = run(openai_server, ask("word " * 500), call_timeout=0.05,
                      prices={"*": [1000, 1000]})  # fmt: skip
    assert isinstance(error, ProviderError)
    used = sink.of("call.ended")[0].usage
    assert used["calls"] == 2
    assert used["cost"] == pytest.approx(2 * 0.6, rel=0.5)


def test_a_try_that_was_cut_off_unseen_is_booked_by_its_time(openai_server: OpenAIServer) -> None:
    """A provider bills what a model wrote, also where nobody saw it."""
    openai_server.script(Fault("hang"))
    for limit, low, high in ((10_000, 40, 2000), (20, 20, 20)):
        error, sink = run(openai_server, ask("hi", max_tokens=limit), call_timeout=0.4,
                          max_retries=0, prices={"*": [1, 1]})  # fmt: skip
        assert isinstance(error, ProviderError)
        used = sink.of("call.ended")[0].usage
        assert low <= used["output_tokens"] <= high  # 100 a second, up to what it could have
        assert used["cost"] > 0
    error, sink = run(openai_server, ask("hi"), call_timeout=0.4, max_retries=0,
                      prices={"*": [0, 0]})  # fmt: skip
    assert sink.of("call.ended")[0].usage["output_tokens"] == 0  # of a free one only what came


def test_a_connection_that_broke_after_the_request_is_booked(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("drop"))
    error, sink = run(openai_server, ask("hi"), max_retries=0)
    assert isinstance(error, ProviderError)
    assert sink.of("call.ended")[0].usage["calls"] == 1


def test_a_stream_that_stalls_is_left_after_the_idle_limit(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("hang"))
    error, _ = run(openai_server, ask("hi"), idle_timeout=0.1, origin=ROOT)
    assert isinstance(error, ProviderError)
    assert error.kind == "timeout"
    assert "sent nothing for 0.1 s" in str(error)


def test_a_server_that_is_not_there_is_named() -> None:
    async def main() -> None:
        gateway = Gateway(api_base="http://127.0.0.1:9/v1", retry_base=0.001)
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9 can't be reached") as info:
            await call(gateway, ask("hi"))
        assert info.value.kind == "connect"
        await gateway.close()

    asyncio.run(main())


def test_retry_after_is_waited_for(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault(status=429, headers={"Retry-After": "0.3"}), "good")
    reply, sink = run(openai_server, ask("hi"))
    assert isinstance(reply, Reply)
    first, second = openai_server.requests
    assert second.time - first.time >= 0.3
    assert sink.of("call.retried")[0].wait >= 0.3


def test_a_provider_that_asks_for_too_long_a_wait_is_an_error(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault(status=429, headers={"Retry-After": "3600"}))
    error, _ = run(openai_server, ask("hi"))
    assert isinstance(error, ProviderError)
    assert error.retry_after == 3600
    assert "3600 s" in str(error)
    assert len(openai_server.requests) == 1


def test_retry_after_may_be_a_date() -> None:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    given_date = {"Retry-After": email.utils.format_datetime(when, usegmt=True)}
    assert 25 < (retry_after(given_date) or 0) <= 30
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"retry-after-ms": "1500"}) == 1.5
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("Unsupported parameter: 'temperature' is not supported", "temperature"),
        ("response_format is not supported", "response_format"),
        ("Unsupported parameter: max_tokens, use max_completion_tokens", "max_tokens"),
    ],
)
def test_a_parameter_that_is_not_taken_is_left_out_from_then_on(
    openai_server: OpenAIServer, message: str, gone: str
) -> None:
    def policy(request: dict[str, Any]) -> str | Fault:
        return _error(400, message) if gone in request else '{"choice": "yes"}'

    openai_server.reply_with(policy)

    async def main() -> None:
        gateway = make(openai_server, cache=False)
        request = ask("hi", temperature=0.5, max_tokens=50,
                      constraint=Constraint(choices=("yes", "no")))  # fmt: skip
        for _ in range(2):
            assert (await call(gateway, request)).text == "yes"
        await gateway.close()

    asyncio.run(main())
    assert [gone in s.json for s in openai_server.requests] == [True, False, False]
    if gone == "max_tokens":
        assert openai_server.requests[-1].json["max_completion_tokens"] == 50


def test_a_missing_usage_is_estimated(openai_server: OpenAIServer) -> None:
    openai_server.script(Say("word " * 100, usage=None))
    reply, _ = run(openai_server, ask("hi " * 400))
    assert isinstance(reply, Reply)
    assert 200 < reply.usage.input_tokens < 900
    assert 50 < reply.usage.output_tokens < 250
    assert reply.usage.cost is None  # unknown, never 0


@pytest.mark.parametrize("cost", [-1, "1", True, [], {}, float("1e400")])
def test_a_bill_that_is_none_is_not_believed(openai_server: OpenAIServer, cost: Any) -> None:
    openai_server.script(Say("x", usage={"cost": cost, "prompt_tokens": "many"}))
    reply, _ = run(openai_server, ask("hi"))
    assert isinstance(reply, Reply)
    assert reply.usage.cost is None
    assert reply.usage.input_tokens > 0


def test_a_key_goes_to_its_own_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)

        async def main() -> None:
            gateway = Gateway(api_base=server.api_base)
            await call(gateway, ask("hi"))
            await gateway.close()

        asyncio.run(main())
        assert "Authorization" not in server.requests[0].headers


def test_the_key_is_in_no_representation() -> None:
    provider = OpenAIProvider("http://127.0.0.1:1/v1", KEY)
    assert KEY not in repr(provider)
    assert KEY not in repr(Gateway(api_base="http://x/v1", api_key=KEY))
    for bad in ("a b", "a\nb", "ключ"):
        with pytest.raises(ConfigError) as info:
            OpenAIProvider("http://127.0.0.1:1/v1", bad)
        assert bad not in str(info.value)


@pytest.mark.parametrize("base", ["localhost:11434", "ftp://x/v1", "http://", "nonsense"])
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(ConfigError, match="isn't an address"):
        Gateway(api_base=base).info("openai/x")


@given(
    st.lists(st.text(max_size=8), max_size=6),
    st.sampled_from(["\n\n", "\r\n\r\n"]),
    st.sampled_from(["data: ", "data:"]),
    st.data(),
)
def test_a_stream_may_be_cut_anywhere(
    pieces: list[str], end: str, prefix: str, data: st.DataObject
) -> None:
    def line(choice: dict[str, Any]) -> str:
        return prefix + json.dumps({"choices": [choice]}, ensure_ascii=False) + end

    try:
        texts = "".join(line({"delta": {"content": p}}) for p in pieces)
        last = line({"delta": {}, "finish_reason": "stop"})
        wire = f": hi{end}{texts}{last}{prefix}[DONE]{end}".encode()
    except UnicodeEncodeError:
        return
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    got: list[str] = []
    reader = StreamReader("x", got.append)
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        reader.feed(wire[start:stop])
    assert reader.completion().text == "".join(pieces) == "".join(got)


@given(st.integers(300, 599), st.binary(max_size=80))
def test_any_error_body_becomes_one_sentence(status: int, body: bytes) -> None:
    error = from_status(status, {}, body, "example.org", "m", KEY)
    assert "\n" not in str(error)
    assert len(str(error)) < 600


_NAMES = ["choices", "message", "content", "usage", "error", "code", "prompt_tokens", "delta"]
_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), c, max_size=4),
)


@given(_JSON)
def test_any_json_is_a_completion_or_a_provider_error(value: Any) -> None:
    from rlm_kernel.lm._completion import Completion

    try:
        reply = Completion.parse(json.dumps(value).encode(), "x").reply(ask("hi"), None)
    except ProviderError:
        return
    assert reply.text


def test_cancelling_closes_the_connection(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("hang"))
    gone: Callable[[], bool] = lambda: openai_server.flying == 0  # noqa: E731

    async def main() -> None:
        gateway = make(openai_server)
        task = asyncio.create_task(call(gateway, ask("hi")))
        await asyncio.to_thread(openai_server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while not gone():
                await asyncio.sleep(0.005)
        await gateway.close()

    asyncio.run(main())


def test_money_is_bounded_for_a_server_that_tells_its_bills(openai_server: OpenAIServer) -> None:
    """The row of the figures: $0.10, 100 calls of $0.01 in one batch."""
    openai_server.script(Say("paid", usage={"cost": 0.01}))
    ledger = BudgetLedger("$0.10")

    async def main() -> list[Any]:
        gateway = make(openai_server, cache=False)
        calls = [call(gateway, ask(f"item {i}"), ledger) for i in range(100)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        await gateway.close()
        return results

    results = asyncio.run(main())
    texts = [r.text for r in results if isinstance(r, Reply)]
    assert texts == ["paid"] * 10
    assert {type(r).__name__ for r in results} == {"Reply", "BudgetExceeded"}
    assert ledger.spent.known_cost == pytest.approx(0.10)
    assert len(openai_server.requests) == 10
