"""The variables of the namespace: which are the user's, which a cell changed, how big they are."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

NAMES = 1_000  # the most that are reported


def user_variables(shell: InteractiveShell, ours: Collection[str]) -> dict[str, Any]:
    """Give the user's variables: no modules, nothing hidden, nothing of ours."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in list(shell.user_ns.items())
        if isinstance(name, str)
        and not name.startswith("_")
        and name not in ours
        and name not in hidden
        and not isinstance(value, ModuleType)
    }


def identities(variables: Mapping[str, Any]) -> dict[str, int]:
    """Remember which object each name has, without keeping any of them alive."""
    return {name: id(value) for name, value in variables.items()}


def changed(before: Mapping[str, int], now: Mapping[str, Any], code: str) -> tuple[str, ...]:
    """Give the names that a cell made or rebound.

    A name that the code assigns counts even if the new object came to lie where the old one was.
    """
    stored = _stored(code)
    return tuple(sorted(n for n, v in now.items() if n in stored or before.get(n) != id(v))[:NAMES])


def _stored(code: str) -> set[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # a magic, or no Python at all; identities have to do
    found = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue  # what they assign inside is their own
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        pending.extend(ast.iter_child_nodes(node))
    return found


def table(variables: Mapping[str, Any]) -> str:
    """Describe variables, one a line: name, type, size."""
    if not variables:
        return "No variables of your own yet."
    width = max(len(name) for name in variables)
    return "\n".join(
        f"{name:<{width}}  {type(value).__name__}{_size(value)}"
        for name, value in sorted(variables.items())
    )


def _size(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f", shape {' x '.join(map(str, shape))}"
    if isinstance(value, str):
        return f", {len(value):,} characters"
    if isinstance(value, (bytes, bytearray)):
        return f", {len(value):,} bytes"
    if isinstance(value, (bool, int, float)):
        text = repr(value) if not isinstance(value, int) or value.bit_length() < 200 else "…"
        return f" = {text}"
    if isinstance(value, type) or callable(value):
        return ""
    try:
        return f", {len(value):,} items"
    except Exception:
        return f", {sys.getsizeof(value, 0):,} bytes"
