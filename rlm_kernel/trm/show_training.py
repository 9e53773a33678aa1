"""A training while it goes on, in a notebook: one display, updated in place, that stays when saved.

It needs neither torch nor the extension, only an IPython with a kernel. Curves are SVG with inline
styles; where a page strips them the sentences still say it all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .report import Report
from .show_words import share

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

PLATEAU = (
    "Learning has a plateau, and then it takes off: for a long while almost nothing is solved, and "
    "no curve says beforehand when that ends."
)
CURVES = 4  # of the recursion steps' that are drawn

_BOX = (
    "font-family:var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',sans-serif);"
    "font-size:var(--jp-ui-font-size1,13px);line-height:1.45;margin:4px 0;max-width:56em"
)
_DIM = "opacity:.75;font-size:var(--jp-ui-font-size0,12px)"
_ACCENT = "var(--jp-brand-color1,#1a73c9)"
_WARM = "var(--jp-warn-color1,#c77700)"
_WIDE, _HIGH = 300.0, 110.0  # of a chart
_LEFT, _RIGHT, _TOP, _LOW = 4.0, 52.0, 8.0, 18.0  # its margins

Points = Sequence[tuple[float, float]]


class Shown:
    """A display of a training.

    Args:
        seconds: that it goes on for.
        updates: in place of the seconds, where it isn't 0.
    """

    def __init__(self, seconds: float, updates: int = 0) -> None:
        self._seconds, self._most = seconds, updates
        self._reports: list[Report] = []
        self._said = ""
        self._handle: Any = None

    def __call__(self, report: Report) -> None:
        """Take a report, and show it."""
        self._reports.append(report)
        self._update()

    def end(self, made: Checkpoint, note: str) -> None:
        """Say how it ended.

        Args:
            made: what came of it.
            note: why it ended before its time, or empty.
        """
        self._said = " ".join(filter(None, [note or "Training is over.", str(made)]))
        self._update()

    def display(self) -> Shown:
        """Show it in the running cell's output, from now on."""
        from IPython.display import display

        self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]
        return self

    def _update(self) -> None:
        if self._handle is not None:
            self._handle.update(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(" ".join([self._said or self._now(), "" if self._said else PLATEAU]).strip())

    def _repr_html_(self) -> str:
        said, reports = self._said or self._now(), self._reports
        parts = [f'<div>{escape(said)}</div>']
        if len(reports) > 1:
            parts.append(f"<div>{_solved(reports)}{_learned(reports)}</div>")
        parts.append(f'<div style="{_DIM}">{escape(PLATEAU)}</div>')
        return (
            f'<div class="rlm-trm tex2jax_ignore mathjax_ignore" style="{_BOX}">'
            f"{''.join(parts)}</div>"
        )

    def _now(self) -> str:
        if not self._reports:
            return "Training begins: puzzles are made, and the first report comes in some seconds."
        last = self._reports[-1]
        return (
            f"{last.updates:,} updates in {_span(last.seconds)}, {self._left(last)}: "
            f"{share(last.exact[-1])} of the held-out puzzles are solved in {len(last.exact)} "
            f"steps, {share(last.exact[0])} in one; {share(last.cells[-1])} of their cells are "
            f"right; loss {last.loss:.3g}."
        )

    def _left(self, last: Report) -> str:
        left = self._seconds - last.seconds
        if self._most:
            left = last.seconds / max(last.updates, 1) * (self._most - last.updates)
        return f"{_span(left)} left" if left >= 1 else "none left"


def here(seconds: float, updates: int = 0) -> Shown | None:
    """Show a training in the running cell where this is a notebook; arguments as for ``Shown``."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    return Shown(seconds, updates).display()


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _solved(reports: Sequence[Report]) -> str:
    steps = len(reports[-1].exact)
    few = sorted({0, steps - 1, *(round((steps - 1) * i / (CURVES - 1)) for i in range(CURVES))})
    curves = []
    for number, step in enumerate(few, 1):
        points = [(report.seconds, report.exact[step]) for report in reports]
        curves.append((points, _ACCENT, 0.25 + 0.75 * number / len(few), f"step {step + 1}"))
    return _chart("Held-out puzzles solved, by recursion step", curves, 1.0, "100 %")


def _learned(reports: Sequence[Report]) -> str:
    most = max(report.loss for report in reports) or 1.0
    cells = [(report.seconds, report.cells[-1]) for report in reports]
    loss = [(report.seconds, report.loss / most) for report in reports]
    curves = [(cells, _ACCENT, 1.0, "cells"), (loss, _WARM, 1.0, "loss")]
    return _chart("Cells that are right, and the loss", curves, 1.0, f"100 %, loss {most:.3g}")


def _chart(
    title: str, curves: Sequence[tuple[Points, str, float, str]], most: float, top: str
) -> str:
    """Draw curves over the time, with their names at their ends, none over another."""
    far = max(points[-1][0] for points, *_ in curves) or 1.0
    deep = _HIGH - _TOP - _LOW

    def x(at: float) -> float:
        return _LEFT + (_WIDE - _LEFT - _RIGHT) * at / far

    def y(value: float) -> float:
        return _TOP + deep * (1 - min(max(value / most, 0.0), 1.0))

    base = y(0)
    drawn = [
        f'<path d="M{_LEFT} {y(most):.1f}H{x(far):.1f}M{_LEFT} {base:.1f}H{x(far):.1f}" '
        'stroke="#8886" fill="none"/>',
        _text(_LEFT, base + 13, "0"),
        _text(x(far), base + 13, _span(far), "end"),
    ]
    rising = sorted(curves, key=lambda one: one[0][-1][1])
    for points, color, strong, _ in rising:
        line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        drawn.append(
            f'<polyline points="{line}" fill="none" stroke-width="1.8" stroke-linejoin="round" '
            f'style="stroke:{color};opacity:{strong:.2f}"/>'
        )
    lows = [base]
    for points, *_ in rising:
        lows.append(min(y(points[-1][1]) + 4, lows[-1] - (11 if len(lows) > 1 else 0)))
    down = max(0.0, _TOP + 2 - lows[-1])
    for low, (_, color, _, name) in zip(lows[1:], rising, strict=True):
        drawn.append(_text(x(far) + 5, low + down, name, color=color))
    svg = (
        f'<svg viewBox="0 0 {_WIDE:.0f} {_HIGH:.0f}" width="{_WIDE:.0f}" height="{_HIGH:.0f}" '
        f'role="img" aria-label="{escape(title)}" style="display:block">{"".join(drawn)}</svg>'
    )
    return (
        '<div style="display:inline-block;vertical-align:top;margin:8px 20px 2px 0">'
        f'<div style="{_DIM}">{escape(title)} (top: {escape(top)})</div>{svg}</div>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", color: str = "currentColor") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="10" text-anchor="{anchor}" '
        f'style="fill:{color};opacity:.8">{escape(text)}</text>'
    )
