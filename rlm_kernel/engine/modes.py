"""How proposals are decided: ``auto``, ``step``, or rules (``ask when calls > 5 or error``)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigError

_FACTS = "calls, depth, turn, imports, names, answer"
_NUMBER = re.compile(r"^(calls|depth|turn)\s*(>=|>|=)\s*(\d+(?:\.\d+)?)$")
_WORDS = re.compile(r"^(imports|names)\s+([\w.,\s]+)$")


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is known of a proposal before it runs."""

    code: str
    turn: int
    depth: int

    @property
    def calls(self) -> int:
        """Places in the code that call a model; a call in a loop counts once."""
        return sum(
            isinstance(node, ast.Call) and _called(node) in _CALLING for node in _walk(self.code)
        )

    @property
    def imports(self) -> set[str]:
        """The top-level packages that the code imports."""
        found: set[str] = set()
        for node in _walk(self.code):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
        return found

    @property
    def names(self) -> set[str]:
        """The names that the code reads, attributes included."""
        return {node.id for node in _walk(self.code) if isinstance(node, ast.Name)} | {
            node.attr for node in _walk(self.code) if isinstance(node, ast.Attribute)
        }

    @property
    def answers(self) -> bool:
        """Whether the code submits an answer."""
        return bool({"FINAL", "FINAL_VAR"} & self.names) or (
            "answer" in self.names and "ready" in self.code
        )


_CALLING = {"llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched", "aio"}


def _called(node: ast.Call) -> str:
    target = node.func
    return target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")


def _walk(code: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError):  # IPython syntax, or code that is wrong
        return []


@dataclass(frozen=True, slots=True)
class Mode:
    """A parsed mode: ``asks(proposed)`` tells whether a person has to decide."""

    text: str
    asks: Callable[[Proposed], bool]

    @property
    def may_ask(self) -> bool:
        """Whether a person can be needed at all."""
        return self.text != "auto"


def parse_mode(text: str) -> Mode:
    """Read a mode.

    Args:
        text: ``"auto"``, ``"step"``, or ``"ask when RULE [or RULE]…"`` with rules such as
            ``calls > 5``, ``depth > 0``, ``turn >= 3``, ``imports os, subprocess``,
            ``names open, eval``, ``answer`` (before an answer is submitted).

    Raises:
        ConfigError: with the modes there are, when it isn't one.
    """
    clean = " ".join(text.split())
    if clean == "auto":
        return Mode(clean, lambda proposed: False)
    if clean == "step":
        return Mode(clean, lambda proposed: True)
    if clean.startswith("ask when "):
        rules = [_rule(part.strip()) for part in re.split(r"\s+or\s+", clean[9:])]
        return Mode(clean, lambda proposed: any(rule(proposed) for rule in rules))
    raise ConfigError(
        f"{text!r} isn't a mode: use 'auto', 'step', or 'ask when …' with {_FACTS} "
        "(for example 'ask when calls > 5 or imports os, subprocess')."
    )


def _rule(text: str) -> Callable[[Proposed], bool]:
    if text == "answer":
        return lambda proposed: proposed.answers
    if match := _NUMBER.match(text):
        fact, sign, number = match[1], match[2], float(match[3])

        def compare(proposed: Proposed) -> bool:
            value = getattr(proposed, fact)
            return bool(
                value > number
                if sign == ">"
                else value >= number
                if sign == ">="
                else value == number
            )

        return compare
    if match := _WORDS.match(text):
        fact, words = match[1], {word for word in re.split(r"[,\s]+", match[2]) if word}
        return lambda proposed: bool(words & getattr(proposed, fact))
    raise ConfigError(
        f"{text!r} isn't a rule: compare calls, depth or turn with a number, name imports "
        "or names, or say answer."
    )
