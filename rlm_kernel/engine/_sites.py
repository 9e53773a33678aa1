"""The places of a cell's code that call a model, and what the code shows of their prompts.

Nothing is run: literals, f-strings, sums of texts and names bound to such are followed, above all
those that hold the whole of ``context``. What isn't shown counts as nothing, so that sizes are
"at least"; what runs more often than the code shows is marked by ``loops``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from ..lm.tokens import estimate
from ._python import syntax_tree

CALLING = frozenset(("llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched"))
_SAME = frozenset((
    "strip", "lstrip", "rstrip", "lower", "upper", "casefold", "title", "expandtabs", "replace",
    "translate", "removeprefix", "removesuffix", "dumps", "dedent", "copy", "values", "items",
))  # fmt: skip
_SAME_TEXT = frozenset(("str", "repr", "list", "tuple", "sorted", "reversed", "set", "dedent"))
_SPLITS = frozenset(("split", "splitlines", "rsplit"))


@dataclass(frozen=True, slots=True)
class Piece:
    """A value of which something is known: its text's size, and of a list the number of items."""

    tokens: float = 0.0
    chars: int = 0
    items: int | None = None

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.tokens + other.tokens, self.chars + other.chars)


@dataclass(frozen=True, slots=True)
class Site:
    """A place that calls: how many calls one pass makes, and the tokens their prompts have."""

    line: int
    child: bool = False
    calls: int = 1
    loops: bool = False
    tokens: float = 0.0  # of all its prompts together
    max_tokens: int | None = None
    model: str | None = ""  # "": the sub-model; None: the code doesn't show which


def sites(
    code: str, known: Mapping[str, Piece] | None = None
) -> tuple[list[Site], dict[str, Piece]]:
    """Find the places that call a model.

    Args:
        code: of a cell.
        known: what is known of names before it runs.

    Returns:
        The places in their order, and what is known of names after the cell.
    """
    tree = syntax_tree(code)
    reader = _Reader(dict(known or {}))
    if tree is not None:
        with suppress(RecursionError):  # code nested without end: what was found so far
            reader.visit(tree)
    return reader.found, reader.names


class _Reader(ast.NodeVisitor):
    def __init__(self, names: dict[str, Piece]) -> None:
        self.names = names
        self.found: list[Site] = []
        self._loops = 0
        self._calling = {name: name for name in CALLING}

    # -- names ------------------------------------------------------------------------------

    def _bind(self, target: ast.expr, value: ast.expr | None, piece: Piece | None) -> None:
        if not isinstance(target, ast.Name):
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.names.pop(node.id, None)
            return
        if isinstance(value, ast.Name) and value.id in self._calling:
            self._calling[target.id] = self._calling[value.id]
        elif target.id not in CALLING:
            self._calling.pop(target.id, None)
        if piece is None:
            self.names.pop(target.id, None)
        else:
            self.names[target.id] = piece

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        piece = self._piece(node.value)
        for target in node.targets:
            self._bind(target, node.value, piece)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._bind(node.target, node.value, self._piece(node.value))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, node.value, self._piece(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
            before, more = self.names.get(node.target.id), self._piece(node.value)
            if before is not None or more is not None:
                self.names[node.target.id] = (before or Piece()) + (more or Piece())

    # -- what runs more than once -------------------------------------------------------------

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._bind(node.target, None, None)
        self._often(*node.body)
        for each in node.orelse:
            self.visit(each)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self._often(node.test, *node.body)
        for each in node.orelse:
            self.visit(each)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        before = self.names
        self.names = dict(before)
        args = node.args
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                self.names.pop(arg.arg, None)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        self._often(*body)
        self.names = before

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        inner = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        before = self.names
        self.names = dict(before)
        for generator in node.generators:
            self._bind(generator.target, None, None)
        self._often(*first.ifs, *(g.iter for g in others), *(i for g in others for i in g.ifs),
                    *inner)  # fmt: skip
        self.names = before

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def _often(self, *nodes: ast.AST) -> None:
        self._loops += 1
        for node in nodes:
            self.visit(node)
        self._loops -= 1

    # -- calls --------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        name = self._called(node.func)
        if name is not None:
            self.found.append(self._site(node, name))
        for value in (*node.args, *(k.value for k in node.keywords)):
            passed = self._called(value)  # map(llm_query, prompts), pool.submit(llm_query, …)
            if passed is not None:
                self.found.append(Site(value.lineno, passed.startswith("rlm"), loops=True))
        self.generic_visit(node)

    def _called(self, function: ast.expr) -> str | None:
        if isinstance(function, ast.Attribute) and function.attr == "aio":
            function = function.value
        return self._calling.get(function.id) if isinstance(function, ast.Name) else None

    def _site(self, node: ast.Call, name: str) -> Site:
        options = {k.arg: k.value for k in node.keywords if k.arg}
        what = "prompts" if name.endswith("batched") else "prompt"
        prompt = node.args[0] if node.args else options.get(what)
        piece = (self._piece(prompt) if prompt is not None else None) or Piece()
        site = Site(node.lineno, name.startswith("rlm"), loops=self._loops > 0)
        if name.endswith("batched"):
            if piece.items is None:
                site = replace(site, loops=True)
            else:
                site = replace(site, calls=piece.items)
        tokens = piece.tokens
        for extra in ("system", "context"):
            more = self._piece(options[extra]) if extra in options else None
            tokens += more.tokens * max(1, site.calls) if more is not None else 0.0
        if len(node.args) > 1 and name == "rlm_query":
            more = self._piece(node.args[1])
            tokens += more.tokens if more is not None else 0.0
        most = options.get("max_tokens")
        limit = most.value if isinstance(most, ast.Constant) else None
        return replace(
            site, tokens=tokens, max_tokens=limit if isinstance(limit, int) else None,
            model=self._model(node, options, name),
        )  # fmt: skip

    def _model(
        self, node: ast.Call, options: Mapping[str, ast.expr], name: str
    ) -> str | None:
        at = 2 if name == "rlm_query" else 1
        model = options.get("model", node.args[at] if len(node.args) > at else None)
        if name == "rlm_query_batched":
            model = options.get("model")
        if model is None:
            return ""
        if not isinstance(model, ast.Constant):
            return None
        return str(model.value) if model.value is not None else ""

    # -- values -------------------------------------------------------------------------------

    def _piece(self, node: ast.expr) -> Piece | None:
        """Say what the code shows of a value; None for nothing."""
        match node:
            case ast.Constant(value=str(text)):
                return Piece(estimate(text), len(text))
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.JoinedStr(values=parts):
                return _sum([self._piece(part) for part in parts])
            case ast.FormattedValue(value=value) | ast.Await(value=value):
                return self._piece(value)
            case ast.NamedExpr(value=value):
                return self._piece(value)
            case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
                return self._added(self._piece(left), self._piece(right))
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=int(times))):
                piece = self._piece(left)
                if piece is None or times < 0:
                    return None
                items = None if piece.items is None else piece.items * times
                return Piece(piece.tokens * times, piece.chars * times, items)
            case ast.IfExp(body=body, orelse=orelse):
                both = [p for p in (self._piece(body), self._piece(orelse)) if p is not None]
                return max(both, key=lambda p: p.tokens, default=None)
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                whole = _sum([self._piece(e) for e in elts]) or Piece()
                starred = any(isinstance(e, ast.Starred) for e in elts)
                return replace(whole, items=None if starred else len(elts))
            case ast.Dict(keys=keys, values=values):
                told = [
                    value
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in ("prompt", "system")
                ]
                return _sum([self._piece(v) for v in told or values])
            case ast.Subscript(value=value, slice=index):
                return self._part(self._piece(value), index)
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt) | ast.SetComp(elt=elt):
                return self._many(elt, node.generators)
            case ast.Call():
                return self._result(node)
        return None

    def _added(self, left: Piece | None, right: Piece | None) -> Piece | None:
        both = _sum([left, right])
        if left is not None and right is not None and None not in (left.items, right.items):
            return replace(both or Piece(), items=(left.items or 0) + (right.items or 0))
        return both

    def _many(self, elt: ast.expr, generators: list[ast.comprehension]) -> Piece | None:
        before = self.names
        self.names = dict(before)
        for generator in generators:
            self._bind(generator.target, None, None)
        one = self._piece(elt)
        self.names = before
        times: int | None = 1
        for generator in generators:
            count = None if generator.ifs else self._count(generator.iter)
            times = None if times is None or count is None else times * count
        if times is None:
            return one and replace(one, items=None)
        one = one or Piece()
        return Piece(one.tokens * times, one.chars * times, times)

    def _count(self, node: ast.expr) -> int | None:
        match node:
            case ast.Call(func=ast.Name(id="range"), args=args) if args:
                numbers = [n for n in map(_number, args) if n is not None]
                if len(numbers) == len(args):
                    try:
                        return len(range(*numbers))
                    except (TypeError, ValueError, OverflowError):
                        return None
            case ast.Call(func=ast.Name(id="enumerate"), args=[first, *_]):
                return self._count(first)
        piece = self._piece(node)
        return None if piece is None else piece.items

    def _part(self, piece: Piece | None, index: ast.expr) -> Piece | None:
        if piece is None:
            return None
        if not isinstance(index, ast.Slice):
            return Piece(piece.tokens / piece.items) if piece.items else None
        ends = [index.lower, index.upper]
        numbers = [None if e is None else _number(e) for e in ends]
        if index.step is not None or any(
            e is not None and n is None for e, n in zip(ends, numbers, strict=True)
        ):
            return None
        length = piece.chars if piece.items is None else piece.items
        left = len(range(*slice(*numbers).indices(length)))
        share = left / length if length else 0.0
        return Piece(piece.tokens * share, int(piece.chars * share),
                     None if piece.items is None else left)  # fmt: skip

    def _result(self, node: ast.Call) -> Piece | None:
        first = self._piece(node.args[0]) if node.args else None
        if isinstance(node.func, ast.Name):
            return first if node.func.id in _SAME_TEXT else None
        if not isinstance(node.func, ast.Attribute):
            return None
        name = node.func.attr
        owner = self._piece(node.func.value)
        if name == "join":
            return first and replace(first, items=None)
        if name == "format":
            given = [self._piece(v) for v in (*node.args, *(k.value for k in node.keywords))]
            return _sum([owner, *given])
        if name in _SPLITS:
            return owner and replace(owner, items=None)
        if name in _SAME:
            return owner if owner is not None else first
        return None


def _sum(pieces: list[Piece | None]) -> Piece | None:
    known = [piece for piece in pieces if piece is not None]
    return sum(known, Piece()) if known else None


def _number(node: ast.expr) -> int | None:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None
