"""``rlm-kernel demo``: a real question over a generated text whose truth is known."""

from __future__ import annotations

import argparse

from ..evals.demo import demo_task
from ..log import money_text
from . import NO_ANSWER
from .ending import end
from .progress import watch
from .run import make_rlm
from .streams import say


def main(args: argparse.Namespace) -> int:
    """Ask the demo's question, show every cell and call, and check the answer."""
    task = demo_task()
    say(f"The text: {task.name}, {len(task.context):,} characters, generated here; "
        "no model reads it whole.")  # fmt: skip
    rlm = make_rlm(args, ours=True)
    try:
        run = rlm.start(task.question, task.context)
        stopped = watch(run, quiet=args.quiet)
        code = end(run, rlm, (), stopped=stopped)
        if stopped or run.answer_text is None:
            return code
        right = task.score(run.answer) >= 1.0
        usage = run.usage.subtree
        say(f"{'Right' if right else 'Wrong'}: the truth is {task.truth}. "
            f"{usage.calls} calls, {usage.tokens:,} tokens, {money_text(usage.cost)}, "
            f"{run.usage.seconds:.0f} s.")  # fmt: skip
        if run.log.folder is not None and run.status == "done":
            say(f"The whole log: {run.log.folder}")
        return code if right else NO_ANSWER
    finally:
        rlm.close()
