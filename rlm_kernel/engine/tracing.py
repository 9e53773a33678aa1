"""Sending a run's spans to an OpenTelemetry collector, where asked: of a recording, or live."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ConfigError, RecordingError
from ..log import Tree
from ..log.format import oneline
from ..log.recording import redacted
from ..protocol import Logged
from ..protocol import events as e
from .recorded import RecordedRun, hiding

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from .run import Run

_log = logging.getLogger("rlm_kernel.engine")

PATH = "/v1/traces"
_AT_ONCE = 64  # spans of one request
_MISSING = (
    "Spans need the extra otel, which isn't installed: pip install 'rlm-kernel[otel]' brings it."
)
_OFF = "OpenTelemetry is switched off here (OTEL_SDK_DISABLED), so no spans are made or sent."


def endpoint(url: str) -> str:
    """Give the address that spans go to; a collector's without a path gets the usual one.

    Raises:
        ConfigError: it is no address, or the extra ``otel`` isn't installed.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{oneline(url.rpartition('@')[2], 200)!r} is no collector's address: give one such as "
            f"http://127.0.0.1:4318{PATH}."
        )
    try:
        import openinference.instrumentation  # noqa: F401
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401
    except ImportError:
        raise ConfigError(_MISSING) from None
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}{PATH}"


def spans_of(run: RecordedRun) -> Sequence[ReadableSpan]:
    """Give a recorded run's spans.

    Raises:
        ConfigError: the extra ``otel`` isn't installed.
        RecordingError: OpenTelemetry is switched off.
    """
    try:
        from ..log.formats.spans import to_spans
    except ImportError:
        raise ConfigError(_MISSING) from None
    spans = to_spans(run.tree, run.node)
    if not spans:
        raise RecordingError(_OFF if _off() else "OpenTelemetry made no spans of the run.")
    return spans


def send(run: RecordedRun, url: str) -> int:
    """Send a recorded run's spans; see ``RecordedRun.send_spans``."""
    where = endpoint(url)
    spans, failed = spans_of(run), list[str]()
    exporter = _exporter(where, failed.append)
    for start in range(0, len(spans), _AT_ONCE):
        exporter.export(spans[start : start + _AT_ONCE])
        if failed:
            raise RecordingError(
                f"The spans couldn't be sent to {_shown(where)}, "
                f"{start:,} of {len(spans):,} were ({failed[0]})."
            )
    exporter.shutdown()
    return len(spans)


class Follower:
    """Sends a live run's spans, each as it ends.

    Args:
        run: the run; what it has done already is sent, too.
        url: of the collector.

    Raises:
        ConfigError: as for ``endpoint``.
    """

    def __init__(self, run: Run, url: str) -> None:
        where = endpoint(url)
        if _off():
            run.note(_OFF)
        self._run, self._where, self._failed = run, where, False
        self._hide = hiding(None)
        self._tree = Tree()
        self._spans: Any = None
        self._known = run.log.events[-1].seq if run.log.events else 0
        self._over = False
        self._unlisten = run.log.listen(self._hear, since=0)
        if self._over or run.ended:
            self._finish()

    def _hear(self, logged: Logged) -> None:
        event = logged.event
        if event.transient or self._over:
            return
        if self._hide is not None:
            logged = replace(logged, event=redacted(event, self._hide))
        node = self._tree.apply(logged)
        if node is None:
            return
        top = node.id == self._run.node
        if self._spans is None:
            if not (top and node.known):
                return
            self._spans = self._made(node)
        self._spans.begin(node)
        if node.ended is not None and not top:
            self._spans.end(node)
        if top and isinstance(event, e.RunEnded) and logged.seq > self._known:
            self._finish()

    def _finish(self) -> None:
        """End what is open; what is left to send is sent by a thread that the process waits for."""
        unlisten = getattr(self, "_unlisten", None)
        first, self._over = not self._over, True
        if first and self._spans is not None:
            self._spans.end_all(self._tree)
            last = self._spans.provider.shutdown
            threading.Thread(target=last, name="rlm-spans", daemon=False).start()
        if unlisten is not None:  # else it ended while it was told what it had done
            unlisten()

    def _made(self, run: Any) -> Any:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from ..log.formats.spans import Spans

        return Spans(run, BatchSpanProcessor(_exporter(self._where, self._tell)))

    def _tell(self, why: str) -> None:
        if self._failed:
            return
        self._failed = True
        said = f"couldn't be sent to {_shown(self._where)} ({why})"
        if self._over or self._run.ended:
            _log.error("Spans of the run %s %s.", self._run.id, said)
        else:
            self._run.note(f"Its spans {said}; the run goes on.")


# -- private ----------------------------------------------------------------------------------


def _off() -> bool:
    """Whether OpenTelemetry is switched off, by its own variable."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _shown(where: str) -> str:
    """Give an address as it may be shown: without a name, a password or a key in its query."""
    parts = urlsplit(where)
    return oneline(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 200)


def _exporter(where: str, failed: Callable[[str], None]) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult
    from requests import Session

    elsewhere: list[int] = []

    def look(response: Any, *args: Any, **options: Any) -> None:
        if 300 <= response.status_code < 400:  # nobody has taken them, whatever is made of it
            elsewhere.append(response.status_code)

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            elsewhere.clear()
            with _hearing() as said:
                done = super().export(spans)
            if elsewhere:
                failed(f"it answered {elsewhere[0]}, which sends elsewhere: give that address")
                return SpanExportResult.FAILURE
            if done is not SpanExportResult.SUCCESS:
                failed(_without(where, said()))
            return done

    session = Session()
    session.hooks["response"].append(look)
    return Exporter(endpoint=where, session=session)


def _without(where: str, text: str) -> str:
    """Give a text without the parts of an address that aren't shown."""
    parts = urlsplit(where)
    for part in (parts.netloc.rpartition("@")[0], parts.password, parts.query):
        text = text.replace(part, "…") if part else text
    return text


class _Ear(logging.Filter):
    """Takes what OpenTelemetry would log of our sending, so that it is said once, in a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.mine = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        heard = getattr(self.mine, "heard", None)
        if heard is None:
            return True
        heard.append(record.getMessage())
        return False


_EAR = _Ear()
_ERRNO = re.compile(r"\[Errno -?\d+\] ([\w ]+)")


@contextmanager
def _hearing() -> Iterator[Callable[[], str]]:
    """Hear what is logged by this thread's sending; give what says the last of it."""
    from opentelemetry.exporter.otlp.proto.http import trace_exporter

    logging.getLogger(trace_exporter.__name__).addFilter(_EAR)
    heard: list[str] = []
    _EAR.mine.heard = heard

    def said() -> str:
        fault = next((found[1] for text in heard if (found := _ERRNO.search(text))), "")
        return fault or oneline(heard[-1] if heard else "no reason was given", 300).rstrip(".")

    try:
        yield said
    finally:
        _EAR.mine.heard = None
