"""One log that front ends follow: what they know of it, what is new, what streams in.

A recording is followed in the same way; all that comes of it is what is put into it, as a note is.

``hear`` runs under the log's lock on the thread that emits: it only takes notes and wakes the
thread that pushes. All else runs on that thread, or on whichever answers a request.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..log import Log, Tree
from ..protocol import Logged
from ..protocol.events import (
    CallEnded,
    CallsDecided,
    CallsProposed,
    CallStarted,
    CallText,
    CellEnded,
    RunEnded,
)
from ..protocol.front import AskInfo, RunInfo
from ._describe import recording_info, run_info, session_info
from ._slim import clean_text, packed, slim

if TYPE_CHECKING:
    from ..engine import Run
    from ..engine.recorded import RecordedRun
    from ..lm import BudgetLedger

PIECE = 65_536  # characters of a text pushed at once; a client asks for what is before them
PAGES = 16  # of a recording that are kept packed


class Followed:
    """A run, a session's node or a recording, and how far the front ends are with it.

    Args:
        key: the id that front ends know it by.
        log: its log; None: it is a recording.
        tree: the tree folded from it.
        node: the node it is about.
        wake: called when there is something to push.
        run: the run, or None for the node of a session.
        name: how it is called in the notebook.
        anchor: the notebook cell that started it.
        session: the session of the front end that did.
        ledger: the budget, where there is no run to ask.
        recorded: the recording, where it is one.
    """

    def __init__(
        self,
        key: str,
        log: Log | None,
        tree: Tree,
        node: str,
        wake: Callable[[Followed], None],
        *,
        run: Run | None = None,
        name: str = "",
        anchor: str = "",
        session: str = "",
        ledger: BudgetLedger | None = None,
        recorded: RecordedRun | None = None,
    ) -> None:
        self.key, self.log, self.tree, self.node, self.run = key, log, tree, node, run
        self.name, self.anchor, self.session, self.ledger = name, anchor, session, ledger
        self.recorded = recorded
        self.dirty = False  # it waits to be looked at
        self.sent = 0  # the number of the last event that was pushed
        self.next_at = 0.0  # monotonic: not pushed before
        self.told: RunInfo | None = None  # the last that was pushed …
        self.told_at = 0.0  # … and when (monotonic)
        self._wake = wake
        self._flying: set[str] = set()
        self._asks: dict[str, CallsProposed] = {}
        self._pages: dict[tuple[int, ...], tuple[bytes, int, bool]] = {}
        self._packing = threading.Lock()
        self._streams: dict[str, str] = {}  # watched calls, and what of them was pushed
        self._wet: set[str] = set()  # of those, the ones with more
        self.dropped = False
        self._unlisten: Callable[[], None] | None = None

    def open(self) -> None:
        """Listen to the log, from its beginning, or to what is put into the recording."""
        if self.log is not None:
            self._unlisten = self.log.listen(self._hear, since=0)
        elif self.recorded is not None:
            self._unlisten = self.recorded.listen(self._changed)

    def close(self) -> None:
        """Listen no more."""
        self.dropped = True
        if self._unlisten is not None:
            self._unlisten()

    # -- under the log's lock -------------------------------------------------------------------

    def _hear(self, logged: Logged) -> None:
        event = logged.event
        if isinstance(event, CallText):
            if event.node not in self._streams:
                return
            self._wet.add(event.node)
        elif isinstance(event, CallStarted):
            self._flying.add(event.node)
        elif isinstance(event, CallEnded):
            self._flying.discard(event.node)
        elif isinstance(event, CallsProposed):
            self._asks[event.ask] = event
        elif isinstance(event, CallsDecided):
            self._asks.pop(event.ask, None)
        elif isinstance(event, CellEnded):
            for ask in [a for a, asked in self._asks.items() if asked.node == event.node]:
                del self._asks[ask]
        elif isinstance(event, RunEnded) and event.node == self.node:
            self._asks.clear()
        if not self.dirty:
            self._wake(self)

    def _changed(self) -> None:
        assert self.recorded is not None
        self.tree = self.recorded.tree
        self._wake(self)

    # -- what there is ----------------------------------------------------------------------------

    @property
    def events(self) -> Sequence[Logged]:
        """All that has happened, oldest first."""
        if self.log is not None:
            return self.log.events
        return self.recorded.events if self.recorded is not None else ()

    @property
    def seq(self) -> int:
        """The number of the last event."""
        events = self.events
        return events[-1].seq if len(events) else 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        node = self.tree.get(self.node)
        over = self.run is not None and node is not None and node.ended is not None
        return over or self.recorded is not None

    @property
    def origin(self) -> tuple[str, int]:
        """The id of the run that it is a branch of, and the last turn that they have in common."""
        node = self.tree.get(self.node)
        forked = node.config.get("forked") if node is not None else None
        if not isinstance(forked, dict):
            return "", 0
        run, turn = forked.get("run"), forked.get("turn")
        if not isinstance(run, str) or not isinstance(turn, int) or not 0 <= turn < 1 << 31:
            return "", 0
        return run, int(turn)

    @property
    def run_id(self) -> str:
        """The id of the run in its own log."""
        if self.recorded is not None:
            return self.recorded.id
        return self.run.id if self.run is not None else ""

    def page(self, since: int, limit: int, size: int) -> tuple[list[dict[str, Any]], int, bool]:
        """Give what came after an event: its number, at most so many, about so many characters.

        Returns:
            The events, cut; the number of the last of them (``since`` where there are none, or
            the log's last where that is smaller); whether there are more.
        """
        events = self.events
        start = bisect_right(events, since, key=lambda logged: logged.seq)
        found: list[dict[str, Any]] = []
        for logged in events[start : start + limit]:
            slimmed, length = slim(logged)
            if found and length > size:
                break
            found.append(slimmed)
            size -= length
        last = found[-1]["seq"] if found else min(since, self.seq)
        return found, last, start + len(found) < len(events)

    def packed_page(self, since: int, limit: int, size: int) -> tuple[bytes, int, bool]:
        """Give ``page`` with its events as JSON by gzip.

        Of a recording that is made once: where one is opened, each page that is there and its
        widget ask for the same, all at the same moment.
        """
        if self.recorded is None:
            events, last, more = self.page(since, limit, size)
            return packed(events), last, more
        asked = (len(self.events), since, limit, size)
        with self._packing:
            found = self._pages.get(asked)
            if found is None:
                events, last, more = self.page(since, limit, size)
                if len(self._pages) >= PAGES:
                    self._pages.clear()
                found = self._pages[asked] = (packed(events), last, more)
        return found

    def info(self, extra: Mapping[str, Any]) -> RunInfo:
        """Describe it as it is now."""
        if self.recorded is not None:
            return recording_info(self.recorded, run_id=self.key, seq=self.seq, name=self.name)
        if self.run is None:
            return session_info(
                self.tree[self.node], run_id=self.key, seq=self.seq,
                in_flight=len(self._flying), ledger=self.ledger,
            )  # fmt: skip
        asks = list(self._asks.values())  # one step: the emitting thread changes it meanwhile
        return run_info(
            self.run, run_id=self.key, seq=self.seq, name=self.name, anchor=self.anchor,
            session=self.session, in_flight=len(self._flying),
            asking=_ask_info(asks[0]) if asks else None, extra=extra,
        )  # fmt: skip

    # -- what streams in --------------------------------------------------------------------------

    def watch(self, nodes: set[str], anew: set[str]) -> None:
        """Have the texts of ``nodes`` collected; those of ``anew`` from their beginning."""
        self._streams = {
            node: "" if node in anew else self._streams.get(node, "") for node in nodes
        }
        self._wet.update(anew)
        if anew and not self.dirty:
            self._wake(self)

    def pieces(self) -> list[tuple[str, str, int]]:
        """Give what is new of the watched texts: node, text, and where in the whole it begins."""
        found = []
        for node_id in list(self._wet):
            self._wet.discard(node_id)  # before the text is read: more of it marks it again
            node, sent = self.tree.get(node_id), self._streams.get(node_id)
            if node is None or sent is None or node.kind != "call" or node.ended is not None:
                continue  # the whole comes with the event
            text = node.text
            start = len(sent) if text.startswith(sent) else 0  # tried again, from its beginning
            start = max(start, len(text) - PIECE)
            self._streams[node_id] = text
            if start < len(text) or not text.startswith(sent):
                found.append((node_id, clean_text(text[start:]), start))
        return found


def _ask_info(event: CallsProposed) -> AskInfo:
    return AskInfo(
        ask=event.ask,
        cell=event.node,
        calls=event.calls,
        tokens=event.tokens,
        cost=event.cost,
        line=event.line,
        reason=clean_text(event.reason),
    )
