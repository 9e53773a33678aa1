"""From a model's reply to the code in it, by CommonMark rather than by a regular expression.

Guarantees
- never raises, whatever the reply; time grows about linearly with it;
- a reply that yields neither code nor a final answer has a ``problem`` that says what was wrong;
- code is given to the letter, line ends as ``\\n``: a fence inside a string doesn't cut it;
- a block that was never closed counts only as the last one, and only if it is whole;
- a final answer in prose counts only where the reply holds no code.

Where it is wider than CommonMark: HTML and quotes never hide a fence, thinking between tags is left
out, and a block on one line (```` ```repl x = 1``` ````) is taken where its code is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt

from . import prompts
from ._prose import Expression, FinalCall, final_in
from ._python import compiles, does_something

__all__ = ["LABELS", "Block", "FinalCall", "ParsedReply", "compiles", "parse_reply"]

LABELS = frozenset(("repl", "python", "py", "ipython", "python3", "py3", "ipython3", "pycon"))
MAX_TRIES = 20  # later fences tried as the end of a block whose code holds a fence itself

_DATA = frozenset(("text", "txt", "plain", "plaintext", "json", "yaml", "csv", "md", "markdown"))
_ONE_LINE = re.compile(r"^ {0,3}(`{3,})(\w+)[ \t]+([^`\n]+(?:`[^`\n]+)*)\1[ \t]*$", re.MULTILINE)
_THINKING = re.compile(r"\s*<(think|thinking)>.*?(?:</\1>|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"</(?:think|thinking)>[ \t]*(?:\n|\Z)")
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)")

_md = MarkdownIt("commonmark").disable(["inline", "html_block", "code", "reference"])


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code; ``label`` as written, in lower case."""

    code: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply holds.

    Args:
        code_blocks: what can be run, in order.
        final: a final answer in the prose, where there is no code.
        problem: what the model is told where there is nothing to run, else None.
        prose: the reply without its blocks and its thinking.
    """

    code_blocks: tuple[Block, ...] = ()
    final: FinalCall | None = None
    problem: str | None = None
    prose: str = ""


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
    visible = _without_thinking(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not visible.strip():
        return ParsedReply(problem=prompts.empty_reply())
    lines = visible.split("\n")
    fences = list(_fences(lines))
    prose = _prose(lines, fences)
    blocks = (
        [Block(f.code.rstrip("\n"), f.label) for f in fences if f.label in LABELS and _usable(f)]
        or [
            Block(f.code.rstrip("\n"))
            for f in fences
            if not f.label and _usable(f) and does_something(f.code)
        ]
        or [
            Block(code.strip(), label.lower())
            for _, label, code in _ONE_LINE.findall(prose)
            if label.lower() in LABELS and compiles(code.strip())
        ]
    )
    if blocks:
        return ParsedReply(tuple(blocks), prose=prose)
    # what stands in a block of data beside it takes nothing from an answer; broken code does
    if all(not f.label or f.label in _DATA for f in fences) and not _unfinished(fences):
        final = final_in(prose)
        if isinstance(final, Expression):
            return ParsedReply((Block(final.code),), prose=prose)
        if final is not None:
            return ParsedReply(final=final, prose=prose)
    return ParsedReply(problem=_problem(fences), prose=prose)


def _without_thinking(text: str) -> str:
    """Leave out what a reply begins with between think tags; an open one reaches to the end.

    A closing tag alone ends thinking that began in the prompt. Tags further on are left: they may
    stand in the code.
    """
    at = 0
    while (match := _THINKING.match(text, at)) is not None:
        at = match.end()
    if at == 0 and (thought := _THOUGHT.search(text)) is not None:
        at = thought.end()
    return text[at:]


def _prose(lines: list[str], fences: list[_Fence]) -> str:
    kept: list[str] = []
    at = 0
    for fence in fences:
        kept += lines[at : fence.start]
        at = max(fence.end, at)
    return "\n".join(kept + lines[at:])


def _problem(fences: list[_Fence]) -> str:
    if _unfinished(fences):
        return prompts.unclosed_fence()
    for fence in fences:
        if fence.label and fence.label not in LABELS:
            return prompts.unknown_label(fence.label[:20])
    return prompts.no_code()


def _unfinished(fences: list[_Fence]) -> bool:
    return any(not f.closed and (f.label in LABELS or not f.label) for f in fences)


def _usable(fence: _Fence) -> bool:
    return bool(fence.code.strip()) and (fence.closed or compiles(fence.code))


# -- fences ---------------------------------------------------------------------------------


def _fences(lines: list[str]) -> Iterator[_Fence]:
    """Give the fenced blocks; one whose code holds a fence line is extended until it parses."""
    first, tries = 0, 0
    while first < len(lines):
        for fence in _parsed(lines, first):
            longer = None
            cut = fence.label in LABELS and fence.closed and not compiles(fence.code)
            if cut and tries < MAX_TRIES:
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
        label = label.strip("{}.:,")  # {python} and .python, as notebooks write them
        code = _without_prompts(token.content) if label == "pycon" else token.content
        yield _Fence(label, code, closed, start, end, token.markup)


def _without_prompts(session: str) -> str:
    """Give what was typed in a session: its lines after ``>>>`` and ``...``."""
    lines = session.split("\n")
    if not any(line.startswith(">>>") for line in lines):
        return session
    return "".join(_PROMPT.sub("", line) + "\n" for line in lines if _PROMPT.match(line))


def _extended(lines: list[str], fence: _Fence) -> _Fence | None:
    indent = max(lines[fence.start].find(fence.mark), 0)  # also in a list, after its bullet
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
