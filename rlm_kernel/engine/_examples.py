"""Worked examples for small root models, chosen by the kind of question.

A small model copies the strategy of what it was shown, so it is shown the one that fits.
The choice uses words of the question only, never the context or an answer.
"""

from __future__ import annotations

import re
from typing import Literal

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
for m in list(re.finditer(r"Aurora", context))[:5]:
    print("...", context[max(0, m.start() - 150):m.end() + 150].replace("\\n", " "))
```
Output of cell 1:
... weather stayed dull. The berth of the North Aurora is B-07. Gulls were ...
... a long day. The berth given to the Aurora is C-19. Nobody spoke of it ...
```repl
# the text says: The berth given to the Aurora is C-19
value = "C-19"
assert value in context
FINAL(value)
```"""

_COUNT = """\
Question: How many entries of May 2021 say that Lena saw fog? (lines are \
`2021-05-02;name: Lena;fog;7`, fields parted by ';')
```repl
rows = [line.split(";") for line in context.splitlines()]
hits = [row for row in rows
        if row[0].startswith("2021-05") and row[1] == "name: Lena" and row[2] == "fog"]
count = len(hits)
print(count, hits[:3])
```
Output of cell 1:
14 [['2021-05-02', 'name: Lena', 'fog', '7'], ['2021-05-03', 'name: Lena', 'fog', '2']]
```repl
FINAL(count)
```"""

_COUNT_PROSE = """\
Question: How many entries of May 2021 say that Lena saw fog? (lines are \
`<02 May 2021> Lena: fog, 7`, without fields)
```repl
import re
hits = [line for line in context.splitlines()
        if re.search(r"\\d+ May 2021", line) and "> Lena:" in line and ": fog," in line]
count = len(hits)
print(count, hits[:3])
```
Output of cell 1:
14 ['<02 May 2021> Lena: fog, 7', '<03 May 2021> Lena: fog, 2', '<09 May 2021> Lena: fog, 5']
```repl
FINAL(count)
```"""

_EXTREME = """\
Question: Who reported fog most often? (a line is `02.05.2021;Lena;fog;7`)
```repl
from collections import Counter
names = [line.split(";")[1] for line in context.splitlines() if ";fog;" in line]
top = Counter(names).most_common(3)
best = top[0][0]
print(len(names), top)
```
Output of cell 1:
61 [('Omar', 25), ('Lena', 21), ('Ida', 15)]
```repl
FINAL(best)
```"""

_AGGREGATE = """\
Question: What is the total depth of fog that Lena reported? (a line is `02.05.2021;Lena;fog;7`)
```repl
rows = [line.split(";") for line in context.splitlines() if ";Lena;fog;" in line]
total = sum(int(row[3]) for row in rows)
print(len(rows), rows[:3], total)
```
Output of cell 1:
21 [['02.05.2021', 'Lena', 'fog', '7'], ['03.05.2021', 'Lena', 'fog', '2']] 96
```repl
FINAL(total)
```"""

_ELSE = """\
Question: Why was the Aurora late?
```repl
import re
hits = [context[max(0, m.start() - 300):m.end() + 300] for m in re.finditer("Aurora", context)]
print(len(hits), hits[:2])
reply = llm_query("Why was the Aurora late? One sentence.\\n\\n" + "\\n---\\n".join(hits[:6]))
print(reply)
```
Output of cell 1:
2 ['... the Aurora lost a day to engine trouble off the cape ...', '...']
The Aurora was late because of engine trouble.
```repl
FINAL(reply)
```"""

_BY_KIND: dict[Kind, tuple[str, ...]] = {
    "understand": (_ELSE,),
    "find": (_FIND,),
    "count": (_COUNT_PROSE, _COUNT),
    "extreme": (_EXTREME,),
    "aggregate": (_AGGREGATE,),
    "else": (_FIND, _ELSE),
}


def worked_examples(question: str) -> str:
    """Give the worked examples for a question, with the line that introduces them."""
    examples = _BY_KIND[kind_of(question)]
    return "Example (another text):\n" + "\n\nExample (another text):\n".join(examples)
