"""A final answer in the prose of a reply: ``FINAL(x)`` or ``FINAL_VAR(name)`` on lines of its own.

It counts where it begins a line and nothing but white space follows it there, so that a plan
("FINAL(answer) once …") isn't taken for an answer; parentheses are balanced and quotes passed
over, so that it ends where it says. The last one counts. At the very end of a reply a short one
may also follow words ("The answer is FINAL(42)").
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal

from ._python import parsed

MAX_TRIES = 20  # openings looked at: a reply of nothing but openings stays cheap

_OPENING = re.compile(r"^[ \t>*_`]{0,6}(FINAL_VAR|FINAL)\(", re.MULTILINE)
_AT_END = re.compile(
    r"\b(FINAL_VAR|FINAL)\((\"[^\"\n]*\"|'[^'\n]*'|-?\d[\d.,]*|\w+)\)[\s.*_`]{0,20}\Z"
)
_CODE_LIKE = re.compile(r"[\w)\]'\"]\(|[\w)\]]\[|\bfor\b|\b[fF]['\"]")
_WORKED_OUT = (ast.Call, ast.Subscript, ast.JoinedStr, ast.ListComp, ast.SetComp, ast.DictComp)
_TAIL = 2_000  # characters at the end in which such a short one is looked for


@dataclass(frozen=True, slots=True)
class FinalCall:
    """A final answer in prose: a value for ``FINAL``, a variable's name for ``FINAL_VAR``."""

    kind: Literal["FINAL", "FINAL_VAR"]
    value: object


@dataclass(frozen=True, slots=True)
class Expression:
    """A final answer that has to be worked out: ``FINAL(len(hits))``, to be run as code."""

    code: str


def final_in(prose: str) -> FinalCall | Expression | None:
    """Find the final answer in prose, or None."""
    found: FinalCall | Expression | None = None
    at = 0
    for _ in range(MAX_TRIES):
        match = _OPENING.search(prose, at)
        if match is None:
            break
        at = match.end()
        end = _closing(prose, at)
        if end is None:
            continue
        if prose[end + 1 :].partition("\n")[0].strip(" \t\r*_`."):
            continue  # "FINAL(answer) once …" is a plan
        found = _read(match[1], prose[at:end]) or found
        at = end + 1
    return found or _short_one(prose)


def _short_one(prose: str) -> FinalCall | Expression | None:
    match = _AT_END.search(prose[-_TAIL:])
    if match is None or (match[1] == "FINAL" and match[2].isidentifier()):
        return None
    return _read(match[1], match[2])


def _closing(text: str, start: int) -> int | None:
    """Give where the parenthesis that opened before ``start`` closes; quotes are passed over."""
    depth, quote, at = 1, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\" and text[at + 1 : at + 2] != "\n":
                at += 1
            elif text.startswith(quote, at):
                at += len(quote) - 1
                quote = ""
            elif char == "\n" and len(quote) == 1:  # an apostrophe after all
                quote = ""
        elif char in "\"'" and not (char == "'" and at > start and text[at - 1].isalnum()):
            quote = char * 3 if text.startswith(char * 3, at) else char
            at += len(quote) - 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return None


def _read(kind: str, inside: str) -> FinalCall | Expression | None:
    inside = inside.strip()
    if not inside:
        return None
    try:
        value, literal = ast.literal_eval(inside), True
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        value, literal = inside, False
    if kind == "FINAL_VAR":
        name = str(value).strip()
        return FinalCall("FINAL_VAR", name) if name.isidentifier() else None
    if not literal:
        if inside.isidentifier():  # a variable's name, as a cell would mean it
            return FinalCall("FINAL_VAR", inside)
        if _is_computed(inside):
            return Expression(f"FINAL({inside})")
    return FinalCall("FINAL", value)


def _is_computed(text: str) -> bool:
    """Whether text is code that gives the answer, rather than the answer.

    ``Lagos (Nigeria)`` would parse as a call: code has no space there.
    """
    tree = parsed(f"({text}\n)") if _CODE_LIKE.search(text) else None
    return tree is not None and any(isinstance(node, _WORKED_OUT) for node in ast.walk(tree))
