"""The append-only log of a run: the one place where what happened is kept.

Guarantees
- sequence numbers start at 1 and have no gaps; transient events have number 0 and aren't kept;
- an event is written before any listener is told, so what was shown survives the process;
- listeners are told in order, each event once, whichever threads emit;
- durable events are also fsynced, by group commit on a thread of the log's own;
- a listener that raises is dropped and the run goes on;
- where writing fails, ``emit`` raises nothing: ``fault`` says so, ``on_fault`` is called, events
  are kept in memory, and all of them are written, in order, once writing works again;
- the same folder opened again goes on where it ended; a line that was cut is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
import weakref
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, overload

from ..errors import RecordingError
from ..protocol import Event, Logged
from ..protocol.live import Live
from ._files import LogFiles
from ._lines import encode, header
from ._sync import Syncer
from .read import scan_log

Listener = Callable[[Logged], object]
_note = logging.getLogger("rlm_kernel.log")


class Events(Sequence[Logged]):
    """The events of a log so far: a live view that only grows.

    Numbers and times stand in columns: a run can have 100,000 events, and every object that is
    kept slows Python's garbage collector.
    """

    def __init__(self, events: Sequence[Logged] = ()) -> None:
        self._events: list[Event] = []
        self._times = array("d")
        self._seqs = array("q")
        for logged in events:
            self._append(logged)

    def _append(self, logged: Logged) -> None:
        self._seqs.append(logged.seq)
        self._times.append(logged.time)
        self._events.append(logged.event)  # last: others look at its length

    def _at(self, index: int) -> Logged:
        return Logged(self._seqs[index], self._times[index], self._events[index])

    @overload
    def __getitem__(self, index: int) -> Logged: ...
    @overload
    def __getitem__(self, index: slice) -> list[Logged]: ...
    def __getitem__(self, index: int | slice) -> Logged | list[Logged]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        return self._at(index)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Logged]:
        return map(self._at, range(len(self)))

    def since(self, seq: int) -> list[Logged]:
        """Give the events after number ``seq``, oldest first."""
        count = len(self)
        return self[bisect_right(self._seqs, seq, hi=count) : count]

    def __repr__(self) -> str:
        return f"<{len(self)} events>"


class Log(Live):
    """Where the events of a run go; implements ``protocol.Sink``. Thread-safe.

    Args:
        folder: where to keep it (made where it isn't there), or None to keep it in memory only.
        on_fault: is told the sentence when writing begins to fail; it may be set later. It is
            called on the thread that noticed.

    Raises:
        RecordingError: the folder can't be used, or another process writes to it.
    """

    _instead = "Read it there from its folder, by read_log."

    def __init__(
        self, folder: Path | str | None = None, *, on_fault: Callable[[str], None] | None = None
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.on_fault = on_fault
        self.fault = ""
        self._lock = threading.RLock()
        self._events = Events()
        self._seq = 0
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self._counters: dict[str, int] = {}
        self._to_tell: deque[Logged] = deque()
        self._telling = False
        self._files: LogFiles | None = None
        self._syncer: Syncer | None = None
        self._written = 0  # events handed over to _rest
        self._rest = b""  # bytes of the line that is being written
        self._vanished = False
        self._sync_broken = False
        self._unsaid = False
        if self.folder is not None:
            self._files = LogFiles(self.folder)
            try:
                self._begin(self._files)
            except BaseException:
                self._files.close()
                raise
            self._syncer = Syncer(self._sync, self._sync_failed)
            weakref.finalize(self, self._files.close)

    # -- Sink -------------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        """Give a node id that is free in this log: ``call17``."""
        with self._lock:
            number = self._counters.get(kind, 0) + 1
            self._counters[kind] = number
        return f"{kind}{number}"

    def emit(self, event: Event) -> Logged:
        """Write an event, then tell the listeners; never raises for the disk's sake.

        Listeners are told under the log's lock: they hand over, and never wait for a thread
        that emits. An event that a listener emits is told after the one it was told.

        Returns:
            The event with its number (0 if it is transient) and time.
        """
        with self._lock:
            if event.transient:
                logged = Logged(0, time.time(), event)
            else:
                self._seq += 1
                logged = Logged(self._seq, time.time(), event)
                self._events._append(logged)
                if self._files is not None:
                    self._write_out(self._files)
                    if event.durable and self._syncer is not None:
                        self._syncer.ask()
            self._to_tell.append(logged)
            if not self._telling:
                self._tell_all()
        self._say_fault()
        return logged

    # -- reading ----------------------------------------------------------------------------

    @property
    def events(self) -> Events:
        """The events so far (transient ones aren't kept): a live view."""
        return self._events

    def since(self, seq: int) -> list[Logged]:
        """Give the events after number ``seq``, oldest first."""
        return self._events.since(seq)

    def listen(self, callback: Listener, *, since: int | None = None) -> Callable[[], None]:
        """Have ``callback`` told every event from now on.

        Args:
            callback: gets each ``Logged``, on the thread that emits.
            since: first tell it the events kept after this number (0: all), with none missed
                and none twice in between.

        Returns:
            A function that ends it.
        """
        with self._lock:
            number = self._next_listener
            self._next_listener += 1
            if since is not None:
                # what waits to be told reaches the new listener by the ordinary way
                waiting = sum(1 for logged in self._to_tell if logged.seq)
                told = self._events.since(since)
                for logged in told[: max(0, len(told) - waiting)]:
                    callback(logged)
            self._listeners[number] = callback

        def unlisten() -> None:
            with self._lock:
                self._listeners.pop(number, None)

        return unlisten

    # -- the disk ---------------------------------------------------------------------------

    async def synced(self) -> bool:
        """Wait until every durable event emitted so far is on the disk itself.

        Returns:
            False where writing fails (``fault`` says why); the events are then kept in memory.
        """
        if self._syncer is not None:
            loop = asyncio.get_running_loop()
            done: asyncio.Future[None] = loop.create_future()

            def settle() -> None:
                if not done.done():
                    done.set_result(None)

            self._syncer.when_done(lambda: _call_soon(loop, settle))
            await done
        return not self.fault

    def flush(self) -> bool:
        """Bring everything emitted so far to the disk itself; blocks. Returns as ``synced``."""
        if self._files is None or self._syncer is None:
            return True
        with self._lock:
            self._write_out(self._files)
            self._syncer.ask()
        self._say_fault()
        done = threading.Event()
        self._syncer.when_done(done.set)
        done.wait()
        return not self.fault

    def retry(self) -> bool:
        """Try again to write what is kept in memory; give whether all is written now."""
        return self.flush()

    def close(self) -> None:
        """Write and sync what is there and let go of the folder; the events stay readable."""
        if self._files is None or self._syncer is None:
            return
        with self._lock:
            self._write_out(self._files)
            self._syncer.ask()
        self._syncer.close()
        with self._lock:
            self._files.close()
            self._files = None

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "in memory" if self.folder is None else f"in {self.folder}"
        return f"<Log {where}, {len(self._events)} events>"

    # -- private ----------------------------------------------------------------------------

    def _begin(self, files: LogFiles) -> None:
        """Write the header, or take over what an earlier process left."""
        if files.size():
            scan = scan_log(files.path)
            self._events, self._seq = Events(scan.events), scan.last_seq
            files.truncate(scan.size)
            self._written = len(self._events)
            for logged in self._events:
                match = re.fullmatch(r"(.*?)(\d{1,12})", logged.event.node)
                if match:
                    kind, number = match[1], int(match[2])
                    self._counters[kind] = max(self._counters.get(kind, 0), number)
        if not files.size():
            self._rest = header(time.time())
            self._write_out(files)

    def _write_out(self, files: LogFiles) -> None:
        try:
            if self._vanished:
                files.remake()
                self._vanished = False
                self._written, self._rest = 0, header(time.time())
            files.check()
            while True:
                if self._rest:
                    self._rest = self._rest[files.write(self._rest) :]
                elif self._written < len(self._events):
                    self._rest = encode(self._events[self._written], files.put_blob)
                    self._written += 1
                else:
                    break
        except FileNotFoundError as error:
            self._vanished = True
            self._failed(error)
        except RecordingError as error:  # another process took the folder meanwhile
            self._failed(OSError(str(error)))
        except OSError as error:
            self._failed(error)
        else:
            if not self._sync_broken:
                self.fault = ""

    def _sync(self) -> None:
        files = self._files
        if files is None:
            return
        files.sync()
        if self._sync_broken:
            with self._lock:
                self._sync_broken = False
                self._write_out(files)

    def _sync_failed(self, error: OSError) -> None:
        with self._lock:
            self._sync_broken = True
            if isinstance(error, FileNotFoundError):
                self._vanished = True
            self._failed(error)
        self._say_fault()

    def _failed(self, error: OSError) -> None:
        if not self.fault:
            self._unsaid = True
        reason = error.strerror or str(error)
        self.fault = (
            f"The log can't be written to {self.folder} ({reason}); everything is kept in memory "
            "and will be written when that works again: make room or bring the folder back, "
            "then resume."
        )

    def _say_fault(self) -> None:
        """Tell of a new fault, outside of the lock: who is told may emit."""
        if not self._unsaid:
            return
        self._unsaid = False
        _note.warning("%s", self.fault)
        if self.on_fault is not None:
            try:
                self.on_fault(self.fault)
            except Exception:
                _note.exception("What was to be told of the log's fault failed itself.")

    def _tell_all(self) -> None:
        self._telling = True
        try:
            while self._to_tell:
                logged = self._to_tell.popleft()
                for number, listener in tuple(self._listeners.items()):
                    if number not in self._listeners:
                        continue
                    try:
                        listener(logged)
                    except Exception:
                        self._listeners.pop(number, None)
                        _note.exception("A listener of the log failed and is told no more.")
        finally:
            self._telling = False


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
