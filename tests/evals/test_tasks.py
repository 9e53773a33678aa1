"""Tasks are the same everywhere, their truth holds on a recount, and scores are fair."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from difflib import SequenceMatcher

import pytest

from rlm_kernel.evals.tasks import counting, exact, needle
from rlm_kernel.evals.text import Dice

SEEDS = range(40)
DATES = (r"\d{4}-\d\d-\d\d", r"\d{4}/\d\d/\d\d", r"\d\d\.\d\d\.\d{4}", 
         r"\d{1,2} [A-Z][a-z]{2} \d{4}", r"[A-Z][a-z]{2} \d\d, \d{4}")  # fmt: skip
FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y")


def read_date(text: str) -> date | None:
    """Read the first date of a text, in any of the forms, without the code under test."""
    for pattern, form in zip(DATES, FORMS, strict=True):
        if found := re.search(pattern, text):
            return datetime.strptime(found.group(), form).date()
    return None


def conditions(question: str, line: str) -> list[bool]:
    """Decide each part of a question about one line by reading both as a person would."""
    values = set(re.split(r"\s*(?:\|\|?|;|\t|\[|\]|\(|\)|: )\s*", line))
    words = values | {word for value in values for word in value.split()}
    asked = []
    if event := re.search(r"'([^']+)'", question):
        asked.append(event[1] in values)
    if who := re.search(r"about (?:user|ship|sensor|agent) (\w+)", question):
        asked.append(who[1] in words)
    if level := re.search(r"have (?:severity|weather|status|priority) (\w+)", question):
        asked.append(level[1] in values)
    if month := re.search(r"(?:from|in) ([A-Z][a-z]+ \d{4})", question):
        wanted, day = datetime.strptime(month[1], "%B %Y"), read_date(line)
        asked.append(day is not None and (day.year, day.month) == (wanted.year, wanted.month))
    elif "are dated" in question:
        asked.append(read_date(question) == read_date(line))
    return asked


@pytest.mark.parametrize("seed", SEEDS)
def test_a_count_is_what_an_independent_reading_of_the_lines_gives(seed: int) -> None:
    task = counting(seed, lines=700)
    decided = [conditions(task.question, line) for line in task.context.splitlines()]
    assert all(decided), "the question was not understood by the test"
    assert task.truth == str(sum(all(parts) for parts in decided))
    assert int(task.truth) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_needle_stands_once_beside_its_key_and_not_in_the_question(seed: int) -> None:
    task = needle(seed, chars=30_000)
    assert len(re.findall(rf"(?<!\w){task.truth}(?!\w)", task.context)) == 1
    assert task.truth not in task.question
    paragraph = next(p for p in task.context.split("\n\n") if task.truth in p)
    sentence = next(s for s in re.split(r"(?<=[.)]) ", paragraph) if task.truth in s)
    match = SequenceMatcher(None, sentence, task.question, autojunk=False)
    shared = match.find_longest_match()
    assert shared.size >= 8, "the sentence of the needle doesn't hold the key that is asked for"


def test_there_are_other_keys_of_the_same_form_to_be_confused_with() -> None:
    task = needle(2, chars=30_000)
    assert task.question == "Which word opens the locker distant harvest?"
    others = set(re.findall(r"The word \w+ opens the locker called ([a-z ]+)\.", task.context))
    assert len(others) >= 2
    assert "distant harvest" in others


def test_lengths_run_from_a_hundred_thousand_to_ten_million_characters() -> None:
    sizes = [len(needle(seed).context) for seed in range(1000, 1006)]
    assert min(sizes) >= 100_000
    assert max(sizes) > 1_000_000
    assert max(sizes) <= 10_001_000


def test_forms_and_wordings_differ_between_seeds() -> None:
    first_words = {re.sub(r"\d+", "", counting(seed, 50).question)[:12] for seed in SEEDS}
    first_lines = {counting(seed, 50).context.partition("\n")[0][:1].isdigit() for seed in SEEDS}
    assert len(first_words) >= 4
    assert first_lines == {True, False}


def test_the_same_seed_gives_the_same_text_on_every_python() -> None:
    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    assert digest(needle(7, 20_000).context + needle(7, 20_000).question) == "0b6f218aff7b79ab"
    assert digest(counting(7, 300).context + counting(7, 300).question) == "be7543589a6969d0"
    assert needle(7, 20_000).context != needle(8, 20_000).context


def test_dice_reach_both_ends_and_never_repeat_where_they_must_not() -> None:
    dice = Dice(1)
    assert {dice.between(1, 3) for _ in range(100)} == {1, 2, 3}
    assert sorted(dice.some("abcd", 4)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("answer", ["42", 42, " 42. ", "The count is 42", "'42'"])
def test_a_right_number_counts_however_it_is_said(answer: object) -> None:
    assert exact("42")(answer) == 1.0


@pytest.mark.parametrize("answer", ["421", 41, "41 or 42", "", None, "forty-two"])
def test_a_wrong_number_or_a_choice_of_numbers_does_not_count(answer: object) -> None:
    assert exact("42")(answer) == 0.0


def test_a_word_counts_as_a_whole_word_only_and_not_in_a_dump_of_the_text() -> None:
    score = exact("cobalt")
    assert score("Cobalt") == score("The word is cobalt.") == 1.0
    assert score("cobalt-blue") == 0.0
    assert score("x " * 200 + "cobalt") == 0.0
