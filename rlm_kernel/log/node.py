"""One node of the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..protocol import NodeKind, Usage

NOTHING_USED = Usage()

# A run can have 50,000 calls, and what they hold slows every look of Python's garbage collector:
# so nodes share one empty sequence and one empty mapping until they have something.
_NO_ITEMS: tuple[Any, ...] = ()
_NO_FIELDS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Amiss:
    """How many of several calls came to nothing.

    Args:
        failed: were sent and ended in an error.
        cancelled: were taken back.
        refused: were not sent: a person, or the budget, didn't let them.
        children: runs that ended otherwise than done.
        unmade: those of the calls that no usage counts.
    """

    failed: int = 0
    cancelled: int = 0
    refused: int = 0
    children: int = 0
    unmade: int = 0

    def __add__(self, other: Amiss) -> Amiss:
        return Amiss(
            self.failed + other.failed, self.cancelled + other.cancelled,
            self.refused + other.refused, self.children + other.children,
            self.unmade + other.unmade,
        )  # fmt: skip


NOTHING_AMISS = Amiss()


def amiss_of(status: str, error_kind: str, calls: int) -> Amiss:
    """Give what one call that ended counts as, of which a usage counts so many calls."""
    if status == "ok":
        return NOTHING_AMISS
    unmade = 0 if calls else 1
    if status == "cancelled":
        return Amiss(cancelled=1, unmade=unmade)
    if error_kind == "budget":
        return Amiss(refused=1, unmade=unmade)
    return Amiss(failed=1, unmade=unmade)


@dataclass(slots=True, repr=False, eq=False)
class Node:
    """A run, turn, cell, batch, call, solve, step or session, as far as the events tell of it.

    Fields that don't apply to a kind keep their defaults. Times are epoch seconds, ``first_token``
    and ``seconds`` are seconds, None where unknown. ``own`` is what this node used itself,
    ``total`` what it and everything below it used; ``amiss`` counts the calls in there that came to
    nothing.

    Status words: runs have their phase (``"thinking"``, ``"paused"``, ``"done"``, …); cells
    ``"proposed"``, ``"decided"``, ``"running"``, then how they ended (``"ok"``, ``"error"``,
    ``"interrupted"``, ``"timeout"``, ``"memory"``, ``"died"``) or ``"rejected"``, ``"responded"``;
    turns, batches, calls and solves ``"running"``, (calls: ``"retrying"``), then ``"ok"``,
    ``"error"``, ``"cancelled"``, (batches, and solves whose grid isn't the solution:
    ``"partial"``); sessions ``"open"``; a node of which only others spoke ``"unknown"``.
    """

    id: str
    kind: NodeKind
    parent: str | None = None
    known: bool = True  # False while only other nodes spoke of it
    children: Sequence[str] = _NO_ITEMS
    title: str = ""
    status: str = "running"
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    own: Usage = NOTHING_USED
    total: Usage = NOTHING_USED
    amiss: Amiss = NOTHING_AMISS
    depth: int = 0
    line: int | None = None
    index: int | None = None
    name: str = ""
    model: str = ""
    note: str = ""
    error: str = ""
    reason: str = ""  # why a run is in its phase, or a proposal was rejected

    # runs
    run_id: str = ""
    question: str = ""
    context: Sequence[dict[str, Any]] = _NO_ITEMS
    sub_model: str = ""
    mode: str = ""
    where: str = ""
    sandbox: str = ""  # what holds its cells
    config: Mapping[str, Any] = field(default_factory=lambda: _NO_FIELDS)
    budget: Mapping[str, Any] = field(default_factory=lambda: _NO_FIELDS)
    answer: str | None = None
    answer_type: str = ""
    forced: bool = False
    notes: Sequence[tuple[str, str]] = _NO_ITEMS  # (level, text)

    # turns and cells
    number: int = 0
    of: int = 0
    observation: str = ""
    code: str = ""
    proposed_code: str = ""
    author: str = ""
    place: str = ""  # id of the notebook cell it was typed in
    estimate: Mapping[str, Any] = field(default_factory=lambda: _NO_FIELDS)
    asking: str = ""  # calls of it that wait to be allowed
    asked: int = 0  # how many
    refused: int = 0  # calls of it that weren't allowed, and have no node
    refusal: str = ""  # why the answer that it gave wasn't taken
    decision: str = ""
    by: str = ""
    output: str = ""
    output_chars: int = 0
    result: str | None = None
    traceback: str = ""
    waited: float = 0.0
    changed: Sequence[str] = _NO_ITEMS

    # batches
    size: int = 0
    ok: int = 0
    failed: int = 0

    # calls
    role: str = ""
    prompt: str = ""
    choices: Sequence[str] = _NO_ITEMS  # the reply is one of these
    retries: int = 0
    first_token: float | None = None
    finish: str = ""
    cached: bool = False
    error_kind: str = ""

    # solves and their steps; what is asked is the prompt, the grid is the text
    task: str = ""
    parameters: int = 0  # of the network
    applied: int = 0  # how often it was applied, so far
    solved: bool = False  # as the rules say
    cells_changed: int = 0
    cells_wrong: int = 0
    halt: float = 0.0
    moved: float = 0.0
    frames: Sequence[Mapping[str, Any]] = _NO_ITEMS  # of a step's cycles

    _text: str = ""
    _pieces: list[str] | None = None
    _joined: tuple[list[str], int, str] | None = None  # of these pieces, so many, put together

    @property
    def text(self) -> str:
        """The reply of a call: what has streamed in, then the whole; the grid of a solve."""
        pieces = self._pieces
        if pieces is None:
            self._joined = None
            return self._text
        # Another thread may append meanwhile: the pieces stay as they are, and what was put
        # together is kept beside them, in one step.
        count, text = 0, ""
        joined = self._joined
        if joined is not None and joined[0] is pieces:
            count, text = joined[1:]
        whole = len(pieces)
        if whole > count:
            text += "".join(pieces[count:whole])
            self._joined = (pieces, whole, text)
        return text

    @property
    def live(self) -> bool:
        """Whether it hasn't ended yet, as far as the events tell."""
        return self.known and self.ended is None and self.kind != "session"

    @property
    def calls(self) -> int:
        """How many calls it and everything below it asked for, also those that weren't made."""
        return self.total.calls + self.amiss.unmade

    @property
    def progress(self) -> tuple[int, int]:
        """Of a batch: how many items are done, of how many."""
        return (self.ok + self.failed, self.size)

    def add_child(self, node_id: str) -> None:
        """Take one more node as the last right below it."""
        if self.children:
            self.children.append(node_id)  # type: ignore[attr-defined]
        else:
            self.children = [node_id]

    def add_note(self, level: str, text: str) -> None:
        """Keep something that is to be said of it."""
        if self.notes:
            self.notes.append((level, text))  # type: ignore[attr-defined]
        else:
            self.notes = [(level, text)]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id} {self.status}: {self.title[:40]!r}>"
