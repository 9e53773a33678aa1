"""Small pieces of HTML: escaped text, folded parts, a bar; inline styles only."""

from __future__ import annotations

from html import escape

from .format import capped, clean
from .groups import Tally

NOTE = 2_000  # characters of a note that are shown

BORDER = "var(--jp-border-color2,rgba(128,128,128,.35))"
SHADE = "rgba(128,128,128,.09)"
BOX = (
    "font-family:var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',sans-serif);"
    "font-size:var(--jp-ui-font-size1,13px);line-height:1.5;max-width:62em;"
    f"border:1px solid {BORDER};border-radius:6px;padding:10px 14px;margin:4px 0"
)
PRE = (
    "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);"
    "font-size:var(--jp-code-font-size,12px);line-height:1.45;white-space:pre-wrap;"
    "overflow-wrap:anywhere;margin:3px 0;padding:6px 9px;border-radius:4px;"
    f"max-height:32em;overflow:auto;background:{SHADE}"
)
DIM = "opacity:.72"
LIST = f"list-style:none;margin:2px 0 4px 3px;padding:0 0 0 12px;border-left:1px solid {BORDER}"
MARKS = {
    "✓": "#2a9d5c", "✗": "#d6453d", "◐": "#c98a1b", "■": "#c98a1b", "⊘": "#c98a1b",
    "‖": "#c98a1b",
}  # fmt: skip


def esc(text: str) -> str:
    """Escape text; ``$`` and backslashes get a tag of their own, which no formula may span."""
    safe = escape(clean(text))
    return safe.replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")


def pre(text: str, limit: int) -> str:
    return f'<pre style="{PRE}">{escape(clean(capped(text, limit)))}</pre>'


def folded(head: str, inside: str, *, open_: bool = False) -> str:
    if not inside:
        return f"<div>{head}</div>"
    opened = " open" if open_ else ""
    return f'<details{opened}><summary style="cursor:pointer">{head}</summary>{inside}</details>'


def dim(text: str) -> str:
    return f'<div style="{DIM}">{esc(text)}</div>'


def dim_span(text: str) -> str:
    return f'<span style="{DIM}">{esc(text)}</span>'


def aside(said: list[str]) -> str:
    words = " · ".join(part for part in said if part)
    return f' <span style="{DIM}">· {esc(words)}</span>' if words else ""


def mark(sign: str) -> str:
    color = MARKS.get(sign, "inherit")
    return f'<span style="color:{color};font-weight:bold">{sign}</span>'


def note(level: str, text: str) -> str:
    word = "note" if level == "info" else level
    return f"<div><em>{esc(word)}: {esc(capped(text, NOTE))}</em></div>"


def progress(counts: Tally, size: int) -> str:
    return f"{counts.done + counts.failed:,} of {size:,}" if counts.open or (
        counts.done + counts.failed < size
    ) else ""  # fmt: skip


def bar(counts: Tally, size: int) -> str:
    """Draw the progress; the numbers are said beside it, so nothing hangs on the drawing."""
    parts = "".join(
        f'<span style="display:inline-block;height:100%;width:{100 * number / size:.1f}%;'
        f'background:{color};vertical-align:top"></span>'
        for number, color in ((counts.done, "#2a9d5c"), (counts.failed, "#d6453d"))
        if number and size
    )
    return (
        '<span aria-hidden="true" style="display:inline-block;width:7em;height:.6em;'
        "overflow:hidden;border-radius:3px;line-height:0;background:rgba(128,128,128,.28)"
        f'">{parts}</span>'
    )
