"""``rlm-kernel trm``: solve puzzles with a tiny recursive network, train one, evaluate one."""

from __future__ import annotations

import argparse
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import trm
from ..errors import ConfigError
from ..trm.checkpoint import writable
from . import NO_ANSWER, OK
from ._parser import MISTAKE
from .streams import say

if TYPE_CHECKING:
    from ..trm.report import Report


def main(args: argparse.Namespace) -> int:
    """Solve, train or evaluate."""
    if args.what is None:
        say("rlm-kernel trm needs one of puzzle, solve, train and eval, as in: "
            "rlm-kernel trm solve FILE")  # fmt: skip
        return MISTAKE
    verbs = {"puzzle": _puzzle, "solve": _solve, "train": _train, "eval": _evaluate}
    return verbs[args.what](args)


def _puzzle(args: argparse.Namespace) -> int:
    print(trm.puzzle(args.kind, args.seed))
    return OK


def _solve(args: argparse.Namespace) -> int:
    puzzle = _text(args.puzzle)
    if args.explore:
        found = trm.explore(puzzle, args.model or "", k=args.explore, seed=args.seed)
    else:
        found = trm.solve(puzzle, args.model or "")
    if args.json:
        whole: dict[str, Any] = {
            "task": found.task, "answer": found.answer, "solved": found.solved,
            "said": found.verdict.said, "steps": found.steps, "calls": found.calls,
            "seconds": found.seconds, "frames": [asdict(frame) for frame in found.frames],
        }  # fmt: skip
        print(json.dumps(whole))
    else:
        print(found)
    return OK if found.solved else NO_ANSWER


def _text(given: str) -> str:
    """Give what stands in a file; where there is none of that name, what was given."""
    if not os.path.isfile(given):  # to which what can be no name is no file
        return given
    try:
        return Path(given).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given} isn't a text in UTF-8.") from error


def _train(args: argparse.Namespace) -> int:
    kind = f"{args.name}-once" if args.once else args.name
    path = Path(args.out or f"{kind}-{args.seed}.safetensors")
    writable(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an interrupt: the card's note says it
        made = trm.train(
            args.name, minutes=args.minutes, updates=args.updates, seed=args.seed,
            recursion=not args.once, progress=_tell, training=args.training or "",
            data=args.data, device=args.device, bf16=args.bf16, compile=args.compile,
            shards=args.shards,
        )  # fmt: skip
    if os.environ.get("TORCHELASTIC_RUN_ID") and os.environ.get("RANK") != "0":
        return OK  # torchrun started several of this: the first one speaks and writes
    card = made.card
    if "note" in card:
        say(card["note"])
    say(f"{card['updates']:,} updates in {card['minutes']} min; of {card['held_out']} held-out "
        f"puzzles {_shares(card['exact'])} are solved, step by step.")  # fmt: skip
    say(f"Written: {trm.save(made, path)}")
    return OK


def _tell(report: Report) -> None:
    say(f"{report.seconds:6.0f} s  {report.updates:6,} updates  loss {report.loss:.3f}  "
        f"solved {_shares(report.exact)}  cells {report.cells[-1]:.1%}")  # fmt: skip


def _tell_tried(tried: int, of: int) -> None:
    if tried < of:
        say(f"{tried:,} of {of:,} puzzles tried")


def _shares(shares: tuple[float, ...] | list[float]) -> str:
    few = [shares[0], *shares[1:-1:3], shares[-1]] if len(shares) > 5 else shares
    return " ".join(f"{share:.1%}" for share in few)


def _evaluate(args: argparse.Namespace) -> int:
    model = trm.load(args.model)
    found: trm.Evaluation | trm.Vote
    if model.task == "arc":
        found = trm.vote(model, tasks=args.puzzles, votes=args.votes, seed=args.seed,
                         device=args.device)  # fmt: skip
    else:
        found = trm.evaluate(model, puzzles=args.puzzles, seed=args.seed, data=args.data,
                             device=args.device, progress=_tell_tried)  # fmt: skip
    if args.json:
        print(json.dumps(asdict(found)))
        return OK
    print(found)
    return OK
