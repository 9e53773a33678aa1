"""Models that are functions of what they are sent: the trajectories of the five shapes of question.

A ``Shape`` is a question over a context with exact truth, and how a good root and sub-model go
about it. ``root`` reads the newest observation and writes the next cell; ``sub`` reads one prompt.
``detour`` makes a root stumble once, in a given way, before it goes on.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from rlm_kernel.lm import ScriptedModel

Messages = Sequence[Any]
Model = Callable[[Messages], Any]
MARK = "(a detour)"


def cell(code: str, thought: str = "Next.") -> str:
    """Write a reply with one cell."""
    return f"{thought}\n```repl\n{code.strip()}\n```"


def seen(messages: Messages) -> str:
    """Give the newest observation; "" before the first."""
    return "" if len(messages) <= 2 else str(messages[-1]["content"])


def prompt(messages: Messages) -> str:
    """Give the newest message."""
    return str(messages[-1]["content"])


@dataclass(frozen=True)
class Shape:
    """A kind of question, and how models answer it."""

    name: str
    question: str
    context: Any
    truth: Any
    root: Model
    sub: Model

    def __repr__(self) -> str:
        return self.name


def detour(shape: Shape, *steps: str | Callable[[str], str], after: int = 0) -> Shape:
    """Make the root of a shape stumble.

    Args:
        shape: whose root goes on afterwards as if nothing had been.
        steps: replies, or functions of the newest observation.
        after: how many of its own replies the root gives first.
    """

    def root(messages: Messages) -> str:
        gone = [m for m in messages if m["role"] == "assistant" and m["content"].startswith(MARK)]
        own = sum(m["role"] == "assistant" for m in messages) - len(gone)
        if own >= after and len(gone) < len(steps):
            step = steps[len(gone)]
            return f"{MARK}\n" + (step if isinstance(step, str) else step(seen(messages)))
        return str(shape.root(without_detours(messages)))

    return replace(shape, root=root)


def without_detours(messages: Messages) -> list[Any]:
    """Leave out the detours and what was said to them."""
    left: list[Any] = []
    skip = False
    for message in messages:
        if message["role"] == "assistant":
            skip = message["content"].startswith(MARK)
        if not skip:
            left.append(message)
    return left


# -- S-NIAH: one needle ---------------------------------------------------------------------------

_WORDS = ["river", "stone", "window", "market", "signal", "winter", "garden", "letter", "harbour"]


def needle() -> Shape:
    """One sentence in a long text; a regular expression finds it."""
    chance = random.Random(7)
    lines = [" ".join(chance.choices(_WORDS, k=9)) + "." for _ in range(3_000)]
    lines[1_877] = "By the way: the Magic Number of Bergen is 81943."

    def root(messages: Messages) -> str:
        told = seen(messages)
        if not told:
            return cell("print(type(context), len(context))\ncontext[:200]")
        if "<class 'str'>" in told:
            return cell(
                "import re\n"
                "hits = re.findall(r'magic number of Bergen is (\\d+)', context)\n"
                "print('hits', hits)"
            )
        if "hits []" in told:
            return cell(
                "for m in re.finditer(r'(?i)magic number of Bergen is (\\d+)', context):\n"
                "    hits.append(m[1])\n"
                "    print('hits', hits, context[m.start() - 40:m.end() + 40])"
            )
        assert "hits ['81943']" in told, told
        return cell("FINAL(hits[0])")

    return Shape("needle", "What is the magic number of Bergen?", "\n".join(lines), "81943",
                 root, _nobody)  # fmt: skip


def _nobody(messages: Messages) -> str:
    raise AssertionError("this shape needs no sub-model")


# -- OOLONG: label every line, then count ---------------------------------------------------------

_KINDS = {
    "insult": ["you are a fool", "what a useless clown", "nobody likes you"],
    "question": ["where is the station", "how does it open", "when do they leave"],
    "praise": ["wonderful work", "I love this song", "what a kind reply"],
}
_KIND_OF = {text: kind for kind, texts in _KINDS.items() for text in texts}
USERS = [f"user{n}" for n in range(1, 9)]


def _posts(count: int) -> tuple[list[str], list[tuple[str, str]]]:
    chance = random.Random(11)
    lines, truth = [], []
    for number in range(count):
        user, text = chance.choice(USERS), chance.choice(list(_KIND_OF))
        lines.append(f"2024-{1 + number % 12:02d}-{1 + number % 28:02d} | {user} | {text}")
        truth.append((user, _KIND_OF[text]))
    return lines, truth


def label(messages: Messages) -> str:
    """Label the numbered lines of a prompt."""
    found = re.findall(r"^(\d+): (.+)$", prompt(messages), re.MULTILINE)
    return "\n".join(f"{number}: {_KIND_OF[text]}" for number, text in found)


_ASK = """
import re
labels = {}
def ask(numbers, size=20):
    parts = [numbers[i:i + size] for i in range(0, len(numbers), size)]
    replies = llm_query_batched([
        "Label each line insult, question or praise; reply 'number: label'.\\n"
        + "\\n".join(f"{n}: {rows[n][2]}" for n in part) for part in parts])
    for reply in replies:
        if not isinstance(reply, str):
            print("failed:", reply)
            continue
        for n, kind in re.findall(r"(\\d+): (\\w+)", reply):
            labels[int(n)] = kind
    missing = [n for n in range(len(rows)) if n not in labels]
    print("missing", missing)
    return missing
"""
_REDO = "missing = ask([n for n in range(len(rows)) if n not in labels], 10)"


def _labelling(messages: Messages) -> str | None:
    """Label all lines and check; None when every line has a label."""
    told = seen(messages)
    if not told:
        return cell("lines = context.splitlines()\nprint('lines', len(lines))\nlines[:3]")
    if told.startswith("Output of cell") and "lines " in told and "|" in told:
        return cell(
            "rows = [line.split(' | ') for line in lines]\n"
            + _ASK
            + "\nmissing = ask(list(range(len(rows))))"
        )
    if "interrupted" in told.lower():
        return cell("missing = ask(list(range(len(rows))))", "What was paid for is free.")
    if re.search(r"missing \[\d", told):
        return cell(_REDO, "Only the missing ones again.")
    return None


def oolong(count: int = 90) -> Shape:
    """Label every line by batches, redo what is missing, count."""
    lines, truth = _posts(count)
    number = Counter(kind for _, kind in truth)["insult"]

    def root(messages: Messages) -> str:
        told = seen(messages)
        step = _labelling(messages)
        if step is not None:
            return step
        if "missing []" in told:
            return cell(
                "from collections import Counter\n"
                "counts = Counter(labels[n] for n in range(len(rows)))\n"
                "result = f\"insult: {counts['insult']}\"\n"
                "print('candidate', result, len(labels) == len(rows))"
            )
        assert "candidate insult:" in told, told
        return cell("answer['content'] = result\nanswer['ready'] = True")

    return Shape("oolong", "How many of the lines are an insult? Answer 'insult: N'.",
                 "\n".join(lines), f"insult: {number}", root, label)  # fmt: skip


# -- OOLONG-Pairs: label, then pair in code -------------------------------------------------------


def pairs() -> Shape:
    """Label every line, then pair the users with sets."""
    lines, truth = _posts(60)
    chosen = [u for u in USERS if sum(t == (u, "praise") for t in truth) >= 3]
    wanted = "\n".join(f"{a}, {b}" for a, b in combinations(sorted(set(chosen)), 2))

    def root(messages: Messages) -> str:
        told = seen(messages)
        step = _labelling(messages)
        if step is not None:
            return step
        if "missing []" in told:
            return cell(
                "from collections import Counter\n"
                "from itertools import combinations\n"
                "count = Counter(rows[n][1] for n in range(len(rows)) if labels[n] == 'praise')\n"
                "chosen = {user for user, n in count.items() if n >= 3}\n"
                "pairs = sorted({tuple(sorted(p)) for p in combinations(chosen, 2)})\n"
                "text = '\\n'.join(', '.join(p) for p in pairs)\n"
                "print('pairs', len(pairs), pairs[:5])"
            )
        assert re.search(r"pairs \d+ \[", told), told
        return cell("FINAL_VAR('text')")

    return Shape("pairs", "Which pairs of users have each praised at least three times?",
                 "\n".join(lines), wanted, root, label)  # fmt: skip


# -- BrowseComp+: probe, ask about the hit, check -------------------------------------------------


def browse() -> Shape:
    """Probe many documents by rare words, ask about the hit, check it by two more calls."""
    chance = random.Random(3)
    documents = [
        f"Document {n}. " + " ".join(chance.choices(_WORDS, k=60)) + "." for n in range(300)
    ]
    documents[211] += (
        " The lighthouse of Utsira was painted by Marta Vik in 1931, before she moved to Lima."
    )
    documents[37] += " Marta Vik died in Lima in 1977."

    def root(messages: Messages) -> str:
        told = seen(messages)
        if not told:
            return cell("print('documents', len(context), type(context[0]))")
        if "documents 300" in told:
            return cell(
                "def probe(*words):\n"
                "    found = [n for n, text in enumerate(context)\n"
                "             if all(w.lower() in text.lower() for w in words)]\n"
                "    print('probe', words, found)\n"
                "    return found\n"
                "found = probe('lighthouse', 'painter')"
            )
        if "'painter') []" in told:
            return cell("found = probe('lighthouse', 'painted')", "My guess missed; another word.")
        if "'painted') [211]" in told:
            return cell(
                "who = llm_query('Who painted the lighthouse? Reply with the name.\\n'\n"
                "                + context[found[0]])\n"
                "print('who', who)"
            )
        if found := re.search(r"who (\w+ \w+)", told):
            return cell(
                f"more = probe({found[1]!r})\n"
                "checks = llm_query_batched([\n"
                "    f'Where did {who} die? Reply with the place or none.\\n{context[n]}'"
                "\n    for n in more])\n"
                "print('checks', dict(zip(more, map(str, checks))))"
            )
        assert "checks {37: 'Lima', 211: 'none'}" in told, told
        return cell("FINAL(next(c for c in checks if c != 'none'))")

    def sub(messages: Messages) -> str:
        text = prompt(messages)
        if text.startswith("Who painted"):
            match = re.search(r"painted by (\w+ \w+)", text)
        else:
            match = re.search(r"died in (\w+)", text)
        return match[1] if match else "none"

    return Shape("browse", "Where did the painter of the Utsira lighthouse die?", documents,
                 "Lima", root, sub)  # fmt: skip


# -- CodeQA: split, ask every part, aggregate -----------------------------------------------------


def codeqa() -> Shape:
    """Split a repository, drop what is vendored, ask each part for evidence, aggregate."""
    files = {
        "src/cache.py": "class Cache:\n    # evicts the least recently used entry\n    size = 64",
        "src/server.py": "def serve(port=8080):\n    cache = Cache()\n    retry(3)",
        "src/retry.py": "def retry(times):\n    # waits twice as long each time",
        "vendor/lib.py": "def retry(times):\n    # gives up at once",
        "package.lock": "retry 1.0 gives up at once",
        "README.md": "A small server.",
    }
    context = "\n".join(f"=== FILE: {path}\n{text}" for path, text in files.items())
    question = (
        "What does the server do when a request fails? A: gives up at once. B: waits twice as "
        "long before each further try. C: asks another server."
    )

    def root(messages: Messages) -> str:
        told = seen(messages)
        if not told:
            return cell(
                "import re\nparts = dict(re.findall(r'=== FILE: (.+)\\n((?:(?!=== FILE).*\\n?)*)', "
                "context))\nprint('files', list(parts))"
            )
        if "files [" in told:
            return cell(
                "own = {p: t for p, t in parts.items()\n"
                "       if not p.startswith('vendor/') and not p.endswith('.lock')}\n"
                "notes = llm_query_batched([{'prompt': f'Evidence on A, B or C in {p}?\\n{t}', "
                "'name': p} for p, t in own.items()])\n"
                "bad = [p for p, note in zip(own, notes) if not isinstance(note, str)]\n"
                "print('notes', len(notes), 'bad', bad)"
            )
        if re.search(r"bad \['", told):
            return cell(
                "again = iter(llm_query_batched([f'Evidence on A, B or C in {p}?\\n{own[p]}' "
                "for p in bad]))\n"
                "notes = [n if isinstance(n, str) else next(again) for n in notes]\n"
                "bad = [p for p, note in zip(own, notes) if not isinstance(note, str)]\n"
                "print('notes', len(notes), 'bad', bad)",
                "Only those that failed.",
            )
        if "bad []" in told:
            return cell(
                "letter = llm_query('Which letter do they support?\\n' + '\\n'.join(notes),\n"
                "                   choices=['A', 'B', 'C'])\nprint('letter', letter)"
            )
        assert "letter B" in told, told
        return cell("FINAL(letter)")

    def sub(messages: Messages) -> str:
        text = str(next(m["content"] for m in messages if m["role"] == "user"))
        if text.startswith("Which letter"):
            return "B" if "B: " in text else "A"
        return "B: it waits twice as long" if "twice as long" in text else "nothing"

    return Shape("codeqa", question, context, "B", root, sub)


SHAPES: dict[str, Callable[[], Shape]] = {
    "needle": needle, "oolong": oolong, "pairs": pairs, "browse": browse, "codeqa": codeqa,
}  # fmt: skip


def by_model(shape: Shape) -> Callable[[dict[str, Any]], Any]:
    """Answer for the root or the sub-model, as the request names it."""

    def policy(body: dict[str, Any]) -> Any:
        model = shape.root if body["model"] == "x-root" else shape.sub
        return model(body["messages"])

    return policy


# -- a model that can be held back ----------------------------------------------------------------


class HeldModel(ScriptedModel):
    """A scripted model whose replies wait until they are let go."""

    def __init__(self, replies: Any, name: str = "held") -> None:
        super().__init__(replies, name)
        self._changed = threading.Condition()
        self._held: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.came = 0

    async def complete(self, request: Any, on_text: Any = None) -> Any:
        gate = asyncio.Event()
        with self._changed:
            self._held.append((asyncio.get_running_loop(), gate))
            self.came += 1
            self._changed.notify_all()
        await gate.wait()
        return await super().complete(request, on_text)

    def wait_for(self, count: int) -> None:
        """Wait until so many calls have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.came >= count, 30), self.came

    def release(self) -> None:
        """Let go of the calls that have come so far."""
        with self._changed:
            held, self._held = self._held, []
        for loop, gate in held:
            loop.call_soon_threadsafe(gate.set)
