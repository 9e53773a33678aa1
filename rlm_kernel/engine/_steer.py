"""What each command does to a run. On the engine's loop; never waits.

A command that lets a run go on has left the waiting phase when it is answered, so that whoever
then waits for the run waits for what comes next.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..protocol import Ack, Command
from ..protocol import control as c
from ..protocol.events import BudgetChanged, ModeChanged, Phase
from .gate import TAKEN, Decision
from .modes import parse_mode

if TYPE_CHECKING:
    from .run import Run

TWICE = 3.0  # seconds within which a second interrupt stops the run


def apply(run: Run, command: Command) -> Ack:
    """Do a command; give the answer to it."""
    if run.ended:
        return Ack(False, run.phase, f"The run is over ({run.phase}); start another one.")
    try:
        problem = _do(run, command)
    except ConfigError as error:
        problem = str(error)
    return Ack(not problem, run.phase, problem)


def _do(run: Run, command: Command) -> str:
    match command:
        case c.Approve() | c.Edit() | c.Reject() | c.Respond():
            return _decide(run, command)
        case c.Pause():
            run.gate.paused = True
            run.gate.reason = "Paused by you; resume goes on from here."
            if run.phase == "proposed":
                run.phase_is("paused", run.gate.reason)
        case c.Resume():
            return _resume(run)
        case c.Step():
            return _step(run)
        case c.Stop():
            _stop(run, "Stopped by a person.")
        case c.Interrupt():
            _interrupt(run)
        case c.Cancel():
            return _cancel(run, command.node)
        case c.Retry():
            return "" if run.gateway.retry(command.node) else _not_in_flight(command.node)
        case c.AnswerCall():
            return _answer(run, command)
        case c.TakeOver():
            run.gate.taken = True
            if run.status == "waiting":
                run.phase_is("taken over", TAKEN)
        case c.HandBack():
            if not run.gate.taken:
                return "Nothing to hand back: nobody has taken over."
            run.gate.taken = run.gate.paused = False
            _go_on(run)
            if command.note or (run.driver is not None and run.driver._human):
                run.gate.handed_back = command.note
        case c.SetMode():
            run.mode = parse_mode(command.mode)
            run.gate.stepped = False
            run.emit(ModeChanged(node=run.node, mode=run.mode.text, by=command.client))
            if run.phase == "proposed" and run.mode.text == "auto":
                run.gate.take(Decision("approve", command.client))
                _go_on(run)
        case c.SetBudget():
            budget = run.ledger.set_budget(command.budget)
            run.emit(BudgetChanged(node=run.node, budget={
                "money": budget.money, "tokens": budget.tokens, "calls": budget.calls,
                "seconds": budget.seconds}, by=command.client))  # fmt: skip
        case _:
            return f"This version doesn't know the command {command.type!r}."
    run.gate.poke()
    return ""


def _decide(run: Run, command: c.Approve | c.Edit | c.Reject | c.Respond) -> str:
    pending = run.gate.pending
    if pending is None or run.gate.decision is not None:
        return "No cell waits for a decision now."
    if command.proposal and command.proposal != pending.id:
        return f"{command.proposal} is no longer open; {pending.id} waits now."
    by = command.client
    match command:
        case c.Approve():
            decision = Decision("approve", by)
        case c.Edit():
            if not command.code.strip():
                return "The edited cell is empty: reject the proposal instead."
            decision = Decision("edit", by, code=command.code)
        case c.Reject():
            decision = Decision("reject", by, reason=command.reason)
        case c.Respond():
            decision = Decision("respond", by, text=command.text)
    run.gate.taken = False
    run.gate.take(decision)
    _go_on(run, "running" if decision.kind in ("approve", "edit") else "thinking")
    return ""


def _go_on(run: Run, phase: Phase = "thinking") -> None:
    """Leave the waiting phase."""
    if run.status == "waiting":
        run.phase_is(phase)


def _resume(run: Run) -> str:
    if run.gate.taken:
        run.gate.taken = False
        run.gate.handed_back = run.gate.handed_back or ""
    elif not run.gate.paused:
        return "The run isn't paused."
    run.gate.paused = run.gate.stepped = False
    _go_on(run)
    run.gate.poke()
    return ""


def _step(run: Run) -> str:
    run.gate.stepping = True
    if run.gate.pending is not None:
        run.gate.take(Decision("approve", "step"))
        run.gate.stepping = True
        _go_on(run, "running")
    elif run.gate.paused:
        run.gate.paused = False
        _go_on(run)
    run.gate.poke()
    return ""


def _stop(run: Run, reason: str) -> None:
    if run._stopped:
        return
    run._stopped = True
    _go_on(run)
    run.reason = reason
    for child in list(run.children.values()):
        _stop(child, reason)
    if run._task is not None:
        run._task.cancel()


def _interrupt(run: Run) -> None:
    now = time.monotonic()
    if now - run._last_interrupt < TWICE:
        _stop(run, "Stopped by a second interrupt.")
        return
    run._last_interrupt = now
    run.gate.paused = True
    run.gate.reason = "Interrupted; variables are kept. Resume goes on from here."
    if run.phase == "running":
        run._interrupting = asyncio.ensure_future(run.repl.interrupt())
    else:
        run.phase_is("paused", run.gate.reason)


def _cancel(run: Run, node: str) -> str:
    if node == run.node:
        _stop(run, "Stopped by a person.")
        return ""
    if run.gateway.cancel(node):
        return ""
    question = run.services.questions.get(node)
    if question is not None:
        question.cancel()
        return ""
    batch = run.services.children.get(node)
    if batch is not None:
        for task in batch:
            task.cancel()
        return ""
    for child in list(run.children.values()):
        if child.node == node or not _cancel(child, node):
            if child.node == node:
                _stop(child, "Cancelled by a person.")
            return ""
    if run.phase == "running" and node.startswith("cell"):
        run._interrupting = asyncio.ensure_future(run.repl.interrupt())
        return ""
    return _not_in_flight(node)


def _answer(run: Run, command: c.AnswerCall) -> str:
    question = run.services.questions.get(command.node)
    if question is not None and not question.done():
        question.set_result(command.text)
        return ""
    for child in list(run.children.values()):
        if not _answer(child, command):
            return ""
    return "" if run.gateway.answer(command.node, command.text) else _not_in_flight(command.node)


def _not_in_flight(node: str) -> str:
    return f"{node or 'That'} isn't in flight now."
