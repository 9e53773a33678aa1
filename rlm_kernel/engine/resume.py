"""Going on with a run whose process ended: its state rebuilt from its log.

Guarantees: the root is told exactly what it had been told; the cells of whole turns run again, in
order, as they had run (a person's edits and own cells too), and what they ask is answered from the
log; the turn that was cut is done again with the reply and the decisions that it had. What was
paid for isn't paid for again. Cells that had been stopped by a limit or had ended their kernel
aren't run again, which is said; what cells do outside of the kernel (files, tools) is done again.
A tool that solves a puzzle solves it again, at no cost, and its solve stands in the tree once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol import CellResult, Message
from .gate import Decision
from .observe import observe
from .record import KEPT, Record, RecordedCell, RecordedTurn
from .replay import RecordedServices

if TYPE_CHECKING:
    from .driver import Driver
    from .run import Run


async def restore(run: Run, driver: Driver, record: Record) -> None:
    """Bring a driver, and the place where its cells run, to where the record ends."""
    run.recorded.silent = True
    rerun = run.rerun
    if rerun is not None:
        run.recorded.on_missing = rerun.missing
    left_out: list[int] = []
    differ: list[int] = []
    try:
        for step in record.steps:
            if isinstance(step, RecordedCell):
                await _persons(run, driver, step)
            elif step.whole:
                await _turn(run, driver, step, left_out, differ)
    finally:
        run.recorded.silent = False
        _services(run).replaying = None
    if rerun is not None:
        rerun.left_out, rerun.calls = left_out, run.recorded.answered
        return
    cut = record.cut
    driver.first = 1 + max((turn.number for turn in record.turns), default=0)
    if cut is not None:
        if cut.told:
            driver._human.clear()
            driver.append(cut.told)
        driver.standing = [
            (cell.code, _decision(cell)) for cell in cut.cells if cell.decision is not None
            and cell.decision.by not in ("stop", "auto")
        ]  # fmt: skip
    if any(turn.summaries for turn in record.turns):
        await run.repl.set_history([*run.earlier, *map(dict, driver.history)])
    _say(run, left_out, differ)


async def _turn(
    run: Run, driver: Driver, turn: RecordedTurn, left_out: list[int], differ: list[int]
) -> None:
    assert turn.ended is not None
    assert turn.reply is not None
    if turn.told:
        driver._human.clear()
        driver.append(turn.told)
    for summary in turn.summaries:
        await _fold(driver, summary)
    driver._say("assistant", turn.reply or "(empty)")
    for cell in turn.cells:
        driver.proposals = max(driver.proposals, cell.number)
        if cell.decision is None or cell.decision.decision == "reject":
            continue
        if cell.decision.decision == "respond":
            driver.looked = True
            continue
        driver.cells += 1
        if cell.ended is None or cell.ended.status not in KEPT:
            left_out.append(cell.number)
            continue
        result = await _again(run, driver, cell)
        if (result.status == "ok") != (cell.ended.status == "ok"):
            differ.append(cell.number)
        driver.saw(cell.ran, result)
        driver._looks.seen.append(observe(result, cell.number, driver.shown))
        if result.answer.ready:
            driver._looks.doubt(result.answer.content)
    driver.say_observation(turn.ended.observation, turn.ended.header)


async def _fold(driver: Driver, summary: str) -> None:
    async def recorded(messages: tuple[Message, ...]) -> str:
        return summary

    if driver._room is not None:
        await driver.fold(recorded)


async def _persons(run: Run, driver: Driver, cell: RecordedCell) -> None:
    """Run a person's own cell again; the root is told of it where it hadn't been."""
    if cell.ended is None or cell.ended.status not in KEPT:
        return
    result = await _again(run, driver, cell)
    text = observe(result, 0, driver.shown).partition("\n")[2]
    driver.person_ran(f"They ran:\n```python\n{cell.ran}\n```\nwhich gave:\n{text}")


async def _again(run: Run, driver: Driver, cell: RecordedCell) -> CellResult:
    _services(run).replaying = cell
    if run.rerun is not None:
        run.rerun.cell = cell.number
    try:
        result = await run.repl.execute(
            cell.node, cell.ran, author="human" if cell.author == "human" else "model",
            limits=run.settings.limits, number=cell.number or None,
        )  # fmt: skip
    finally:
        _services(run).replaying = None
    if run.rerun is not None:
        run.rerun.compare(cell, result)
    run.estimator.ran(cell.ran)
    driver.keep_draft(result)
    return result


def _decision(cell: RecordedCell) -> Decision:
    d = cell.decision
    assert d is not None
    return Decision(d.decision, d.by, d.code or "", d.reason, d.text)


def _say(run: Run, left_out: list[int], differ: list[int]) -> None:
    if left_out:
        run.note(
            f"Not run again: {_cells(left_out)}, which had been stopped or had ended the kernel. "
            "Variables that only that made are missing."
        )
    if differ:
        run.note(f"{_cells(differ)} ended otherwise than before; look at it.".capitalize())
    if run.recorded.diverged:
        run.note(
            f"{run.recorded.diverged} calls of cells that ran again aren't in the record, since "
            "the code asked something else this time; they were made anew."
        )


def _cells(numbers: list[int]) -> str:
    return ("cell " if len(numbers) == 1 else "cells ") + ", ".join(map(str, numbers))


def _services(run: Run) -> RecordedServices:
    assert isinstance(run.services, RecordedServices)
    return run.services
