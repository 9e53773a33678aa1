"""What a person reads of a run: its state, its answer, what it used, what it said."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..log import Log, Tree, tree_html
from ..log.format import plural
from ..protocol import Usage
from ..protocol.events import Phase
from .asking import Ask, Window
from .gate import Gate, Proposal
from .transcript import Transcript

if TYPE_CHECKING:
    from ._closing import Outcome
    from .driver import Driver
    from .opening import Opening
    from .until import Until

ENDED = frozenset(("done", "partial", "failed", "stopped"))
WAITING = frozenset(("proposed", "asking", "paused", "taken over"))  # for a person


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What a run used: ``own`` by its root model, ``subtree`` by everything below it too."""

    own: Usage
    subtree: Usage
    seconds: float

    def __str__(self) -> str:
        cost = "unknown" if self.subtree.cost is None else f"${self.subtree.cost:.4f}"
        return (
            f"{self.subtree.calls} calls, {self.subtree.input_tokens:,} tokens in, "
            f"{self.subtree.output_tokens:,} out, cost {cost}, {self.seconds:.1f} s"
        )


class Reading:
    """The part of a run that is looked at; changes nothing."""

    id: str
    node: str
    question: str
    phase: Phase
    reason: str
    cell: str
    turn: int
    log: Log
    tree: Tree
    gate: Gate
    window: Window
    until: Until | None
    driver: Driver | None
    earlier: Sequence[Mapping[str, Any]]
    _opening: Opening
    _outcome: Outcome | None
    _started: float
    _seconds: float | None

    @property
    def status(self) -> str:
        """``"running"``, ``"waiting"`` (for a person), or how it ended."""
        if self.phase in ENDED:
            return self.phase
        return "waiting" if self.phase in WAITING else "running"

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in ENDED

    @property
    def has_context(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._opening.contexts)

    @property
    def answer_text(self) -> str | None:
        """The text form of the answer or draft so far, without waiting."""
        return self._outcome.text if self._outcome else None

    @property
    def usage(self) -> RunUsage:
        """What was used so far."""
        node = self.tree[self.node]
        own = Usage()
        for inner in self.tree.walk(node):
            if (
                inner.kind == "call"
                and inner.role in ("root", "fold", "closing")
                and (inner.parent == self.node or self._parent_of(inner.parent) == self.node)
            ):
                own = own + inner.own
        seconds = self._seconds
        if seconds is None:
            seconds = time.monotonic() - self._started
        return RunUsage(own, node.total, seconds)

    def _parent_of(self, node_id: str | None) -> str | None:
        node = self.tree.get(node_id) if node_id else None
        return node.parent if node else None

    @property
    def events(self) -> Any:
        """The events of the log so far, oldest first."""
        return self.log.events

    @property
    def transcript(self) -> Transcript:
        """The turns so far: reply, code, what it showed."""
        return Transcript(self.tree, self.node, self.answer_text, self.status)

    @property
    def pending(self) -> Proposal | None:
        """The proposal that waits for a decision, or None."""
        return self.gate.pending

    @property
    def placed(self) -> bool:
        """Whether a front end executes the cells."""
        return self.gate.placed

    @property
    def asking(self) -> Ask | None:
        """The calls that wait to be allowed, or None."""
        return self.window.ask

    @property
    def used(self) -> float:
        """US dollars used so far, as far as they are known, by the run and all below it."""
        return self.tree[self.node].total.known_cost

    def going(self, phase: Phase) -> str:
        """Say where a run that goes on will stop: the sentence of its phase; ``""``: nowhere."""
        if self.gate.paused:
            if phase == "thinking":
                return "Pausing after the model's reply."
            count = sum(call.live and call.role == "sub" for call in self.tree.calls)
            after = f"{plural(count, 'running call')}" if count else "this cell"
            return f"Pausing after {after}."
        return f"Running to {self.until}." if self.until is not None else ""

    @property
    def history(self) -> list[dict[str, Any]]:
        """What a later question sees of this one and those before."""
        mine: list[dict[str, Any]] = [{"role": "user", "content": self.question}]
        mine += [{"role": "cell", "content": e.code, "output": e.observation}
                 for e in self.transcript if e.code]  # fmt: skip
        if self.answer_text is not None:
            mine.append({"role": "assistant", "content": self.answer_text})
        return [*map(dict, self.earlier), *mine]

    def _repr_html_(self) -> str:
        return tree_html(self.tree)

    def __repr__(self) -> str:
        said = f": {self.answer_text[:80]!r}" if self.answer_text is not None else ""
        return f"<Run {self.id} {self.phase}{said}>"
