"""Python code as highlighted HTML, readable on light and dark pages without a style sheet.

Colours are JupyterLab's own where its variables are there; the fall-backs are of middling
lightness, so that they stand out from white and from black alike.
"""

from __future__ import annotations

from html import escape

_COLORS = (
    ("Comment", "--jp-mirror-editor-comment-color", "#74808c"),
    ("Keyword", "--jp-mirror-editor-keyword-color", "#1a8a4b"),
    ("Operator.Word", "--jp-mirror-editor-keyword-color", "#1a8a4b"),
    ("Literal.String", "--jp-mirror-editor-string-color", "#c4512d"),
    ("Literal.Number", "--jp-mirror-editor-number-color", "#3b7dd8"),
    ("Name.Function", "--jp-mirror-editor-def-color", "#3b7dd8"),
    ("Name.Class", "--jp-mirror-editor-def-color", "#3b7dd8"),
    ("Name.Builtin", "--jp-mirror-editor-builtin-color", "#1a8a4b"),
    ("Name.Decorator", "--jp-mirror-editor-meta-color", "#a05ac8"),
)


def highlighted(code: str) -> str:
    """Give code as escaped HTML with coloured spans; goes inside a ``<pre>``."""
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    parts: list[str] = []
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    style, pending = "", ""
    for token, value in lexer.get_tokens(code):
        wanted = _style(str(token).removeprefix("Token."))
        if wanted != style and value.strip():
            parts.append(_span(style, pending))
            style, pending = wanted, ""
        pending += value
    parts.append(_span(style, pending))
    return "".join(parts)


def _style(token: str) -> str:
    for start, variable, fallback in _COLORS:
        if token.startswith(start):
            return f"color:var({variable},{fallback})"
    return ""


def _span(style: str, text: str) -> str:
    if not style or not text:
        return escape(text)
    return f'<span style="{style}">{escape(text)}</span>'
