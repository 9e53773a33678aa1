"""A branch of a run: its log up to some turn, changed in one place, to go on from there.

Nothing of the run that is left changes. What the branch has in common with it was paid for there:
in the branch it counts as cached. Its turns run again in a fresh kernel with the replies that they
had; from there on it is a run like any other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ConfigError, RecordingError
from ..log.format import oneline
from ..protocol import Logged, Usage
from ..protocol import events as e

BY = "fork"  # who decides what a branch changes
_TAKEN = e.TurnStarted | e.CallStarted | e.BatchStarted | e.CellProposed | e.CellDecided
_MADE = e.RunStarted | e.TurnStarted | e.CellProposed | e.BatchStarted | e.CallStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is otherwise in a branch; nothing: it goes on otherwise by itself, or by another model.

    Args:
        cells: number of a cell → the code that runs in its place; all of one turn.
        replies: node of a call → the reply that is taken in place of the one it had; all of one
            turn, whose cells run again.
        told: what the root model is told after the last turn that is kept.
        question: what is asked instead; no turn is kept then.

    Raises:
        ConfigError: something of it is no text, or the question is empty.
    """

    cells: Mapping[int, str] = field(default_factory=dict)
    replies: Mapping[str, str] = field(default_factory=dict)
    told: str | None = None
    question: str | None = None

    def __post_init__(self) -> None:
        for name, texts in (("cells", self.cells), ("replies", self.replies)):
            if not isinstance(texts, Mapping):
                raise ConfigError(f"{name}={texts!r:.60} is no dict: give one with texts.")
            for key, text in texts.items():
                _check_text(f"{name}[{key!r:.60}]", text)
        for name, said in (("told", self.told), ("question", self.question)):
            if said is not None:
                _check_text(name, said)
        if self.question is not None and not self.question.strip():
            raise ConfigError("The question is empty: give another, or none to keep the run's.")


def branch_text(forked: Mapping[str, Any]) -> str:
    """Say of what a run is a branch, and what is otherwise in it.

    Args:
        forked: what the run's log says of it, which anybody may have written.
    """
    turn, words = forked.get("turn"), forked.get("otherwise")
    said = "A branch of " + oneline(str(forked.get("run")), 100)
    said += f" after turn {turn}." if isinstance(turn, int) and turn else " from its start."
    if isinstance(words, list) and words:
        said += f" Otherwise in it: {oneline(', '.join(map(str, words)), 200)}."
    return said


def otherwise(change: Change) -> list[str]:
    """Say what is otherwise in a branch, each a few words."""
    said = [f"the code of cell {number}" for number in change.cells]
    said += [f"the reply to {node}" for node in change.replies]
    said += ["what the model is told"] if change.told is not None else []
    said += ["the question"] if change.question is not None else []
    return said


@dataclass(frozen=True, slots=True)
class Branch:
    """What a branch begins with.

    Args:
        turn: the last turn that is whole in it; 0: none.
        events: what its log begins with.
        again: events of the turn after it, which is done again with the reply it had.
    """

    turn: int
    events: list[Logged]
    again: list[Logged]


def branch(
    events: Sequence[Logged], run_id: str, turn: int | None = None, change: Change | None = None
) -> Branch:
    """Cut a run's log for a branch.

    Args:
        events: of the run's log, oldest first.
        run_id: the branch's id.
        turn: the last turn that is kept; 0: none; None: as many as the change leaves.
        change: what is otherwise.

    Raises:
        ConfigError: there is no such turn, cell or call, or the change can't be made there.
        RecordingError: there is no run in the log.
    """
    return _Cut(events, change or Change()).branch(run_id, turn)


class _Cut:
    def __init__(self, events: Sequence[Logged], change: Change) -> None:
        self.events, self.change = events, change
        first = next((x.event for x in events if isinstance(x.event, e.RunStarted)), None)
        if first is None:
            raise RecordingError("There is no run in that log to branch off.")
        self.top = first
        parents: dict[str, str] = {}
        calls = set()
        self.turn_of: dict[str, int] = {}  # of every node in a turn of the run's own
        self.cells: dict[int, str] = {}  # of those turns
        turns: dict[int, str] = {}
        for logged in events:
            event = logged.event
            if not isinstance(event, _MADE) or event.parent is None:
                continue
            parents[event.node] = event.parent
            if isinstance(event, e.CallStarted):
                calls.add(event.node)
            if isinstance(event, e.TurnStarted) and event.parent == first.node:
                turns[event.number] = event.node  # one that was done again is the later one
            elif isinstance(event, e.CellProposed) and event.parent in turns.values():
                self.cells[event.number] = event.node
        numbers = {node: number for number, node in turns.items()}
        for node in parents:
            above, at = set(), node
            # A foreign log may have its nodes in a circle.
            while at in parents and at not in numbers and at not in above:
                above.add(at)
                at = parents[at]
            if at in numbers:
                self.turn_of[node] = numbers[at]
        self.calls = calls & self.turn_of.keys()
        ended = {x.event.node: i for i, x in enumerate(events)
                 if isinstance(x.event, e.TurnEnded) and x.event.status != "cancelled"}  # fmt: skip
        #: number of a turn that is whole → where it ends
        self.ends = {number: ended[node] for number, node in turns.items() if node in ended}

    def branch(self, run_id: str, turn: int | None) -> Branch:
        changed = self._changed_turn()
        last = self._last(turn, changed)
        opening = (e.RunStarted, e.SessionStarted) if self.change.question else (
            e.RunStarted, e.SessionStarted, e.RunOpened)  # fmt: skip
        if last:
            kept = [x for x in self.events[: self.ends[last] + 1] if self._stays(x.event, last)]
        else:
            kept = [x for x in self.events if isinstance(x.event, opening)
                    and x.event.node == self.top.node]  # fmt: skip
        again = [] if changed is None else self._again(changed)
        # It goes on from here: the time since then isn't the branch's, nor on its axis.
        later = time.time() - kept[-1].time
        return Branch(
            last, [_moved(self._as_kept(x, run_id, last), later) for x in kept],
            [_moved(x, later) for x in again],
        )  # fmt: skip

    def _changed_turn(self) -> int | None:
        """Give the turn that the change is in."""
        found = set()
        for number in self.change.cells:
            if number not in self.cells:
                raise ConfigError(f"The run has no cell {number}{_these(self.cells)}.")
            found.add(self.turn_of[self.cells[number]])
        for node in self.change.replies:
            if node not in self.calls:
                raise ConfigError(
                    f"{node!r:.60} is no call in a turn of the run: its tree names them (call1, …)."
                )
            found.add(self.turn_of[node])
        if len(found) > 1:
            raise ConfigError("A branch is changed in one turn: fork the branch to change a later.")
        return found.pop() if found else None

    def _last(self, turn: int | None, changed: int | None) -> int:
        """Give the last turn that is kept as it is."""
        whole = sorted(self.ends)
        if self.change.question is not None:
            if turn or changed is not None or self.change.told is not None:
                raise ConfigError("Another question begins anew: no turn can be kept with it.")
            return 0
        if changed is not None:
            before = max((n for n in whole if n < changed), default=0)
            if turn is not None and turn not in (before, changed):
                raise ConfigError(f"What is changed is in turn {changed}, so turn={turn} can't be.")
            return before
        last = turn if turn is not None else max(whole, default=0)
        if last and last not in self.ends:
            raise ConfigError(f"The run has no turn {last} that is whole{_these(whole)}.")
        if self.change.told is not None and not last:
            raise ConfigError("What the model is told comes after a turn: give turn=.")
        return last

    def _stays(self, event: e.Event, last: int) -> bool:
        """Whether an event from before the end of the last turn belongs to the branch."""
        if isinstance(event, e.PhaseChanged | e.ModeChanged | e.BudgetChanged | e.RunResumed):
            return event.node != self.top.node
        if isinstance(event, e.RunEnded):
            return event.node != self.top.node
        return True

    def _again(self, turn: int) -> list[Logged]:
        """Give what the turn that is changed is done again with: its reply, decisions, calls.

        Decisions are known by their order, so that those before the change are all there; what had
        run by itself runs by itself. Those after it are taken anew.
        """
        found: list[Logged] = []
        changed = False
        for logged in self.events:
            event = logged.event
            if self.turn_of.get(event.node) != turn:
                continue
            if isinstance(event, e.CellProposed | e.CellDecided) and changed:
                continue
            if isinstance(event, e.CellProposed) and (code := self._code_for(event)) is not None:
                edit = e.CellDecided(node=event.node, decision="edit", by=BY, code=code)
                found += [logged, replace(logged, event=edit)]
                changed = True
            elif isinstance(event, e.CellDecided) and event.by == "auto":
                found.append(replace(logged, event=replace(event, by=BY)))
            elif isinstance(event, e.CallEnded):
                found.append(replace(logged, event=self._answered(event)))
            elif isinstance(event, _TAKEN):
                found.append(logged)
        return found

    def _code_for(self, event: e.CellProposed) -> str | None:
        return next((code for n, code in self.change.cells.items()
                     if self.cells[n] == event.node), None)  # fmt: skip

    def _answered(self, event: e.CallEnded) -> e.CallEnded:
        text = self.change.replies.get(event.node)
        event = replace(event, cached=True, usage=_free())
        if text is None:
            return event
        return replace(event, status="ok", text=text, error="", error_kind="")

    def _as_kept(self, logged: Logged, run_id: str, last: int) -> Logged:
        event = logged.event
        if isinstance(event, e.RunStarted) and event.node == self.top.node:
            forked = {"run": event.run_id, "turn": last, "otherwise": otherwise(self.change)}
            config = {**event.config, "forked": forked}
            question = self.change.question or event.question
            event = replace(event, run_id=run_id, config=config, question=question, name="")
        elif isinstance(event, e.CallEnded) and event.status == "ok":
            event = replace(event, cached=True, usage=_free())
        elif isinstance(event, e.TurnEnded) and self.turn_of.get(event.node) == last:
            told = self.change.told
            event = event if told is None else replace(event, observation=told)
        return replace(logged, event=event)


def _moved(logged: Logged, later: float) -> Logged:
    return replace(logged, time=logged.time + later)


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise ConfigError(f"{name} is {text!r:.60}, which is no text: give one.")


def _free() -> dict[str, object]:
    return e.usage_to_dict(Usage(calls=1))


def _these(numbers: Sequence[int] | Mapping[int, str]) -> str:
    some = sorted(numbers)
    return f"; it has {some[0]} to {some[-1]}" if some else ", nor any other"
