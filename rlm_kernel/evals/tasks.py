"""Tasks whose truth is known exactly, drawn by seed: a needle in prose, counts over dated lines.

Needles follow the synthetic retrieval tasks of RULER (Hsieh et al., 2024); the counts follow
the aggregation tasks of OOLONG, with labels that stand in the line. A seed draws the length, the
place, the wording of the question and the form of the text, and gives the same task everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from .text import Dice, paragraphs

Kind = Literal["needle", "counting", "demo"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question over one text, with its truth.

    ``score`` gives 1.0 for a right answer and 0.0 for a wrong one. ``truth`` is for scoring and
    for people; nothing of it may reach a prompt.
    """

    name: str
    question: str
    context: str
    truth: str
    score: Callable[[Any], float]
    kind: Kind


def exact(truth: str) -> Callable[[Any], float]:
    """Give a score for one value: right when the answer is it, or names it and no rival to it.

    A sentence counts when it holds the truth as a whole word and, for a number, no other number.
    """

    def score(answer: Any) -> float:
        said = str(answer).strip().strip("'\"`.").strip()
        if said.casefold() == truth.casefold():
            return 1.0
        if truth.isdigit():
            numbers = [number.replace(",", "") for number in re.findall(r"\d[\d,]*", said)]
            return float(set(numbers) == {truth})
        word = rf"(?<![\w-]){re.escape(truth.casefold())}(?![\w-])"
        return float(len(said) <= 200 and re.search(word, said.casefold()) is not None)

    return score


# --- needles -------------------------------------------------------------------------------

_FIRST = ("quiet", "amber", "hollow", "northern", "velvet", "rusty", "silent", "crooked", "pale",
          "distant", "narrow", "gentle")  # fmt: skip
_SECOND = ("heron", "anvil", "meadow", "compass", "lantern", "orchard", "violin", "harvest",
           "glacier", "beacon", "thimble", "sparrow")  # fmt: skip
_WORDS = ("juniper", "cobalt", "saffron", "marble", "walnut", "indigo", "pepper", "basalt",
          "clover", "mustard", "granite", "tulip", "cinnamon", "ivory")  # fmt: skip
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"

_NEEDLES: tuple[tuple[str, str], ...] = (
    ("One of the special magic {kind}s for {key} is: {value}.",
     "What is the special magic {kind} for {key} mentioned in the text?"),
    ("For the record, the {kind} of {key} was set to {value} that day.",
     "Which {kind} was recorded for {key}?"),
    ("Note: {key} -> {kind} {value}.", "Give the {kind} that a note assigns to {key}."),
    ("Whoever asks for {key} must be told the {kind} {value}.",
     "Someone asks for {key}. What {kind} must they be told?"),
    ("({key}; {kind}: {value})", "Find the {kind} that belongs to {key}."),
    ("The {kind} {value} opens the locker called {key}.",
     "Which {kind} opens the locker {key}?"),
)  # fmt: skip


def needle(seed: int, chars: int | None = None) -> Task:
    """Give a text with one value for the key that is asked for, and others for other keys.

    Args:
        seed: draws the form of key, value, sentence and question, places, and the length.
        chars: the length in characters, about; None draws it from 100,000 to 10,000,000,
            evenly in its logarithm.

    Returns:
        The task; the answer is a number, word or code.
    """
    dice = Dice(f"needle-{seed}")
    size = chars or round(10 ** (5 + dice.below(2001) / 1000))
    statement, question = dice.pick(_NEEDLES)
    kind = dice.pick(("number", "word", "code"))
    keys = _keys(dice, dice.between(2, 6))
    values = _values(dice, kind, len(keys))
    made = paragraphs(dice, size)
    for key, value in zip(keys, values, strict=True):
        at = dice.below(len(made))
        made[at] = _insert(dice, made[at], _fill(statement, kind, key, value))
    return Task(
        name=f"needle-{seed}",
        question=_fill(question, kind, keys[0], ""),
        context="\n\n".join(made),
        truth=values[0],
        score=exact(values[0]),
        kind="needle",
    )


def _fill(pattern: str, kind: str, key: str, value: str) -> str:
    return pattern.replace("{kind}", kind).replace("{key}", key).replace("{value}", value)


def _insert(dice: Dice, paragraph: str, statement: str) -> str:
    sentences = paragraph.split(". ")
    at = dice.between(1, len(sentences) - 1) if len(sentences) > 1 else 0
    head = ". ".join(sentences[:at])
    return (head + ". " if head else "") + statement + " " + ". ".join(sentences[at:])


def _keys(dice: Dice, count: int) -> list[str]:
    form = dice.pick(("hyphen", "space", "number", "id"))
    if form == "id":
        return [f"{dice.pick(_SECOND)[:3].upper()}-{n}" for n in _numbers(dice, 4, count)]
    pairs = dice.some([(a, b) for a in _FIRST for b in _SECOND], count)
    if form == "number":
        return [f"{b} {dice.between(10, 99)}" for _, b in _distinct(dice, pairs)]
    return [a + ("-" if form == "hyphen" else " ") + b for a, b in pairs]


def _distinct(dice: Dice, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    names = dice.some(_SECOND, len(pairs))
    return [(a, name) for (a, _), name in zip(pairs, names, strict=True)]


def _values(dice: Dice, kind: str, count: int) -> list[str]:
    if kind == "word":
        return dice.some(_WORDS, count)
    if kind == "number":
        return _numbers(dice, dice.between(5, 7), count)
    tails = _numbers(dice, 4, count)
    return ["".join(dice.pick(_LETTERS) for _ in range(3)) + tail for tail in tails]


def _numbers(dice: Dice, digits: int, count: int) -> list[str]:
    made: list[str] = []
    while len(made) < count:
        number = str(dice.between(10 ** (digits - 1), 10**digits - 1))
        if number not in made:
            made.append(number)
    return made


# --- counting over dated lines -------------------------------------------------------------

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August",
           "September", "October", "November", "December")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One dated line before it is written down."""

    day: date
    who: str
    what: str
    level: str


@dataclass(frozen=True, slots=True)
class _World:
    who: str  # what the actors are called in a question
    actors: tuple[str, ...]
    events: tuple[str, ...]
    level: str
    levels: tuple[str, ...]


_WORLDS = (
    _World("user", tuple(f"u{n}" for n in range(1, 41)),
           ("login ok", "login failed", "logout", "password changed", "file opened",
            "file deleted"),
           "severity", ("info", "notice", "warning")),
    _World("ship", ("Aurora", "Meridian", "Petrel", "Kestrel", "Halcyon", "Corvina", "Tern"),
           ("arrived", "departed", "refuelled", "inspected", "delayed"),
           "weather", ("clear", "fog", "storm", "rain")),
    _World("sensor", tuple(f"S{n:02d}" for n in range(1, 25)),
           ("reading ok", "out of range", "no signal", "recalibrated"),
           "status", ("green", "yellow", "red")),
    _World("agent", ("Imani", "Jonas", "Priya", "Tomas", "Wen", "Yusuf", "Alba"),
           ("refund granted", "refund refused", "call back", "parcel lost", "address changed"),
           "priority", ("low", "normal", "high", "urgent")),
)  # fmt: skip

_DATES: tuple[Callable[[date], str], ...] = (
    lambda d: d.isoformat(),
    lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}",
    lambda d: f"{d.day:02d}.{d.month:02d}.{d.year}",
    lambda d: f"{d.day} {_MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1][:3]} {d.day:02d}, {d.year}",
)
_LINES = (
    "{date} | {role} {who} | {what} | {level}",
    "{date};{who};{what};{level}",
    "[{date}] {who}: {what} ({level})",
    "Date: {date} || {Role}: {who} || Event: {what} || {Level}: {level}",
    "{date}\t{level}\t{who}\t{what}",
)

Test = Callable[[Row], bool]


def counting(seed: int, lines: int | None = None) -> Task:
    """Give dated lines and ask how many of them fulfil one to three conditions.

    Args:
        seed: draws the subject, the form of lines and dates, the question and its wording.
        lines: the number of lines; None draws it from 1,000 to 20,000.

    Returns:
        The task; the answer is a whole number above 0.
    """
    dice = Dice(f"counting-{seed}")
    world, form, dated = dice.pick(_WORLDS), dice.pick(_LINES), dice.pick(_DATES)
    rows = draw_rows(dice, world, lines or dice.between(1_000, 20_000))
    question, test = _ask(dice, world, dice.pick(rows), dated)
    truth = str(sum(map(test, rows)))
    return Task(
        name=f"counting-{seed}",
        question=question,
        context="\n".join(_line(form, world, row, dated) for row in rows),
        truth=truth,
        score=exact(truth),
        kind="counting",
    )


def draw_rows(dice: Dice, world: _World, count: int) -> list[Row]:
    """Give rows in the order of their dates, over about a year and a half."""
    start = date(dice.between(2019, 2024), dice.between(1, 12), 1)
    return [
        Row(start + timedelta(days=index * 540 // count), dice.pick(world.actors),
            dice.pick(world.events), dice.pick(world.levels))
        for index in range(count)
    ]  # fmt: skip


def _line(form: str, world: _World, row: Row, dated: Callable[[date], str]) -> str:
    fields = {
        "{date}": dated(row.day), "{who}": row.who, "{what}": row.what, "{level}": row.level,
        "{role}": world.who, "{Role}": world.who.title(), "{Level}": world.level.title(),
    }  # fmt: skip
    for mark, value in fields.items():
        form = form.replace(mark, value)
    return form


def _ask(dice: Dice, world: _World, row: Row, dated: Callable[[date], str]) -> tuple[str, Test]:
    """Draw a question that at least the given row fulfils, and the test behind it."""
    month = f"{_MONTHS[row.day.month - 1]} {row.day.year}"
    noun = dice.pick(("lines", "entries", "records"))
    what: tuple[str, Test] = (
        dice.pick((f"say '{row.what}'", f"record the event '{row.what}'", f"are '{row.what}'")),
        lambda r: r.what == row.what,
    )
    who: tuple[str, Test] = (f"are about {world.who} {row.who}", lambda r: r.who == row.who)
    level: tuple[str, Test] = (
        f"have {world.level} {row.level}", lambda r: r.level == row.level)  # fmt: skip
    in_month: tuple[str, Test] = (
        dice.pick((f"are from {month}", f"are dated in {month}")),
        lambda r: (r.day.year, r.day.month) == (row.day.year, row.day.month),
    )
    on_day: tuple[str, Test] = (f"are dated {dated(row.day)}", lambda r: r.day == row.day)
    chosen = dice.pick((
        (what,), (level,), (who,), (on_day,), (in_month,), (what, who), (what, level),
        (what, in_month), (who, in_month), (level, on_day), (what, who, level),
    ))  # fmt: skip
    asked = " and ".join(text for text, _ in chosen)
    opening = dice.pick(("How many {noun} {asked}?", "Count the {noun} that {asked}.",
                         "What is the number of {noun} that {asked}?",
                         "I need to know how many {noun} {asked}."))  # fmt: skip
    question = opening.replace("{noun}", noun).replace("{asked}", asked)
    return question, lambda r: all(test(r) for _, test in chosen)
