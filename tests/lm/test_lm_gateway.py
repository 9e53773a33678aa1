"""The gateway: a node for every call, exactly one end, and steering from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers_lm import ROOT, ListSink, ask, call
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Fault, OpenAIServer, Say

from rlm_kernel.errors import BudgetExceeded, Cancelled, ConfigError, ModelError, ProviderError
from rlm_kernel.lm import BudgetLedger, Gateway, ScriptedModel, run_sync
from rlm_kernel.lm._limits import Bucket, Slots
from rlm_kernel.lm.pricing import bill
from rlm_kernel.protocol import Budget, CallRequest, Constraint, ModelInfo, OnText, Reply


class Held:
    """A model whose replies come when the test says so."""

    name = "held"
    concurrency = 8

    def __init__(self, price: float | None = 0.001) -> None:
        self.price = price
        self.gates: list[asyncio.Future[str]] = []
        self.cancelled = self.flying = self.most = 0
        self.pieces: OnText | None = None
        self.requests: list[CallRequest] = []

    def info(self, model: str) -> ModelInfo:
        return ModelInfo("held", "test", window=100_000, input_price=self.price,
                         output_price=self.price)  # fmt: skip

    async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
        gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        self.requests.append(request)
        self.pieces = on_text
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            text = await gate
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.flying -= 1
        return Reply(text, "held", bill(10, 10))

    async def close(self) -> None:
        pass

    async def arrived(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.gates) < count:
                await asyncio.sleep(0)


def started(model: Any, origin: Any = ROOT, **more: Any) -> tuple[Gateway, ListSink, Any]:
    gateway, sink = Gateway(retry_base=0.001), ListSink()
    name = gateway.name_of(model)
    task = asyncio.create_task(call(gateway, ask("hi", name, **more), sink=sink, origin=origin))
    return gateway, sink, task


def test_a_call_is_in_the_log_before_anything_is_sent() -> None:
    sink = ListSink()
    seen: list[int] = []

    def model(messages: Any) -> str:
        seen.append(len(sink.of("call.started")))
        return "x"

    async def main() -> None:
        gateway = Gateway()
        name = gateway.name_of(ScriptedModel(model))
        messages = ({"role": "system", "content": "long"}, {"role": "user", "content": "newest"})
        await gateway.call(CallRequest(messages, name), ROOT, BudgetLedger(None), sink)

    asyncio.run(main())
    assert seen == [1]
    begun = sink.events[0]
    assert (begun.node, begun.parent, begun.role) == ("call1", "turn1", "root")
    assert begun.prompt == "newest"  # else the log of a run grows with the square of its turns


def test_a_log_that_cannot_be_written_stops_the_call_before_it_is_sent() -> None:
    class Full(ListSink):
        def emit(self, event: Any) -> None:
            raise OSError("no space left")

    async def main() -> None:
        model = ScriptedModel(["x"])
        gateway = Gateway()
        with pytest.raises(OSError, match="no space"):
            await call(gateway, ask("hi", gateway.name_of(model)), sink=Full())
        assert model.requests == []
        assert gateway.in_flight() == []

    asyncio.run(main())


def test_cancel_ends_a_call_and_books_what_it_may_have_cost() -> None:
    async def main() -> None:
        model = Held()
        ledger, sink, gateway = BudgetLedger("$100"), ListSink(), Gateway()
        request = ask("hi " * 50, gateway.name_of(model))
        task = asyncio.create_task(call(gateway, request, ledger, sink))
        await model.arrived(1)
        assert gateway.in_flight() == ["call1"]
        assert gateway.cancel("call1")
        with pytest.raises(Cancelled):
            await task
        assert not gateway.cancel("call1")
        assert not gateway.retry("call1")
        assert not gateway.answer("call1", "x")
        assert [e.status for e in sink.of("call.ended")] == ["cancelled"]
        assert ledger.reserved.calls == 0
        assert 0 < (ledger.spent.cost or 0) < 1
        assert sink.of("call.ended")[0].usage["calls"] == 1
        await asyncio.sleep(0)
        assert model.cancelled == 1

    asyncio.run(main())


def test_an_interrupt_of_the_caller_is_the_end_of_its_calls() -> None:
    async def main() -> None:
        model = Held()
        gateway, sink, task = started(model)
        await model.arrived(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [e.status for e in sink.of("call.ended")] == ["cancelled"]
        await asyncio.sleep(0)
        assert model.cancelled == 1
        assert gateway.in_flight() == []

    asyncio.run(main())


def test_retry_begins_a_call_again() -> None:
    async def main() -> None:
        model = Held()
        gateway, sink, task = started(model)
        await model.arrived(1)
        assert gateway.retry("call1")
        await model.arrived(2)
        assert model.cancelled == 1
        model.gates[1].set_result("second")
        assert (await task).text == "second"
        assert [e.type for e in sink.events] == ["call.started", "call.retried", "call.ended"]

    asyncio.run(main())


@pytest.mark.parametrize("late", ["error", "reply", "crash"])
def test_what_a_try_says_after_it_was_given_up_does_not_count(late: str) -> None:
    class Stubborn(Held):
        async def complete(self, request: CallRequest, on_text: OnText | None = None) -> Reply:
            try:
                return await super().complete(request, on_text)
            except asyncio.CancelledError:
                if late == "crash":
                    raise KeyError("late") from None
                if late == "error":
                    raise ProviderError("late", kind="server") from None
                return Reply("late", "held", bill(10, 10))

    async def main() -> None:
        model, ledger, sink, gateway = Stubborn(), BudgetLedger("$100"), ListSink(), Gateway()
        request = ask("hi", gateway.name_of(model))
        task = asyncio.create_task(call(gateway, request, ledger, sink))
        await model.arrived(1)
        assert gateway.retry("call1")
        await model.arrived(2)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        model.gates[1].set_result("second")
        reply = await task
        assert (reply.text, reply.usage.calls, ledger.spent.calls) == ("second", 2, 2)
        assert ledger.reserved.calls == 0

    asyncio.run(main())


def test_a_call_can_be_answered_by_hand() -> None:
    async def main() -> None:
        model = Held()
        gateway, sink, task = started(model)
        await model.arrived(1)
        assert gateway.answer("call1", "mine")
        reply = await task
        assert (reply.text, reply.model) == ("mine", "human")
        assert sink.of("call.ended")[0].model == "human"

    asyncio.run(main())


def test_steering_works_from_other_threads() -> None:
    model = Held()
    sink = ListSink()
    gateway = Gateway()
    name = gateway.name_of(model)
    got: list[Any] = []

    def ask_it() -> None:
        got.append(run_sync(call(gateway, ask("hi", name), sink=sink)))

    thread = threading.Thread(target=ask_it)
    thread.start()
    with sink.changed:
        assert sink.changed.wait_for(lambda: sink.events, 10)
    while not gateway.answer("call1", "from afar"):  # until the call is really in flight
        pass
    thread.join(10)
    assert got[0].text == "from afar"


def test_a_person_can_be_the_model() -> None:
    async def main() -> None:
        gateway = Gateway()
        sink = ListSink()
        request = ask("which?", "human", constraint=Constraint(choices=("a", "b")))
        task = asyncio.create_task(call(gateway, request, BudgetLedger("$0"), sink))
        async with asyncio.timeout(10):
            while not gateway.in_flight():
                await asyncio.sleep(0)
        assert not gateway.answer("call1", "neither of them")
        assert gateway.answer("call1", "B.")
        reply = await task
        assert (reply.text, reply.value, reply.usage.cost) == ("b", "b", 0.0)

        nobody = Gateway(can_answer=lambda: False)
        with pytest.raises(ModelError, match="nobody can here"):
            await call(nobody, ask("hi", "human"))

    asyncio.run(main())


def test_pieces_are_shown_at_most_twenty_times_a_second() -> None:
    async def main() -> None:
        model = Held()
        _, sink, task = started(model)
        await model.arrived(1)
        assert model.pieces is not None
        for i in range(500):
            model.pieces(f"{i} ")
        async with asyncio.timeout(10):
            while len(sink.of("call.text")) < 2:
                await asyncio.sleep(0.01)
        model.gates[0].set_result("whole")
        await task
        assert "".join(e.text for e in sink.of("call.text")) == "".join(f"{i} " for i in range(500))
        assert len(sink.of("call.text")) == 2

    asyncio.run(main())


@pytest.mark.parametrize(("stream", "role", "streams"), [
    ("root", "root", True), ("root", "sub", False), ("all", "sub", True), ("off", "root", False),
])  # fmt: skip
def test_who_streams_is_a_setting(stream: str, role: str, streams: bool) -> None:
    async def main() -> None:
        model = Held()
        gateway = Gateway(stream=stream)
        origin = type(ROOT)("run1", "turn1", role=role)
        task = asyncio.create_task(call(gateway, ask("x", gateway.name_of(model)), origin=origin))
        await model.arrived(1)
        assert (model.pieces is not None) == streams
        model.gates[0].set_result("x")
        await task

    asyncio.run(main())


def test_few_calls_are_streamed_to_whoever_looks_and_the_rest_of_a_crowd_is_not() -> None:
    async def main() -> None:
        model = Held()
        gateway = Gateway(stream="few", concurrency={"held": 64})
        name = gateway.name_of(model)
        origin = type(ROOT)("run1", "cell1", role="sub")
        streamed, tasks, sink = [], [], ListSink()
        for i in range(20):
            asked = call(gateway, ask(str(i), name), sink=sink, origin=origin)
            tasks.append(asyncio.create_task(asked))
            await model.arrived(i + 1)
            streamed.append(model.pieces is not None)
        assert streamed == [True] * 16 + [False] * 4
        for gate in model.gates:
            gate.set_result("x")
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_never_more_in_flight_than_allowed() -> None:
    async def main() -> None:
        model = Held()
        gateway = Gateway(concurrency={"held": 3})
        name = gateway.name_of(model)
        tasks = [asyncio.create_task(call(gateway, ask(str(i), name))) for i in range(9)]
        for i in range(9):
            await model.arrived(i + 1)
            model.gates[i].set_result("x")
        await asyncio.gather(*tasks)
        assert model.most == 3

    asyncio.run(main())


def test_equal_calls_are_paid_for_once(openai_server: OpenAIServer) -> None:
    openai_server.script(Say("paid", usage={"cost": 0.5}))

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base)
        ledger, sink = BudgetLedger("$1"), ListSink()
        first = await call(gateway, ask("hi"), ledger, sink)
        second = await call(gateway, ask("hi"), ledger, sink)
        assert (first.cached, second.cached) == (False, True)
        assert second.text == "paid"
        assert (second.usage.cost, second.usage.calls) == (0.0, 1)
        assert ledger.spent.cost == 0.5
        ended = sink.of("call.ended")
        assert [e.cached for e in ended] == [False, True]
        assert ended[0].key == ended[1].key != ""
        await call(gateway, ask("hi", cache=False), ledger, sink)
        await call(gateway, ask("hi", temperature=1.0), BudgetLedger(None), sink)
        await call(gateway, ask("hi", "openai/other"), BudgetLedger(None), sink)
        await call(gateway, ask("hi", max_tokens=5), BudgetLedger(None), sink)
        await gateway.close()

    asyncio.run(main())
    assert len(openai_server.requests) == 5


def test_the_cache_on_disk_outlives_the_gateway(openai_server: OpenAIServer, tmp_path: Any) -> None:
    def once() -> Reply:
        async def main() -> Reply:
            gateway = Gateway(api_base=openai_server.api_base, cache_dir=str(tmp_path / "replies"))
            try:
                return await call(gateway, ask("hi"))
            finally:
                await gateway.close()

        return asyncio.run(main())

    openai_server.script("kept")
    assert [once().cached, once().cached] == [False, True]
    (file,) = tmp_path.rglob("*.json")
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{broken")
    reply = once()
    assert (reply.cached, reply.text) == (False, "kept")
    assert once().cached


def test_the_cache_in_memory_is_bounded(openai_server: OpenAIServer) -> None:
    openai_server.reply_with(lambda request: "x" * 1000)

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base, cache_size=10_000)
        for i in range(8):
            await call(gateway, ask(str(i)))
        assert gateway._cache.used <= 10_000
        assert (await call(gateway, ask("7"))).cached
        assert not (await call(gateway, ask("0"))).cached
        await gateway.close()

    asyncio.run(main())


def test_a_cut_reply_is_not_kept(openai_server: OpenAIServer) -> None:
    openai_server.script(Say("cut", finish="length"), "whole")

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base)
        assert (await call(gateway, ask("hi"))).finish == "length"
        assert (await call(gateway, ask("hi"))).text == "whole"
        await gateway.close()

    asyncio.run(main())


def test_a_known_price_is_set_aside_and_bounds_the_reply(openai_server: OpenAIServer) -> None:
    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base, prices={"openai/x-*": [1000, 1000]},
                          cache=False)  # fmt: skip
        ledger = BudgetLedger("$2")  # 2,000 tokens at $1,000 a million
        await call(gateway, ask("hi"), ledger)
        sent = openai_server.requests[0].json["max_tokens"]
        assert 1500 < sent < 2000  # not the usual 4,096: no more is left
        with pytest.raises(BudgetExceeded):
            await call(gateway, ask("a " * 4000), ledger)
        with pytest.raises(BudgetExceeded):
            await call(gateway, ask("hi", max_tokens=5000), BudgetLedger("$0.50"))
        await gateway.close()

    asyncio.run(main())
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    "output", [-1_000_000, 0, 10**400, -(10**400)], ids=["less", "none", "any", "far less"]
)
def test_a_reply_of_no_or_of_any_length_is_not_asked_for_and_gives_no_budget_back(
    openai_server: OpenAIServer, output: int
) -> None:
    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base, prices={"openai/x-*": [1000, 1000]},
                          cache=False)  # fmt: skip
        ledger = BudgetLedger("$2")
        with pytest.raises(ModelError, match=r"max_tokens is .*: it must be at least 1"):
            await call(gateway, ask("hi", max_tokens=output), ledger)
        assert (ledger.spent.tokens, ledger.reserved.cost) == (0, 0.0)
        with pytest.raises(BudgetExceeded):
            await call(gateway, ask("a " * 4000), ledger)
        await gateway.close()

    asyncio.run(main())
    assert openai_server.requests == []


def test_a_limit_of_tokens_further_up_bounds_the_reply(openai_server: OpenAIServer) -> None:
    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base)
        top = BudgetLedger("unlimited")
        top.set_budget("2000 tokens")
        await call(gateway, ask("hi"), BudgetLedger(None, parent=top))
        assert openai_server.requests[0].json["max_tokens"] < 2000
        await gateway.close()

    asyncio.run(main())


def test_a_failed_try_that_was_billed_is_booked(openai_server: OpenAIServer) -> None:
    openai_server.script(Fault("null", body={"cost": 0.25}), Say("ok", usage={"cost": 0.5}))

    async def main() -> None:
        gateway = Gateway(api_base=openai_server.api_base, retry_base=0.001)
        ledger, sink = BudgetLedger(None), ListSink()
        reply = await call(gateway, ask("hi"), ledger, sink)
        assert reply.usage.calls == ledger.spent.calls == 2
        assert reply.usage.cost == ledger.spent.cost == 0.75
        assert sink.of("call.ended")[0].usage["calls"] == 2
        await gateway.close()

    asyncio.run(main())


def test_one_bad_model_in_a_batch_is_one_bad_item() -> None:
    async def main() -> None:
        gateway, sink = Gateway(), ListSink()
        good = gateway.name_of(ScriptedModel(["fine"]))
        results = await asyncio.gather(
            call(gateway, ask("x", good), sink=sink),
            call(gateway, ask("x", "gpt-none-of-them"), sink=sink),
            return_exceptions=True,
        )
        assert isinstance(results[0], Reply)
        assert isinstance(results[1], ProviderError)
        assert results[1].kind == "model"
        assert len(sink.of("call.ended")) == 2

    asyncio.run(main())


def test_an_error_of_a_provider_s_own_is_a_model_error_of_that_call() -> None:
    async def main() -> None:
        gateway, sink = Gateway(), ListSink()
        name = gateway.name_of(ScriptedModel([KeyError("oops")]))
        ledger = BudgetLedger("$1")
        with pytest.raises(ModelError, match="KeyError"):
            await call(gateway, ask("x", name), ledger, sink)
        assert ledger.reserved.calls == 0
        assert [e.status for e in sink.of("call.ended")] == ["error"]

    asyncio.run(main())


def test_a_prompt_far_beyond_the_window_is_not_sent() -> None:
    async def main() -> None:
        model = ScriptedModel(["x"], window=1000)
        gateway = Gateway()
        with pytest.raises(ProviderError, match="not sent") as info:
            await call(gateway, ask("word " * 5000, gateway.name_of(model)))
        assert info.value.kind == "window"
        assert model.requests == []

    asyncio.run(main())


def test_the_budget_s_time_ends_a_call_in_flight() -> None:
    async def main() -> None:
        gateway, model = Gateway(), Held()
        ledger = BudgetLedger(Budget(money=None, seconds=0.05))
        with pytest.raises(ProviderError, match="budget's time"):
            await call(gateway, ask("x", gateway.name_of(model)), ledger)

    asyncio.run(main())


def test_close_cancels_what_is_in_flight() -> None:
    async def main() -> None:
        model = Held()
        gateway, _, task = started(model)
        await model.arrived(1)
        await gateway.close()
        with pytest.raises(Cancelled):
            await task

    asyncio.run(main())


def test_requests_a_minute_are_kept() -> None:
    async def main() -> None:
        gateway = Gateway(requests_per_minute={"s*": 1200})  # one each 50 ms
        name = gateway.name_of(ScriptedModel(lambda messages: "x", name="s"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(call(gateway, ask(str(i), name)) for i in range(26)))
        assert loop.time() - began >= 0.05 * 5  # a second's worth (20) goes out at once

    asyncio.run(main())


def test_a_call_cancelled_while_it_waits_its_turn_leaves_its_place() -> None:
    async def main() -> None:
        gateway = Gateway(requests_per_minute={"s": 60}, concurrency={"s": 1})
        name = gateway.name_of(ScriptedModel(lambda messages: "x", name="s"))
        ledger = BudgetLedger("$1")
        await call(gateway, ask("1", name), ledger)
        paced = asyncio.create_task(call(gateway, ask("2", name), ledger))
        queued = asyncio.create_task(call(gateway, ask("3", name), ledger))
        for _ in range(5):
            await asyncio.sleep(0)
        paced.cancel()
        queued.cancel()
        await asyncio.gather(paced, queued, return_exceptions=True)
        await asyncio.sleep(0)
        assert gateway._target(name).throttle.slots.used == 0
        assert ledger.reserved.calls == 0
        assert ledger.spent.calls == 1  # what was never sent is not booked

    asyncio.run(main())


def test_tokens_a_minute_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("rlm_kernel.lm._limits.time.monotonic", lambda: clock[0])
    bucket = Bucket(6000)  # 100 a second
    assert bucket.take(60) == 0
    assert bucket.take(60) == pytest.approx(0.2)
    bucket.give(40)
    assert bucket.take(500) == pytest.approx(0.8)  # more than a second's worth: a debt
    clock[0] = 100.0
    assert bucket.take(100) == 0


def test_a_refused_model_slows_down_and_recovers() -> None:
    async def main() -> None:
        slots = Slots(8)
        for _ in range(8):
            await slots.acquire()
        slots.refused()
        assert slots.limit == 4
        for _ in range(8):
            slots.release()
        for _ in range(200):
            slots.succeeded()
        assert slots.limit == 8
        for _ in range(10):
            slots.refused()
        assert slots.limit == 1

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["go", "cancel", "refuse"]), max_size=20), st.integers(1, 4))
def test_slots_are_never_lost(actions: list[str], limit: int) -> None:
    async def main() -> None:
        slots = Slots(limit)

        async def one(action: str) -> None:
            await slots.acquire()
            assert slots.used <= limit
            if action == "refuse":
                slots.refused()
            try:
                await asyncio.sleep(0)
            finally:
                slots.release()

        tasks = [asyncio.create_task(one(a)) for a in actions]
        for task, action in zip(tasks, actions, strict=True):
            if action == "cancel":
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert slots.used == 0

    asyncio.run(main())


_steer = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(
    ["cancel", "retry", "answer", "reply", "fail", "interrupt", "wait"])), max_size=25)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(_steer)
def test_whatever_is_done_to_a_call_it_ends_once_and_is_settled(steps: list[Any]) -> None:
    async def main() -> None:
        model, gateway, sink = Held(), Gateway(retry_base=0.0, cache=False), ListSink()
        name, ledger = gateway.name_of(model), BudgetLedger("$1000")
        tasks = [asyncio.create_task(call(gateway, ask(str(i), name), ledger, sink))
                 for i in range(5)]  # fmt: skip
        await model.arrived(5)
        todo: dict[str, Callable[[str], Any]] = {
            "cancel": gateway.cancel,
            "retry": gateway.retry,
            "answer": lambda node: gateway.answer(node, "by hand"),
        }
        for who, what in steps:
            if what in todo:
                todo[what](f"call{who + 1}")
            elif what == "interrupt":
                tasks[who].cancel()
            elif what == "wait":
                await asyncio.sleep(0)
            else:
                gate = model.gates[who]
                if not gate.done() and what == "reply":
                    gate.set_result("text")
                elif not gate.done():
                    gate.set_exception(ProviderError("no", kind="server", retryable=True))
            await asyncio.sleep(0)
        for _ in range(400):
            for gate in model.gates:
                if not gate.done():
                    gate.set_result("late")
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        nodes = [e.node for e in sink.of("call.ended")]
        assert sorted(nodes) == [f"call{i + 1}" for i in range(5)]
        assert ledger.reserved.calls == 0
        assert gateway.in_flight() == []
        assert model.flying == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("", "No model is named"),
        ("gpt-none-of-them", "Nothing is known of a model 'gpt-none-of-them'"),
        ("nobody/knows", "Nothing is known"),
        ("openai/gpt-5", "no key for 'openai/gpt-5' (OPENAI_API_KEY isn't set)"),
        ("gpt-5", "OPENAI_API_KEY isn't set"),
        ("anthropic/claude-x", "ANTHROPIC_API_KEY isn't set"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY isn't set"),
    ],
)
def test_a_model_that_is_none_is_said_with_the_three_ways(model: str, words: str) -> None:
    with pytest.raises(ConfigError) as info:
        Gateway().info(model)
    said = str(info.value)
    assert words in said
    assert "ANTHROPIC_API_KEY" in said
    assert "Ollama or vLLM" in said
    assert 'model="local"' in said


@pytest.mark.parametrize(
    ("model", "api_base", "path", "bare"),
    [
        ("openai/gpt-5", None, "OpenAIProvider", "gpt-5"),
        ("gpt-5-mini", None, "OpenAIProvider", "gpt-5-mini"),
        ("anthropic/claude-x", None, "LiteLLMProvider", "anthropic/claude-x"),
        ("openai/x-root", "http://127.0.0.1:1/v1", "OpenAIProvider", "x-root"),
        ("Qwen/Qwen3-8B", "http://127.0.0.1:1/v1", "OpenAIProvider", "Qwen/Qwen3-8B"),
        ("hosted_vllm/m", "http://127.0.0.1:1/v1", "OpenAIProvider", "m"),
        ("ollama/m", "http://127.0.0.1:1", "LiteLLMProvider", "ollama/m"),
        ("human", "http://127.0.0.1:1/v1", "HumanModel", "human"),
    ],
)
def test_names_lead_to_providers(
    monkeypatch: pytest.MonkeyPatch, model: str, api_base: str | None, path: str, bare: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-b")
    provider, name = Gateway(api_base=api_base).resolve(model)
    assert (type(provider).__name__, name) == (path, bare)
    if path == "OpenAIProvider":
        other, _ = Gateway(api_base=api_base, direct=False).resolve(model)
        assert type(other).__name__ == "LiteLLMProvider"


def test_prices_and_windows_come_from_the_map_or_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    info = Gateway().info("openai/gpt-5")
    assert (info.window, info.input_price, info.output_price) == (272_000, 1.25e-6, 1e-5)
    mine = Gateway(prices={"openai/*": [1, 2]}, windows={"*": 5000}).info("openai/gpt-5")
    assert (mine.window, mine.input_price, mine.output_price) == (5000, 1e-6, 2e-6)
    elsewhere = Gateway(api_base="http://127.0.0.1:1/v1").info("openai/gpt-5")
    assert elsewhere.input_price is None  # another server's price isn't OpenAI's
    with pytest.raises(ConfigError, match="two numbers"):
        Gateway(prices={"*": 5}).info("openai/gpt-5")


def test_providers_keep_their_names_and_never_share_one() -> None:
    one, two = ScriptedModel(["a"]), ScriptedModel(["b"])
    gateway = Gateway(providers={"mine": one})
    assert gateway.name_of(one) == "mine"
    assert gateway.name_of(two) == "scripted"
    assert gateway.name_of(two) == "scripted"
    assert gateway.name_of(ScriptedModel(["c"])) == "scripted-2"
    assert gateway.resolve("mine/large") == (one, "large")
    assert "scripted" in gateway.info(two).note
