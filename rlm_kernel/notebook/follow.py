"""Staying with a run from a cell: its cells run here, a person is asked here, until it stops.

Guarantees:
- Returns only when the run ended, was taken over, or goes on in another cell; whatever else
  stops it (a pause, an interrupt, trouble) is raised as one sentence, so that "Run All" stops too.
- Never waits for a person who can't be asked.
- Where a live tree shows the run, decisions are taken there and nothing is asked here; where one
  is asked for here and taken elsewhere, the question is given up.
- An interrupt pauses; a second one within 3 seconds stops the run.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

from ..errors import AnswerError, ModelError, RLMError
from ..log.sealed import shown_folder
from ..protocol import Command, Logged
from ..protocol.control import Interrupt, Stop
from ..protocol.events import CellDecided, CellEnded, PhaseChanged, RunEnded
from ._sigint import Interruptible
from .ask import CLIENT, ask

if TYPE_CHECKING:
    from ..engine import Run
    from ._front import Front
    from .display import View

TWICE = 3.0  # seconds within which a second interrupt stops the run
SETTLE = 10.0  # seconds that a command may take to show


class RunWaits(RLMError):
    """A run stopped before its end; nothing of it is lost."""


class Phases:
    """Counts the changes of a run's phase, so that one after a command can be waited for.

    A command is answered before the run has moved; without this, waiting for the run right after
    it would find the old phase.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._changed = threading.Condition()
        self._count = 0
        self.interrupted = 0.0  # monotonic time of the last cell that was interrupted
        self.end = run.log.listen(self._on_event)

    def _on_event(self, logged: Logged) -> None:
        event = logged.event
        if isinstance(event, CellEnded) and event.status == "interrupted":
            self.interrupted = time.monotonic()
        if isinstance(event, PhaseChanged | RunEnded) and event.node == self._run.node:
            with self._changed:
                self._count += 1
                self._changed.notify_all()

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until a phase is reached; an interrupt ends it."""
        with self._changed:
            while not reached():
                self._changed.wait(0.2)  # the event of a phase comes a little before the phase

    def send(self, *commands: Command) -> str:
        """Send commands and wait until the run has moved; give why one wasn't taken, or ``""``."""
        with self._changed:
            before = self._count
        for command in commands:
            ack = self._run.send(command)
            if not ack.ok:
                return ack.message
        with self._changed:
            self._changed.wait_for(lambda: self._count > before or self._run.ended, SETTLE)
        return ""


def follow(
    run: Run,
    view: View,
    front: Front,
    *,
    send: Callable[[Phases], str] | None = None,
    insert: Callable[[], None] | None = None,
    shell: Any = None,
    read: Callable[[str], str] | None = None,
    give_up: Callable[[], None] | None = None,
    interrupts: Interruptible | None = None,
) -> None:
    """Stay with a run until it stops.

    Args:
        run: the run.
        view: shows it; opened and closed here.
        front: what the front end of this cell can do.
        send: sends what makes the run go on, given its phases; gives why it wasn't taken.
        insert: puts the waiting proposal into a new cell, where the front end can.
        shell: whose own displays of the run's cells are held back.
        read: asks for a line; by default ``input`` as it is then: ipykernel replaces it while a
            cell runs.
        give_up: has ``read`` raise ``ModelError``, called from another thread when what it asks
            for was decided elsewhere.
        interrupts: holds interrupts back already, from before the run was started.

    Raises:
        RunWaits: it is paused, or waits for a person who can't be asked here.
        AnswerError: it ended without an answer.
    """
    ask_line = read or (lambda prompt: input(prompt))
    asked: list[str] = []  # the proposal that is being asked about

    def on_event(logged: Logged) -> None:
        event = logged.event
        if isinstance(event, CellDecided) and event.node in asked and give_up is not None:
            give_up()

    with nullcontext(interrupts) if interrupts is not None else Interruptible() as held:
        phases = Phases(run)
        unlisten = run.log.listen(on_event)
        view.open()
        try:
            problem = send(phases) if send is not None else ""
            if problem:
                raise RunWaits(problem)
            while True:
                with view.cells(shell):
                    interrupted = _wait(run, held)
                if run.ended:
                    break
                if interrupted or time.monotonic() - phases.interrupted < TWICE:
                    _linger(run, view, held)
                    break
                if run.phase == "asking":
                    _until_allowed(run, front, phases, held)
                    continue
                if run.phase != "proposed":
                    break
                if not _decide(run, view, front, phases, insert, ask_line, held, asked):
                    break
        finally:
            unlisten()
            phases.end()
            view.close()
        _tell(run)


def _wait(run: Run, held: Interruptible) -> bool:
    """Wait until the run stops; give whether an interrupt stopped it.

    An interrupt may come just before a cell begins: it is waited on, and this thread has to
    be there to run it; a second interrupt is the engine's to take for a stop.
    """
    interrupted = False
    while True:
        try:
            with held.window():
                run.attend()
        except KeyboardInterrupt:
            held.take()
            interrupted = True
            run.send(Interrupt(client=CLIENT))
        else:
            return interrupted


def _linger(run: Run, view: View, held: Interruptible) -> None:
    """Keep the cell for a moment, so that a second interrupt reaches it and stops the run."""
    until = time.monotonic() + TWICE
    view.say("Paused. Interrupt again within 3 seconds to stop the run.")
    try:
        with held.window():
            while not run.ended and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, 0.1))
    except KeyboardInterrupt:
        held.take()
        _stop(run)
    view.say("")


def _decide(
    run: Run,
    view: View,
    front: Front,
    phases: Phases,
    insert: Callable[[], None] | None,
    read: Callable[[str], str],
    held: Interruptible,
    asked: list[str],
) -> bool:
    """Ask for a decision and send it; give whether to stay with the run."""
    pending = run.pending
    if pending is None:
        return True
    if not front.stdin:
        _stop(run)
        raise RunWaits(
            f"Cell {pending.number} needs a person's decision and nobody can be asked here, so the "
            "run was stopped; use --mode auto, or say what then happens by --headless approve or "
            "--headless reject."
        )
    view.propose(pending.number, pending.code)
    commands: list[Command] | None = []
    try:
        with held.window():
            if view.speaks():  # the person decides there
                phases.until(lambda: run.pending is not pending or run.phase != "proposed")
                return True
            asked[:] = [pending.id]
            commands = ask(
                pending.id,
                pending.code,
                read=read,
                write=view.line,
                insert=insert if front.cells else None,
            )
    except KeyboardInterrupt:
        held.take()
        phases.interrupted = time.monotonic()
        phases.send(Interrupt(client=CLIENT))
        return True
    except StdinNotImplementedError:
        _stop(run)
        raise RunWaits(
            "The proposal needs a person's decision and this front end can't ask, so the run was "
            "stopped; use --mode auto or --headless approve."
        ) from None
    except ModelError:
        if run.pending is not pending:
            view.line("It was decided elsewhere; Enter closes the box above.")
        return True
    finally:
        asked.clear()
    view.say("")
    if commands is None:
        return False
    problem = phases.send(*commands)
    if problem:  # somebody else decided meanwhile
        view.line(problem)
    return True


def _until_allowed(run: Run, front: Front, phases: Phases, held: Interruptible) -> None:
    """Wait while calls wait to be allowed: the person is asked from another thread, as always."""
    if not front.stdin:
        said = run.reason.partition(":")[0]
        _stop(run)
        raise RunWaits(
            f"{said} and nobody can be asked here, so the run was stopped; use --mode auto, or say "
            "what then happens by --headless approve or --headless reject."
        )
    try:
        with held.window():
            phases.until(lambda: run.phase != "asking")
    except KeyboardInterrupt:
        held.take()
        phases.interrupted = time.monotonic()
        phases.send(Interrupt(client=CLIENT))


def _stop(run: Run) -> None:
    """End the run and wait until it has ended."""
    run.send(Stop(client=CLIENT))
    run.wait(SETTLE)


def _tell(run: Run) -> None:
    """Raise one sentence for a run that stopped without an answer."""
    if run.ended:
        if run.answer_text is None:
            said = run.reason or "No reason is known."
            raise AnswerError(
                f"The run is {run.status} and has no answer. {said} `%rlm tree` shows what it did"
                f"{resume_hint(run)}."
            )
        return
    if run.phase == "paused":
        said = run.reason.rstrip(".") or "Paused"
        larger = "`%rlm budget '…'` sets a larger budget, then " if run.gate.short else ""
        raise RunWaits(
            f"{said}. {larger}`%rlm resume` goes on, `%rlm takeover` lets you write the cells, "
            "`%rlm stop` ends it."
        )


def resume_hint(run: Run) -> str:
    """Say how a run that ended without an answer is picked up; empty where it isn't kept."""
    folder = run.log.folder
    if folder is None or run.log.fault:
        return ""
    return f"; `%rlm resume {shlex.quote(str(shown_folder(folder)))}` goes on from there"
