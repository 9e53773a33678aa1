"""What each command does to a run. On the engine's loop; never waits.

A command that lets a run go on has left the waiting phase when it is answered, so that whoever
then waits for the run waits for what comes next.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import BY_A_PERSON, ConfigError
from ..lm.budget import budget_text
from ..protocol import Ack, Command
from ..protocol import control as c
from ..protocol.events import BudgetChanged, ModeChanged, Phase
from .gate import TAKEN, Decision
from .modes import parse_mode
from .until import parse_until

if TYPE_CHECKING:
    from .run import Run

HAND_BACK = "You have taken over: hand back first."
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
            if run.gate.pending is not None and run.phase in ("proposed", "running"):
                run.phase_is("paused", run.gate.reason)
            elif run.phase in ("running", "thinking"):
                run.phase_is(run.phase)  # which says what it pauses after
        case c.Resume():
            return _resume(run)
        case c.Step():
            return _step(run)
        case c.RunTo():
            return _run_to(run, command.until)
        case c.Stop():
            stop(run, "Stopped by a person.")
        case c.Interrupt():
            _interrupt(run)
        case c.Cancel():
            return _cancel(run, command.node)
        case c.Retry():
            return "" if run.gateway.retry(command.node) else _not_in_flight(run, command.node)
        case c.AnswerCall():
            return _answer(run, command)
        case c.TakeOver():
            run.gate.taken = True
            run.gate.held = ""
            run.set_until(None)
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
            run.set_until(None)
            run.emit(ModeChanged(node=run.node, mode=run.mode.text, by=command.client))
            _pass(run, command.client)
            if run.window.ask is not None and not run.mode.counts:
                run.window.take(Decision("approve", command.client))
        case c.SetBudget():
            budget = run.ledger.set_budget(command.budget)
            run.emit(BudgetChanged(node=run.node, budget={
                "money": budget.money, "tokens": budget.tokens, "calls": budget.calls,
                "seconds": budget.seconds}, by=command.client))  # fmt: skip
            if run.gate.paused and run.gate.short:
                run.gate.reason = (
                    f"The budget is {budget_text(budget)} now ({run.ledger.remaining_text()}): "
                    "resume goes on from here."
                )
                run.phase_is("paused", run.gate.reason)
        case _:
            return f"This version doesn't know the command {command.type!r}."
    run.gate.poke()
    return ""


def _decide(run: Run, command: c.Approve | c.Edit | c.Reject | c.Respond) -> str:
    pending = run.gate.pending
    if command.proposal.startswith("ask") or (
        not command.proposal and pending is None and run.window.ask is not None
    ):
        return _allow(run, command)
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


def _allow(run: Run, command: c.Approve | c.Edit | c.Reject | c.Respond) -> str:
    """Decide about calls that wait to be allowed."""
    ask = run.window.ask
    if ask is None or command.proposal not in ("", ask.ask):
        now = f"; {ask.ask} waits now" if ask is not None else ""
        return f"{command.proposal} is no longer open{now}."
    match command:
        case c.Approve():
            run.window.take(Decision("approve", command.client))
        case c.Reject():
            run.window.take(Decision("reject", command.client, reason=command.reason))
        case _:
            return "Calls can only be allowed or refused: approve or reject them."
    return ""


def _pass(run: Run, client: str) -> None:
    """Let a waiting proposal go that nobody is asked about any more."""
    gate = run.gate
    if gate.pending is None or gate.paused or gate.taken or gate.decision is not None:
        return
    if gate.placed or gate.held:
        gate.look()
    elif not gate.asks_person:
        gate.take(Decision("approve", client))
        _go_on(run, "running")


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
    if run.gate.taken:
        return HAND_BACK
    run.set_until(None)
    run.gate.stepping = True
    _let_go(run, "step")
    return ""


def _run_to(run: Run, until: str) -> str:
    wanted = parse_until(until)
    if run.gate.taken:
        return HAND_BACK
    if wanted.kind == "child" and not run.services.has_children:
        return "No child can start here: max_depth allows none."
    turn = run.turn
    if wanted.kind == "turn" and wanted.number <= turn:
        return f"The run is in turn {turn} already."
    if wanted.kind == "turn" and wanted.number > run.settings.max_turns:
        return f"The run has {run.settings.max_turns} turns at most."
    if wanted.reached(turn, run.used):
        return f"The run has used ${run.used:.2f} already."
    run.set_until(wanted)
    run.gate.stepping = False
    run.window.take(Decision("approve", "run to"))
    if not _let_go(run, "run to") and run.phase in ("running", "thinking"):
        run.phase_is(run.phase)  # which says what it runs to
    return ""


def _let_go(run: Run, by: str) -> bool:
    """Let what waits go on, a pause included; give whether anything waited."""
    gate = run.gate
    waited = gate.pending is not None or gate.paused
    if gate.pending is None:
        gate.paused = False
        _go_on(run)
    elif gate.placed:
        gate.go_on()
        gate.look()
    else:
        gate.take(Decision("approve", by))
        _go_on(run, "running")
    gate.poke()
    return waited


def stop(run: Run, reason: str) -> None:
    """End a run and its children at once, saying why."""
    if run._stopped:
        return
    run._stopped = True
    _go_on(run)
    run.reason = reason
    for child in list(run.children.values()):
        stop(child, reason)
    if run._task is not None:
        run._task.cancel()


def _interrupt(run: Run) -> None:
    now = time.monotonic()
    if now - run._last_interrupt < TWICE:
        stop(run, "Stopped by a second interrupt.")
        return
    run._last_interrupt = now
    run.gate.paused = True
    run.gate.reason = "Interrupted; variables are kept. Resume goes on from here."
    run.set_until(None)
    if run.phase in ("running", "asking") and run.gate.pending is None:
        run._interrupting = asyncio.ensure_future(run.repl.interrupt())
    else:
        run.phase_is("paused", run.gate.reason)


def _cancel(run: Run, node: str) -> str:
    if node == run.node:
        stop(run, "Stopped by a person.")
        return ""
    if run.gateway.cancel(node):
        return ""
    question = run.services.questions.get(node)
    if question is not None:
        question.future.cancel()
        return ""
    batch = run.services.children.get(node)
    if batch is not None:
        for task in batch:
            task.cancel(BY_A_PERSON)
        return ""
    for child in list(run.children.values()):
        if child.node == node or not _cancel(child, node):
            if child.node == node:
                stop(child, "Cancelled by a person.")
            return ""
    if node == run.cell:
        run._interrupting = asyncio.ensure_future(run.repl.interrupt())
        return ""
    return _not_in_flight(run, node)


def _answer(run: Run, command: c.AnswerCall) -> str:
    question = run.services.questions.get(command.node)
    if question is not None and not question.future.done():
        return question.answer(command.text)
    for child in list(run.children.values()):
        problem = _answer(child, command)
        if not problem or command.node in child.services.questions:
            return problem
    if run.gateway.answer(command.node, command.text):
        return ""
    node = run.tree.get(command.node)
    if node is not None and node.kind == "call" and node.live:
        only = f": one of {', '.join(map(repr, node.choices))}" if node.choices else ""
        return f"{command.node} asks for an answer of another form{only}."
    return _not_in_flight(run, command.node)


def _not_in_flight(run: Run, node: str) -> str:
    known = run.tree.get(node)
    if known is None or known.ended is None:
        return f"{node or 'That'} isn't in flight now."
    if known.kind != "call":
        return f"{node} is over ({known.status})."
    return (
        f"{node} is over ({known.status}) and the cell has its result: only calls in flight can be "
        "tried again, answered or cancelled; ask anew in a cell."
    )
