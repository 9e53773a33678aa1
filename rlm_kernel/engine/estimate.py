"""What calls may come to, before they are made: how many, their tokens, their cost.

Two looks, both by the same rules:
- ``of_code``, at the proposal: one pass over the code, as far as literals and names show the
  prompts. A prompt that holds the whole of ``context`` counts with all its length.
- ``of_queries``, when code issues calls: the prompts are known.

Tokens of a prompt are ``lm.tokens.estimate``'s (±30 %). A reply is expected to have
``EXPECTED_OUTPUT`` tokens, less where ``max_tokens``, the model's own limit or the longest of the
``choices`` is less. That is what calls usually come to; the budget sets more aside (the most they
could use), so an estimate never stands in for a budget. Cached replies count as if they were paid.
A price that isn't known makes the cost unknown (None), never 0; so does a child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..context.text import Text
from ..errors import ConfigError
from ..lm.pricing import cost_of
from ..lm.tokens import estimate
from ..protocol import ModelInfo, Query
from ._sites import Piece, sites

EXPECTED_OUTPUT = 512  # tokens of a reply, where nothing says that it is shorter
PER_CALL = 16  # tokens of roles and separators
CHILD = "what a child costs isn't known before it runs"
_SAMPLED = 200  # items of a list whose length stands for all


@dataclass(frozen=True, slots=True)
class Estimate:
    """What calls may come to; adds up.

    Args:
        calls: of one pass over the code, or of those issued.
        tokens: prompts and expected replies.
        cost: US dollars, None where a price isn't known.
        loops: whether some run more than once, so that all is "at least".
        unknown: why there is no cost, each a part of a sentence.
        children: whether some start children.
    """

    calls: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    loops: bool = False
    unknown: tuple[str, ...] = ()
    children: bool = False

    def __add__(self, other: Estimate) -> Estimate:
        both = self.cost is not None and other.cost is not None
        return Estimate(
            self.calls + other.calls,
            self.tokens + other.tokens,
            (self.cost or 0.0) + (other.cost or 0.0) if both else None,
            self.loops or other.loops,
            tuple(dict.fromkeys((*self.unknown, *other.unknown))),
            self.children or other.children,
        )

    def as_dict(self) -> dict[str, Any]:
        """Give it as ``CellProposed.estimate`` carries it; empty where nothing is called."""
        if not self.calls:
            return {}
        cost = None if self.cost is None else round(self.cost, 6)
        return {"calls": self.calls, "loops": self.loops, "tokens": self.tokens, "cost": cost}


class Estimator:
    """Estimates the calls of one run's cells, and remembers what their names are bound to.

    Args:
        info: what is known of a model (the gateway's ``info``).
        sub_model: answers where a call names no model.
        contexts: name to value, as they are bound in the namespace.
        children: whether ``rlm_query`` starts children (else it is a call).
    """

    def __init__(
        self,
        info: Callable[[str], ModelInfo],
        sub_model: str,
        contexts: Mapping[str, Any] | None = None,
        children: bool = False,
    ) -> None:
        self._info, self._sub_model, self._children = info, sub_model, children
        self._contexts = dict(contexts or {})
        self._names: dict[str, Piece] | None = None
        self._unread: list[str] = []  # cells that ran since names were last looked at

    def of_code(self, code: str) -> Estimate:
        """Estimate one pass over a cell's code."""
        whole = Estimate()
        if "_query" not in code:
            return whole
        for site in sites(code, self._known())[0]:
            calls = site.calls
            model = self._sub_model if site.model == "" else site.model
            info, why = self._price(model)
            if site.child and self._children:
                found = Estimate(calls, int(site.tokens), None, site.loops, (CHILD,), True)
            else:
                output = calls * _output(site.max_tokens, info)
                tokens = int(site.tokens) + calls * PER_CALL
                cost = _cost(tokens, output, info)
                found = Estimate(calls, tokens + output, cost, site.loops,
                                 (why,) if cost is None else ())  # fmt: skip
            whole = whole + found
        return whole

    def ran(self, code: str) -> None:
        """Note a cell that ran; what its names are bound to is looked at when it matters."""
        self._unread.append(code)

    def of_queries(self, queries: Sequence[Query], child: bool = False) -> Estimate:
        """Estimate calls that are about to be made."""
        if child and self._children:
            tokens = sum(estimate(query.prompt) for query in queries)
            return Estimate(len(queries), tokens, None, unknown=(CHILD,), children=True)
        tokens, costs, unknown = 0, 0.0, []
        for query in queries:
            info, why = self._price(query.model or self._sub_model)
            given = estimate(query.prompt) + PER_CALL
            given += estimate(query.system) if query.system else 0
            if query.has_context:
                given += estimate(_text(query.context))
            choices = query.constraint.choices if query.constraint is not None else None
            output = _output(query.max_tokens, info, choices)
            tokens += given + output
            cost = _cost(given, output, info)
            if cost is None:
                unknown.append(why)
            costs += cost or 0.0
        said = tuple(dict.fromkeys(unknown))
        return Estimate(len(queries), tokens, None if said else costs, unknown=said)

    def _known(self) -> dict[str, Piece]:
        if self._names is None:
            found = {name: _measure(value) for name, value in self._contexts.items()}
            self._names = {name: piece for name, piece in found.items() if piece is not None}
        unread, self._unread = self._unread, []
        for code in unread:
            self._names = sites(code, self._names)[1]
        return self._names

    def _price(self, model: str | None) -> tuple[ModelInfo | None, str]:
        if model is None:
            return None, "the code doesn't show which model is called"
        try:
            return self._info(model), f"no price is known for {model}"
        except ConfigError:
            return None, f"no price is known for {model}"


def _cost(tokens: int, output: int, info: ModelInfo | None) -> float | None:
    if info is None:
        return None
    return cost_of(tokens, output, 0, info.input_price, info.output_price)


def _output(
    max_tokens: int | None, info: ModelInfo | None, choices: Iterable[str] | None = None
) -> int:
    """Give how many tokens a reply is expected to have."""
    limits = [EXPECTED_OUTPUT]
    if max_tokens is not None:
        limits.append(max_tokens)
    if info is not None and info.max_output:
        limits.append(info.max_output)
    if choices:
        limits.append(max(estimate(choice) for choice in choices))
    return max(0, min(limits))


def _measure(value: Any) -> Piece | None:
    """Say how long a context is, looking at a few places of it only."""
    if isinstance(value, str):
        return Piece(estimate(value), len(value))
    if isinstance(value, Mapping):
        return _of_items(islice(value.values(), _SAMPLED), len(value))
    if isinstance(value, list | tuple):
        return _of_items(islice(value, _SAMPLED), len(value))
    if isinstance(value, Text) and len(value):  # it stays in its file
        sample = str(value[:16_384])
        return Piece(estimate(sample) * (len(value) / len(sample)), len(value))
    return None


def _of_items(items: Iterable[Any], count: int) -> Piece:
    texts = [_text(item) for item in items]
    looked = max(1, len(texts))
    chars = sum(map(len, texts)) * count // looked
    return Piece(sum(map(estimate, texts)) * (count / looked), chars, count)


def _text(value: Any) -> str:
    """Give a text about as long as a value's would be in a prompt."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | bool | type(None) | list | tuple | dict):
        try:
            return repr(value)[:100_000]
        except Exception:  # an item's repr may do anything, and a number may be too long
            return ""
    return ""
