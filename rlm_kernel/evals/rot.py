"""How a model's answers get worse as the text in its prompt gets longer, and nothing else changes.

    python -m rlm_kernel.evals.rot --model local --out rot.json

The text is a harbour's log, of one short line for each entry. Two kinds of questions are asked of
it: *look up* (which ship an entry is of: one line has the answer) and *count* (how many entries
are of a ship: every line has to be read). The whole text stands in the prompt, as it would
without a variable.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..context import load_all
from ..engine.plain import ask_plain
from ..engine.rlm import RLM
from .text import Dice

SHIPS = ("Aurora", "Corvina", "Halcyon", "Kestrel", "Meridian", "Petrel", "Tern")
DONE = ("arrived", "departed", "refuelled")
LINES = (10, 20, 40, 80, 160, 320, 640)

Kind = Literal["look up", "count"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question over a log, with its truth."""

    kind: Kind
    question: str
    truth: str

    def right(self, answer: str) -> bool:
        """Say whether an answer names the truth and no rival to it."""
        rivals = SHIPS if self.kind == "look up" else re.findall(r"\d+", answer.replace(",", ""))
        return {rival for rival in rivals if rival in answer.replace(",", "")} == {self.truth}


def harbour_log(seed: int, lines: int, each: int = 4) -> tuple[str, list[Asked]]:
    """Give a log and questions over it, the same for the same seed everywhere.

    Args:
        seed: draws the entries and the questions.
        lines: the number of entries.
        each: how many questions of each kind.
    """
    dice = Dice(f"rot-{seed}-{lines}")
    numbers = dice.some(range(1000, max(10_000, 1000 + 2 * lines)), lines)
    entries = [(number, dice.pick(SHIPS), dice.pick(DONE)) for number in numbers]
    asked = [
        Asked("look up", f"Which ship is entry {number} of? Answer with its name only.", ship)
        for number, ship, _ in dice.some(entries, each)
    ]
    asked += [
        Asked("count", f"How many entries are of the {ship}? Answer with a number only.",
              str(sum(entry[1] == ship for entry in entries)))
        for ship in dice.some(SHIPS, each)
    ]  # fmt: skip
    return "\n".join(f"Entry {n}: the {ship} {done}." for n, ship, done in entries), asked


def measure(
    rlm: RLM, lines: Sequence[int], seeds: Sequence[int], each: int = 4
) -> Iterator[dict[str, Any]]:
    """Ask the root model alone, with the whole log in its prompt; give a row for each question.

    Args:
        rlm: whose root model it is.
        lines: the lengths of the logs.
        seeds: a log is drawn for each of them at each length.
        each: how many questions of each kind are asked over each log.

    Raises:
        RLMError: the model can't be asked.
    """
    for size in lines:
        for seed in seeds:
            text, asked = harbour_log(seed, size, each)
            for one in asked:
                run = ask_plain(rlm, one.question, load_all(text))
                said = run.answer_text or ""
                yield {
                    "lines": size, "seed": seed,
                    "tokens": run.usage.input_tokens, **asdict(one), "answer": said,
                    "right": one.right(said),
                }  # fmt: skip


def curve(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give, for each length and kind of question, how many of how many were right.

    Args:
        rows: what ``measure`` gave.
    """
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["lines"], row["kind"]), []).append(row)
    return [
        {"lines": lines, "kind": kind, "tokens": sum(row["tokens"] for row in of) // len(of),
         "right": sum(row["right"] for row in of), "asked": len(of)}
        for (lines, kind), of in sorted(found.items())
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the curve, and write every question and answer into a file."""
    parser = argparse.ArgumentParser(prog="rlm_kernel.evals.rot", description=__doc__)
    parser.add_argument("--model", default="local")
    parser.add_argument("--api-base", default="", help="an OpenAI-compatible server's address")
    parser.add_argument("--lines", type=int, nargs="+", default=list(LINES))
    parser.add_argument("--seeds", type=int, default=3, help="logs at each length")
    parser.add_argument("--each", type=int, default=4, help="questions of each kind over each log")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows; what is there is kept")
    given = parser.parse_args(arguments)

    with RLM(
        model=given.model, api_base=given.api_base, max_tokens=16, temperature=0.0, save=False,
        budget=None,
    ) as rlm:  # fmt: skip
        how = {"model": given.model, "about": rlm.gateway.info(given.model).note,
               "by": "python -m rlm_kernel.evals.rot", "temperature": 0.0}  # fmt: skip
        there = given.out is not None and given.out.exists()
        rows = json.loads(given.out.read_text("utf-8"))["rows"] if there else []
        for row in measure(rlm, given.lines, range(1, given.seeds + 1), given.each):
            rows.append(row)
            verdict = "right" if row["right"] else "wrong"
            print(f"{row['lines']:>5} {row['tokens']:>6,} {row['kind']:<8} {verdict} "
                  f"{row['answer']!r:.40}", flush=True)  # fmt: skip
            if given.out:
                given.out.write_text(json.dumps({"how": how, "rows": rows}, indent=0), "utf-8")
    for point in curve(rows):
        print(f"{point['lines']:>5} lines {point['tokens']:>6,} tokens {point['kind']:<8} "
              f"{point['right']} of {point['asked']} right")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
