"""A run as OpenTelemetry spans with OpenInference's attributes; needs the extra ``otel``.

A run is an agent, its turns and batches are chains, its cells and solves tools, its calls LLMs.
What was used stands at the calls only, so that who adds up counts nothing twice. The ids are made
of the run's and the nodes' own, so that a run that is sent twice, live and from its recording, is
one trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from openinference.instrumentation import (
    Message,
    TokenCount,
    TracerProvider,
    get_input_attributes,
    get_llm_attributes,
    get_metadata_attributes,
    get_output_attributes,
    get_span_kind_attributes,
    get_tool_attributes,
)
from openinference.semconv.trace import (
    OpenInferenceLLMProviderValues,
    OpenInferenceSpanKindValues,
    SpanAttributes,
)
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    set_span_in_context,
)

from ... import __version__
from ..format import capped, label, oneline, plural
from ..node import Node
from ..tree import Tree

MOST_TEXT = 64 << 10  # characters of one attribute; a recording has all
_Kind = OpenInferenceSpanKindValues
_KINDS = {"run": _Kind.AGENT, "turn": _Kind.CHAIN, "batch": _Kind.CHAIN, "cell": _Kind.TOOL,
          "solve": _Kind.TOOL, "step": _Kind.CHAIN}  # fmt: skip
_PROVIDERS = {value.value for value in OpenInferenceLLMProviderValues}


class Spans:
    """Begins and ends the spans of a run's nodes.

    Args:
        run: the node of the run.
        *processors: get each span as it ends.
    """

    def __init__(self, run: Node, *processors: SpanProcessor) -> None:
        self._ids = _Ids(f"{run.run_id}\n{run.started!r}")
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME)).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "rlm-kernel"}))
        # All of them: who asks for a run's spans hasn't asked for a sample of them.
        self.provider = TracerProvider(sampler=ALWAYS_ON, id_generator=self._ids, resource=resource)
        for processor in processors:
            self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("rlm-kernel", __version__)
        self._open: dict[str, Span] = {}
        self._contexts: dict[str, SpanContext] = {}

    def begin(self, node: Node) -> None:
        """Begin a node's span, below its parent's; one that was begun goes on."""
        if node.id in self._contexts or not node.known:
            return
        above = self._contexts.get(node.parent or "")
        context = set_span_in_context(NonRecordingSpan(above), Context()) if above else Context()
        self._ids.node = node.id
        span = self._tracer.start_span(
            _name(node), context, start_time=_nanoseconds(node.started or 0.0),
            attributes=get_span_kind_attributes(_kind(node)),
        )  # fmt: skip
        self._contexts[node.id], self._open[node.id] = span.get_span_context(), span

    def end(self, node: Node, time: float | None = None) -> None:
        """End a node's span; ``time`` is for one that has no end."""
        span = self._open.pop(node.id, None)
        if span is None:
            return
        span.set_attributes(_attributes(node))
        span.set_status(_status(node))
        began = node.started or 0.0
        ended = node.ended if node.ended is not None else time
        span.end(_nanoseconds(max(began, began if ended is None else ended)))

    def end_all(self, tree: Tree) -> None:
        """End what is open, what is below before what is above."""
        for node_id in reversed(list(self._open)):
            self.end(tree[node_id], tree.time)


def to_spans(tree: Tree, run: str) -> Sequence[ReadableSpan]:
    """Give the spans of a recorded run and of everything below it.

    Args:
        tree: folded from its log.
        run: its node.
    """
    exporter = InMemorySpanExporter()
    spans = Spans(tree[run], SimpleSpanProcessor(exporter))
    for node in tree.walk(tree[run]):
        spans.begin(node)
    spans.end_all(tree)
    return exporter.get_finished_spans()


# -- private ----------------------------------------------------------------------------------


class _Ids(IdGenerator):
    def __init__(self, run: str) -> None:
        self._run, self.node = run, ""

    def generate_trace_id(self) -> int:
        return self._made("", 16)

    def generate_span_id(self) -> int:
        return self._made(f"\n{self.node}", 8)

    def _made(self, more: str, size: int) -> int:
        data = f"{self._run}{more}".encode("utf-8", "backslashreplace")
        return int.from_bytes(sha256(data).digest()[:size], "big") or 1


def _name(node: Node) -> str:
    if node.kind == "turn":
        return f"turn {node.number}"
    if node.kind == "batch":
        return f"batch of {plural(node.size, 'call')}"
    return _text(label(node))


def _kind(node: Node) -> OpenInferenceSpanKindValues:
    if node.kind == "call":
        return _Kind.CHAIN if node.role == "human" else _Kind.LLM
    return _KINDS.get(node.kind, _Kind.CHAIN)


def _attributes(node: Node) -> dict[str, Any]:
    match node.kind:
        case "run":
            found = _said(node.question, node.answer)
        case "turn":
            found = _said("", node.observation)
        case "cell":
            shown = "\n".join(x for x in (node.output, node.result, node.traceback) if x)
            found = _said(node.code, shown or node.error)
            code = {"code": _text(node.code)}
            found |= get_tool_attributes(name="python", parameters=code)
        case "call":
            found = _said(node.prompt, node.text)
            found |= {} if node.role == "human" else _llm(node)
        case "solve" | "step":
            found = _said(node.prompt, node.text)
            if node.kind == "solve":
                task = {"task": _text(node.task)}
                found |= get_tool_attributes(name=label(node), parameters=task)
        case _:
            found = {}
    return found | get_metadata_attributes(metadata=_metadata(node))


def _said(asked: str, given: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if asked:
        found |= get_input_attributes(_text(asked))
    if given:
        found |= get_output_attributes(_text(given))
    return found


def _llm(node: Node) -> dict[str, Any]:
    used, provider = node.own, node.model.partition("/")[0]
    tokens: TokenCount = {
        "prompt": used.input_tokens, "completion": used.output_tokens, "total": used.tokens,
        "prompt_details": {"cache_read": used.cached_tokens},
    }  # fmt: skip
    asked: Message = {"role": "user", "content": _text(node.prompt)}
    found: dict[str, Any] = dict(get_llm_attributes(
        provider=provider if "/" in node.model and provider in _PROVIDERS else None,
        model_name=_text(node.model), token_count=tokens, input_messages=[asked],
        output_messages=[{"role": "assistant", "content": _text(node.text)}] if node.text else [],
    ))  # fmt: skip
    if used.cost is not None:  # one that isn't known isn't nothing
        found[SpanAttributes.LLM_COST_TOTAL] = used.cost
    return found


def _metadata(node: Node) -> dict[str, Any]:
    """Give what OpenInference has no name for."""
    names = ("status", "reason", "author", "decision", "by", "note", "finish", "role", "line",
             "retries", "cached", "error_kind", "forced", "depth", "mode", "where", "sandbox",
             "model", "sub_model", "run_id", "applied", "parameters", "solved", "halt",
             "cells_changed", "cells_wrong")  # fmt: skip
    found: Mapping[str, Any] = {"node": node.id, **{name: getattr(node, name) for name in names}}
    if node.kind == "call":  # has it under its own name
        found = {**found, "model": ""}
    if node.kind == "run":
        found = {**found, "context": [_plain(info) for info in node.context]}
    return {k: _text(v) if isinstance(v, str) else v for k, v in found.items()
            if v not in ("", None, False, 0, [])}  # fmt: skip


def _plain(info: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): _text(str(info[k])) for k in ("name", "kind", "size", "path") if k in info}


def _status(node: Node) -> Status:
    if node.ended is None or node.status in ("partial", "rejected", "responded"):
        return Status(StatusCode.UNSET)
    if node.status in ("ok", "done"):
        return Status(StatusCode.OK)
    said = node.error or node.reason or node.status
    return Status(StatusCode.ERROR, oneline(said, 500))


def _text(text: str) -> str:
    """Give a text that protobuf takes: not endless, and in UTF-8."""
    return capped(text, MOST_TEXT).encode("utf-8", "backslashreplace").decode()


def _nanoseconds(time: float) -> int:
    return max(0, min(int(time * 1e9), (1 << 63) - 1))
