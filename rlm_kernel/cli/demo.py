"""``rlm-kernel demo``: a real question over a generated text whose truth is known."""

from __future__ import annotations

import argparse
import sys

from ..evals.demo import demo_task
from ..log import money_text
from . import INTERRUPTED, NO_ANSWER, exit_code
from .progress import watch
from .run import make_rlm, print_answer


def main(args: argparse.Namespace) -> int:
    """Ask the demo's question, show every cell and call, and check the answer."""
    task = demo_task()
    note = sys.stderr
    print(f"The text: {task.name}, {len(task.context):,} characters, generated here; "
          "no model reads it whole.", file=note)  # fmt: skip
    rlm = make_rlm(args, ours=True)
    try:
        run = rlm.start(task.question, task.context)
        interrupted = watch(run, quiet=args.quiet)
        print_answer(run)
        if interrupted:
            return INTERRUPTED
        if run.answer_text is None:
            return exit_code(run.status)
        right = task.score(run.answer) >= 1.0
        usage = run.usage.subtree
        print(f"{'Right' if right else 'Wrong'}: the truth is {task.truth}. "
              f"{usage.calls} calls, {usage.tokens:,} tokens, {money_text(usage.cost)}, "
              f"{run.usage.seconds:.0f} s.", file=note)  # fmt: skip
        if run.log.folder is not None:
            print(f"The whole log: {run.log.folder}", file=note)
        return exit_code(run.status) if right else NO_ANSWER
    finally:
        rlm.close()
