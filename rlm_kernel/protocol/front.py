"""What a front end and the kernel say to each other: requests, replies, and what is pushed.

A request is one JSON object: ``{"v": 1, "type": …, "client": …, "id": …}`` and the fields of its
class. It goes the same way over every transport (a control message, our comm, a widget's own
messages), is answered once, and is idempotent: the same ``(client, id)`` gets the same reply.
``labextension/PROTOCOL.md`` tells how they play together; the TypeScript types are made of this
module by ``scripts/typescript.py``.

No key is ever named ``state``: nbclient takes that for a widget's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

FRONT_VERSION = 1
COMM_ID = "rlm"  # the fixed id: a page that is loaded again needs no message to find it
COMM_TARGET = "rlm"
REQUEST, REPLY = "rlm_request", "rlm_reply"  # message types on the control channel

#: Who executes a run's cells: real cells that a front end places, the cell that waits for the run,
#: a kernel of the run's own, the kernel by itself since no front end was there.
Executor = Literal["notebook", "inline", "kernel", "background"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something a front end asks for."""

    type: ClassVar[str] = "request"
    client: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync(Request):
    """Say what there is; a front end asks at its start and after every doubt."""

    type = "sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEvents(Request):
    """Give the events of a run after ``since``, at most ``limit``; long texts are cut.

    ``packed`` asks for them as one text, many times shorter: for all events of a long run.
    """

    type = "events"
    run: str = ""
    since: int = 0
    limit: int = 2000
    packed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetText(Request):
    """Give characters ``start:stop`` of a text of a node: prompt, text, code, output, …"""

    type = "text"
    run: str = ""
    node: str = ""
    field: str = "text"
    start: int = 0
    stop: int = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class GetShown(Request):
    """Give what the cell that asked the question shows of the run now, whole.

    A display can't be updated any more once its page was loaded again; a front end that finds one
    which isn't final (its metadata ``rlm`` says so) and a run that is over puts this in its place.
    """

    type = "shown"
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Request):
    """Have the reply of these calls pushed as it streams in, instead of those watched before."""

    type = "watch"
    run: str = ""
    nodes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer(Request):
    """Send a command (``protocol.control``) to a run; the reply holds its ``Ack``."""

    type = "steer"
    run: str = ""
    command: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Request):
    """Take on the placing and executing of a run's cells; ``session`` is the kernel client's."""

    type = "claim"
    run: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Request):
    """Take on the placing (and, where it is to run, the running) of one cell, for some seconds.

    Asked for again, it is renewed; refused while another client has it.
    """

    type = "lease"
    run: str = ""
    cell: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Request):
    """Keep the pending cell from running by itself: a person is in it, or has changed it."""

    type = "hold"
    run: str = ""
    cell: str = ""
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm(Request):
    """Say that the next execution of this very source is that cell.

    For servers that execute in the front end's place and drop the cell's metadata. With ``queued``
    it was sent while the shell was busy and the cell is to be decided at once: what arrives later
    shows the outputs instead of running again.

    With an empty ``run`` and the id of a notebook cell as ``cell`` it announces an ordinary cell in
    the same way: a ``%%rlm`` cell, so that its run has an anchor and waits for a claim there, too,
    or one of a person's who has taken over.
    """

    type = "arm"
    run: str = ""
    cell: str = ""
    source: str = ""
    queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(Request):
    """Begin a branch of a run, live, ended or recorded, in a kernel of its own.

    ``change`` says what is otherwise in it: nothing (it goes on after ``turn`` by itself, or by
    ``model``), the ``code`` of a cell, the ``reply`` to a call (``node`` names either), what the
    model was ``told`` after ``turn``, or the ``question``; ``text`` is what stands there instead.
    """

    type = "fork"
    run: str = ""
    turn: int = 0
    change: str = ""
    node: str = ""
    text: str = ""
    model: str = ""


REQUESTS: dict[str, type[Request]] = {
    cls.type: cls
    for cls in (Sync, GetEvents, GetText, GetShown, Watch, Steer, Claim, Lease, Hold, Arm, Fork)
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInfo:
    """A cell that waits: for a person (``asks``), or only for whoever executes the cells."""

    cell: str = ""
    code: str = ""
    number: int = 0
    turn: int = 0
    asks: bool = True
    decided: bool = False  # it only waits to be executed, with exactly this code
    held_by: str = ""
    leased_by: str = ""
    executing: bool = False  # the shell has it
    estimate: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskInfo:
    """Calls that wait for a person's decision, before they cost anything."""

    ask: str = ""
    cell: str = ""
    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    line: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One limit of the budget; ``limit`` None: there is none, ``used`` None: unknown.

    ``refused`` counts the calls that weren't sent since it doesn't cover them; a new budget begins
    the count anew.
    """

    used: float | None = 0
    limit: float | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run as a front end shows it in a list or a toolbar; the rest is in the events."""

    run: str = ""
    name: str = ""
    node: str = ""
    question: str = ""
    phase: str = ""
    reason: str = ""
    ended: bool = False
    answer: str | None = None
    mode: str = "auto"
    where: str = "shell"
    model: str = ""
    sandbox: str = ""  # what holds its cells; none: nothing does
    folder: str = ""  # in which it is kept; empty: it isn't
    executor: Executor = "kernel"
    anchor: str = ""  # id of the notebook cell that started it
    session: str = ""  # kernel client session that started it
    seq: int = 0
    started: float = 0.0
    pending: PendingInfo | None = None
    asking: AskInfo | None = None
    budget: dict[str, Meter] = field(default_factory=dict)  # money, calls, tokens, seconds
    in_flight: int = 0
    questions: int = 0  # of code to a person, that wait for an answer
    interrupting: bool = False
    recorded: bool = False  # it was read from a recording: it takes no commands
    branch_of: str = ""  # the run here that it is a branch of …
    branch_turn: int = 0  # … and the last turn that they have in common


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a request; ``ok`` False comes with one sentence."""

    v: int = FRONT_VERSION
    ok: bool = True
    message: str = ""
    to: str = ""  # the request's id


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReply(Reply):
    """What there is in this kernel. ``kernel`` is new after each restart of it."""

    kernel: str = ""
    version: str = ""
    runs: list[RunInfo] = field(default_factory=list)
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsReply(Reply):
    """Events of a run, oldest first; ``more`` where the limit cut them off."""

    run: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    packed: str = ""  # the events as JSON, by gzip, as base64; ``events`` is empty then
    seq: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReply(Reply):
    """A piece of a text and how long the whole is."""

    text: str = ""
    start: int = 0
    chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReply(Reply):
    """A display: its texts by MIME type, and its metadata."""

    data: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerReply(Reply):
    """The answer to a command: the phase after it."""

    phase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkReply(Reply):
    """The branch that has begun."""

    info: RunInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReply(Reply):
    """A lease lasts ``seconds`` unless it is renewed."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPush:
    """New events of a run; a gap between ``since`` and what is known means: ask for them."""

    kind: ClassVar[str] = "events"
    run: str = ""
    since: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPush:
    """A run is there, or what is known of it has changed."""

    kind: ClassVar[str] = "run"
    info: RunInfo = field(default_factory=RunInfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPush:
    """What has streamed in of a watched call: ``text`` goes to position ``at``."""

    kind: ClassVar[str] = "text"
    run: str = ""
    node: str = ""
    text: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """The kernel unloads us, or ends."""

    kind: ClassVar[str] = "bye"


PUSHES = (EventsPush, RunPush, TextPush, Bye)


def request_from_dict(data: dict[str, Any]) -> Request | None:
    """Rebuild a request from a message; None for a type that isn't known."""
    cls = REQUESTS.get(str(data.get("type")))
    if cls is None:
        return None
    known = {f.name for f in fields(cls)}
    return cls(**{k: v for k, v in data.items() if k in known})
