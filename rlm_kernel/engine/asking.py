"""Calls that wait to be allowed: asked about before they are sent and cost anything.

Which ones: calls that take the sum of their cell's calls, their cost or their tokens over a rule of
``ask when …``, and children where a rule on ``depth`` or ``run to child`` says so. The rules are
the top run's and hold for the cells of its children, too.

Guarantees:
- Nothing of what is asked about is sent before it is allowed. Calls of one cell that come within
  ``GATHER`` seconds are asked about together.
- Allowing lets these calls go, and the cell begins to count anew: later ones of it are asked about
  when they pass the limit again by themselves. A person who approved the cell itself has allowed
  as much as its estimate said; a price they were told is unknown isn't asked about twice in a cell.
- Refusing makes each of them a ``ModelError`` in its place, never an exception for all of a batch;
  later calls of that cell that would be asked about are refused in the same words. The model is
  told in the cell's observation.
- Only one thing is asked at a time in a tree of runs. A stop, an interrupt or a cancel ends it.
- Where nobody is there (``attended`` is False) ``headless`` decides: ``approve``, ``reject``, or
  ``error``, which ends the run in one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..log.format import count_text, plural
from ..protocol import Call, Query
from ..protocol.events import CallsDecided, CallsProposed, Phase
from .estimate import Estimate, Estimator
from .gate import Decision

if TYPE_CHECKING:
    from .run import Run

GATHER = 0.05  # seconds in which calls that come one by one are put into one question
MANY = 200  # calls whose tokens are counted off the loop


@dataclass(frozen=True, slots=True)
class Ask:
    """Calls that wait: of which cell, how many, what they come to, and why they are asked about."""

    ask: str
    cell: str
    calls: int
    tokens: int
    cost: float | None
    line: int | None
    reason: str
    child: bool = False


@dataclass(slots=True)
class _Group:
    """Calls of one cell that are asked about together."""

    done: asyncio.Future[Decision]
    why: str
    line: int | None
    child: bool
    sum: Estimate = field(default_factory=Estimate)
    waiting: int = 0
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Cell:
    """What a cell has called since it was last allowed to."""

    since: Estimate = field(default_factory=Estimate)
    granted: Estimate = field(default_factory=Estimate)
    blind: bool = False  # an unknown cost was allowed
    children: bool = False  # children were
    refused: str | None = None
    refusals: int = 0
    group: _Group | None = None


class Window:
    """Where the one question of a tree of runs is asked; the top run's."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.lock = asyncio.Lock()  # held by whoever asks
        self._answer: asyncio.Future[Decision] | None = None
        self._before: tuple[Phase, str] = ("running", "")
        self.ask: Ask | None = None

    async def decide(self, ask: Ask, *, attended: bool) -> Decision:
        """Ask a person, or what stands for one where nobody is there, and give the decision."""
        run = self._run
        run.emit(CallsProposed(
            node=ask.cell, ask=ask.ask, calls=ask.calls, tokens=ask.tokens, cost=ask.cost,
            line=ask.line, reason=ask.reason,
        ))  # fmt: skip
        if not attended:
            return self._by_nobody(ask)
        self.ask, self._answer = ask, asyncio.get_running_loop().create_future()
        self._before = (run.phase, run.reason)
        run.phase_is("asking", self._sentence(ask))
        try:
            return await self._answer
        except asyncio.CancelledError:
            if self.ask is not None:
                self._told(Decision("reject", "stop", reason="the calls were cancelled"))
            raise
        finally:
            self.ask = self._answer = None

    def take(self, decision: Decision) -> None:
        """Decide what waits."""
        if self._answer is None or self._answer.done():
            return
        self._told(decision)
        self._answer.set_result(decision)

    def _told(self, decision: Decision) -> None:
        """Write the decision down and leave the phase."""
        assert self.ask is not None
        run = self._run
        run.emit(CallsDecided(node=self.ask.cell, ask=self.ask.ask, decision=decision.kind,
                              by=decision.by, reason=decision.reason))  # fmt: skip
        self.ask = None
        if run.phase == "asking":
            phase, reason = self._before
            run.phase_is(phase, "" if phase == "running" else reason)

    def _by_nobody(self, ask: Ask) -> Decision:
        run = self._run
        kind = "approve" if run.settings.headless == "approve" else "reject"
        decision = Decision(kind, "headless", reason="" if kind == "approve" else NOBODY)  # type: ignore[arg-type]
        run.emit(CallsDecided(node=ask.cell, ask=ask.ask, decision=decision.kind,
                              by=decision.by, reason=decision.reason))  # fmt: skip
        if run.settings.headless == "error":
            run.end_with(
                f"{self._wants(ask)} and nobody is there to allow them, so the run was ended; give "
                "headless='approve' or 'reject', or mode='auto'."
            )
        return decision

    def _wants(self, ask: Ask) -> str:
        node = self._run.tree.get(ask.cell)
        number = node.number if node is not None else 0
        cell = f"Cell {number}" if number else "A cell"
        if node is not None and any(
            above.kind == "run" and above.parent is not None
            for above in self._run.tree.above(node)
        ):
            cell += " of a child"
        if ask.child:
            return f"{cell} wants to start {plural(ask.calls, 'child', 'children')}"
        tokens = f"about {count_text(ask.tokens)} tokens"
        cost = f"about ${ask.cost:.2f}" if ask.cost is not None else f"{tokens} at an unknown price"
        if ask.cost is not None and ask.cost < 0.005:
            cost = tokens
        return f"{cell} wants {plural(ask.calls, 'call')}, {cost}"

    def _sentence(self, ask: Ask) -> str:
        return f"{self._wants(ask)}: allow or refuse {'it' if ask.calls == 1 else 'them'}."


NOBODY = "nobody is there to allow them"


class Permission:
    """Lets the calls of one run's cells through, or asks about them first.

    Args:
        run: whose calls.
        estimator: says what they come to.
    """

    def __init__(self, run: Run, estimator: Estimator) -> None:
        self._run, self._estimator = run, estimator
        self._cells: dict[str, _Cell] = {}

    def begin(self, cell: str, allowed: Estimate | None) -> None:
        """Begin to count a cell's calls.

        Args:
            cell: its node.
            allowed: what a person allowed by approving the cell; None: nobody was asked.
        """
        counted = self._cells[cell] = _Cell()
        if allowed is not None:
            counted.granted = replace(allowed, cost=allowed.cost or 0.0)
            counted.blind = allowed.cost is None
            counted.children = allowed.children

    def told(self, cell: str) -> str:
        """Give the sentence about what was refused in a cell, for the model; ``""`` for nothing."""
        counted = self._cells.get(cell)
        if counted is None or counted.refused is None:
            return ""
        return f"{plural(counted.refusals, 'call')} of this cell: {counted.refused}"

    def refusals(self, cell: str) -> int:
        """Give how many calls of a cell were refused."""
        counted = self._cells.get(cell)
        return 0 if counted is None else counted.refusals

    async def __call__(
        self, call: Call, queries: Sequence[Query], child: bool
    ) -> ModelError | None:
        """Let calls through, perhaps after asking.

        Args:
            call: the cell and line they come from.
            queries: what is to be sent.
            child: whether each starts a child.

        Returns:
            None where they may be sent, else the error that stands in the place of each.
        """
        top = self._run.top
        if not queries or not (top.mode.counts or top.until is not None):
            return None
        found = await self._estimate(queries, child)
        cell = self._cells.setdefault(call.cell, _Cell())
        why = self._why(cell, found, child)
        if not why:
            cell.since = cell.since + found
            return None
        if cell.refused is None:
            decision = await self._asked(call, cell, found, why, child)
            if decision.kind == "approve":
                return None
        cell.refusals += found.calls
        return ModelError(cell.refused or _refused(Decision("reject")))

    async def _estimate(self, queries: Sequence[Query], child: bool) -> Estimate:
        if len(queries) < MANY:
            return self._estimator.of_queries(queries, child)
        return await asyncio.to_thread(self._estimator.of_queries, queries, child)

    def _why(self, cell: _Cell, found: Estimate, child: bool) -> str:
        top = self._run.top
        until = top.until
        if until is not None:
            return "a child is about to start" if child and until.kind == "child" else ""
        depth = self._run.settings.depth + 1
        if child and not cell.children and (why := top.mode.why_child(depth)):
            return why
        sums, granted = cell.since + found, cell.granted
        known = sums.cost is not None or not cell.blind
        return top.mode.why_calls(Estimate(
            max(0, sums.calls - granted.calls),
            max(0, sums.tokens - granted.tokens),
            (None if sums.cost is None else sums.cost - (granted.cost or 0.0)) if known else 0.0,
            unknown=sums.unknown,
        ))  # fmt: skip

    async def _asked(
        self, call: Call, cell: _Cell, found: Estimate, why: str, child: bool
    ) -> Decision:
        group = cell.group
        if group is None:
            done: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
            group = cell.group = _Group(done, why, call.line, child)
            group.task = asyncio.ensure_future(self._ask(call.cell, cell, group))
        group.sum = group.sum + found
        group.why = why  # the newest speaks for all
        group.waiting += 1
        try:
            return await asyncio.shield(group.done)
        except asyncio.CancelledError:
            group.waiting -= 1
            if not group.waiting and group.task is not None:
                group.task.cancel()
            raise

    async def _ask(self, node: str, cell: _Cell, group: _Group) -> None:
        top = self._run.top
        try:
            await asyncio.sleep(GATHER)
            async with top.window.lock:
                cell.group = None  # what comes from here on is asked about by itself
                if cell.refused is not None:
                    decision = Decision("reject", reason=cell.refused)
                elif why := self._why(cell, group.sum, group.child):
                    ask = Ask(
                        top.log.new_id("ask"), node or top.node, group.sum.calls,
                        group.sum.tokens, group.sum.cost, group.line, why, group.child,
                    )  # fmt: skip
                    attended = top.settings.attended or top.gate.placed
                    if top.until is not None:  # which a person has said
                        top.set_until(None)
                        attended = True
                    decision = await top.window.decide(ask, attended=attended)
                else:  # the mode has changed meanwhile
                    decision = Decision("approve")
                if decision.kind == "approve":
                    cell.blind = cell.blind or group.sum.cost is None
                    cell.children = cell.children or group.child
                    cell.since, cell.granted = Estimate(), Estimate()
                else:
                    cell.refused = cell.refused or _refused(decision)
        except asyncio.CancelledError:
            if cell.group is group:
                cell.group = None
            if not group.done.done():
                group.done.cancel()
            raise
        except Exception as error:  # a fault of ours must not leave the cell waiting
            if not group.done.done():
                group.done.set_exception(error)
                group.done.exception()
            raise
        if not group.done.done():
            group.done.set_result(decision)


def _refused(decision: Decision) -> str:
    """Give the words of a refusal."""
    if decision.by == "headless":
        return f"These calls were refused: {NOBODY}."
    reason = decision.reason.strip()
    if not reason:
        return "A person refused these calls."
    return f"A person refused these calls: {reason}" + ("" if reason[-1] in ".!?…" else ".")
