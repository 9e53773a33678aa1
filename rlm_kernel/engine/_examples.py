"""Worked examples for small root models, chosen by the kind of question.

A small model copies the strategy of what it was shown, so it is shown the one that fits.
The choice uses words of the question only, never the context or an answer.
"""

from __future__ import annotations

import re
from typing import Literal

from ._shape import Shape

Kind = Literal["understand", "find", "count", "extreme", "aggregate", "else"]

_RULES: tuple[tuple[Kind, str], ...] = (
    ("understand", r"^\s*(why|how come|explain|describe|summari[sz]e)\b|\bthe reasons?\b"),
    ("extreme", r"\b(most|least|largest|smallest|highest|lowest|longest|shortest|earliest|latest"
                r"|maximum|minimum|max|min|busiest|top|often|commonest|peak)\b"),
    ("aggregate", r"\b(sum|total|average|mean|altogether|combined|median)\b"),
    ("count", r"\b(how many|how often|number of (?!.*\bis\b)|count|times)\b"),
    ("find", r"\b(what|which|who|whose|where|when|find|give|tell|name|look up|state|report)\b"),
)  # fmt: skip


def kind_of(question: str) -> Kind:
    """Give the kind of a question, by simple words in it."""
    lowered = question.lower()
    for kind, pattern in _RULES:
        if re.search(pattern, lowered):
            return kind
    return "else"


_FIND = """\
Question: Which berth was given to the Aurora?
```repl
import re
for m in list(re.finditer(r"Aurora", context, re.I))[:5]:
    print("...", context[max(0, m.start() - 150):m.end() + 150].replace("\\n", " "))
```
Its output:
... weather stayed dull. The berth of the North Aurora is B-07. Gulls were ...
... a long day. The berth given to the Aurora is C-19. Nobody spoke of it ...
```repl
# the text says: The berth given to the Aurora is C-19
value = "C-19"
assert value in context
FINAL(value)
```"""

_ELSE = """\
Question: Why was the Aurora late?
```repl
import re
hits = re.findall(r"[^.\\n]*Aurora[^.\\n]*\\.", context)
print(len(hits), hits[:3])
reply = llm_query("\\n".join(hits[:9]) + "\\n\\nWhy was the Aurora late? One sentence.")
print(reply)
```
Its output:
2 ['The Aurora lost a day to engine trouble off the cape.', 'Nobody met the Aurora.']
The Aurora was late because of engine trouble.
```repl
FINAL(reply)
```"""

_BY_KIND: dict[Kind, tuple[str, ...]] = {
    "understand": (_ELSE,),
    "find": (_FIND,),
    "else": (_FIND, _ELSE),
}


def worked_examples(question: str) -> str:
    """Give the worked examples that fit any text, with the line that introduces them.

    What is counted or added up depends on how lines are built: ``shaped_example`` has those.
    """
    examples = _BY_KIND.get(kind_of(question), ())
    return "\n\n".join("Example (another text):\n" + example for example in examples)


def shaped_example(question: str, shape: Shape | None) -> str:
    """Give the worked example for counting, extremes and sums, in the shape of the text."""
    kind = kind_of(question)
    if kind not in ("count", "extreme", "aggregate"):
        return ""
    if shape is None:
        return _COUNT_PROSE if kind == "count" else ""
    return _Shaped(shape, question).example(kind)


_COUNT_PROSE = """\
Question: How many times is the word fog written?
```repl
import re
hits = re.findall(r"\\bfog\\b", context)
count = len(hits)
print(count, hits[:3])
```
Its output:
14 ['fog', 'fog', 'fog']
```repl
FINAL(count)
```"""


_MONTH = re.compile(
    r"\b(january|february|march|april|may|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_MADE_UP = (("Lena", "are about Lena"), ("fog", "say fog"), ("calm", "are calm"))


class _Shaped:
    """Writes examples with made-up names into the fields of a shape."""

    def __init__(self, shape: Shape, question: str) -> None:
        self._shape, self._question = shape, question
        others = [
            i for i, field in enumerate(shape.fields) if not field.date and field.different > 1
        ]
        words = [i for i in others if not shape.fields[i].numeric] or others or [0]
        self._who = words[0]
        self._what = words[1] if len(words) > 1 else words[0]
        numbers = [i for i in others if shape.fields[i].numeric]
        self._number = numbers[-1] if numbers else len(shape.fields) - 1
        self._date = next((i for i, field in enumerate(shape.fields) if field.date), None)

    def _said(self, index: int, value: str) -> str:
        return f'row[{index}] == "{self._shape.fields[index].prefix}{value}"'

    def _rows(self) -> str:
        code = f"rows = [{self._shape.split} for line in context.splitlines()]\n"
        if self._shape.ragged:
            code += f"rows = [row for row in rows if len(row) == {len(self._shape.fields)}]\n"
        return ("import re\n" if "re." in self._shape.split else "") + code

    def _row(self, number: int = 0) -> list[str]:
        row = [field.values[0] if field.different == 1 else field.prefix + "x"
               for field in self._shape.fields]  # fmt: skip
        for index, value in ((self._number, "7"), (self._what, "fog"), (self._who, "Lena")):
            if value == "7" and not self._shape.fields[index].numeric:
                continue
            row[index] = self._shape.fields[index].prefix + value
        if self._date is not None and self._shape.dates:
            field = self._shape.fields[self._date]
            row[self._date] = field.prefix + self._shape.dates.example
        return row

    def example(self, kind: Kind) -> str:
        """Give the example of a kind."""
        if kind == "count":
            return self._count()
        return self._extreme() if kind == "extreme" else self._aggregate()

    def _named(self) -> int:
        """Count the fields of which the question names a value: so many tests it will take."""
        words = " " + " ".join(re.findall(r"[\w-]+", self._question.casefold())) + " "
        count = 0
        for field in self._shape.fields:
            if field.date or field.different < 2:
                continue
            said = (" ".join(re.findall(r"[\w-]+", value[len(field.prefix) :].casefold()))
                    for value in field.values)  # fmt: skip
            count += any(f" {value} " in words for value in said if value)
        return count

    def _when(self) -> tuple[str, list[str]]:
        """Give how the question is dated, as the end of a question and as tests."""
        dates, index = self._shape.dates, self._date
        if dates is None or index is None:
            return "", []
        if re.search(dates.pattern, self._question):
            whole = self._shape.fields[index].prefix + dates.example
            return f"are dated {dates.example}", [f'"{whole}" in row']
        if _MONTH.search(self._question):
            return "are from September 2021", [f'"{part}" in line' for part in dates.month]
        if _YEAR.search(self._question):
            return "are from 2021", ['"2021" in line']
        return "", []

    def _count(self) -> str:
        """Test whole fields wherever they stand: marks and word edges are what it gets wrong."""
        fields = self._shape.fields
        others = [i for i, field in enumerate(fields) if not field.date and field.different > 1]
        ended, dated = self._when()
        number = min(self._named(), 3) or (0 if dated else 1)
        made = list(zip(others, _MADE_UP, strict=False))[:number]
        row = self._row()
        for index, (name, _) in made:
            row[index] = fields[index].prefix + name
        asked = [phrase for _, (_, phrase) in made] + ([ended] if ended else [])
        tests = [f'"{row[index]}" in row' for index, _ in made] + dated
        line = "".join(a + b for a, b in zip(row, (*self._shape.between, ""), strict=True))
        code = "import re\n" if "re." in self._shape.split else ""
        code += (
            f"hits = []\nfor line in context.splitlines():\n    row = {self._shape.split}\n"
            f"    if {' and '.join(tests)}:\n        hits.append(line)\n"
            "count = len(hits)\nprint(count, hits[:2])"
        )
        return _told(f"How many entries {' and '.join(asked)}?", code, f"14 {[line]}", "count")

    def _extreme(self) -> str:
        code = "from collections import Counter\n" + self._rows()
        code += f"names = [row[{self._who}] for row in rows if {self._said(self._what, 'fog')}]\n"
        code += "top = Counter(names).most_common(3)\nbest = top[0][0]\nprint(len(names), top)"
        return _told("Who saw fog most often?", code, "40 [('Omar', 25), ('Lena', 15)]", "best")

    def _aggregate(self) -> str:
        prefix = self._shape.fields[self._number].prefix
        number = f"row[{self._number}]" + (f".removeprefix({prefix!r})" if prefix else "")
        code = self._rows() + f"hits = [row for row in rows if {self._said(self._who, 'Lena')}]\n"
        code += f"total = sum(float({number}) for row in hits)\nprint(len(hits), hits[:2], total)"
        return _told("What is the total of Lena's entries?", code,
                     f"21 {[self._row()]} 96.0", "total")  # fmt: skip


def _told(question: str, code: str, output: str, variable: str) -> str:
    return (
        f"Question: {question}\n```repl\n{code}\n```\nIts output:\n{output}\nThen:\n"
        f"```repl\nFINAL({variable})\n```"
    )
