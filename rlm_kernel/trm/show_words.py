"""What happened in a solve, in words: one caption for each frame, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import PAPER_STEPS

if TYPE_CHECKING:
    from .solving import Frame, Solution


class Told:
    """Something that shows itself as its own text, not as the names and values of its fields."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def caption(solution: Solution, frame: Frame) -> str:
    """Say how a solve stood after a cycle."""
    changed, wrong = len(frame.changed), len(frame.wrong)
    return (
        f"Step {frame.step}, cycle {frame.cycle}: {_count(frame.calls, 'call')} of one "
        f"{network(solution.parameters)}; {_count(changed, 'cell')} changed, "
        f"{'none breaks' if not wrong else '1 breaks' if wrong == 1 else f'{wrong} break'} a rule; "
        f"it is {share(frame.halt)} sure that the grid is right."
    )


def beginning(solution: Solution) -> str:
    """Say what was asked."""
    empty = solution.puzzle.count(0)
    cells = f", {_count(empty, 'cell')} empty" if empty else ""
    return f"The puzzle as it was given: {solution.task}{cells}. The network hasn't begun."


def ending(solution: Solution) -> str:
    """Say what came of a solve: by the rules, after how much work, by which of several ways."""
    each = f", in each of {solution.ways} ways" if solution.ways > 1 else ""
    said = [
        solution.verdict.said,
        f"One {network(solution.parameters)} was applied {times(solution.calls)}, in "
        f"{_count(solution.steps, 'step')}{each}, {solution.seconds * 1000:,.0f} ms.",
    ]
    if solution.ways > 1:
        said.append(_way(solution))
    elif solution.halted:
        said.append("It stopped by itself.")
    elif not (solution.solved and solution.steps < PAPER_STEPS):  # else the rules stopped it
        said.append("All of its steps are used up.")
        if not solution.solved and solution.steps >= PAPER_STEPS:
            said.append("Several noisy ways may do better: trm.explore(puzzle) or --explore 8.")
    if not solution.solved and (sure := solution.frames[-1].halt) >= 0.5:
        said.append(f"It was {share(sure)} sure all the same: only the rules say what is right.")
    return " ".join(said)


def times(calls: int) -> str:
    """Say how often something was done."""
    return "once" if calls == 1 else f"{calls:,} times"


def network(parameters: int) -> str:
    """Name a network by its size."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if parameters >= size:
            return f"{parameters / size:.{parameters < 10 * size:d}f}{unit}-parameter network"
    return f"{parameters}-parameter network" if parameters else "network"


def share(part: float) -> str:
    """Give a share as a person says it; what isn't quite nothing, or all, is said to be so."""
    if 0 < part < 0.005:
        return "less than 1 %"
    return "more than 99 %" if 0.995 <= part < 1 else f"{part:.0%}".replace("%", " %")


def _way(solution: Solution) -> str:
    taken = f"way {solution.way}{', the one without noise,' if solution.way == 1 else ''}"
    if solution.solved:
        return (
            f"Of {solution.ways} ways, tried at the same time, {taken} was taken: the surest of "
            "those whose grid the rules confirm."
        )
    return (
        f"Of {solution.ways} ways, tried at the same time, none led to a grid that the rules "
        f"confirm; {taken} was the surest."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if number else f"no {noun}s"
