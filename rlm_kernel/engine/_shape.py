"""How the lines of a text are built: records with fields, and the way dates are written.

Found from a sample of the lines alone; used to say it in the probe, and to write the worked
example for a small model in the same shape (a small model copies the shape of its example).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST_FIELDS = 12
AGREE = 0.9
"""The share of lines that must be built alike."""

_SEPARATORS = (" || ", " | ", "|", "\t", " ; ", ";", " :: ", " - ", ",")
_BRACKETS = "[](){}<>:;=|"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"


@dataclass(frozen=True, slots=True)
class DateForm:
    """One way to write dates.

    Args:
        pattern: a regular expression for it.
        example: how 2 September 2021 is written.
        month: strings that a date of September 2021 has, and one of another month hasn't.
    """

    pattern: str
    example: str
    month: tuple[str, ...]


DATE_FORMS = (
    DateForm(r"\d{4}-\d\d-\d\d", "2021-09-02", ("2021-09",)),
    DateForm(r"\d{4}/\d\d/\d\d", "2021/09/02", ("2021/09",)),
    DateForm(r"\d\d\.\d\d\.\d{4}", "02.09.2021", (".09.2021",)),
    DateForm(rf"\d\d? (?:{_MONTHS}) \d{{4}}", "2 Sep 2021", (" Sep 2021",)),
    DateForm(rf"\d\d?/(?:{_MONTHS})/\d{{4}}", "02/Sep/2021", ("/Sep/2021",)),
    DateForm(rf"(?:{_MONTHS}) \d\d?, \d{{4}}", "Sep 02, 2021", ("Sep ", ", 2021")),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the records: what all its values start with, some of them, and how many."""

    prefix: str
    values: tuple[str, ...]
    different: int
    date: bool = False
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How lines are parted into fields.

    Args:
        split: the Python expression that parts ``line``; ragged: whether some lines differ.
        between: what stands between two fields, one less than there are fields.
        fields: what each field holds.
        dates: how dates are written, where there are any.
    """

    split: str
    fields: tuple[Field, ...]
    between: tuple[str, ...]
    dates: DateForm | None = None
    ragged: bool = False


def date_form(sample: Sequence[str]) -> DateForm | None:
    """Give the way in which nearly all lines write a date, or None."""
    for form in DATE_FORMS:
        seen = re.compile(rf"(?<!\d){form.pattern}(?!\d)")
        if sample and sum(1 for line in sample if seen.search(line)) >= AGREE * len(sample):
            return form
    return None


def shape_of(sample: Sequence[str]) -> Shape | None:
    """Give the shape of lines that are records of three fields or more, or None."""
    dates = date_form(sample)
    masked = [re.sub(dates.pattern, "DATE", line) for line in sample] if dates else sample
    for mark in _SEPARATORS:
        if _steady([line.count(mark) for line in masked]) >= 2:
            split = f"line.split({mark!r})".replace("'", '"')
            return _shape(split, re.compile(re.escape(mark)), sample, dates)
    found = [mark for mark in _BRACKETS if _steady([line.count(mark) for line in masked])]
    if not found:
        return None
    kinds = "[" + re.escape("".join(found)) + "]"
    split = rf're.split(r"\s*{kinds}\s*", line)'
    shape = _shape(split, re.compile(rf"\s*{kinds}\s*"), sample, dates)
    return shape if len(shape.fields) >= 3 else None


def _steady(counts: Sequence[int]) -> int:
    """Give the number that nearly all counts are, else 0."""
    if not counts:
        return 0
    number, lines = Counter(counts).most_common(1)[0]
    return number if lines >= AGREE * len(counts) and number < MOST_FIELDS else 0


def _shape(
    split: str, mark: re.Pattern[str], sample: Sequence[str], dates: DateForm | None
) -> Shape:
    rows = [mark.split(line) for line in sample]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    alike = [row for row in rows if len(row) == width]
    fields = tuple(_field([row[i] for row in alike], dates) for i in range(width))
    model = next(line for line, row in zip(sample, rows, strict=True) if len(row) == width)
    between = tuple(mark.findall(model))
    return Shape(split, fields, between, dates, ragged=len(alike) < len(rows))


def _field(column: Sequence[str], dates: DateForm | None) -> Field:
    values = sorted(set(column))
    prefix = _label(values[0], values[-1])
    rest = [value[len(prefix) :] for value in values]
    is_date = dates is not None and all(re.search(dates.pattern, value) for value in values)
    numeric = all(re.fullmatch(r"-?\d+(\.\d+)?", value) for value in rest)
    return Field("" if is_date and not prefix.strip() else prefix, tuple(values), len(values),
                 is_date, numeric)  # fmt: skip


def _label(first: str, last: str) -> str:
    """Give what the first and last of sorted values, and so all between, start with, by words."""
    if first == last:
        return ""
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    label = re.match(r".*[: =]+", first[:same])
    return label.group() if label else ""
