"""How numbers, states and foreign text are said: the same words in every view."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..protocol import Usage
from .node import Node

_ICONS: Final = {
    "ok": "✓", "done": "✓",
    "error": "✗", "failed": "✗", "died": "✗", "timeout": "✗", "memory": "✗",
    "partial": "◐",
    "cancelled": "■", "stopped": "■", "interrupted": "■",
    "rejected": "⊘", "responded": "↩",
    "proposed": "?", "paused": "‖", "taken over": "‖",
    "open": "○", "unknown": "·",
}  # fmt: skip

# what could move a cursor, set a colour, reverse text or can't be printed at all
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def icon(status: str) -> str:
    """Give one character for a status; the word itself belongs beside it for what isn't done."""
    return _ICONS.get(status, "…")


def money_text(cost: float | None, *, known: float = 0.0) -> str:
    """Say an amount of US dollars.

    Args:
        cost: None is unknown, and never said as nothing.
        known: the part of an unknown cost that is known.
    """
    if cost is None:
        return f"at least {money_text(known)}" if known > 0 else "cost unknown"
    if cost <= 0:
        return "free"
    if cost < 0.001:
        return "< $0.001"
    if cost < 0.1:
        return f"${cost:.3f}"
    return f"${cost:,.2f}"


def duration_text(seconds: float | None) -> str:
    """Say a duration; nothing where it is unknown."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count_text(number: int) -> str:
    """Say a count in three figures or so: ``950``, ``1.2k``, ``34k``, ``1.2M``."""
    for unit, suffix in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if number >= unit * 0.9995:
            value = number / unit
            return f"{value:.1f}{suffix}" if value < 9.95 else f"{value:,.0f}{suffix}"
    return str(number)


def size_text(size: int) -> str:
    """Say a size in bytes."""
    for unit, suffix in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {suffix}"
    return plural(size, "byte")


def plural(number: int, word: str, many: str = "") -> str:
    """Say a number of things: ``1 call``, ``1,200 calls``."""
    return f"{number:,} {word if number == 1 else many or word + 's'}"


def usage_text(usage: Usage) -> str:
    """Say calls, tokens and cost; nothing where nothing was used."""
    if not usage.calls and not usage.tokens:
        return ""
    parts = [plural(usage.calls, "call"), tokens_text(usage), cost_text(usage)]
    return " · ".join(part for part in parts if part)


def calls_text(node: Node) -> str:
    """Say how many calls a node asked for and how many came to nothing; nothing where none."""
    amiss = node.amiss
    said = [plural(node.calls, "call")] if node.calls else []
    for count, word in (
        (amiss.failed, "failed"), (amiss.refused, "refused"), (amiss.cancelled, "cancelled"),
    ):  # fmt: skip
        said += [f"{count:,} {word}"] if count else []
    if amiss.children:
        said.append(f"{plural(amiss.children, 'child', 'children')} not done")
    return ", ".join(said)


def sum_text(node: Node, *, tokens: bool = False) -> str:
    """Say what a node and everything below it used, and what of it came to nothing."""
    total = node.total
    said = [calls_text(node), tokens_text(total) if tokens else ""]
    said.append(cost_text(total) if total.calls or total.tokens else "")
    words = " · ".join(part for part in said if part)
    return f"∑ {words}" if words else ""


def estimate_text(estimate: Mapping[str, Any]) -> str:
    """Say what the calls of a cell may come to, before they are made; nothing where none is."""
    calls, tokens, cost = (estimate.get(key) for key in ("calls", "tokens", "cost"))
    if not isinstance(calls, int) or not calls:
        return ""
    more = " or more" if estimate.get("loops") else ""
    parts = [f"{plural(calls, 'call')}{more}"]
    if isinstance(tokens, int | float):
        parts.append(f"about {count_text(int(tokens))} tokens")
    known = isinstance(cost, int | float) and not isinstance(cost, bool)
    if not known or cost is None:
        parts.append("price unknown")
    else:
        parts.append(f"about {money_text(float(cost))}" if cost > 0 else money_text(0.0))
    return " · ".join(parts)


def tokens_text(usage: Usage) -> str:
    """Say tokens in and out; nothing where there were none."""
    if not usage.tokens:
        return ""
    return f"{count_text(usage.input_tokens)} → {count_text(usage.output_tokens)} tokens"


def cost_text(usage: Usage) -> str:
    """Say what was paid."""
    return money_text(usage.cost, known=usage.known_cost)


def context_text(info: Mapping[str, Any]) -> str:
    """Say what a context is, from what ``RunStarted.context`` tells of it."""
    name, kind, size = (str(info.get(key, "")) for key in ("name", "kind", "size"))
    said = [
        f"{name or 'context'}: {kind}",
        size,
        str(info.get("path", "")),
        str(info.get("note", "")),
    ]
    return " · ".join(part for part in said if part)


def sandbox_text(method: str) -> str:
    """Say what holds the cells of a run, as ``RunStarted.sandbox`` has it; empty: not known."""
    return {"": "", "none": "no sandbox"}.get(method, f"sandbox: {method}")


def clean(text: str) -> str:
    """Make foreign text safe to print: control characters become visible ones."""
    return _UNSAFE.sub(_visible, text)


def oneline(text: str, width: int) -> str:
    """Give text on one line of at most ``width`` characters, safe to print."""
    line = " ".join(clean(text[: 4 * width + 400]).split())
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def capped(text: str, limit: int) -> str:
    """Give at most ``limit`` characters of a text, and say how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… {len(text) - limit:,} more characters"


def label(node: Node) -> str:
    """Give what a node is called in a row: ``cell 3``, ``root model``, ``call 2``, ``run``."""
    if node.kind == "call":
        what = {"root": "root model", "fold": "folding", "closing": "closing turn"}
        number = "" if node.index is None else f" {node.index + 1}"
        return what.get(node.role, "call" + number)
    if node.kind == "cell":
        who = " by a person" if node.author == "human" else ""
        return f"cell {node.number}{who}" if node.number else f"cell{who}"
    if node.kind == "run" and node.depth > 0:
        return "child run"
    if node.kind == "solve":
        return "latent recursion"
    if node.kind == "step":
        return f"step {node.number}"
    return "" if node.kind in ("turn", "batch") else node.kind


def call_title(node: Node, title: str) -> str:
    """Give what a row says of a call: what was asked, or why there is no reply.

    A call that was cancelled or not sent is known by what it asked: nothing went wrong in it.
    """
    if node.error_kind == "cancelled":
        return title or "the call was cancelled"
    if node.error_kind == "budget":
        said = "not sent: the budget doesn't cover it"
        return f"{title} · {said}" if title else said
    return node.error or title


def state_text(node: Node, *, over: bool) -> str:
    """Give the status word where it says more than its icon does.

    Args:
        over: whether the run is over, so that what hasn't ended never will.
    """
    if node.live and over:
        return "not finished"
    return "" if node.status in ("ok", "done", "running", "open", "decided") else node.status


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
