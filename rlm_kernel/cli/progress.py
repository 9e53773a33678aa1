"""The progress of a run on a terminal: a tree that grows; plain lines where it can't be redrawn."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ..engine import Run
from ..engine.heading import header_text
from ..log import count_text, duration_text, money_text, oneline, tree_text
from ..log.format import clean, plural
from ..protocol import Logged
from ..protocol import events as e

REFRESH = 4  # times a second


def watch(run: Run, *, quiet: bool = False) -> bool:
    """Show a run on stderr until it ends; Ctrl-C interrupts it, twice stops it.

    Returns:
        Whether Ctrl-C is why it ended.
    """
    shown: Any = None
    if not quiet:
        shown = _Live(run) if sys.stderr.isatty() else _Lines(run)
    interrupted = False
    try:
        while not run.ended:
            interrupted = _waited(run) or interrupted
            if not run.ended:
                with shown.aside() if shown is not None else contextlib.nullcontext():
                    _ask_at_terminal(run)
    except KeyboardInterrupt:
        run.stop()
        run.wait(10)
        raise
    finally:
        if shown is not None:
            shown.close()
    return interrupted and run.status == "stopped"


def _waited(run: Run) -> bool:
    """Wait; the first Ctrl-C pauses and gives True, a second one goes to the caller."""
    try:
        run.attend()
    except KeyboardInterrupt:
        run.interrupt()
        run.wait(10)
        return True
    return False


def _ask_at_terminal(run: Run) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        run.stop()
        return
    try:
        # Not input(prompt): that would go to stdout, where only the answer belongs.
        print(f"\n{clean(run.reason)} [Enter] goes on, [q] stops: ",
              end="", file=sys.stderr, flush=True)  # fmt: skip
        reply = input()
    except EOFError:  # Ctrl-D
        reply = "q"
    if reply.strip().lower().startswith("q"):
        run.stop()
    else:
        run.resume()


class _Live:
    """Redraws the tree in place, from a thread of its own."""

    def __init__(self, run: Run) -> None:
        from rich.console import Console

        self._run, self._console = run, Console(stderr=True)
        self._begin()

    def _begin(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._console, refresh_per_second=REFRESH, transient=False,
            get_renderable=self._draw, vertical_overflow="visible",
        )  # fmt: skip
        self._live.start()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to a question; a tree that is redrawn would hide it."""
        self._live.stop()
        yield
        self._begin()

    def _draw(self) -> Any:
        from rich.text import Text

        rows = max(8, self._console.height - 4)
        return Text(tree_text(self._run.tree, width=self._console.width - 1, max_rows=rows))

    def close(self) -> None:
        self._live.stop()


class _Lines:
    """One line for each thing that happened."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._unlisten = run.log.listen(self._hear)
        for logged in list(run.log.events):
            if isinstance(logged.event, e.RunStarted):
                self._hear(logged)

    def _hear(self, logged: Logged) -> None:
        line = clean(event_line(self._run, logged).replace("\r\n", "\n"))
        if line:
            with self._lock:
                print(line, file=sys.stderr, flush=True)

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is redrawn here."""
        return contextlib.nullcontext()

    def close(self) -> None:
        self._unlisten()


def event_line(run: Run, logged: Logged) -> str:
    """Give what a person wants to read of an event, or ""."""
    event = logged.event
    match event:
        case e.RunStarted():
            if event.node != run.node:  # a child: its models are of the run's first line
                return f"{event.node}: {oneline(event.question, 100)}"
            return f"{event.node}: {oneline(event.question, 100)}\n  {header_text(run)}"
        case e.TurnStarted():
            return f"turn {event.number} of {event.of}"
        case e.CellProposed():
            return _indent(event.code, "  | ")
        case e.CellEnded():
            seen = event.output or event.result or event.error or "(no output)"
            state = "" if event.status == "ok" else f" [{event.status}]"
            state += f" [{plural(event.refused, 'call')} refused]" if event.refused else ""
            return f"{_indent(_cut(seen), '  > ')}{state}"
        case e.BatchEnded():
            return f"  batch: {event.ok} ok, {event.failed} failed"
        case e.CallEnded():
            used = event.usage
            tokens = count_text(sum(int(used.get(k, 0)) for k in ("input_tokens", "output_tokens")))
            what = event.error or f"{tokens} tokens, {money_text(used.get('cost', 0.0))}"
            took = duration_text(used.get("seconds", 0.0))
            model = event.model or run.tree[event.node].model
            return f"  {event.node} {model}: {what}, {took}"
        case e.CallRetried():
            wait = duration_text(event.wait)
            return f"  {event.node} failed and is tried again in {wait}: {event.error}"
        case e.AnswerGiven() if not event.accepted:
            return f"  {oneline(event.reason, 200)}"
        case e.Noted():
            return f"  {event.text}"
        case e.RunEnded():
            took = duration_text(event.seconds)
            return f"{event.node}: {event.status} in {took}. {event.reason}".rstrip()
    return ""


def _cut(text: str, most: int = 600) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _indent(text: str, mark: str) -> str:
    return "\n".join(mark + line for line in text.rstrip("\n").split("\n"))
