"""Whether a piece of text is a whole cell: Python, or what IPython adds to it."""

from __future__ import annotations

import ast
import re
import warnings

_IPYTHON = re.compile(r"^\s*[%!?]|[%!]|\?\s*$", re.MULTILINE)


def compiles(code: str) -> bool:
    """Tell whether code is a whole cell, top-level ``await`` and IPython's syntax included."""
    return syntax_tree(code) is not None


def syntax_tree(code: str) -> ast.Module | None:
    """Give the syntax tree of a cell, IPython's syntax made into calls; None where it has none."""
    tree = parsed(code)
    if tree is not None or not _IPYTHON.search(code):
        return tree
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        plain: str = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError, RecursionError):
        return None
    return parsed(plain)


def parsed(code: str) -> ast.Module | None:
    """Give the syntax tree of plain Python, or None where it isn't that."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(
                code, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST,
                dont_inherit=True,
            )  # fmt: skip
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def does_something(code: str) -> bool:
    """Tell whether text without a label is code: it parses, and is more than words or a value."""
    if not compiles(code):
        return False
    tree = parsed(code)
    if tree is None:
        return True  # IPython syntax
    return any(
        not isinstance(node, ast.Expr) or any(isinstance(n, ast.Call) for n in ast.walk(node))
        for node in tree.body
    )
