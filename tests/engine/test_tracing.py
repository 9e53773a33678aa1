"""A run as spans: what a collector on loopback gets, live and from a recording."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from collector import Collector, Received, collecting

from rlm_kernel.engine import RLM, Run
from rlm_kernel.errors import ConfigError, RecordingError
from rlm_kernel.lm import ScriptedModel
from rlm_kernel.log.recording import save
from rlm_kernel.protocol import events as e

OK, ERROR = 1, 2
CELLS = [
    "```repl\nsaid = llm_query_batched([f'part {i}' for i in range(3)])\nprint(context)\n```",
    "```repl\n1 / 0\n```",
    "```repl\nprint(llm_query('no price', model='unpriced'))\n```",
    "```repl\nFINAL(said[2])\n```",
]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture
def rlm(make: Callable[..., RLM]) -> RLM:
    root = ScriptedModel(CELLS, name="root", price=(1e-6, 2e-6))
    sub = ScriptedModel(lambda m: f"re {m[-1]['content']}", name="sub", price=(1e-6, 2e-6))
    made = make(root, sub)
    made.gateway.register(ScriptedModel(lambda m: "x", name="unpriced", price="unknown"))
    return made


@pytest.fixture
def run(rlm: RLM) -> Run:
    done = rlm.run("What?", "abc" * 5)
    assert done.answer == "re part 2"
    return done


def below(spans: list[Received], above: Received) -> list[Received]:
    found = [s for s in spans if s.parent == above.id]
    return sorted(found, key=lambda s: (s.start, s.name))


def test_the_tree_comes_as_spans_with_what_was_used_at_the_calls(
    run: Run, collector: Collector
) -> None:
    count = run.send_spans(collector.url)
    spans = collector.spans
    assert count == len(spans) == len(run.tree)
    assert set(collector.paths) == {"/v1/traces"}
    assert len({s.trace for s in spans}) == 1
    assert {s.service for s in spans} == {"rlm-kernel"}
    [top] = [s for s in spans if not s.parent]
    assert (top.name, top.kind, top.status) == ("run", "AGENT", OK)
    assert top.attributes["input.value"] == "What?"
    assert top.attributes["output.value"] == "re part 2"
    turns = below(spans, top)
    assert [(t.name, t.kind) for t in turns] == [(f"turn {i}", "CHAIN") for i in (1, 2, 3, 4)]
    asked, cell = below(spans, turns[0])
    assert (asked.name, asked.kind) == ("root model", "LLM")
    assert (cell.name, cell.kind) == ("cell 1", "TOOL")
    assert "llm_query_batched" in cell.attributes["input.value"]
    assert cell.attributes["output.value"] == "abc" * 5 + "\n"
    [batch] = below(spans, cell)
    assert (batch.name, batch.kind) == ("batch of 3 calls", "CHAIN")
    first = next(s for s in below(spans, batch) if s.name == "call 1").attributes
    assert (first["input.value"], first["output.value"]) == ("part 0", "re part 0")
    assert first["llm.model_name"] == "sub"
    assert first["llm.cost.total"] > 0
    failed = below(spans, turns[1])[1]
    assert failed.status == ERROR
    assert "ZeroDivisionError" in failed.said
    unpriced = [s.attributes for s in spans if s.attributes.get("llm.model_name") == "unpriced"]
    assert len(unpriced) == 1
    assert "llm.cost.total" not in unpriced[0], "what isn't known isn't nothing"
    whole = sum(s.attributes.get("llm.token_count.total", 0) for s in spans)
    assert whole == run.usage.subtree.tokens > 0, "who adds up counts nothing twice"
    assert all(top.start <= s.start <= s.end <= top.end for s in spans)


def test_a_run_is_the_same_trace_whenever_it_is_sent(
    rlm: RLM, collector: Collector, tmp_path: Path
) -> None:
    rlm.otlp = collector.url
    run = rlm.run("What?", "abc" * 5)
    size = len(run.tree)
    assert collector.wait_for(lambda spans: len(spans) == size)
    live = {(s.trace, s.id, s.parent, s.name): s.attributes for s in collector.spans}
    collector.spans.clear()
    Run.load(run.save(tmp_path / "r")).send_spans(collector.url + "/v1/traces")
    assert {(s.trace, s.id, s.parent, s.name): s.attributes for s in collector.spans} == live
    collector.spans.clear()
    rlm.model = rlm.gateway.register(ScriptedModel(["```repl\nFINAL(1)\n```"]))
    fork = rlm.fork(run, turn=2)
    fork.wait()
    assert collector.wait_for(lambda spans: len(spans) == len(fork.tree))
    assert not {s.trace for s in collector.spans} & {key[0] for key in live}


def test_a_run_that_is_picked_up_is_one_trace_with_what_it_had_done(
    make: Callable[..., RLM], collector: Collector
) -> None:
    first = make(["```repl\nx = len(context)\n```"], max_turns=1, where="kernel", sandbox="none")
    ended = first.run("How long?", "abc")
    assert ended.status != "done"
    second = make(["```repl\nFINAL(x)\n```"], where="kernel", sandbox="none", otlp=collector.url)
    run = second.resume(ended.log.folder or "")
    assert run.answer == 3
    assert collector.wait_for(lambda spans: any(s.name == "run" for s in spans))
    [top] = [s for s in collector.spans if s.name == "run"]
    assert top.attributes["output.value"] == "3"
    assert {"turn 1", "turn 2"} <= {s.name for s in collector.spans}
    assert len({s.trace for s in collector.spans}) == 1


def test_spans_are_sent_while_the_run_goes_on(
    make: Callable[..., RLM], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    seen: list[bool] = []

    def root(messages: Any) -> str:
        if len(messages) > 2:
            seen.append(collector.wait_for(lambda spans: any(s.name == "cell 1" for s in spans)))
            assert not any(s.name == "run" for s in collector.spans)
            return "```repl\nFINAL(1)\n```"
        return "```repl\nprint(context)\n```"

    run = make(ScriptedModel(root, name="root")).start("What?", "abc")
    run.trace(collector.url)
    assert run.answer == 1
    assert seen == [True]
    assert collector.wait_for(lambda spans: any(s.name == "run" for s in spans))


def test_keys_and_what_no_utf8_can_say_stay_out(
    make: Callable[..., RLM], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789abcdef")
    look = "```repl\nprint('sk-0123456789abcdef', '\\ud800')\n```"
    rlm = make([look, "```repl\nFINAL('\\ud800')\n```"])
    rlm.otlp = collector.url
    run = rlm.run("Is it sk-0123456789abcdef or \ud800?", "abc")
    size = len(run.tree)
    assert collector.wait_for(lambda spans: len(spans) == size)
    run.send_spans(collector.url)
    assert len(collector.spans) == 2 * size
    assert "sk-0123456789" not in json.dumps([s.attributes for s in collector.spans])


def test_nothing_is_sent_unasked(
    run: Run, make: Callable[..., RLM], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    assert make(["```repl\nFINAL(1)\n```"]).run("What?").answer == 1
    assert make([], otlp=collector.url).replay(run).same
    assert collector.paths == []


def test_what_a_collector_asks_for_comes_from_its_own_variable(
    run: Run, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    run.send_spans(collector.url)
    assert {k.lower(): v for k, v in collector.headers[0].items()}["authorization"] == "Bearer abc"


def test_a_collector_that_says_no_is_one_sentence(
    run: Run, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    with pytest.raises(RecordingError, match=r"couldn't be sent to http://.*0 of \d+ were \(.*\)"):
        run.send_spans(collector.url)
    assert caplog.messages == [], "it is said once"


def test_a_run_goes_on_without_its_collector(
    rlm: RLM, collector: Collector, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    collector.status = 400
    rlm.otlp = collector.url
    run = rlm.run("What?", "abc" * 5)
    assert run.answer == "re part 2"
    for thread in threading.enumerate():
        if thread.name == "rlm-spans":
            thread.join()
    notes = [x.event.text for x in run.events if isinstance(x.event, e.Noted)]
    said = [text for text in (*notes, *caplog.messages) if "couldn't be sent to http://" in text]
    assert len(said) == 1, "once, however many there were"
    assert "400" in said[0]
    assert not any(record.name.startswith("opentelemetry") for record in caplog.records)


def test_an_answer_that_sends_elsewhere_is_a_failure(run: Run, collector: Collector) -> None:
    collector.status = 307
    with pytest.raises(RecordingError, match=r"0 of \d+ were \(it answered 307, which sends"):
        run.send_spans(collector.url)


def test_all_spans_are_sent_whatever_others_sample_and_none_are_not_without_a_word(
    run: Run, rlm: RLM, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert run.send_spans(collector.url) == len(run.tree) == len(collector.spans)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with pytest.raises(RecordingError, match="OTEL_SDK_DISABLED"):
        run.send_spans(collector.url)
    rlm.model = rlm.gateway.register(ScriptedModel(["```repl\nFINAL(1)\n```"]))
    rlm.otlp = collector.url
    again = rlm.run("What?", "abc")
    assert again.answer == 1
    notes = [x.event.text for x in again.events if isinstance(x.event, e.Noted)]
    assert [text for text in notes if "OTEL_SDK_DISABLED" in text]


def test_what_an_address_holds_of_a_person_is_said_nowhere(
    run: Run, rlm: RLM, collector: Collector, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    collector.status = 400
    url = collector.url.replace("//", "//me:pa55word@") + "/v1/traces?api-key=k3y"
    with pytest.raises(RecordingError, match=r"http://127\.0\.0\.1:\d+/v1/traces, 0 of") as failed:
        run.send_spans(url)
    with pytest.raises(ConfigError, match="is no collector's address") as refused:
        run.send_spans("me:pa55word@127.0.0.1:4318")
    rlm.model = rlm.gateway.register(ScriptedModel(["```repl\nFINAL(1)\n```"]))
    rlm.otlp = url
    again = rlm.run("What?", "abc")
    for thread in threading.enumerate():
        if thread.name == "rlm-spans":
            thread.join()
    said = [str(failed.value), str(refused.value), *map(str, again.events), *caplog.messages]
    assert any("be sent to http://127.0.0.1" in text for text in said[2:])
    assert not [text for text in said if "pa55word" in text or "k3y" in text]


def test_where_nobody_listens_the_reason_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "4")  # it is tried again, after a second
    with collecting() as gone:
        pass
    with pytest.raises(RecordingError, match=r"v1/traces, 0 of \d+ were \(Connection refused\)"):
        run.send_spans(gone.url)


@pytest.mark.parametrize("url", ["", "127.0.0.1:4318", "file:///etc/passwd", "http://", "http://[",
                                 "http://x:y/"])  # fmt: skip
def test_what_is_no_address_is_said(run: Run, url: str) -> None:
    with pytest.raises(ConfigError, match="is no collector's address"):
        run.send_spans(url)


def test_without_the_extra_it_is_said_how_to_get_it_before_anything_is_spent(
    run: Run, make: Callable[..., RLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openinference.instrumentation", None)
    monkeypatch.delitem(sys.modules, "rlm_kernel.log.formats.spans", raising=False)
    for ask in (
        lambda: run.send_spans("http://127.0.0.1:1"),
        lambda: Run.load(run.log.folder or "").spans(),
        lambda: make(CELLS, otlp="http://127.0.0.1:1"),
    ):
        with pytest.raises(ConfigError, match=r"pip install 'rlm-kernel\[otel\]'"):
            ask()


def test_a_recording_that_was_cut_is_as_many_spans_as_it_has_nodes(
    run: Run, collector: Collector, tmp_path: Path
) -> None:
    events = list(run.events)
    for size in range(3, len(events), 7):
        cut = Run.load(save(events[:size], tmp_path / "cut"))
        collector.spans.clear()
        assert cut.send_spans(collector.url) == len(cut.tree) == len(collector.spans)
        assert all(s.start <= s.end for s in collector.spans)
