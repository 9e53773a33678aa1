"""The commands: everything a person can do to a run, the same from every front end.

A command is data: it names the run by where it is sent, the proposal or node it means, and the
client that sends it. The same command sent twice is done once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A thing asked of a run."""

    type: ClassVar[str] = "command"
    client: str = "api"
    id: str = ""  # the same non-empty id is done once


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(Command):
    """Run the proposal as it is; or let the calls be made that wait to be allowed."""

    type = "approve"
    proposal: str = ""  # a cell, or the ``ask`` of calls; empty: the one that waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Command):
    """Run this code instead of the proposal; the difference is kept and the model is shown it."""

    type = "edit"
    proposal: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Command):
    """Don't run the proposal, or don't make the calls; the model is told why."""

    type = "reject"
    proposal: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond(Command):
    """Give the observation by hand, without running the proposal."""

    type = "respond"
    proposal: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Pause at the next boundary (a proposal not yet run, or the end of the running cell)."""

    type = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Go on where the run was paused, with the same proposal."""

    type = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Command):
    """Let the waiting proposal run, and wait again at the next one."""

    type = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTo(Command):
    """Go on without asking until something happens, then wait at the next proposal.

    ``until``: ``"error"`` (a cell or call failed), ``"child"`` (a child is about to start),
    ``"turn 5"`` (before its cell runs) or an amount (``"$0.50"`` used by the run so far).
    """

    type = "run to"
    until: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """End the run at once: the running cell is interrupted, calls in flight are cancelled."""

    type = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt(Command):
    """Interrupt the running cell and pause; with no cell running, pause at once."""

    type = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """Cancel one node and what is below it: a call, a batch, a child run."""

    type = "cancel"
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(Command):
    """Try a call in flight again, from the start."""

    type = "retry"
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCall(Command):
    """Answer a call in flight, or a question to a person, by hand."""

    type = "answer"
    node: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver(Command):
    """The person writes the cells from here on; the run waits."""

    type = "take over"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack(Command):
    """The model goes on, and is told what the person did and this note."""

    type = "hand back"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode(Command):
    """Change how proposals are decided: ``"auto"``, ``"step"`` or ``"ask when …"``."""

    type = "mode"
    mode: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBudget(Command):
    """Set the budget anew (``"$2"``, ``"2000 calls"``); what was used stays used."""

    type = "budget"
    budget: str = ""


COMMANDS: dict[str, type[Command]] = {
    cls.type: cls
    for cls in (
        Approve, Edit, Reject, Respond, Pause, Resume, Step, RunTo, Stop, Interrupt, Cancel,
        Retry, AnswerCall, TakeOver, HandBack, SetMode, SetBudget,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a command: whether it was taken, the phase then, and why not."""

    ok: bool
    phase: str
    message: str = ""


class Control(Protocol):
    """The one door for commands; thread-safe, never waits for a model or a cell."""

    def send(self, command: Command) -> Ack:
        """Take a command, or say in one sentence why it can't be taken now."""
        ...


def command_from_dict(data: dict[str, Any]) -> Command | None:
    """Rebuild a command from a message; None for a type that isn't known."""
    cls = COMMANDS.get(str(data.get("type")))
    if cls is None:
        return None
    known = {f.name for f in fields(cls)}
    return cls(**{k: v for k, v in data.items() if k in known})
