"""Spans that were made or sent, as a test looks at them."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from horarium.tracing.provider import GivenIds
from horarium.tracing.spans import Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.sampling import Sampler

__all__ = ["Collector", "Seen", "TracedProcess", "collecting"]


@dataclass(frozen=True)
class Seen:
    """A span that has ended; ids are hexadecimal, and `parent` is empty where it begins its trace."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    service: str = ""
    fails: bool = False


class TracedProcess:
    """The tracing of one process, whose spans stay in it."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, id_generator=GivenIds(RandomIdGenerator()))
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(self.provider)

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        """As the SDK has them."""
        return self._exporter.get_finished_spans()

    @property
    def spans(self) -> list[Seen]:
        """What it has made, in the order in which they ended."""
        return [_made(span) for span in self.finished]


def _made(span: ReadableSpan) -> Seen:
    context, parent = span.context, span.parent
    assert context is not None
    return Seen(
        span.name,
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        "" if parent is None else f"{parent.span_id:016x}",
        dict(span.attributes or {}),
        fails=not span.status.is_ok and not span.status.is_unset,
    )


@dataclass
class Collector:
    """What takes spans by OTLP over HTTP, as a collector does."""

    spans: list[Seen] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    def of(self, trace: str) -> dict[str, list[Seen]]:
        """The spans of a trace, by name."""
        found = defaultdict(list)
        for span in self.spans:
            if span.trace == trace:
                found[span.name].append(span)
        return dict(found)

    def take(self, body: bytes) -> None:
        """Take what a process has sent."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_values(resource.resource.attributes)["service.name"])
            self.spans += [_sent(span, service) for scope in resource.scope_spans for span in scope.spans]


def _sent(span: Any, service: str) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _values(span.attributes),
        service,
        fails=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at a port of its own."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            serving.join()
