"""What a view publishes: the first line, the tree, what goes on just now, as HTML and as text."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..engine.heading import header_text
from ..log import tree_html, tree_text
from ..log.format import capped, clean, cost_text, duration_text, plural, tokens_text

if TYPE_CHECKING:
    from ..engine import Run
    from .display import Style

STREAM = 900  # characters of a reply in flight that are shown
ANSWER = 20_000

_FRAME = "max-width:62em;margin:2px 0;font-family:var(--jp-ui-font-family,system-ui,sans-serif)"
_SMALL = "font-size:var(--jp-ui-font-size0,11px);opacity:.75;margin:0 2px 4px"
_LIVE = (
    "border-left:3px solid var(--jp-brand-color1,#3b7dd8);margin:6px 0;padding:1px 0 1px 10px;"
    "font-size:var(--jp-ui-font-size1,13px)"
)
_TEXT = (
    "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);"
    "font-size:var(--jp-code-font-size,12px);line-height:1.45;white-space:pre-wrap;"
    "overflow-wrap:anywhere;margin:2px 0;max-height:14em;overflow:auto"
)


@dataclass(slots=True)
class Live:
    """What is shown only while a run goes on."""

    said: str = ""
    printed: str = ""

    def clear(self) -> None:
        """Forget all that the final state doesn't have."""
        self.said = self.printed = ""


def bundle(run: Run, live: Live, style: Style) -> dict[str, str]:
    """Give what is published of a run, as HTML and as text."""
    if style == "quiet":
        text = _answer_text(run)
        return {"text/plain": text, "text/html": f'<pre style="{_TEXT}">{escape(text)}</pre>'}
    header = header_text(run)
    if style == "compact":
        return _compact(run, header, live.said)
    now, stream = _now(run, live)
    html = (
        f'<div style="{_FRAME}"><div class="tex2jax_ignore mathjax_ignore" style="{_SMALL}">'
        f"{escape(header)}</div>"
        f"{tree_html(run.tree)}{_live_html(now, stream)}</div>"
    )
    if style == "lines":
        return {"text/plain": _ending(run), "text/html": html}
    text = f"{header}\n{tree_text(run.tree, width=100, max_rows=200)}"
    if now:
        tail = stream.rstrip().split("\n")[-8:] if stream.strip() else []
        text += "\n" + "\n".join([*_bars(run), *now, *tail])
    return {"text/plain": text, "text/html": html}


def _now(run: Run, live: Live) -> tuple[list[str], str]:
    """Give what goes on just now, as sentences, and the text that streams in."""
    if run.ended:
        return [], ""
    said = [live.said] if live.said else []
    stream = ""
    if run.phase == "thinking":
        calls = [call for call in run.tree.calls if call.role == "root" and call.live]
        if calls:
            stream = calls[-1].text[-STREAM:]
            said.append("The root model writes:" if stream else "The root model thinks …")
            if calls[-1].status == "retrying":
                said.append(f"It is tried again: {clean(calls[-1].error)}")
    elif run.phase == "running":
        open_ = [batch for batch in run.tree.find(kind="batch") if batch.live]
        for batch in open_[-3:]:
            done, size = batch.progress
            said.append(f"{batch.name}: {done:,} of {size:,} · {cost_text(batch.total)} so far")
        if not open_:
            said.append("The cell runs …")
        stream = live.printed
    return said, clean(stream)


def _bars(run: Run) -> list[str]:
    """Draw a bar for each batch in flight; the HTML tree has its own."""
    return [bar(*batch.progress) for batch in run.tree.find(kind="batch") if batch.live][-3:]


def bar(done: int, size: int, width: int = 24) -> str:
    """Draw progress with characters that every front end has."""
    full = round(width * min(done, size) / size) if size else 0
    return "█" * full + "░" * (width - full)


def _live_html(now: list[str], stream: str) -> str:
    if not now and not stream:
        return ""
    lines = "".join(f"<div>{escape(line)}</div>" for line in now)
    text = f'<pre style="{_TEXT}">{escape(stream)}</pre>' if stream else ""
    return f'<div class="tex2jax_ignore mathjax_ignore" style="{_LIVE}">{lines}{text}</div>'


def _answer_text(run: Run) -> str:
    if run.answer_text is None:
        reason = clean(run.reason)
        # "Stopped by a person." says the phase itself.
        if reason.lower().startswith(run.phase):
            return reason
        return f"{run.phase}: {reason}" if reason else run.phase
    text = clean(capped(run.answer_text, ANSWER))
    return text if run.status == "done" else f"{text}\n({run.status}: {clean(run.reason)})"


def _compact(run: Run, header: str, hint: str) -> dict[str, str]:
    """Give one line while a run goes on, and its tree, folded, when it is over."""
    tree, text = "", ""
    said = _used(run)
    if run.ended:
        summary = "The tree of the run"
        tree = (
            f'<details><summary style="{_SMALL}">{summary}</summary>{tree_html(run.tree)}</details>'
        )
        text = "\n" + tree_text(run.tree, width=100, max_rows=200)
        said = _ending(run)
    else:
        said = "\n".join(filter(None, [said, clean(run.reason), hint]))
    html = (
        f'<div style="{_FRAME}"><div class="tex2jax_ignore mathjax_ignore" style="{_SMALL}">'
        f'{escape(header)}</div><div class="tex2jax_ignore mathjax_ignore" style="{_TEXT}">'
        f"{escape(said)}</div>{tree}</div>"
    )
    return {"text/plain": f"{header}\n{said}{text}", "text/html": html}


def _used(run: Run) -> str:
    usage = run.usage.subtree
    parts = [run.phase, plural(usage.calls, "call"), tokens_text(usage), cost_text(usage)]
    return " · ".join(part for part in parts if part)


def _ending(run: Run) -> str:
    """Give the last lines of a run that was told line by line."""
    usage = run.usage.subtree
    used = [plural(usage.calls, "call"), tokens_text(usage), cost_text(usage)]
    used.append(duration_text(run.usage.seconds))
    word = "Answer" if run.status == "done" else run.phase.capitalize()
    text = _answer_text(run)
    said = text[:1].upper() + text[1:] if run.answer_text is None else f"{word}: {text}"
    return f"{said}\n{' · '.join(part for part in used if part)}"


__all__ = ["Live", "bar", "bundle", "header_text"]
