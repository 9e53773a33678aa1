"""Between the front ends and the runs: requests come in, what happens goes out.

Guarantees (those of pushing are told in ``_pushing``):
- ``handle`` answers whatever it is given, from any thread, and never raises for what it was given;
  what changes something is done once for a ``(client, id)``, and answered the same again;
- ``submit`` never keeps its caller waiting: what may take a while is done, in order, elsewhere;
- what is given out can be sent as it is: JSON without NaN, UTF-8 without lone surrogates.
"""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import RLMError
from ..log import Log, Tree
from ..protocol.front import (
    EventsReply,
    GetEvents,
    GetText,
    Reply,
    Request,
    RunInfo,
    Steer,
    SteerReply,
    Sync,
    SyncReply,
    TextReply,
    Watch,
)
from ._followed import Followed
from ._once import Once
from ._pushing import Pusher, Send, plain, start_thread
from ._requests import Refused, read_command, read_request, request_id
from ._slim import clean_text, packed

if TYPE_CHECKING:
    from ..engine import Run
    from ..engine.recorded import RecordedRun
    from ..lm import BudgetLedger

PAGE, PAGE_SIZE = 10_000, 512_000  # events, and about characters, of one reply …
PACKED, PACKED_SIZE = 50_000, 8_000_000  # … and of a packed one
HELD = 8  # packed pages that a widget holds
TEXT = 262_144  # characters of one reply
KEPT = 100  # runs; of more, those that ended first are forgotten
WATCHING = 100  # clients and runs of which texts are watched
TEXTS = frozenset((
    "prompt", "text", "code", "proposed_code", "output", "traceback", "observation", "question",
    "answer", "result", "error", "reason", "note",
))  # fmt: skip

_READS = (Sync, GetEvents, GetText, Watch)
_note = logging.getLogger("rlm_kernel.notebook")
_R = TypeVar("_R", bound=Request)


class Hub:
    """What the front ends of one kernel talk to. Thread-safe.

    Args:
        version: of this package.
        describe: gives fields of ``RunInfo`` that the run alone doesn't know (executor, pending …);
            called on any thread, without a lock held. It may be set later.
    """

    def __init__(
        self, *, version: str, describe: Callable[[Run], Mapping[str, Any]] | None = None
    ) -> None:
        self.kernel = uuid.uuid4().hex
        self.version = version
        self.describe = describe
        self.heard = False  # whether a front end that can place cells has asked for anything yet
        self.notice = ""  # one sentence for every front end that asks
        self._handlers: dict[type[Request], Callable[[Any], Reply]] = {
            Sync: self._sync, GetEvents: self._events, GetText: self._text, Watch: self._watch,
            Steer: self._steer,
        }  # fmt: skip
        self._once = Once()
        self._followed: dict[str, Followed] = {}
        self._recordings = 0
        self._watched: dict[tuple[str, str], set[str]] = {}  # by run and client
        self._closed = False
        self._lock = threading.Lock()
        self._pusher = Pusher(self._info)
        self._worker: threading.Thread | None = None
        self._work: queue.SimpleQueue[tuple[object, Send] | None] = queue.SimpleQueue()

    # -- runs -------------------------------------------------------------------------------------

    def add(self, run: Run, name: str = "", anchor: str = "", session: str = "") -> None:
        """Follow a run and announce it; its children are in the same log.

        Args:
            run: the run; front ends know it by its ``id``.
            name: how it is called in the notebook.
            anchor: the notebook cell that started it.
            session: the session of the front end that did.
        """
        self._follow(
            Followed(
                run.id, run.log, run.tree, run.node, self._pusher.wake, run=run, name=name,
                anchor=anchor, session=session,
            )
        )  # fmt: skip

    def add_log(
        self, id: str, log: Log, tree: Tree, node: str, ledger: BudgetLedger | None = None
    ) -> None:
        """Follow a log that has no run, of calls typed outside of one; it takes no commands.

        Args:
            id: what front ends are to know it by.
            log: the log.
            tree: the tree folded from it.
            node: its session's node, whose title is shown.
            ledger: the budget of these calls.
        """
        self._follow(Followed(id, log, tree, node, self._pusher.wake, ledger=ledger))

    def add_recording(self, recorded: RecordedRun, name: str = "") -> str:
        """List a recording among the runs; it takes no commands.

        Args:
            recorded: the recording.
            name: how it is called in the notebook.

        Returns:
            What front ends know it by: an id of ours, its own is whatever its file says.
        """
        there = next((one for one in self._followed.values() if one.recorded is recorded), None)
        if there is not None:
            there.name = name or there.name
            self._pusher.wake(there)
            return there.key
        with self._lock:
            self._recordings += 1
            key = f"recording{self._recordings}"
        self._follow(
            Followed(
                key, None, recorded.tree, recorded.node, self._pusher.wake, name=name,
                recorded=recorded,
            )
        )  # fmt: skip
        return key

    def packed(self, key: str) -> list[bytes]:
        """Give what is known of a run, then its events page by page, each as JSON by gzip.

        Nothing where that is too much for a page to hold twice: it asks for them by and by then.
        """
        followed = self._named(key)
        found, since, more = [packed(plain(self._info(followed)))], 0, True
        while more:
            page, since, more = followed.packed_page(since, PACKED, PACKED_SIZE)
            found.append(page)
            if len(found) > HELD and more:
                return []
        return found

    def find(self, key: str) -> Run | RecordedRun:
        """Give what front ends know by an id.

        Raises:
            Refused: it is no run, or not here.
        """
        followed = self._named(key)
        found = followed.run or followed.recorded
        if found is None:
            raise Refused("These calls belong to no run.")
        return found

    def info(self, key: str) -> RunInfo:
        """Describe a run as it is now."""
        return self._info(self._named(key))

    def changed(self, run: Run) -> None:
        """Have a run's ``RunInfo`` looked at again; pushed where it differs. Never waits."""
        followed = self._followed.get(run.id)
        if followed is not None and followed.run is run and not followed.dirty:
            self._pusher.wake(followed)

    # -- front ends -------------------------------------------------------------------------------

    def on(self, request: type[_R], handler: Callable[[_R], Reply]) -> None:
        """Have a class of requests answered by ``handler``; it may raise an ``RLMError``."""
        self._handlers[request] = handler

    def subscribe(self, send: Send) -> Callable[[], None]:
        """Have everything that is pushed given to ``send``, on a thread of ours.

        What is given is JSON-able, the same object for every subscriber: it isn't to be changed.
        The texts of watched calls go to all, whoever watches.

        Returns:
            A function that ends it.
        """
        return self._pusher.subscribe(send, list(self._followed.values()))

    def handle(self, content: object) -> dict[str, Any]:
        """Answer a request. A ``steer`` may take up to 10 s where the engine hangs."""
        to = request_id(content)
        try:
            if self._closed:
                raise Refused("rlm-kernel was unloaded in this kernel; `%load_ext rlm` loads it.")
            request = read_request(content)
        except Refused as refused:
            return plain(Reply(ok=False, message=clean_text(str(refused)), to=to))
        self._pusher.begin(list(self._followed.values()))
        if isinstance(request, Sync | GetEvents | GetText) or not request.id:
            return self._answer(request)[0]
        reply = self._once.do((request.client, request.id), lambda: self._answer(request))
        if reply is None:
            reply = plain(Reply(ok=False, message="It was interrupted; ask again.", to=to))
        return reply

    def submit(self, content: object, answer: Send) -> None:
        """Answer a request by ``answer``: at once what only reads, else from another thread.

        For threads that must not be kept: the control channel's, a comm's. What changes something
        is done in the order in which it came.
        """
        kind = content.get("type") if isinstance(content, dict) else None
        waits = isinstance(kind, str) and kind not in {read.type for read in _READS}
        if not waits or self._closed:
            answer(self.handle(content))
            return
        with self._lock:
            if self._worker is None:
                self._worker = start_thread("rlm-requests", self._serve)
        self._work.put((content, answer))

    def close(self) -> None:
        """Say goodbye, and stop listening."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            followed, self._followed = list(self._followed.values()), {}
        for one in followed:
            one.close()
        self._work.put(None)
        self._pusher.close()

    # -- answering --------------------------------------------------------------------------------

    def _answer(self, request: Request) -> tuple[dict[str, Any], bool]:
        """Give the reply to a request, and whether it may be given again."""
        handler = self._handlers.get(type(request))
        stands = True
        try:
            if handler is None:
                raise Refused(f"Nothing here takes a {request.type!r} request.")
            reply = handler(request)
        except TimeoutError:
            stands = False  # it may have been taken since: the run knows the command by its id
            message = (
                "The run's engine hasn't answered for 10 s; the command may still be taken. Look "
                "at the run before it is sent again."
            )
            reply = Reply(ok=False, message=message)
        except (Refused, RLMError) as error:
            reply = Reply(ok=False, message=clean_text(str(error)))
        except Exception as error:
            _note.exception("A %s request failed.", request.type)
            why = f"rlm-kernel itself failed ({type(error).__name__}: {error}); please report it."
            reply = Reply(ok=False, message=clean_text(why[:1_000]))
        return plain(replace(reply, to=request.id)), stands

    def _named(self, key: str) -> Followed:
        found = self._followed.get(key)
        if found is None:
            raise Refused(f"There is no run {key[:80]!r} in this kernel; it may have restarted.")
        return found

    def _sync(self, request: Sync) -> Reply:
        runs = [self._info(followed) for followed in list(self._followed.values())]
        return SyncReply(kernel=self.kernel, version=self.version, runs=runs, notice=self.notice)

    def _events(self, request: GetEvents) -> Reply:
        followed = self._named(request.run)
        most, size = (PACKED, PACKED_SIZE) if request.packed else (PAGE, PAGE_SIZE)
        limit = min(max(request.limit, 1), most)
        since = max(request.since, 0)
        if request.packed:
            page, seq, more = followed.packed_page(since, limit, size)
            text = b64encode(page).decode()
            return EventsReply(run=request.run, packed=text, seq=seq, more=more)
        events, seq, more = followed.page(since, limit, size)
        return EventsReply(run=request.run, events=events, seq=seq, more=more)

    def _text(self, request: GetText) -> Reply:
        node = self._named(request.run).tree.get(request.node)
        if node is None:
            raise Refused(f"There is no node {request.node[:80]!r} in that run.")
        if request.field not in TEXTS:
            raise Refused(f"A node has no text named {request.field[:80]!r}.")
        whole = getattr(node, request.field) or ""
        start = min(max(request.start, 0), len(whole))
        stop = min(max(request.stop, start), start + TEXT)
        return TextReply(text=clean_text(whole[start:stop]), start=start, chars=len(whole))

    def _watch(self, request: Watch) -> Reply:
        followed = self._named(request.run)
        nodes = set(request.nodes)
        with self._lock:
            before = self._watched.pop((request.run, request.client), set())
            if len(self._watched) > WATCHING:  # pages that went away don't say so
                del self._watched[next(iter(self._watched))]
            if nodes:
                self._watched[request.run, request.client] = nodes
            every = [of for (run, _), of in self._watched.items() if run == request.run]
        followed.watch(set().union(*every), nodes - before)
        return Reply()

    def _steer(self, request: Steer) -> Reply:
        followed = self._named(request.run)
        run = followed.run
        if followed.recorded is not None:
            raise Refused("This is a recording: nothing can be changed in it.")
        if run is None:
            raise Refused("These calls belong to no run: there is nothing to steer.")
        ack = run.send(read_command(request.client, request.id, request.command))
        return SteerReply(ok=ack.ok, message=clean_text(ack.message), phase=ack.phase)

    def _info(self, followed: Followed) -> RunInfo:
        extra: Mapping[str, Any] = {}
        if self.describe is not None and followed.run is not None:
            try:
                extra = self.describe(followed.run)
            except Exception:
                _note.exception("A run could only be described in part.")
        info = followed.info(extra)
        origin, turn = followed.origin
        if origin:
            runs = [one for one in self._followed.values() if one.run_id == origin]
            live = [one.key for one in runs if one.run is not None] or [one.key for one in runs]
            info = replace(info, branch_of=live[0] if live else "", branch_turn=turn)
        return info

    def _serve(self) -> None:
        while (job := self._work.get()) is not None:
            content, answer = job
            try:
                answer(self.handle(content))
            except Exception:
                _note.exception("A reply could not be given.")

    def _follow(self, followed: Followed) -> None:
        with self._lock:
            gone = [one for one in self._followed.values() if one.key == followed.key]
            ended = [one for one in self._followed.values() if one.ended]
            gone += ended[: max(len(self._followed) + 1 - KEPT, 0)]
            for one in gone:
                self._followed.pop(one.key, None)
            self._followed[followed.key] = followed
        for one in gone:
            one.close()
        self._pusher.announce(followed)
        followed.open()
