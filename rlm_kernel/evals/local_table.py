"""The table of what a small local model gets right as root and sub-model.

    python -m rlm_kernel.evals.local_table --needles 10 --counting 10 --seed 7

Seeds from ``--seed`` on are drawn fresh: whoever changes a prompt should look at other seeds
than those the table is printed for. The truth is used after a run, to score it, and only then.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .demo import demo_task
from .tasks import Task, counting, needle


@dataclass(frozen=True, slots=True)
class Row:
    """One task and what came of it."""

    task: Task
    answer: str
    right: bool
    status: str
    turns: int
    seconds: float
    tokens: int

    def line(self) -> str:
        """Give the row as a line of the table."""
        verdict = "right" if self.right else "wrong"
        said = self.answer.replace("\n", " ")[:32]
        return (
            f"{self.task.name:<22}{len(self.task.context):>11,}  {verdict:<6}{self.turns:>5}"
            f"{self.seconds:>8.1f}{self.tokens:>8,}  {self.status:<8} {said}"
        )


HEADER = (
    f"{'task':<22}{'characters':>11}  {'':<6}{'turns':>5}{'seconds':>8}{'tokens':>8}"
    "  status   answer"
)


def tasks(needles: int, countings: int, demos: int, seed: int) -> Iterator[Task]:
    """Give the tasks of a table one by one, each made when it is its turn."""
    for index in range(needles):
        yield needle(seed * 1000 + index)
    for index in range(countings):
        yield counting(seed * 1000 + index)
    for index in range(demos):
        yield demo_task(seed + index)


def measure(task: Task, rlm: Any) -> Row:
    """Run one task and score its answer; a run that fails is a wrong row, not an exception."""
    begun = time.perf_counter()
    run = rlm.run(task.question, context=task.context)
    answer, status = run.answer, str(run.status)
    right = status != "failed" and task.score(answer) == 1.0
    turns = sum(1 for node in run.tree.walk() if node.kind == "turn")
    return Row(task, str(answer), right, status, turns, time.perf_counter() - begun,
               run.usage.subtree.tokens)  # fmt: skip


def totals(rows: Sequence[Row]) -> list[str]:
    """Give one line for each kind: how many of how many are right, and how long they took."""
    lines = []
    for kind in dict.fromkeys(row.task.kind for row in rows):
        of = [row for row in rows if row.task.kind == kind]
        right = sum(row.right for row in of)
        seconds = sum(row.seconds for row in of) / len(of)
        lines.append(f"{kind}: {right} of {len(of)} right, {seconds:.1f} s each")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; give 0 when every run ended, whatever the answers."""
    parser = argparse.ArgumentParser(prog="rlm_kernel.evals.local_table", description=__doc__)
    parser.add_argument("--needles", type=int, default=10)
    parser.add_argument("--counting", type=int, default=10)
    parser.add_argument("--demos", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--model", default="local")
    parser.add_argument("--no-probe", action="store_true", help="leave out the automatic probe")
    given = parser.parse_args(arguments)

    from ..engine import RLM

    rlm = RLM(model=given.model, mode="auto", probe=not given.no_probe)
    print(HEADER)
    rows = []
    for task in tasks(given.needles, given.counting, given.demos, given.seed):
        rows.append(measure(task, rlm))
        print(rows[-1].line(), flush=True)
    print("\n".join(totals(rows)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
