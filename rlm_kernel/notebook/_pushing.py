"""Telling front ends what is new: one thread, which sleeps until something is.

Guarantees:
- the pushes of a run come in order, at most 25 times a second, the first after a silence at once;
- a thread that emits is never kept waiting: it sets a mark, all else is done here;
- where something can't be pushed (nobody is there, a subscriber breaks) it is left out: a front
  end sees the gap and asks; nothing is kept for anyone, the log has it;
- until a front end has spoken only the beginning of a run is announced, so that one which was
  there before us learns of it;
- a subscriber that raises is dropped, and the others are told all the same.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ..protocol.front import Bye, EventsPush, RunInfo, RunPush, TextPush
from ._followed import Followed

HZ = 25  # pushes of a run in a second, at most
BATCH, BATCH_SIZE = 1_000, 256_000  # events and about characters of one push
METERS = 0.25  # seconds between pushes of a run of which only the counts have changed
HEARTBEAT = 60.0  # seconds after which a live run is told of again: hubs cull silent kernels

Send = Callable[[dict[str, Any]], object]
_note = logging.getLogger("rlm_kernel.notebook")


class Pusher:
    """Pushes what is new of runs to whoever subscribed. Thread-safe.

    Args:
        info: describes a run as it is now; called without a lock held.
    """

    def __init__(self, info: Callable[[Followed], RunInfo]) -> None:
        self._info = info
        self._subscribers: list[Send] = []
        self.spoken = False  # a front end has asked something
        self._closed = False
        self._changed = threading.Condition(threading.Lock())
        self._due: dict[Followed, float] = {}  # who is to be looked at, and when (monotonic)
        self._thread: threading.Thread | None = None

    def subscribe(self, send: Send, runs: list[Followed]) -> Callable[[], None]:
        """Have every push given to ``send``; ``runs`` are announced. Gives what ends it."""
        with self._changed:
            self._subscribers = [*self._subscribers, send]
            for followed in runs:
                self._call(followed)

        def unsubscribe() -> None:
            with self._changed:
                self._subscribers = [other for other in self._subscribers if other is not send]

        return unsubscribe

    def begin(self, runs: list[Followed]) -> None:
        """A front end has spoken: from here on everything is pushed, what was before isn't."""
        if self.spoken:
            return
        with self._changed:
            if self.spoken:
                return
            for followed in runs:
                followed.sent = followed.seq
                self._call(followed)
            self.spoken = True

    def announce(self, followed: Followed) -> None:
        """Push a run from its beginning; of one that is long already only what comes."""
        with self._changed:
            if followed.seq > BATCH:
                followed.sent = followed.seq
            self._call(followed)

    def wake(self, followed: Followed) -> None:
        """Have a run looked at. Called under its log's lock, so it never waits."""
        if (self.spoken or followed.told is None) and self._subscribers:
            with self._changed:
                self._call(followed)

    def close(self) -> None:
        """Say goodbye, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            subscribers, self._subscribers = self._subscribers, []
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)
        for send in subscribers:
            with contextlib.suppress(Exception):  # it is gone, and so are we
                send({"kind": Bye.kind})

    # -- the thread -------------------------------------------------------------------------------

    def _call(self, followed: Followed) -> None:
        followed.dirty = True
        due = self._due.get(followed)
        if due is None or due > followed.next_at:
            self._due[followed] = followed.next_at
        if self._thread is None and not self._closed:
            self._thread = start_thread("rlm-events", self._run)
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or (ready := self._ready())):
                    self._changed.wait(self._until_next())
                if self._closed:
                    return
                for followed in ready:
                    del self._due[followed]
            for followed in ready:
                again = None
                try:
                    again = self._push(followed)
                except Exception:
                    _note.exception("What happened in %s can't be told.", followed.key)
                with self._changed:
                    followed.next_at = time.monotonic() + 1 / HZ
                    if followed in self._due:
                        self._due[followed] = followed.next_at
                    if again is not None and not followed.dropped:
                        due = max(again, followed.next_at)
                        self._due[followed] = min(due, self._due.get(followed, due))

    def _ready(self) -> list[Followed]:
        now = time.monotonic()
        return [followed for followed, due in self._due.items() if due <= now]

    def _until_next(self) -> float | None:
        return max(min(self._due.values()) - time.monotonic(), 0.0) if self._due else None

    def _push(self, followed: Followed) -> float | None:
        """Tell the subscribers what is new of a run; give when it is to be looked at again."""
        followed.dirty = False  # before anything is read: what comes now marks it again
        if not self._subscribers or followed.dropped:
            followed.sent = followed.seq
            return None
        if followed.told is None:
            self._tell(followed, self._info(followed))
        if not self.spoken:
            return None
        if followed.recorded is not None:
            followed.sent = followed.seq  # what is put into it numbers all anew: they are asked
        events, seq, more = followed.page(followed.sent, BATCH, BATCH_SIZE)
        if events:
            push = EventsPush(run=followed.key, since=followed.sent, events=events, seq=seq)
            self._send({"kind": EventsPush.kind, **plain(push)})
            followed.sent = seq
        for node, text, at in followed.pieces():
            piece = TextPush(run=followed.key, node=node, text=text, at=at)
            self._send({"kind": TextPush.kind, **plain(piece)})
        later = self._push_info(followed)
        return 0.0 if more else later

    def _push_info(self, followed: Followed) -> float | None:
        info, told, now = self._info(followed), followed.told, time.monotonic()
        if told is None or _standing(info) != _standing(told) or _short(info) != _short(told):
            self._tell(followed, info)
        elif info.in_flight != told.in_flight or _used(info) != _used(told):
            if now - followed.told_at < METERS:
                return followed.told_at + METERS
            self._tell(followed, info)
        elif now - followed.told_at >= HEARTBEAT:
            self._tell(followed, info)
        return None if followed.ended or followed.run is None else followed.told_at + HEARTBEAT

    def _tell(self, followed: Followed, info: RunInfo) -> None:
        followed.told, followed.told_at = info, time.monotonic()
        self._send({"kind": RunPush.kind, "info": plain(info)})

    def _send(self, push: dict[str, Any]) -> None:
        for send in self._subscribers:
            try:
                send(push)
            except Exception:
                _note.exception("A subscriber failed and is told no more.")
                with self._changed:
                    self._subscribers = [one for one in self._subscribers if one is not send]


def _standing(info: RunInfo) -> RunInfo:
    """Give what doesn't change all the time; a recording's events, which may, are part of it."""
    return replace(info, seq=info.seq if info.recorded else 0, in_flight=0, budget={})


def _short(info: RunInfo) -> list[str]:
    """Give the limits for want of which calls were refused: a person can do something about it."""
    return [name for name, meter in info.budget.items() if meter.refused]


def _used(info: RunInfo) -> dict[str, Any]:
    """Give the budget without the clock, which a front end has itself."""
    budget = dict(info.budget)
    clock = budget.pop("seconds", None)
    return {**budget, "limit": clock.limit if clock is not None else None}


def plain(value: Any) -> dict[str, Any]:
    """Give a dataclass as a dict, those in it as well; events are plain already, and not copied."""
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return plain(value)
    if isinstance(value, list) and value and is_dataclass(value[0]):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and value and is_dataclass(next(iter(value.values()))):
        return {key: _plain(item) for key, item in value.items()}
    return value


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread that goes on at a breakpoint, where those that are traced stop."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
    thread.start()
    return thread
