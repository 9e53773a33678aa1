"""The progress of a run on a terminal: a tree that grows; plain lines where it can't be redrawn."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ..engine import Run
from ..engine.heading import header_text
from ..lm import run_sync
from ..log import count_text, duration_text, money_text, oneline, tree_text
from ..log.format import label, plural
from ..protocol import Logged
from ..protocol import events as e
from . import INTERRUPTED
from .flags import in_flags
from .signals import Ended
from .streams import say

REFRESH = 4  # times a second
ENDING = 10.0  # seconds that a run has to pause or to end
BY_CTRL_C = "Stopped by Ctrl-C."


def watch(run: Run, *, quiet: bool = False) -> int:
    """Show a run on stderr until it ends; Ctrl-C interrupts it, twice stops it.

    Returns:
        The exit code of what stopped it from outside, Ctrl-C or a signal; 0: nothing did.
    """
    shown: _Live | _Lines | None = None
    if not quiet:
        shown = _Live(run) if sys.stderr is not None and sys.stderr.isatty() else _Lines(run)
    try:
        return _watched(run, shown)
    except KeyboardInterrupt:
        _halt(run, BY_CTRL_C)
        return INTERRUPTED
    except Ended as error:
        _halt(run, f"Stopped by {error}.")
        return error.code
    finally:
        if shown is not None:
            shown.close()


def _watched(run: Run, shown: _Live | _Lines | None) -> int:
    stopped = 0
    while not run.ended:
        interrupted = False
        try:
            run.attend()
        except KeyboardInterrupt:  # a second one, or one while it is asked, stops the run
            interrupted = True
            run.interrupt()
            run.attend(ENDING)
        if not run.ended:
            with shown.aside() if shown is not None else contextlib.nullcontext():
                if not _goes_on(run):
                    _halt(run, BY_CTRL_C if interrupted else run.reason)
                    stopped = INTERRUPTED if interrupted else 0
    return stopped if run.status == "stopped" else 0


def _halt(run: Run, reason: str) -> None:
    """End a run, saying why, and wait until it has ended."""

    async def stop() -> None:
        run.end_with(reason)

    if not run.ended:
        run_sync(stop())
        run.attend(ENDING)


def _goes_on(run: Run) -> bool:
    """Ask whether a run that stands is to go on; where nobody can be asked it isn't."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    # Not input(prompt): that would go to stdout, where only the answer belongs.
    say(f"\n{run.reason} [Enter] goes on, [q] stops: ", end="")
    try:
        reply = input()
    except EOFError:  # Ctrl-D
        return False
    if reply.strip().lower().startswith("q"):
        return False
    run.resume()
    return True


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
        width = max(20, self._console.width - 1)
        # The answer is printed below, or why there is none: not twice on one screen.
        return Text(tree_text(self._run.tree, width=width, max_rows=rows, outcome=False))

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone
            self._live.stop()


class _Lines:
    """One line for each thing that happened."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._more: dict[str, int] = {}  # lines that weren't shown, by one that was and is alike
        self._unlisten = run.log.listen(self._hear)
        for logged in list(run.log.events):
            if isinstance(logged.event, e.RunStarted):
                self._hear(logged)

    def _hear(self, logged: Logged) -> None:
        line = event_line(self._run, logged).replace("\r\n", "\n")
        if not line:
            return
        with self._lock:
            if trouble := _trouble(logged.event):
                self._more[trouble] = self._more.get(trouble, -1) + 1
                if self._more[trouble]:
                    return
            elif not isinstance(logged.event, e.CallEnded):  # of a batch: others may follow
                self._tell_of_more()
            say(line)

    def _tell_of_more(self) -> None:
        for trouble, count in self._more.items():
            if count:
                say(f"  … ({count:,} more like it: {oneline(trouble, 60)})" if len(self._more) > 1
                    else f"  … ({count:,} more like it)")  # fmt: skip
        self._more.clear()

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is redrawn here."""
        return contextlib.nullcontext()

    def close(self) -> None:
        self._unlisten()
        with self._lock:
            self._tell_of_more()


def _trouble(event: object) -> str:
    """Give what went wrong with a call, the same for calls of which one line tells enough."""
    match event:
        case e.CallEnded() if event.error:
            said = event.error
        case e.CallRetried():
            said = f"tried again: {event.error}"
        case _:
            return ""
    return re.sub(r"\d[\d.,]*", "…", said)


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
            model = event.model or run.tree[event.node].model
            if event.error:
                return f"  {event.node} {model}: {event.error}"
            what = f"{tokens} tokens, {money_text(used.get('cost', 0.0))}"
            return f"  {event.node} {model}: {what}, {duration_text(used.get('seconds', 0.0))}"
        case e.CallRetried():
            wait = duration_text(event.wait)
            return f"  {event.node} failed and is tried again in {wait}: {event.error}"
        case e.SolveEnded():
            node = run.tree[event.node]
            return f"  {event.node} {label(node)}: {oneline(node.title, 200)}"
        case e.AnswerGiven() if not event.accepted:
            return f"  {oneline(event.reason, 200)}"
        case e.Noted():
            return f"  {in_flags(event.text)}"
        case e.RunEnded():
            took = duration_text(event.seconds)
            said = f"{event.node}: {event.status} in {took}."
            # Why the run itself ended so is said below its answer.
            return said if event.node == run.node else f"{said} {event.reason}".rstrip()
    return ""


def _cut(text: str, most: int = 600) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _indent(text: str, mark: str) -> str:
    return "\n".join(mark + line for line in text.rstrip("\n").split("\n"))
