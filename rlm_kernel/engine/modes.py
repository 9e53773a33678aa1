"""How proposals are decided: ``auto``, ``step``, or rules (``ask when calls > 5 or imports os``).

Rules about what calls come to (``calls``, ``cost``, ``tokens``) are looked at twice: at the
proposal, as far as the code shows it, and exactly when the running cell issues calls that take the
sum of the cell's calls over the limit (``depth``: when it is about to start a child that deep).
A ``cost`` rule also asks where the cost isn't known.

``net``, ``reads`` and ``writes`` ask, at the proposal, before its code uses what its kernel was
allowed (``allow_net``, ``allow_read``, ``allow_write``; everything where no box holds it), as far
as the code shows it. What the box refuses anyway isn't asked about.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..errors import ConfigError
from ..log.format import count_text, plural
from ._python import syntax_tree
from ._reach import EVERYTHING, REACHES, reached
from .estimate import Estimate, Estimator

FACTS = "calls, cost, tokens, depth, turn, imports, names, answer, net, reads, writes"
_SUMS = ("calls", "cost", "tokens")
_COMPARED = re.compile(
    r"^(calls|cost|tokens|depth|turn)\s*(>=|>|=)\s*(\$?)\s*([\d][\d,_]*(?:\.\d+)?|\.\d+)\s*([kKmM]?)$"
)
_WORDS = re.compile(r"^(imports|names)\s+([\w.,\s]+)$")
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}

Sign = Literal[">", ">=", "="]


class Proposed:
    """What is known of a proposal before it runs.

    Args:
        code: what is proposed.
        turn, depth: of the run that proposes it.
        estimate: what its calls come to; None: the number of calls the code shows.
        allowed: which of ``net``, ``reads`` and ``writes`` its kernel may do.
    """

    def __init__(
        self, code: str, turn: int, depth: int, estimate: Estimate | None = None,
        allowed: Collection[str] = EVERYTHING,
    ) -> None:  # fmt: skip
        self.code, self.turn, self.depth = code, turn, depth
        self.estimate = estimate or _unpriced.of_code(code)
        self.allowed = allowed

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        tree = syntax_tree(self.code)
        return [] if tree is None else list(ast.walk(tree))

    @cached_property
    def imports(self) -> set[str]:
        """The top-level packages that the code imports."""
        found: set[str] = set()
        for node in self._nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
        return found

    @cached_property
    def names(self) -> set[str]:
        """The names that the code reads, attributes included."""
        return {node.id for node in self._nodes if isinstance(node, ast.Name)} | {
            node.attr for node in self._nodes if isinstance(node, ast.Attribute)
        }

    @cached_property
    def reached(self) -> dict[str, list[str]]:
        """What it reaches for of what its kernel may do: the names by which it does so."""
        found = reached(self._nodes)
        return {fact: names for fact, names in found.items() if fact in self.allowed}

    @property
    def answers(self) -> bool:
        """Whether the code submits an answer."""
        return bool({"FINAL", "FINAL_VAR"} & self.names) or (
            "answer" in self.names and "ready" in self.code
        )


def _no_prices(model: str) -> None:
    raise ConfigError(model)


_unpriced = Estimator(_no_prices, "the sub-model")  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``why`` gives the reason to ask, a part of a sentence, or ``""``."""

    text: str
    why: Callable[[Proposed], str]
    fact: str = ""
    sign: Sign = ">"
    limit: float = 0.0

    def why_calls(self, sums: Estimate) -> str:
        """Give the reason to ask about calls that bring a cell's calls to these sums."""
        if self.fact not in _SUMS or not sums.calls:
            return ""
        return _over(self, sums)

    def why_child(self, depth: int) -> str:
        """Give the reason to ask before a child that deep starts."""
        if self.fact == "depth" and _holds(self.sign, depth, self.limit):
            return f"a child is about to start at depth {depth}"
        return ""


@dataclass(frozen=True, slots=True)
class Mode:
    """A parsed mode."""

    text: str
    rules: tuple[Rule, ...] = ()

    @property
    def may_ask(self) -> bool:
        """Whether a person can be needed at all."""
        return self.text != "auto"

    @property
    def counts(self) -> bool:
        """Whether calls have to be looked at when they are issued."""
        return any(rule.fact in (*_SUMS, "depth") for rule in self.rules)

    def asks(self, proposed: Proposed) -> bool:
        """Tell whether a person has to decide about a proposal."""
        return self.text == "step" or bool(self.why(proposed))

    def why(self, proposed: Proposed) -> str:
        """Give why a rule asks about a proposal, a part of a sentence; ``""``: none does."""
        return next(filter(None, (rule.why(proposed) for rule in self.rules)), "")

    def why_calls(self, sums: Estimate) -> str:
        """Give why a rule asks about calls that are about to be made; ``""``: none does."""
        return next(filter(None, (rule.why_calls(sums) for rule in self.rules)), "")

    def why_child(self, depth: int) -> str:
        """Give why a rule asks before a child starts; ``""``: none does."""
        return next(filter(None, (rule.why_child(depth) for rule in self.rules)), "")


def parse_mode(text: str) -> Mode:
    """Read a mode.

    Args:
        text: ``"auto"``, ``"step"``, or ``"ask when RULE [or RULE]…"`` with rules such as
            ``calls > 5``, ``cost > $0.50`` (dollars), ``tokens > 100k``, ``depth > 0`` (before a
            child starts), ``turn >= 3``, ``imports os, subprocess``, ``names open, eval``,
            ``answer`` (before an answer is submitted), ``net``, ``reads``, ``writes`` (before
            code uses the network, or files outside of its own folder).

    Raises:
        ConfigError: with the modes there are, when it isn't one.
    """
    clean = " ".join(text.split())
    if clean in ("auto", "step"):
        return Mode(clean)
    if clean.startswith("ask when "):
        return Mode(clean, tuple(_rule(part.strip()) for part in re.split(r"\s+or\s+", clean[9:])))
    raise ConfigError(
        f"{text!r} isn't a mode: use 'auto', 'step', or 'ask when …' with {FACTS} "
        "(for example 'ask when calls > 5 or cost > $0.50 or imports os, subprocess')."
    )


def _rule(text: str) -> Rule:
    if text == "answer":
        return Rule(text, lambda proposed: "it submits an answer" if proposed.answers else "")
    if text in REACHES:
        return Rule(text, lambda proposed: _reaches(text, proposed.reached.get(text, [])))
    if match := _COMPARED.match(text):
        return _comparison(text, match)
    if match := _WORDS.match(text):
        fact, words = match[1], {word for word in re.split(r"[,\s]+", match[2]) if word}
        if "and" not in words:
            verb = "imports" if fact == "imports" else "uses"

            def named(proposed: Proposed) -> str:
                found = sorted(words & getattr(proposed, fact))
                return f"it {verb} {', '.join(found)}" if found else ""

            return Rule(text, named)
    more = ""
    if " and " in f" {text} ":
        more = " Rules are joined by 'or' only."
    raise ConfigError(
        f"{text!r} isn't a rule: the facts are {FACTS}; compare calls, cost ($), tokens, depth or "
        f"turn with a number by > or >=, name imports or names, or say answer, net, reads or "
        f"writes.{more}"
    )


def _reaches(fact: str, names: list[str]) -> str:
    return f"it {REACHES[fact]} ({', '.join(names)})" if names else ""


def _comparison(text: str, match: re.Match[str]) -> Rule:
    fact, sign, dollar, digits, unit = match.groups()
    if dollar and fact != "cost":
        raise ConfigError(f"{text!r} isn't a rule: only cost is compared with dollars ($).")
    if fact in ("cost", "depth", "turn") and unit:
        raise ConfigError(f"{text!r} isn't a rule: write the number out, without {unit!r}.")
    if sign == "=" and fact in ("cost", "tokens"):
        raise ConfigError(f"{text!r} isn't a rule: compare {fact} by > or >=.")
    limit = float(digits.replace(",", "").replace("_", "")) * _TIMES[unit.lower()]

    def why(proposed: Proposed) -> str:
        if fact in _SUMS:
            return _over(rule, proposed.estimate) if proposed.estimate.calls else ""
        value = getattr(proposed, fact)
        if not _holds(rule.sign, value, limit):
            return ""
        return f"it is turn {value}" if fact == "turn" else f"it runs at depth {value}"

    rule = Rule(text, why, fact, sign, limit)  # type: ignore[arg-type]
    return rule


def _over(rule: Rule, sums: Estimate) -> str:
    """Say by how much sums are over the limit of a rule; ``""`` where they aren't."""
    if rule.fact == "cost" and sums.cost is None:
        return sums.unknown[0] if sums.unknown else "no price is known"
    value = getattr(sums, rule.fact)
    if not _holds(rule.sign, value, rule.limit):
        return ""
    more = " or more" if sums.loops else ""
    if rule.fact == "calls":
        said = f"{plural(sums.calls, 'call')}{more}"
    elif rule.fact == "cost":
        said = f"about ${sums.cost:.2f}{more}"
    else:
        said = f"about {count_text(sums.tokens)} tokens{more}"
    return f"its calls come to {said} ({rule.text})"


def _holds(sign: Sign, value: float, limit: float) -> bool:
    return value > limit if sign == ">" else value >= limit if sign == ">=" else value == limit
