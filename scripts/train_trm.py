"""Train the tiny recursive networks that come along, each beside its twin without recursion.

    python scripts/train_trm.py                      # all: hours
    python scripts/train_trm.py sudoku6 --seeds 0    # one
    python scripts/train_trm.py --table              # what is done, as the table of docs/trm.md

It needs the extra ``trm``. What is done is kept in a folder, and gone on with from there. A network
is tried on 4,000 puzzles (4x4: 1,000) that are of no class that it learned from, nor of those by
which the best of its weights were chosen; the rules say what is solved.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_kernel import trm

#: Model → updates, so that other work on the machine changes nothing; a twin gets the minutes.
UPDATES = {"sudoku4": 1_200, "sudoku6": 3_000, "maze9": 10_000, "sudoku9": 12_000}
COMPILED = ("maze9", "sudoku9") if shutil.which("c++") else ()  # worth half a minute there
TWINS = ("sudoku4", "sudoku6")  # those that come along, for the lesson
#: Puzzles that a network is tried on; of 4x4 there are few classes.
TRIED, TRIED_OF_4X4 = 4_000, 1_000
#: Model → the share of those held out whose minutes are told; else 95 %.
MARKS = {"maze9": 0.8}
#: Model → minutes on the way; how many of those held out were solved then is told.
TOLD = {"sudoku4": 0.5, "sudoku6": 5, "maze9": 20, "sudoku9": 30}


def main() -> int:
    """Train what isn't yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(UPDATES)}; none: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("build/trm"))
    parser.add_argument("--twin", choices=("both", "only", "none"), default="both")
    parser.add_argument("--table", action="store_true", help="print it, train nothing")
    parser.add_argument("--ship", action="store_true", help="put those of seed 0 into the package")
    args = parser.parse_args()
    names = args.names or list(UPDATES)
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.table:
        print(table(args.folder))
        return 0
    ways = {"both": (True, False), "only": (False,), "none": (True,)}[args.twin]
    for seed in args.seeds:
        for name in names:
            for recursion in ways:
                one(args.folder, name, seed, recursion)
    if args.ship:
        for name in names:
            trm.api.WEIGHTS.mkdir(exist_ok=True)
            for end in ("", "-once") if name in TWINS else ("",):
                shutil.copyfile(args.folder / f"{name}-0{end}.safetensors",
                                trm.api.WEIGHTS / f"{name}{end}.safetensors")  # fmt: skip
    return 0


def one(folder: Path, name: str, seed: int, recursion: bool) -> None:
    """Train one network and try it, unless that was done."""
    called = f"{name}-{seed}" + ("" if recursion else "-once")
    path, told = folder / f"{called}.safetensors", folder / f"{called}.json"
    if told.exists():
        return
    print(called, flush=True)
    updates, minutes = UPDATES[name], 0.0
    if not recursion:
        main = folder / f"{name}-{seed}.json"
        if not main.exists():
            sys.exit(f"{called} trains as long as {name}-{seed} did, which isn't trained yet.")
        updates, minutes = 0, json.loads(main.read_text())["minutes"]
    made = trm.train(
        name, updates=updates, minutes=minutes, seed=seed, recursion=recursion,
        training=folder / f"{called}.training", compile=name in COMPILED,
        progress=lambda r: print(f"  {r.seconds:5.0f} s {r.updates:6} {r.exact[-1]:.1%}",
                                 flush=True),
    )  # fmt: skip
    tried = trm.evaluate(made, puzzles=TRIED_OF_4X4 if name == "sudoku4" else TRIED, seed=seed)
    found = {
        "exact": tried.exact, "halted": tried.halted, "steps": tried.steps, "puzzles": tried.puzzles
    }  # fmt: skip
    card = {**made.card, "tried": found}
    trm.save(replace(made, card=card), path)
    told.write_text(json.dumps(card))
    print(f"  {tried}", flush=True)


def table(folder: Path) -> str:
    """Give what is done as two tables in Markdown: what the networks solve, and their training."""
    solved = [["model", "weights", "seeds", "after step 1", "after all", "by the halt", "twin"]]
    trained = [["model", "updates", "minutes", "of 300 held out", "and"]]
    for name in UPDATES:
        cards = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}-?.json"))]
        once = sorted(folder.glob(f"{name}-?-once.json"))
        twins = [json.loads(path.read_text()) for path in once]
        if not cards:
            continue
        tried = [card["tried"] for card in cards]
        twin = _spread([card["tried"]["exact"][-1] for card in twins]) if twins else "not trained"
        few = f" of {len(twins)}" if len(twins) not in (0, len(cards)) else ""
        mark = MARKS.get(name, 0.95)
        weights, steps = trm.presets.preset(name).config.parameters, len(tried[0]["exact"])
        solved.append([
            f"`{name}`", f"{weights / 1000:.0f}k", str(len(cards)),
            _spread([one["exact"][0] for one in tried]),
            _spread([one["exact"][-1] for one in tried]),
            f"{_spread([one['halted'] for one in tried])} in "
            f"{_spread([one['steps'] for one in tried], '{:.2f}')} of {steps} steps",
            twin + few,
        ])  # fmt: skip
        trained.append([
            f"`{name}`", f"{cards[0]['updates']:,}",
            _spread([card["minutes"] for card in cards], "{:.1f}"),
            f"{_spread([_solved_at(card, TOLD[name]) for card in cards])} at "
            f"{TOLD[name]:g} minutes",
            f"{mark:.0%} after "
            f"{_spread([_reached(card, mark) for card in cards], '{:.1f}')} minutes",
        ])  # fmt: skip
    return "\n\n".join(map(_markdown, (solved, trained)))


def _markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _reached(card: dict[str, Any], share: float) -> float:
    """Give the minutes after which as many of those held out were solved; infinite: never."""
    when = (seconds / 60 for seconds, *_, last in card["curve"] if last >= share)
    return next(when, math.inf)


def _solved_at(card: dict[str, Any], minutes: float) -> float:
    """Give the share of those held out that was solved in the last report before then."""
    return float([last for seconds, *_, last in card["curve"] if seconds <= minutes * 60][-1])


def _spread(values: list[Any], form: str = "{:.1%}") -> str:
    low, middle, high = (form.format(f(values)) for f in (min, statistics.median, max))
    return middle if low == high else f"{middle} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
