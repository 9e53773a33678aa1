"""What a log tells of a run that is to be picked up: its turns, cells, calls and bills.

Only what was whole counts: a turn without its end is the cut one, which is done again with what
it had already got.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RecordingError
from ..log import Log, Tree, read_log, runs_dir
from ..log.paid import read_paid
from ..log.paths import LOG_NAME
from ..log.sealed import sealed_dir, to_write
from ..log.usage import recorded_usage
from ..protocol import Logged, Usage
from ..protocol import events as e

#: How a cell can have ended whose variables are there; the others aren't run again.
KEPT = ("ok", "error")
LOOKED_AT = 50  # runs, newest first, among which one without an answer is looked for


@dataclass(slots=True)
class RecordedCell:
    """A cell of the top run, as far as the log goes."""

    node: str
    number: int
    code: str  # as proposed
    author: str = "model"
    decision: e.CellDecided | None = None
    ended: e.CellEnded | None = None
    given: e.AnswerGiven | None = None  # the answer that it submitted
    questions: list[tuple[str, str]] = field(default_factory=list)  # to a person, with the answer
    children: list[tuple[e.RunStarted, e.RunEnded]] = field(default_factory=list)

    @property
    def ran(self) -> str:
        """The code that was run: the person's where they had changed it."""
        edited = self.decision.code if self.decision is not None else None
        return self.code if edited is None else edited


@dataclass(slots=True)
class RecordedTurn:
    """A turn of the top run."""

    node: str
    number: int
    told: str
    reply: str | None = None
    summaries: list[str] = field(default_factory=list)  # of foldings before its reply
    cells: list[RecordedCell] = field(default_factory=list)
    ended: e.TurnEnded | None = None

    @property
    def whole(self) -> bool:
        """Whether it had come to its end."""
        return self.ended is not None and self.reply is not None and (
            self.ended.status != "cancelled"
        )  # fmt: skip


class Record:
    """A run as its log tells it.

    Args:
        events: of one run's log, oldest first.

    Raises:
        RecordingError: there is no run in it, or it was written before runs could be picked up.
    """

    def __init__(self, events: Sequence[Logged]) -> None:
        self.started: e.RunStarted
        self.opened: e.RunOpened | None = None
        self.ended: e.RunEnded | None = None
        self.mode = ""
        self.budget: dict[str, Any] | None = None
        self.steps: list[RecordedTurn | RecordedCell] = []
        self.outcomes: dict[str, list[e.CallEnded]] = defaultdict(list)
        self.replies: dict[str, list[e.CallEnded]] = defaultdict(list)  # by what was asked
        self.spent = Usage()
        self.seconds = 0.0
        self._turns: dict[str, RecordedTurn] = {}
        self._cells: dict[str, RecordedCell] = {}
        self._cell_of: dict[str, str] = {}  # of what a cell made: the cell
        self._asked: dict[str, e.CallStarted] = {}
        self._children: dict[str, e.RunStarted] = {}
        self._summaries: list[str] = []
        first = next((x for x in events if isinstance(x.event, e.RunStarted)), None)
        if first is None:
            raise RecordingError("There is no run in that log, so none can be picked up.")
        assert isinstance(first.event, e.RunStarted)
        self.started, self.node = first.event, first.event.node
        for logged in events:
            self._take(logged.event)
        self._time(events)
        last = next((s for s in self.steps[::-1] if isinstance(s, RecordedTurn)), None)
        ends = [cell.ended.status for cell in last.cells if cell.ended] if last else []
        if last is not None and "interrupted" in ends:
            last.ended = None  # what it had made is gone with the process: it is done again

    def add_paid(self, folder: Path) -> None:
        """Take in replies that the gateway process had paid for and the log hasn't."""
        for key, replies in read_paid(folder).items():
            known = sum(ended.status == "ok" for ended in self.outcomes.get(key, ()))
            for data in replies[known:]:
                self.spent = self.spent + recorded_usage(data.get("usage"))
                self.outcomes[key].append(e.CallEnded(
                    node="", text=data["text"], model=str(data.get("model", "")),
                    finish=str(data.get("finish", "stop")), key=key,
                ))  # fmt: skip

    @property
    def plain(self) -> bool:
        """Whether it is no run of turns, but the model alone (``RLM.plain``)."""
        return bool(self.started.config.get("plain"))

    @property
    def turns(self) -> list[RecordedTurn]:
        """The turns that were whole, in order."""
        return [step for step in self.steps if isinstance(step, RecordedTurn) and step.whole]

    @property
    def cut(self) -> RecordedTurn | None:
        """The turn that the process ended in, if it had got as far as a turn."""
        turns = [step for step in self.steps if isinstance(step, RecordedTurn)]
        return turns[-1] if turns and not turns[-1].whole else None

    # -- reading ------------------------------------------------------------------------------

    def _take(self, event: e.Event) -> None:
        take = getattr(self, "_" + event.type.replace(".", "_"), None)
        if take is not None:
            take(event)

    def _run_started(self, event: e.RunStarted) -> None:
        if event.node != self.node:
            self._children[event.node] = event
            self._below(event.node, event.parent)

    def _run_opened(self, event: e.RunOpened) -> None:
        if event.node == self.node:
            self.opened = event

    def _run_resumed(self, event: e.RunResumed) -> None:
        self.ended = None

    def _run_ended(self, event: e.RunEnded) -> None:
        if event.node == self.node:
            self.ended = event
        elif event.node in self._children:
            cell = self._cells.get(self._cell_of.get(event.node, ""))
            if cell is not None:
                cell.children.append((self._children[event.node], event))

    def _run_mode(self, event: e.ModeChanged) -> None:
        if event.node == self.node:
            self.mode = event.mode

    def _run_budget(self, event: e.BudgetChanged) -> None:
        if event.node == self.node:
            self.budget = event.budget

    def _run_folded(self, event: e.Folded) -> None:
        if event.node == self.node:
            self._summaries.append(event.summary)

    def _turn_started(self, event: e.TurnStarted) -> None:
        if event.parent == self.node:
            # A turn that was cut and done again counts once.
            if (cut := self.cut) is not None:
                self.steps.remove(cut)
            turn = RecordedTurn(event.node, event.number, event.told)
            self._turns[event.node] = turn
            self.steps.append(turn)

    def _turn_ended(self, event: e.TurnEnded) -> None:
        if event.node in self._turns:
            self._turns[event.node].ended = event

    def _cell_proposed(self, event: e.CellProposed) -> None:
        turn = self._turns.get(event.parent)
        if turn is None and event.parent != self.node:
            return
        cell = RecordedCell(event.node, event.number, event.code, event.author)
        self._cells[event.node] = cell
        if turn is not None:
            turn.cells.append(cell)
        else:  # a person's own
            self.steps.append(cell)

    def _cell_decided(self, event: e.CellDecided) -> None:
        if event.node in self._cells:
            self._cells[event.node].decision = event

    def _cell_ended(self, event: e.CellEnded) -> None:
        if event.node in self._cells:
            self._cells[event.node].ended = event

    def _answer_given(self, event: e.AnswerGiven) -> None:
        if event.node in self._cells:
            self._cells[event.node].given = event

    def _batch_started(self, event: e.BatchStarted) -> None:
        self._below(event.node, event.parent)

    def _call_started(self, event: e.CallStarted) -> None:
        self._asked[event.node] = event
        self._below(event.node, event.parent)

    def _call_ended(self, event: e.CallEnded) -> None:
        asked = self._asked.get(event.node)
        if not event.cached:
            self.spent = self.spent + recorded_usage(event.usage)
        if asked is None:
            return
        if asked.role == "human":
            cell = self._cells.get(self._cell_of.get(event.node, ""))
            if cell is not None and event.status == "ok":
                cell.questions.append((asked.prompt, event.text))
            return
        if event.status != "cancelled":
            self.replies[asked.prompt].append(event)
            if event.key:
                self.outcomes[event.key].append(event)
        turn = self._turns.get(asked.parent)
        if turn is not None and asked.role == "root" and event.status == "ok":
            turn.reply = event.text
            turn.summaries, self._summaries = self._summaries, []

    def _below(self, node: str, parent: str | None) -> None:
        if parent in self._cells:
            self._cell_of[node] = parent
        elif parent in self._cell_of:
            self._cell_of[node] = self._cell_of[parent]

    def _time(self, events: Sequence[Logged]) -> None:
        """Count the run's time: a person's and that between its processes isn't its own."""
        counting, since = True, events[0].time
        for logged in events:
            event = logged.event
            if getattr(event, "node", "") != self.node:
                continue
            waits = isinstance(event, e.RunEnded) or (
                isinstance(event, e.PhaseChanged)
                and event.phase in ("proposed", "asking", "paused", "taken over")
            )
            goes_on = isinstance(event, e.PhaseChanged | e.RunResumed) and not waits
            if waits and counting:
                self.seconds += max(0.0, logged.time - since)
                counting = False
            elif goes_on and not counting:
                counting, since = True, logged.time
        if counting:
            self.seconds += max(0.0, events[-1].time - since)


def folder_of(path: Path | str) -> Path:
    """Give the folder of a run; raise ``RecordingError`` where there is none."""
    folder = Path(os.path.expanduser(path))
    if folder.name == LOG_NAME:
        folder = folder.parent
    elif folder.is_file():
        raise RecordingError(
            f"{folder} is a file, and a run is picked up in its folder: a recording is gone on "
            "with by fork."
        )
    sealed = sealed_dir()
    if sealed and folder.parent == runs_dir() and not folder.exists():
        folder = sealed / folder.name
    if not (folder / LOG_NAME).is_file():
        what = "There is no run in" if folder.exists() else "There is nothing at"
        raise RecordingError(
            f"{what} {folder}: give the folder of a run (run.log.folder); they are kept in "
            f"{runs_dir()}."
        )
    return folder


def newest_without_answer() -> tuple[Path, Record]:
    """Give the newest kept run that can be picked up, and its folder.

    Raises:
        RecordingError: there is none.
    """
    places = [place for place in (runs_dir(), sealed_dir()) if place]
    found = {log.parent.name: log for place in places[::-1] for log in place.glob(f"*/{LOG_NAME}")}
    for log in sorted(found.values(), key=lambda p: p.stat().st_mtime, reverse=True)[:LOOKED_AT]:
        try:
            record = read_record(log)
        except RecordingError:
            continue
        if not record.plain and (record.ended is None or record.ended.status != "done"):
            return log.parent, record
    raise RecordingError(f"No run in {runs_dir()} is without an answer: name its folder.")


def open_log(
    path: Path | str, *, more: Sequence[Logged] = (), whole: bool = False
) -> tuple[Log, Tree, Record]:
    """Open the log of a run to go on with it.

    Args:
        path: its folder.
        more: events that the record has beyond the log.
        whole: whether it may have its answer.

    Raises:
        RecordingError: there is none, another process has it, or its run can't be picked up.
    """
    try:
        folder = to_write(folder_of(path))
    except OSError as error:
        msg = f"The run's folder can't be copied to go on in it: {error.strerror or error}."
        raise RecordingError(msg) from error
    log = Log(folder)
    try:
        record = Record([*log.events, *more])
        record.add_paid(folder.resolve())
        if not whole and record.plain:
            raise RecordingError(
                "That is the model alone, asked once: there are no turns of it to go on from."
            )
        if not whole and record.ended is not None and record.ended.status == "done":
            raise RecordingError(
                "That run has its answer, so there is nothing to pick up: "
                f"{(record.ended.answer or '')[:200]}"
            )
    except BaseException:
        log.close()
        raise
    tree = Tree()
    for logged in log.events:
        tree.apply(logged)
    log.listen(tree.apply)
    return log, tree, record


def read_record(path: Path | str) -> Record:
    """Read a run's record without taking its log; raises as ``open_log``."""
    return Record(read_log(folder_of(path)))


def close_open_nodes(log: Log, tree: Tree, top: str) -> None:
    """End every node below a run that its process left open, children before parents."""
    why = "The process ended before this was over."
    left = [n for n in tree.walk(tree[top]) if n.ended is None and n.known and n.id != top]
    ends: dict[str, Any] = {
        "call": lambda n: e.CallEnded(
            node=n, status="cancelled", error=why, error_kind="cancelled"
        ),
        "batch": lambda n: e.BatchEnded(node=n, ok=tree[n].ok, failed=tree[n].failed),
        "cell": lambda n: e.CellEnded(node=n, status="interrupted", note=why),
        "solve": lambda n: e.SolveEnded(node=n, status="cancelled", error=why),
        "turn": lambda n: e.TurnEnded(node=n, status="cancelled"),
        "run": lambda n: e.RunEnded(node=n, status="stopped", reason=why),
    }
    for node in reversed(left):
        if node.kind in ends:
            log.emit(ends[node.kind](node.id))
