"""The events: immutable facts, one line of the log each; the tree is a fold over them.

Every event names its ``node``. Node ids are unique in a log and readable: ``run1``, ``turn3``,
``cell3``, ``batch2``, ``call17``, ``solve1``. The envelope (``Logged``) adds the sequence number
and the time.
Long texts are plain ``str`` here; the log keeps them apart as blobs when it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from .calls import Usage

PROTOCOL_VERSION = 1

NodeKind = Literal["session", "run", "turn", "cell", "batch", "call", "solve", "step"]
Author = Literal["model", "human"]
CellStatus = Literal["ok", "error", "interrupted", "timeout", "memory", "died"]
CallStatus = Literal["ok", "error", "cancelled"]
RunStatus = Literal["done", "partial", "failed", "stopped"]
Phase = Literal[
    "starting", "thinking", "proposed", "running", "asking", "paused", "taken over",
    "done", "partial", "failed", "stopped",
]  # fmt: skip
DecisionKind = Literal["approve", "edit", "reject", "respond"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a node."""

    type: ClassVar[str] = "event"
    durable: ClassVar[bool] = False  # bills, decisions and answers are also fsynced
    transient: ClassVar[bool] = False  # shown, never written
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began; ``parent`` is None for the top run, else the cell or session that asked."""

    type = "run.started"
    durable = True
    parent: str | None = None
    run_id: str = ""
    question: str = ""
    name: str = ""
    context: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    sub_model: str = ""
    mode: str = "auto"
    where: str = "kernel"
    depth: int = 0
    line: int | None = None
    index: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    sandbox: str = ""  # what holds its cells: bubblewrap, landlock, none; empty: not said


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOpened(Event):
    """The two messages that the root starts from, as it gets them."""

    type = "run.opened"
    system: str = ""
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """A run whose process ended, or that had ended without an answer, was picked up again; or a
    branch of a run began."""

    type = "run.resumed"
    durable = True
    turns: int = 0  # turns that were whole, and whose cells run again
    branch: str = ""  # the run that it is a branch of, where it begins as one
    model: str = ""  # from here on, as are the others; empty: as before
    sub_model: str = ""
    where: str = ""
    sandbox: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Event):
    """A notebook session began: calls typed outside a run belong to it."""

    type = "session.started"
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(Event):
    """A run went to another phase; ``reason`` is one plain sentence where a person wants one."""

    type = "run.phase"
    phase: Phase = "thinking"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(Event):
    """How proposals are decided was changed while the run went on."""

    type = "run.mode"
    mode: str = "auto"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChanged(Event):
    """The budget was set anew while the run went on."""

    type = "run.budget"
    durable = True
    budget: dict[str, Any] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run ended. ``answer`` is its text form; ``partial`` is never passed off as an answer."""

    type = "run.ended"
    durable = True
    status: RunStatus = "done"
    answer: str | None = None
    answer_type: str = ""
    forced: bool = False
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(Event):
    """The root was asked for its next message."""

    type = "turn.started"
    parent: str = ""
    number: int = 0
    of: int = 0
    told: str = ""  # what a person did meanwhile, as the root was told before it


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(Event):
    """A turn is over; ``observation`` is what the root model will be told of it."""

    type = "turn.ended"
    status: str = "ok"
    observation: str = ""
    header: str = ""  # what stood below the observation: how many turns are left


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProposed(Event):
    """Code is proposed (by the model) or written (by a person who took over).

    ``estimate`` is what its calls may come to, as far as the code shows it: ``calls`` (places
    that call; ``loops``: some are in loops and run more than once), ``tokens``, ``cost`` (USD,
    None: unknown) for one pass.
    """

    type = "cell.proposed"
    parent: str = ""
    code: str = ""
    author: Author = "model"
    number: int = 0
    place: str = ""  # id of the notebook cell it was typed in
    estimate: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDecided(Event):
    """What became of a proposal, and who decided."""

    type = "cell.decided"
    durable = True
    decision: DecisionKind = "approve"
    by: str = "auto"
    code: str | None = None
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted(Event):
    """A cell began to run."""

    type = "cell.started"
    where: str = "kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnded(Event):
    """A cell ended. ``output`` is what is kept in the log of its output (head and tail).

    ``refused``: how many of its calls weren't allowed, and so have no node of their own.
    """

    type = "cell.ended"
    status: CellStatus = "ok"
    output: str = ""
    output_chars: int = 0
    result: str | None = None
    error: str | None = None
    traceback: str = ""
    seconds: float = 0.0
    waited: float = 0.0
    changed: list[str] = field(default_factory=list)
    note: str = ""
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsProposed(Event):
    """A running cell wants calls that a person is to allow first; ``node`` is the cell.

    ``tokens`` and ``cost`` (USD, None: unknown) are estimated from the prompts and the prices.
    """

    type = "calls.proposed"
    ask: str = ""
    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    line: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsDecided(Event):
    """What became of calls that waited to be allowed: ``approve`` or ``reject``, and by whom."""

    type = "calls.decided"
    durable = True
    ask: str = ""
    decision: DecisionKind = "approve"
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStarted(Event):
    """Several calls (``kind="llm"``) or children (``"rlm"``) are issued together."""

    type = "batch.started"
    parent: str = ""
    kind: Literal["llm", "rlm"] = "llm"
    size: int = 0
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEnded(Event):
    """A batch is over."""

    type = "batch.ended"
    ok: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """A completion is asked for; ``role`` is root, sub, fold, closing or human (a question).

    ``choices``: the reply is one of these; empty: any text.
    """

    type = "call.started"
    parent: str = ""
    role: str = "sub"
    model: str = ""
    prompt: str = ""
    name: str = ""
    depth: int = 0
    line: int | None = None
    index: int | None = None
    note: str = ""
    choices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallText(Event):
    """A piece of a reply as it streams in."""

    type = "call.text"
    transient = True
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(Event):
    """An attempt failed and another will be made after ``wait`` seconds."""

    type = "call.retried"
    attempt: int = 1
    wait: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """A completion is over: the whole text, what it used, or what went wrong."""

    type = "call.ended"
    durable = True
    status: CallStatus = "ok"
    text: str = ""
    model: str = ""
    finish: str = ""
    cached: bool = False
    key: str = ""  # the cache key, so that a paid answer can be found again
    usage: dict[str, Any] = field(default_factory=dict)
    first_token: float | None = None
    error: str = ""
    error_kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveStarted(Event):
    """A puzzle is given to a small network that is applied to it again and again.

    ``puzzle`` is its text, ``task`` its kind (empty: it is of none), ``of`` the steps at most. It
    runs here, costs nothing and counts as no call.
    """

    type = "solve.started"
    parent: str = ""
    task: str = ""
    model: str = ""
    puzzle: str = ""
    parameters: int = 0
    of: int = 0
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveStep(Event):
    """A step of a solve is over; ``parent`` is the solve.

    ``calls``: how often the network was applied so far; ``grid``: the answer, as a text;
    ``changed``: cells that had another symbol after the step before; ``wrong``: cells that break a
    rule; ``halt``: the probability (0 to 1) that it is right, as the network has it; ``moved``: how
    far the cells' latents moved in the last cycle, on average. ``frames`` are its cycles:
    ``cells`` (a sign each: the symbol's number in base 36, ``-``: none), ``sure`` and ``moved`` (a
    digit each: tenths of 1, and of ``most``), ``halt``. A big solve has none, a long one leaves out
    steps.
    """

    type = "solve.step"
    parent: str = ""
    number: int = 0
    calls: int = 0
    grid: str = ""
    changed: int = 0
    wrong: int = 0
    halt: float = 0.0
    moved: float = 0.0
    frames: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveEnded(Event):
    """A solve is over: ``solved`` and ``said`` are the rules' word on the answer, a grid."""

    type = "solve.ended"
    status: CallStatus = "ok"
    solved: bool = False
    said: str = ""
    answer: str = ""
    steps: int = 0
    calls: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGiven(Event):
    """A cell submitted an answer: accepted, or refused with the reason the model is told."""

    type = "answer.given"
    durable = True
    accepted: bool = True
    answer: str = ""
    via: str = "answer"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded(Event):
    """The root's older messages were folded into a summary; all stays in ``history``."""

    type = "run.folded"
    messages: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """A sentence for the person watching."""

    type = "note"
    text: str = ""
    level: Literal["info", "warning", "error"] = "info"


EVENTS: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        RunStarted, RunOpened, RunResumed, SessionStarted, PhaseChanged, ModeChanged,
        BudgetChanged, RunEnded,
        TurnStarted, TurnEnded, CellProposed, CellDecided, CellStarted, CellEnded,
        CallsProposed, CallsDecided, BatchStarted, BatchEnded, CallStarted, CallText, CallRetried,
        CallEnded, SolveStarted, SolveStep, SolveEnded, AnswerGiven, Folded, Noted,
    )
}  # fmt: skip


_NAMES = {cls: frozenset(f.name for f in fields(cls)) for cls in EVENTS.values()}


@dataclass(frozen=True, slots=True)
class Logged:
    """An event with its place in the log: ``seq`` counts from 1, ``time`` is epoch seconds."""

    seq: int
    time: float
    event: Event


def event_to_dict(event: Event) -> dict[str, Any]:
    """Give an event as JSON-able data: its type, and the fields that differ from their default."""
    data: dict[str, Any] = {"type": event.type}
    for f in fields(event):
        value = getattr(event, f.name)
        default = f.default_factory() if callable(f.default_factory) else f.default
        if value != default:
            data[f.name] = value
    return data


def event_from_dict(data: Mapping[str, Any]) -> Event | None:
    """Rebuild an event; None for a type this version doesn't know, unknown fields are dropped."""
    cls = EVENTS.get(str(data.get("type")))
    if cls is None:
        return None
    known = _NAMES[cls]
    return cls(**{k: v for k, v in data.items() if k in known})


def usage_to_dict(usage: Usage) -> dict[str, Any]:
    """Give a usage as JSON-able data."""
    return {f.name: getattr(usage, f.name) for f in fields(usage)}


def usage_from_dict(data: Mapping[str, Any]) -> Usage:
    """Rebuild a usage; missing fields take their defaults."""
    known = {f.name for f in fields(Usage)}
    return Usage(**{k: v for k, v in data.items() if k in known})
