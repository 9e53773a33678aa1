"""Makes the recordings that the lessons in examples/ play: ``python scripts/lessons.py [NAME…]``.

Needs rlm-kernel installed, and for the two recordings of the local model its weights
(``rlm-kernel models pull``); no network, no key. The scripted ones take seconds, the local ones
some minutes of one core. Each says what answered, in its first note: a script, the local model, or
a person. The curve of lesson 02 is made by ``python -m rlm_kernel.evals.rot``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlm_kernel import RLM, Run, ScriptedModel
from rlm_kernel.evals.letters import ABOUT, letters, read
from rlm_kernel.evals.tasks import counting

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "recordings"
SCRIPTED = "Root and sub-model are scripted: their replies were written beforehand."
PRICE = (1e-6, 4e-6)  # of the scripted models, in US dollars per token: made up
NAMES: dict[str, Callable[[], None]] = {}


def recording(make: Callable[[], None]) -> Callable[[], None]:
    """Know a function that makes recordings by its name: ``labels`` for ``labels()``."""
    NAMES[make.__name__] = make
    return make


def root(*turns: tuple[str, str]) -> ScriptedModel:
    """Give a scripted root that says a sentence and proposes a cell at each turn."""
    replies = [f"{said}\n```repl\n{code.strip()}\n```" for said, code in turns]
    return ScriptedModel(replies, name="scripted-root", latency=0.2, price=PRICE)


def reader(latency: float = 0.2) -> ScriptedModel:
    """Give the scripted sub-model, which reads letters without a mistake."""
    return ScriptedModel(read, name="scripted-reader", latency=latency, price=PRICE)


def ask(question: str, context: Any, note: str, **options: Any) -> Run:
    """Ask with a note that says what answers, and wait; calls to a person are answered by hand."""
    answers: list[str] = options.pop("by_hand", [])
    with RLM(**{"mode": "auto", "save": False, **options}) as rlm:
        run = rlm.start(question, context)
        run.note(note)
        while not run.wait(0.05) or answers:
            waiting = [call for call in run.tree.calls if call.live and call.model == "human"]
            if run.ended:
                raise RuntimeError(f"{len(answers)} answers were not asked for")
            for call in waiting:
                run.answer_call(call.id, answers.pop(0))
    print(f"  {run.status}: {run.answer_text!r:.70}; {run.usage}")
    return run


def keep(run: Run, name: str, *, context: bool = True) -> None:
    """Write a recording."""
    path = run.save(FOLDER / f"{name}.rlm", context=context)
    print(f"  {path.name}: {path.stat().st_size:,} bytes")


# -- 02 and 03: the local model ---------------------------------------------------------------


@recording
def counts() -> None:
    """02: the local model as root counts lines by code."""
    task = counting(7_000)
    run = ask(task.question, task.context, "Root is a real local model, Qwen2.5-Coder 1.5B.",
              model="local")  # fmt: skip
    assert task.score(run.answer) == 1.0, f"it is {task.truth}"
    keep(run, "02-local-root", context=False)


@recording
def labels() -> None:
    """03: the local model as sub-model reads letters, one a call."""
    written, _ = letters(3, 24)
    run = ask(
        "What is each letter about?", "\n\n".join(written),
        "The root is scripted; the sub-model is a real local one, Qwen2.5-Coder 1.5B.",
        model=root(
            ("Each letter is a part of its own, so I split there.", """
parts = context.split("\\n\\n")
print(len(parts), "letters; the first:", parts[0])
"""),
            ("What a letter is about has to be read: a call for each.", """
kinds = ["noise", "smell", "prices", "safety"]
ask = "Is this letter about noise, smell, prices or safety? Answer with one word.\\n\\n"
labels = llm_query_batched([ask + part for part in parts], choices=kinds)
assert len(labels) == len(parts)
print(labels)
"""),
            ("As many labels as letters. I submit them.", "FINAL(labels)"),
        ),
        sub_model="local",
    )  # fmt: skip
    keep(run, "03-local-reader")


# -- 04 and 05: a person ----------------------------------------------------------------------


@recording
def be_root() -> None:
    """04: what the learner's cells are compared with."""
    written, about = letters(4, 60)
    run = ask(
        "How many of the letters are about noise?", "\n\n".join(written), SCRIPTED,
        model=root(
            ("First a look.", "print(len(context), 'characters')\nprint(context[:600])"),
            ("Letters are parts between empty lines.", """
parts = context.split("\\n\\n")
print(len(parts), "letters")
"""),
            ("What a letter is about has to be read: a call for each.", """
ask = "Is this letter about noise, smell, prices or safety? Answer with one word.\\n\\n"
labels = llm_query_batched([ask + part for part in parts])
print(len(labels), "labels:", sorted(set(labels)))
"""),
            ("As many labels as letters, and no other words among them.",
             "FINAL(labels.count('noise'))"),
        ),
        sub_model=reader(),
    )  # fmt: skip
    assert run.answer == about.count("noise")
    keep(run, "04-root")


@recording
def be_sub_model() -> None:
    """05: what a person answered who was the sub-model."""
    written, about = letters(5, 4)
    run = ask(
        "What is each letter about?", "\n\n".join(written),
        "The root is scripted. The sub-model is a person, who typed the answers beforehand.",
        model=root(
            ("I ask about each letter.", """
parts = context.split("\\n\\n")
replies = llm_query_batched([f"What is letter {n} about?" for n in range(1, len(parts) + 1)])
for reply in replies:
    print(reply)
"""),
            ("A sub-model sees its prompt and nothing else, so the letter has to stand in it, and "
             "what may be answered.", """
ask = "Is this letter about noise, smell, prices or safety? Answer with one word.\\n\\n"
replies = llm_query_batched([ask + part for part in parts])
for reply in replies:
    print(reply)
"""),
            ("Now each is one word.", "FINAL(replies)"),
        ),
        sub_model="human", attended=True,
        by_hand=["Which letter? I see none.", "I don't know what letter 2 is.",
                 "You would have to show me the letter.", "No idea.", *about],
    )  # fmt: skip
    assert run.answer == about
    keep(run, "05-person")


# -- 06: children -----------------------------------------------------------------------------

HARBOURS = ("North quay", "South quay", "Old basin")
COUNT_HERE = """
parts = context.split("\\n\\n")
labels = llm_query_batched(["What is it about? One word.\\n\\n" + part for part in parts])
print(len(parts), "letters,", len(labels), "labels")
FINAL(labels.count("safety"))
"""
HALVES = """
parts = context.split("\\n\\n")
half = len(parts) // 2
counts = rlm_query_batched([
    {"prompt": "How many of the letters are about safety?", "context": "\\n\\n".join(some)}
    for some in (parts[:half], parts[half:])
])
print(counts)
FINAL(sum(map(int, counts)))
"""
PER_HARBOUR = """
counts = rlm_query_batched([
    {"prompt": "How many of the letters are about safety?", "context": text}
    for text in context.values()
])
print(dict(zip(context, counts)))
"""


@recording
def depths() -> None:
    """06: one question without children, and with children of children."""
    sizes = (18, 24, 12)
    made = [letters(81 + n, size) for n, size in enumerate(sizes)]
    mail = dict(zip(HARBOURS, made, strict=True))
    context = {name: "\n\n".join(written) for name, (written, _) in mail.items()}
    truth = {name: about.count("safety") for name, (_, about) in mail.items()}
    best = max(truth, key=lambda name: truth[name])
    for depth in (1, 3):
        first = ("No children: I read all letters myself.", """
labels = {}
for harbour, text in context.items():
    asked = ["What is it about? One word.\\n\\n" + part for part in text.split("\\n\\n")]
    labels[harbour] = llm_query_batched(asked)
counts = [replies.count("safety") for replies in labels.values()]
print(dict(zip(context, counts)))
""")
        if depth > 1:
            first = ("One child for each quay, with its letters as its own context.", PER_HARBOUR)
        last = ("The most is what was asked for.", """
counts = dict(zip(context, map(int, counts)))
FINAL(max(counts, key=counts.get))
""")
        run = ask(
            "About which quay do most letters about safety complain?", context, SCRIPTED,
            model=root(first, last), sub_model=_child(), max_depth=depth,
        )  # fmt: skip
        assert run.answer == best, truth
        keep(run, f"06-depth-{depth}")


def _child() -> ScriptedModel:
    """Give what is the root of children and reads letters: children ask others where they may."""

    def say(messages: Sequence[Any]) -> str:
        if messages[0]["role"] != "system":
            return read(messages)
        may_ask_children = "a child that works like you" in str(messages[0]["content"])
        return f"```repl\n{(HALVES if may_ask_children else COUNT_HERE).strip()}\n```"

    return ScriptedModel(say, name="scripted-child", latency=0.2, price=PRICE)


# -- 07: when it goes wrong -------------------------------------------------------------------


def _letters_07() -> tuple[str, int]:
    written, about = letters(7, 40)
    return "\n\n".join(written), about.count("smell")


QUESTION_07 = "How many of the letters are about a smell?"


@recording
def bad_parse() -> None:
    """07: a pattern that takes letters 1 to 9 only."""
    text, truth = _letters_07()
    run = ask(
        QUESTION_07, text, SCRIPTED,
        model=root(
            ("A look.", "print(len(context), 'characters')\nprint(context[:300])"),
            ("Letters begin with 'Letter' and a number.", """
import re
parts = re.findall(r"(?m)^Letter \\d\\. .*$", context)
labels = llm_query_batched(["What is it about? One word.\\n\\n" + part for part in parts])
print(labels)
"""),
            ("I count.", "FINAL(labels.count('smell'))"),
        ),
        sub_model=reader(),
    )  # fmt: skip
    assert run.answer != truth
    keep(run, "07-bad-parse")


@recording
def early_answer() -> None:
    """07: an answer from the first letters only."""
    text, truth = _letters_07()
    run = ask(
        QUESTION_07, text, SCRIPTED,
        model=root(
            ("A look.", "print(context[:900])"),
            ("I have seen letters, and some are about a smell.", """
seen = context[:900].split("\\n\\n")
labels = llm_query_batched(["What is it about? One word.\\n\\n" + part for part in seen])
FINAL(labels.count("smell"))
"""),
        ),
        sub_model=reader(),
    )  # fmt: skip
    assert run.answer != truth
    keep(run, "07-early-answer")


@recording
def tiny_calls() -> None:
    """07: a call for each word, until the budget stops it."""
    text, _ = _letters_07()
    run = ask(
        QUESTION_07, text, SCRIPTED,
        model=root(
            ("A look.", "print(len(context.split()), 'words')\nprint(context[:300])"),
            ("I ask about every word whether it smells.", """
replies = llm_query_batched([f"Is {word!r} about a smell?" for word in context.split()])
print(sum(isinstance(reply, str) for reply in replies), "of", len(replies), "were answered")
"""),
            ("I count.", "FINAL(sum(str(reply) == 'smell' for reply in replies))"),
        ),
        sub_model=reader(0.0), budget="200 calls",
    )  # fmt: skip
    keep(run, "07-tiny-calls")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the recordings of the lessons.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    chosen = parser.parse_args().names or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        print(f"There is no {unknown[0]!r}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    assert set(ABOUT) == {"noise", "smell", "prices", "safety"}
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # no path of this machine goes into a recording
        for name in chosen:
            print(f"{name}: {NAMES[name].__doc__}")
            NAMES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
