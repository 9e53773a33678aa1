"""Answers for what was asked before: from the record, so that nothing is paid for twice.

While the cells of whole turns run again (``silent``) nothing of it is shown or written, and errors
come as they came. Afterwards replies that were paid for and not used yet are used once more: a
call that asks the same is shown as cached, and costs nothing.
"""

from __future__ import annotations

import asyncio
from ast import literal_eval
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import ConfigError, ModelError, ProviderError
from ..lm.structured import check
from ..protocol import (
    Call,
    CallRequest,
    GatewayClient,
    Ledger,
    Logged,
    ModelInfo,
    Origin,
    Query,
    Reply,
    Sink,
    Usage,
)
from ..protocol.events import CallEnded, CallStarted, RunEnded, usage_to_dict
from ..protocol.solves import SolvePlace
from .record import Record, RecordedCell
from .services import CodeServices

_PLAIN = ("int", "float", "bool", "list", "dict", "tuple", "set", "NoneType")


class RecordedGateway:
    """A gateway that answers from a record where that has the reply; implements GatewayClient."""

    def __init__(self, inner: GatewayClient, record: Record) -> None:
        self.inner = inner
        #: Replies that are taken once more by whoever asks the same, whichever model is asked.
        self.again: dict[str, list[CallEnded]] = {}
        self.silent = False
        self.diverged = 0  # calls of cells that ran again which the record doesn't have
        self.answered = 0  # and those that it had
        self.on_missing: Callable[[str, int | None], None] | None = None
        self._outcomes, self._replies = record.outcomes, record.replies
        self._used: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def info(self, model: str) -> ModelInfo:
        """Say what is known of a model."""
        return self.inner.info(model)

    def take_again(self, events: Sequence[Logged]) -> None:
        """Have what these calls had been answered taken once more by whoever asks the same."""
        asked = {x.event.node: x.event.prompt for x in events if isinstance(x.event, CallStarted)}
        for logged in events:
            event = logged.event
            if isinstance(event, CallEnded) and event.node in asked and event.status == "ok":
                self.again.setdefault(asked[event.node], []).append(event)

    async def call(self, request: CallRequest, origin: Origin, ledger: Ledger, sink: Sink) -> Reply:
        """Make one completion, or give the recorded one."""
        key = ""
        with suppress(ConfigError, ModelError):  # the call says why
            key = self.inner.key_of(request)
        asked = str(request.messages[-1]["content"]) if request.messages else ""
        ended = self._take(key, asked)
        if ended is None:
            self.diverged += self.silent
            if self.silent and self.on_missing is not None:
                self.on_missing(asked, origin.line)
            return await self.inner.call(request, origin, ledger, sink)
        self.answered += self.silent
        if ended.status != "ok":
            raise _as_it_failed(ended)
        text, value = ended.text, None
        if request.constraint is not None:
            text, value = check(request.constraint, text)
        reply = Reply(text, ended.model, Usage(calls=1), ended.finish, cached=True, value=value)
        if not self.silent:
            self._show(request, origin, reply, key, sink)
        return reply

    def _take(self, key: str, asked: str) -> CallEnded | None:
        """Give the next outcome of a request: any while silent, else one that was paid for.

        While silent the same question is the same request, whichever model is asked now: a run
        that goes on with another one has made its first turns with the one before.
        """
        found = self._outcomes.get(key, [])
        if self.silent:
            name = key if found else f"asked: {asked}"
            found = found or self._replies.get(asked, [])
            at = self._used.get(name, 0)
            self._used[name] = at + 1
            return found[min(at, len(found) - 1)] if found else None
        if again := self.again.get(asked):
            return again.pop(0)
        at = self._used.get(key, 0)
        while at < len(found):
            at += 1
            self._used[key] = at
            if found[at - 1].status == "ok":
                return found[at - 1]
        return None

    def _show(
        self, request: CallRequest, origin: Origin, reply: Reply, key: str, sink: Sink
    ) -> None:
        node = sink.new_id("call")
        last = request.messages[-1]["content"] if request.messages else ""
        sink.emit(CallStarted(
            node=node, parent=origin.parent, role=origin.role, model=request.model, prompt=last,
            name=origin.name, depth=origin.depth, line=origin.line, index=origin.index,
            note=str(origin.extra.get("note", "")),
        ))  # fmt: skip
        sink.emit(CallEnded(
            node=node, text=reply.text, model=reply.model, finish=reply.finish, cached=True,
            key=key, usage=usage_to_dict(reply.usage),
        ))  # fmt: skip


def _as_it_failed(ended: CallEnded) -> ModelError:
    kind = ended.error_kind
    return ProviderError(ended.error, kind=kind) if kind else ModelError(ended.error)


class RecordedServices(CodeServices):
    """The services of a run that is picked up; while a recorded cell runs, its own answers."""

    replaying: RecordedCell | None = None

    async def llm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """Make one completion per query, or give what the record has."""
        if self.replaying is None:
            return await super().llm_query(call, queries)
        return await self._silently(call, queries, self._complete)

    async def rlm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """Run one child per query, or give what the recorded one answered."""
        if self.replaying is None:
            return await super().rlm_query(call, queries)
        one = self._stand_in if self._child is None else self._recorded_child
        return await self._silently(call, queries, one)

    async def ask_human(self, call: Call, question: str, choices: Sequence[str] | None) -> str:
        """Ask a person, or give what they had answered."""
        cell = self.replaying
        if cell is not None:
            for at, (asked, answer) in enumerate(cell.questions):
                if asked == question or asked.startswith(question + "\n"):
                    del cell.questions[at]
                    return answer
        return await super().ask_human(call, question, choices)

    def solves(self, call: Call) -> SolvePlace | None:
        """Give where what is solved is told; a recorded cell's solves stand in the log already."""
        return super().solves(call) if self.replaying is None else None

    async def _silently(
        self, call: Call, queries: Sequence[Query], one: Callable[..., Any]
    ) -> list[Any]:
        with self._in_flight():
            parent = call.cell or self.run
            tasks = [one(call, parent, i, query) for i, query in enumerate(queries)]
            if not call.batch:
                return [await task for task in tasks]
            found = await asyncio.gather(*tasks, return_exceptions=True)
        return [
            item if not isinstance(item, BaseException) or isinstance(item, ModelError)
            else ModelError(f"{type(item).__name__}: {item}")
            for item in found
        ]  # fmt: skip

    async def _recorded_child(
        self, call: Call, parent: str, index: int | None, query: Query
    ) -> Any:
        assert self._child is not None
        assert self.replaying is not None
        children = self.replaying.children
        for at, (started, ended) in enumerate(children):
            if started.question == query.prompt and started.name == query.name:
                known, value = answer_of(ended)
                if known:
                    del children[at]
                    return value
                break
        # Its calls are in the record: it costs nothing, and gives the value itself.
        return await self._child(call, parent, index, query)


def answer_of(ended: RunEnded) -> tuple[bool, Any]:
    """Give whether a run's answer can be had from its text, and the answer."""
    if ended.status != "done" or ended.answer is None:
        return False, None
    if ended.answer_type in ("str", ""):
        return True, ended.answer
    if ended.answer_type in _PLAIN:
        try:
            return True, literal_eval(ended.answer)
        except (ValueError, SyntaxError):
            return False, None
    return False, None
