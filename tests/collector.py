"""A receiver of OpenTelemetry's spans on loopback: OTLP over HTTP, read by its own protobuf."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

NEEDED = "NOT RUN: spans, which need the extra otel; python3 scripts/test.py engine"


@dataclass(frozen=True)
class Received:
    """A span as it came in."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    status: int
    said: str
    attributes: dict[str, Any]
    service: str

    @property
    def kind(self) -> str:
        return str(self.attributes["openinference.span.kind"])


class Collector:
    """What was received, and where it is to be sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.spans: list[Received] = []
        self.status = 200
        self._came = threading.Condition()

    def wait_for(self, found: Callable[[list[Received]], bool], seconds: float = 60) -> bool:
        """Wait until what came in is so; False where it isn't within the time."""
        with self._came:
            return self._came.wait_for(lambda: found(self.spans), seconds)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        if self.status == 200:
            found = list(_spans(body))
            with self._came:
                self.spans += found
                self._came.notify_all()
        self.paths.append(path)
        self.headers.append(headers)
        return self.status


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason=NEEDED)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = collector.take(self.path, dict(self.headers), body)
            self.send_response(status, "Said No" if status != 200 else "OK")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(body: bytes) -> Iterator[Received]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for s in scope.spans:
                yield Received(
                    s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex(), s.name,
                    s.start_time_unix_nano, s.end_time_unix_nano, s.status.code,
                    s.status.message, _values(s.attributes), service,
                )  # fmt: skip


def _values(pairs: Any) -> dict[str, Any]:
    return {p.key: getattr(p.value, p.value.WhichOneof("value")) for p in pairs}
