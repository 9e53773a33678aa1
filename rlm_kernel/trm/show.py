"""Solves as static HTML: a strip of frames for saved notebooks, nbviewer, nbconvert and GitHub.

Guarantees:
- no script, no style sheet, no outside resource; inline styles only, and what is bold, underlined
  or written still says the same where they are stripped;
- all text is escaped;
- a solve of any length is a handful of frames, those that tell most.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .puzzles import maze
from .puzzles.task import task
from .show_data import PALETTE, Look, look_of
from .show_words import ending, share
from .solving import Frame, Solution

if TYPE_CHECKING:
    from .api import Depths

FRAMES = 5  # that are shown of a solve
LARGE = 100  # cells above which it is a frame between the first and the last, so that it is light
_BOX = (
    "font-family:var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',sans-serif);"
    "font-size:var(--jp-ui-font-size1,13px);line-height:1.45;margin:4px 0;max-width:62em"
)
_TABLE = (
    "border-collapse:collapse;table-layout:auto;width:auto;margin:0 0 6px;"
    "border:2px solid #888c"
)
_FIGURE = "display:inline-block;vertical-align:top;margin:8px 16px 4px 0;max-width:"
_DIM = "opacity:.75;font-size:var(--jp-ui-font-size0,12px)"
_THIN, _THICK = "1px solid #8885", "2px solid #888c"
_GOOD, _BAD = "var(--jp-success-color1,#2a8a4f)", "var(--jp-error-color1,#d6453d)"
_ACCENT = "var(--jp-brand-color1,#1a73c9)"
_CORNER = f"linear-gradient(225deg,{_ACCENT} 22%,transparent 23%) no-repeat"
_KEY = {
    "sudoku": "Bold: given. Underlined: breaks a rule. With a corner: changed in this cycle. "
              "Faint: not sure.",
    "maze": "Underlined: breaks a rule. With a corner: changed in this cycle. Faint: not sure.",
    "colours": "Underlined: breaks a rule. With a corner: changed in this cycle. "
               "Faint: not sure.",
}  # fmt: skip


def solution_html(solution: Solution) -> str:
    """Give a solve as a strip of frames, with what came of it in words."""
    look = look_of(task(solution.task))
    figures = [
        _figure(
            _grid(look, solution.puzzle, frame.grid, frame.wrong, frame.confidence,
                  frame.changed if frame is not solution.frames[0] else ()),
            f"Step {frame.step}, cycle {frame.cycle}",
            f"{len(frame.changed)} changed, {len(frame.wrong)} wrong, {share(frame.halt)} sure",
            "11em",
        )
        for frame in telling(solution.frames)
    ]  # fmt: skip
    more = len(solution.frames) - len(figures)
    key = _KEY[look.kind] + (f" {more} more cycles aren't shown." if more else "")
    return _whole(
        f"{_mark(solution.solved)} {escape(ending(solution))}", "".join(figures), escape(key)
    )


def depths_html(depths: Depths) -> str:
    """Give a comparison: the grids side by side, each with how often the network was applied."""
    look = look_of(task(depths.task))
    figures = [
        _figure(
            _grid(look, depths.puzzle, grid, verdict.wrong),
            f"{name[:1].upper()}{name[1:]}: {calls} calls",
            verdict.said,
            "17em",
            _mark(verdict.solved),
        )
        for name, calls, grid, verdict in depths.rows
    ]
    said = "One puzzle, one network, the same weights: what differs is how often it is applied."
    key = "Bold: given. Underlined: breaks a rule." if look.kind == "sudoku" else ""
    return _whole(said, "".join(figures), key)


def telling(frames: Sequence[Frame]) -> list[Frame]:
    """Give the frames that tell most: the first, the last, and between those where most changed."""
    between = sorted(range(1, len(frames) - 1), key=lambda at: (-len(frames[at].changed), at))
    most = FRAMES if len(frames[0].grid) <= LARGE else 3
    chosen = {0, len(frames) - 1, *between[: most - 2]}
    return [frames[at] for at in sorted(chosen)]


def _whole(head: str, figures: str, key: str) -> str:
    # MathJax would take what stands between two dollars for a formula.
    return (
        f'<div class="rlm-trm tex2jax_ignore mathjax_ignore" style="{_BOX}"><div>{head}</div>'
        f'<div>{figures}</div><div style="{_DIM}">{key}</div></div>'
    )


def _mark(solved: bool) -> str:
    sign, color = ("✓", _GOOD) if solved else ("✗", _BAD)
    return f'<span style="color:{color};font-weight:bold">{sign}</span>'


def _figure(grid: str, title: str, said: str, wide: str, mark: str = "") -> str:
    return (
        f'<div style="{_FIGURE}{wide}">{grid}<div>{mark} <strong>{escape(title)}</strong></div>'
        f'<div style="{_DIM}">{escape(said)}</div></div>'
    )


def _grid(
    look: Look, given: Sequence[int], grid: Sequence[int], wrong: Sequence[int],
    sure: Sequence[float] = (), changed: Sequence[int] = (),
) -> str:  # fmt: skip
    rows = []
    for row in range(look.rows):
        cells = []
        for column in range(look.columns):
            at = row * look.columns + column
            style = _borders(look, row, column)
            if at in changed:  # a corner, which is a shape and not only a colour
                style += f"background:{_CORNER};"
            inside, more = _cell(look, given[at], grid[at], at in wrong, sure[at] if sure else 1.0)
            cells.append(f'<td style="{style}{more}">{inside}</td>')
        rows.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    return f'<table style="{_TABLE}"><tbody>{"".join(rows)}</tbody></table>'


def _borders(look: Look, row: int, column: int) -> str:
    side = 22 if look.kind == "sudoku" else 15
    high, broad = look.box
    top = f"border-top:{_THICK};" if high and row % high == 0 else ""
    left = f"border-left:{_THICK};" if broad and column % broad == 0 else ""
    wide = f"width:{side}px;min-width:{side}px;" if row == 0 else ""
    deep = f"height:{side}px;" if column == 0 else ""
    return f"border:{_THIN};{top}{left}{wide}{deep}padding:0;text-align:center;"


def _cell(look: Look, given: int, symbol: int, wrong: bool, sure: float) -> tuple[str, str]:
    """Give what stands in a cell, and its style."""
    sign, style, color = _SIGNS[look.kind](given, symbol)
    if not sign:
        return "", style
    faint = f"opacity:{0.3 + 0.7 * sure:.2f};" if sure < 1 else ""
    if wrong:
        color = _BAD
        sign = f'<u style="text-decoration-thickness:2px">{sign}</u>'
    if faint or color:
        sign = f'<span style="{faint}{f"color:{color}" if color else ""}">{sign}</span>'
    return sign, style


def _sudoku(given: int, symbol: int) -> tuple[str, str, str]:
    if given and given == symbol:
        return f"<b>{symbol}</b>", "background-color:#8883;", ""
    return str(symbol) if symbol > 0 else "", "", _ACCENT


def _maze(given: int, symbol: int) -> tuple[str, str, str]:
    if symbol == maze.WALL:
        return "█", "background-color:#777;color:#777;font-size:9px;", ""
    signs = {maze.START: "<b>S</b>", maze.GOAL: "<b>G</b>", maze.PATH: "●"}
    return signs.get(symbol, ""), "font-size:11px;", _ACCENT if symbol == maze.PATH else ""


def _colours(given: int, symbol: int) -> tuple[str, str, str]:
    if not 0 <= symbol < len(PALETTE):
        return "", "", ""
    shade = PALETTE[symbol]
    ink = "#000" if symbol in (4, 5, 7, 8) else "#fff"
    return str(symbol), f"background-color:{shade};font-size:10px;", ink


_SIGNS = {"sudoku": _sudoku, "maze": _maze, "colours": _colours}
