"""A run told line by line, for consoles, which can't change what they have printed.

Texts of models and cells are capped and freed of control characters, so that none of them can
move the cursor, clear the screen or forge a line of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..log.format import clean, plural
from ..protocol import Event
from ..protocol.events import (
    AnswerGiven,
    BatchEnded,
    BatchStarted,
    CallEnded,
    CallRetried,
    CellDecided,
    CellEnded,
    CellProposed,
    Folded,
    Noted,
    RunEnded,
    RunStarted,
    SolveEnded,
    TurnStarted,
)

_SHOWN_LINES = 12
_SHOWN_CHARS = 1500


def plain(text: str) -> str:
    """Give a text of which nothing can move the cursor; line ends of Windows are line ends."""
    return clean(text.replace("\r\n", "\n"))


def clip(text: str, lines: int = _SHOWN_LINES, chars: int = _SHOWN_CHARS) -> str:
    """Give the first lines of a text, and say how much is missing."""
    whole = plain(text).rstrip("\n")
    kept = "\n".join(whole[:chars].split("\n")[:lines])
    missing = len(whole) - len(kept)
    return f"{kept}\n… {missing:,} characters more" if missing > 0 else kept


@dataclass(slots=True)
class Teller:
    """Turns the events of one run into lines; the cells of its children aren't told."""

    _top: str = ""
    _run_of: dict[str, str] = field(default_factory=dict)
    _kept: int = 0  # the last turn that a branch has from its recording
    _kept_turns: set[str] = field(default_factory=set)

    def lines(self, event: Event) -> Iterator[str]:
        """Give the lines that tell an event, often none."""
        self._place(event)
        inner = self._run_of.get(event.node, self._top) != self._top
        match event:
            case RunStarted() if inner:
                yield f"    ↳ child {event.name or event.node}: {one_line(event.question)}"
            case RunEnded() if inner:
                told = event.answer if event.answer is not None else event.reason
                yield f"    ↳ child {event.status}: {one_line(told)}"
            case BatchStarted():
                what = "children" if event.kind == "rlm" else "calls"
                yield f"    ↳ {event.size} {what} together"
            case BatchEnded():
                failed = f", {event.failed} failed" if event.failed else ""
                yield f"    ↳ {event.ok} came back{failed}"
            case SolveEnded():
                yield f"    ↳ latent recursion: {one_line(event.error or event.said)}"
            case CallEnded(status="error"):
                yield f"    ! {one_line(event.error)}"
            case CallRetried():
                yield f"    ! {one_line(event.error)} Again in {event.wait:.0f} s."
            case _ if not inner:
                yield from self._own_lines(event)
            case _:
                pass

    def _place(self, event: Event) -> None:
        match event:
            case RunStarted():
                if not self._top:
                    self._top, self._kept = event.node, _kept_turns(event)
                self._run_of[event.node] = event.node
            case TurnStarted() | CellProposed():
                self._run_of[event.node] = self._run_of.get(event.parent, self._top)
                if isinstance(event, TurnStarted) and event.number <= self._kept:
                    self._kept_turns.add(event.node)
            case _:
                pass

    def _own_lines(self, event: Event) -> Iterator[str]:
        match event:
            case CellProposed():
                who = "you" if event.author == "human" else "model"
                kept = " (from the recording, free)" if event.parent in self._kept_turns else ""
                yield f"\n[{event.number}] {who}{kept}"
                yield _indent(clip(event.code, 60, 6000), "  │ ")
            case CellDecided(decision="edit", code=str(code)):
                yield f"    edited by {event.by}"
                yield _indent(clip(code, 60, 6000), "  │ ")
            case CellDecided(decision="reject" | "respond"):
                said = one_line(event.reason or event.text)
                done = {"reject": "rejected", "respond": "answered"}[event.decision]
                yield f"    {done} by {event.by}" + (f": {said}" if said else "")
            case CellEnded():
                yield from _cell_ended(event)
            case AnswerGiven(accepted=False):
                yield f"    ! answer refused: {one_line(event.reason)}"
            case Folded():
                tokens = f"{event.tokens_before:,} → {event.tokens_after:,} tokens"
                yield f"    older messages folded: {tokens}"
            case Noted():
                yield f"    {'! ' if event.level != 'info' else ''}{one_line(event.text)}"
            case _:
                pass


def _kept_turns(event: RunStarted) -> int:
    """Give how many turns a run has from the recording that it is a branch of."""
    forked = event.config.get("forked")
    turn = forked.get("turn") if isinstance(forked, dict) else None
    return turn if isinstance(turn, int) else 0


def _cell_ended(event: CellEnded) -> Iterator[str]:
    if event.output.strip():
        yield _indent(clip(event.output), "    ")
    if event.result is not None:
        yield _indent(clip(event.result), "  = ")
    if event.refused:
        yield f"  ⊘ {plural(event.refused, 'call')} refused"
    if event.error:
        yield f"  ✗ {one_line(event.error)}"
    elif event.status != "ok":
        yield f"  ✗ {event.status} after {event.seconds:.1f} s {one_line(event.note)}"


def one_line(text: str, chars: int = 200) -> str:
    """Give a text as one line, cut."""
    line = " ".join(plain(text).split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _indent(text: str, prefix: str) -> str:
    return "\n".join(prefix + line for line in text.split("\n"))
