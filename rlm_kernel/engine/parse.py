"""From a model's reply to the code in it, by CommonMark rather than by a regular expression.

Guarantees: never raises; time grows about linearly with the reply; a reply that yields neither
code nor a final answer has a ``problem`` that says what was wrong.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markdown_it import MarkdownIt

from . import prompts

LABELS = frozenset(("repl", "python", "py", "ipython", "python3", "py3", "ipython3"))
MAX_TRIES = 20  # later fences tried as the end of a block whose code holds a fence itself

_ONE_LINE = re.compile(r"^ {0,3}```(\w+)[ \t]+(\S.*?)```[ \t]*$", re.MULTILINE)
_FINAL = re.compile(r"(?:^|(?<=\n))[ \t>*_]{0,6}(FINAL_VAR|FINAL)\(")
_AT_END = re.compile(r"\b(FINAL_VAR|FINAL)\((\"[^\"\n]*\"|'[^'\n]*'|-?[\d.,]+|\w+)\)[\s.*_]*\Z")
_md = MarkdownIt("commonmark")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code; ``label`` as written, in lower case."""

    code: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class FinalCall:
    """A final answer in prose: a value for ``FINAL``, a variable's name for ``FINAL_VAR``."""

    kind: Literal["FINAL", "FINAL_VAR"]
    value: object


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply holds. ``problem`` is what the model is told where there is nothing to run."""

    code_blocks: tuple[Block, ...] = ()
    final: FinalCall | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Fence:
    label: str
    code: str
    closed: bool
    start: int  # line of the opening fence
    end: int  # first line after the block
    mark: str


def parse_reply(text: str) -> ParsedReply:
    """Find the code in a reply, else a final answer in its prose, else what is wrong with it."""
    visible = _without_thinking(text)
    if not visible.strip():
        return ParsedReply(problem=prompts.empty_reply())
    fences = list(_fences(visible))
    blocks = tuple(
        Block(f.code.rstrip("\n"), f.label) for f in fences if f.label in LABELS and _usable(f)
    )
    if not blocks:
        blocks = tuple(
            Block(f.code.rstrip("\n"))
            for f in fences
            if not f.label and _usable(f) and _does_something(f.code)
        )
    if not blocks:
        blocks = tuple(
            Block(code, label.lower())
            for label, code in _ONE_LINE.findall(visible)
            if label.lower() in LABELS and compiles(code)
        )
    if blocks:
        return ParsedReply(blocks)
    final = None if fences else _final(visible)
    if final is not None:
        return ParsedReply(final=final)
    return ParsedReply(problem=_problem(fences))


def _without_thinking(text: str) -> str:
    """Leave out what stands between think tags; an open one reaches to the end."""
    if "<think>" not in text:
        return text.rpartition("</think>")[2] if "</think>" in text else text
    kept, at = [], 0
    while (start := text.find("<think>", at)) >= 0:
        kept.append(text[at:start])
        end = text.find("</think>", start)
        if end < 0:
            return "".join(kept)
        at = end + len("</think>")
    return "".join([*kept, text[at:]])


def _problem(fences: list[_Fence]) -> str:
    for fence in fences:
        if not fence.closed and (fence.label in LABELS or not fence.label):
            return prompts.unclosed_fence()
    for fence in fences:
        if fence.label and fence.label not in LABELS:
            return prompts.unknown_label(fence.label[:20])
    return prompts.no_code()


def _usable(fence: _Fence) -> bool:
    return bool(fence.code.strip()) and (fence.closed or compiles(fence.code))


def _does_something(code: str) -> bool:
    """Whether unlabelled text is code: it parses, and is more than a word or a value."""
    if not compiles(code):
        return False
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return True  # IPython syntax
    return any(
        not isinstance(node, ast.Expr) or any(isinstance(n, ast.Call) for n in ast.walk(node))
        for node in body
    )


# -- fences ---------------------------------------------------------------------------------


def _fences(text: str) -> Iterator[_Fence]:
    """Give the fenced blocks; one whose code holds a fence line is extended until it parses."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first, tries = 0, 0
    while first < len(lines):
        for fence in _parsed(lines, first):
            longer = None
            asked = fence.label in LABELS and fence.closed and tries < MAX_TRIES
            if asked and not compiles(fence.code):
                tries += 1
                longer = _extended(lines, fence)
            yield longer or fence
            if longer is not None:
                first = longer.end
                break
        else:
            return


def _parsed(lines: list[str], first: int) -> Iterator[_Fence]:
    for token in _md.parse("\n".join(lines[first:])):
        if token.type != "fence" or token.map is None:
            continue
        start, end = token.map[0] + first, token.map[1] + first
        last = lines[end - 1].strip(" \t>") if end - 1 > start else ""
        closed = len(last) >= len(token.markup) and not last.strip(token.markup[0])
        label = token.info.strip().split(maxsplit=1)[0].lower() if token.info.strip() else ""
        label = label.strip("{}.")  # {python} and .python, as notebooks write them
        yield _Fence(label, token.content, closed, start, end, token.markup)


def _extended(lines: list[str], fence: _Fence) -> _Fence | None:
    indent = len(lines[fence.start]) - len(lines[fence.start].lstrip())
    tried = 0
    for at in range(fence.end, len(lines)):
        bare = lines[at].strip()
        if len(bare) < len(fence.mark) or bare.strip(fence.mark[0]):
            continue
        tried += 1
        inner = [_dedent(line, indent) for line in lines[fence.start + 1 : at]]
        code = "\n".join(inner) + "\n"
        if compiles(code):
            return _Fence(fence.label, code, True, fence.start, at + 1, fence.mark)
        if tried >= MAX_TRIES:
            return None
    return None


def _dedent(line: str, most: int) -> str:
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(most, spaces) :]


def compiles(code: str) -> bool:
    """Tell whether code is a whole cell: Python, or what IPython adds to it."""
    if _python(code):
        return True
    if not re.search(r"^\s*[%!?]|[%!]|\?\s*$", code, re.MULTILINE):
        return False
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        transformed: str = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]
        return _python(transformed)
    except (SyntaxError, ValueError):
        return False


def _python(code: str) -> bool:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "<cell>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


# -- a final answer in prose ------------------------------------------------------------------


def _final(text: str) -> FinalCall | None:
    found: FinalCall | None = None
    for match in _FINAL.finditer(text):
        end = _closing(text, match.end())
        if end is None:
            break
        line = text[end + 1 :].partition("\n")[0]
        if line.strip(" \t*_."):  # "FINAL(answer) once …" is a plan
            continue
        found = _call(match[1], text[match.end() : end]) or found
    at_end = _AT_END.search(text[-2_000:]) if found is None else None
    if at_end is not None and (at_end[1] == "FINAL_VAR" or not at_end[2].isidentifier()):
        found = _call(at_end[1], at_end[2])
    return found


def _closing(text: str, start: int) -> int | None:
    """Give where the parenthesis that opened before ``start`` closes; quotes are passed over."""
    depth, quote, at = 1, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote or char == "\n":  # an apostrophe isn't a quote: a line ends it
                quote = ""
        elif char in "\"'" and not (char == "'" and at > start and text[at - 1].isalnum()):
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return None


def _call(kind: str, inside: str) -> FinalCall | None:
    inside = inside.strip()
    if not inside:
        return None
    try:
        value: object = ast.literal_eval(inside)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        value = inside
    if kind == "FINAL_VAR":
        name = str(value).strip()
        return FinalCall("FINAL_VAR", name)
    if isinstance(value, str) and value is inside and inside.isidentifier():
        return FinalCall("FINAL_VAR", inside)
    return FinalCall("FINAL", value)
