"""What code in a cell can ask for: completions, children, a person, tools.

Guarantees: a batch gives one item per prompt, a value or a ``ModelError`` in its place; cancelling
cancels what is in flight and keeps what was paid; each call has its node under the cell (or the
batch) that made it, and so has each solve of a tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import Cancelled, ModelError, RLMError
from ..protocol import Call, CallRequest, GatewayClient, Ledger, Message, Origin, Query, Sink
from ..protocol.events import BatchEnded, BatchStarted, CallEnded, CallStarted, CallStatus
from ..protocol.solves import SolvePlace, solves_in
from .settings import Asker

Child = Callable[[Call, str, int | None, Query], Awaitable[Any]]
Allow = Callable[[Call, Sequence[Query], bool], Awaitable["ModelError | None"]]


class Clock(Protocol):
    """Counts the time that a run may take."""

    def pause(self) -> None:
        """Stop it, until ``resume`` was called as often."""
        ...

    def resume(self) -> None:
        """Let it go on."""
        ...


@dataclass(eq=False, slots=True)
class Question:
    """A question to a person that is open."""

    future: asyncio.Future[str]
    choices: tuple[str, ...] = ()

    def answer(self, text: str) -> str:
        """Take an answer; give why it isn't one, in a sentence, or ``""``."""
        if self.choices:
            text = text.strip()
            if text not in self.choices:
                return f"The answer is one of: {', '.join(map(repr, self.choices))}."
        if not self.future.done():
            self.future.set_result(text)
        return ""


class CodeServices:
    """The services of one run, or of a notebook session (which has no children).

    Args:
        gateway, ledger, sink: who makes calls, from which budget, into which log.
        run: the node that owns the calls.
        sub_model: answers prompts that name no model.
        depth: of the owner in the tree.
        child: runs a child; None where the depth doesn't allow one.
        no_child: what the node of a call says that stands for a child.
        ask: asks a person at the keyboard; None where there is none.
        attended: whether somebody answers through Control, also without a keyboard.
        tools: the person's functions.
        allow: lets calls through before they are sent, or gives the error in their place.
        clock: stands while a person is asked: their time isn't the run's.
    """

    def __init__(
        self,
        gateway: GatewayClient,
        ledger: Ledger,
        sink: Sink,
        *,
        run: str,
        sub_model: str,
        depth: int = 0,
        child: Child | None = None,
        no_child: str = "",
        ask: Asker | None = None,
        attended: bool = False,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        allow: Allow | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.gateway, self.ledger, self.sink = gateway, ledger, sink
        self.run, self.sub_model, self.depth = run, sub_model, depth
        self._child, self._no_child, self._ask = child, no_child, ask
        self._attended, self._allow = attended, allow
        self._clock = clock
        self._tools = dict(tools or {})
        self._flying: set[asyncio.Task[Any]] = set()
        self.questions: dict[str, Question] = {}
        self.children: dict[str, set[asyncio.Task[Any]]] = {}

    @property
    def has_children(self) -> bool:
        """Whether ``rlm_query`` starts children here."""
        return self._child is not None

    async def llm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """Make one completion per query, all at once."""
        with self._in_flight():
            if refused := await self._refused(call, queries, False):
                return refused
            return await self._all(call, queries, "llm", self._complete)

    async def rlm_query(self, call: Call, queries: Sequence[Query]) -> list[Any]:
        """Run one child per query, all at once; a plain call where no child is allowed."""
        with self._in_flight():
            if refused := await self._refused(call, queries, self._child is not None):
                return refused
            if self._child is None:
                return await self._all(call, queries, "llm", self._stand_in)
            return await self._all(call, queries, "rlm", self._child)

    async def _refused(self, call: Call, queries: Sequence[Query], child: bool) -> list[Any]:
        """Give the error for each query where they aren't allowed, else nothing."""
        error = None if self._allow is None else await self._allow(call, queries, child)
        return [] if error is None else [error for _ in queries]

    async def ask_human(self, call: Call, question: str, choices: Sequence[str] | None) -> str:
        """Ask a person: the keyboard, or whoever answers the node through Control.

        Where somebody is there but not at the keyboard, it waits for Control.
        """
        with self._in_flight():
            return await self._asked(call, question, choices)

    async def _asked(self, call: Call, question: str, choices: Sequence[str] | None) -> str:
        node = self.sink.new_id("call")
        shown = question + ("\n" + "\n".join(f"- {c}" for c in choices) if choices else "")
        self.sink.emit(CallStarted(node=node, parent=call.cell or self.run, role="human",
                                   model="human", prompt=shown, line=call.line,
                                   choices=list(choices or ())))  # fmt: skip
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.questions[node] = Question(future, tuple(choices or ()))
        waiting: list[asyncio.Future[str]] = [future]
        text, error = "", "The question was cancelled."
        status: CallStatus = "cancelled"
        if self._clock is not None:
            self._clock.pause()
        try:
            if self._ask is not None:
                options = list(choices) if choices else None
                waiting.append(asyncio.ensure_future(
                    asyncio.to_thread(self._ask, question, options)
                ))  # fmt: skip
            elif not self._attended:
                raise ModelError(
                    "ask_human: nobody is there to answer; go on with what the data says."
                )
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            first = future if future in done else waiting[-1]
            if self._attended and first is not future and first.exception() is not None:
                await asyncio.wait({future})  # no keyboard, or it was given up
                first = future
            text = first.result()
            status, error = "ok", ""
            return text
        except Exception as failed:
            status, error = "error", str(failed) or type(failed).__name__
            if isinstance(failed, ModelError):
                raise
            raise ModelError(f"ask_human: the person could not be asked ({error}).") from failed
        finally:
            if self._clock is not None:
                self._clock.resume()
            self.questions.pop(node, None)
            for each in waiting:
                each.cancel()
            withdraw = getattr(self._ask, "withdraw", None)  # a thread that asks isn't cancelled
            if withdraw is not None:
                withdraw(question)
            self.sink.emit(CallEnded(node=node, status=status, text=text, model="human",
                                     error=error))  # fmt: skip

    async def tool(
        self, call: Call, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call one of the person's tools, off the loop (an ``async def`` one on it)."""
        function = self._tools.get(name)
        if function is None:
            raise RLMError(f"There is no tool named {name!r}.")
        place = self.solves(call)
        try:
            with self._in_flight(), solves_in(place):
                if asyncio.iscoroutinefunction(function):
                    return await function(*args, **kwargs)
                return await asyncio.to_thread(function, *args, **kwargs)
        finally:
            if place is not None:
                place.close()

    def solves(self, call: Call) -> SolvePlace | None:
        """Give where what is solved for a call is told; None: nowhere."""
        return SolvePlace(self.sink, call.cell or self.run, call.line)

    async def end(self) -> None:
        """Cancel what is in flight and wait until it is over."""
        tasks = set(self._flying)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._flying.add(task)
        try:
            yield
        finally:
            self._flying.discard(task)

    # -- how several are made at once -------------------------------------------------------

    async def _all(self, call: Call, queries: Sequence[Query], kind: str, one: Child) -> list[Any]:
        parent = call.cell or self.run
        if not call.batch:
            return [await one(call, parent, None, query) for query in queries]
        batch = self.sink.new_id("batch")
        self.sink.emit(BatchStarted(node=batch, parent=parent, size=len(queries), line=call.line,
                                    kind="rlm" if kind == "rlm" else "llm"))  # fmt: skip
        tasks = [
            asyncio.ensure_future(one(call, batch, index, query))
            for index, query in enumerate(queries)
        ]
        self.children[batch] = set(tasks)
        items: list[Any] = []
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            del self.children[batch]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)  # a batch ends after its items
            items = [_item(task) for task in tasks]
            failed = sum(isinstance(item, ModelError) for item in items)
            self.sink.emit(BatchEnded(node=batch, ok=len(items) - failed, failed=failed))
        return items

    async def _complete(
        self, call: Call, parent: str, index: int | None, query: Query, note: str = ""
    ) -> Any:
        messages: list[Message] = [{"role": "user", "content": query.prompt}]
        if query.system:
            messages.insert(0, {"role": "system", "content": query.system})
        request = CallRequest(
            tuple(messages), query.model or self.sub_model, constraint=query.constraint,
            max_tokens=query.max_tokens, temperature=query.temperature,
        )  # fmt: skip
        origin = Origin(self.run, parent, "sub", self.depth + 1, query.name, call.line, index)
        if note:
            origin.extra["note"] = note
        reply = await self.gateway.call(request, origin, self.ledger, self.sink)
        constraint = query.constraint
        return reply.value if constraint and constraint.schema is not None else reply.text

    async def _stand_in(self, call: Call, parent: str, index: int | None, query: Query) -> Any:
        prompt = query.prompt
        if query.has_context and query.context is not None:
            prompt += "\n\n" + (
                query.context if isinstance(query.context, str) else repr(query.context)
            )
        plain = Query(prompt, query.model, name=query.name)
        return await self._complete(call, parent, index, plain, self._no_child)


def _item(task: asyncio.Future[Any]) -> Any:
    """Give what came of one item of a batch: an error is a value in its place."""
    if not task.done() or task.cancelled():
        return Cancelled("This item was cancelled before its reply was whole.")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, ModelError):
        return error
    return ModelError(f"{type(error).__name__}: {error}")
