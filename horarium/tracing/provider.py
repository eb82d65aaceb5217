"""OpenTelemetry's tracer provider: the one that is there already, or else one that its own variables describe.

An app that has made one (in its code, or by `opentelemetry-instrument`) has said where its spans go, and ours go the
same way. Otherwise ours becomes the process' own, so that what tasks trace by themselves goes with ours: OTLP over
HTTP, with everything that OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES and OTEL_SDK_DISABLED say, which the SDK reads.

Spans are sent by a thread of the SDK's, from a queue with a bound: what does not fit in is dropped, and the SDK says
so. Nothing that is scheduled ever waits for a collector.
"""

from __future__ import annotations

from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

if TYPE_CHECKING:
    from horarium.tracing.derived import Derived

__all__ = ["GivenIds", "given", "tracer_provider"]

given: ContextVar[Derived | None] = ContextVar("given", default=None)
"""The ids of the span that is being made, where it is the first of its trace and they are computed."""


class GivenIds(IdGenerator):
    """The ids that are `given`; where none are, those of another generator."""

    def __init__(self, otherwise: IdGenerator) -> None:
        self._otherwise = otherwise

    def generate_trace_id(self) -> int:
        """An id for a trace."""
        ids = given.get()
        return self._otherwise.generate_trace_id() if ids is None else ids.trace_id

    def generate_span_id(self) -> int:
        """An id for a span."""
        ids = given.get()
        return self._otherwise.generate_span_id() if ids is None else ids.span_id

    def is_trace_id_random(self) -> bool:
        """Whether the id of the trace that is being made is as good as random (W3C's flag)."""
        return given.get() is not None or self._otherwise.is_trace_id_random()


def tracer_provider(service: str) -> tuple[TracerProvider, bool]:
    """The provider, and whether it is ours to shut down."""
    found = trace.get_tracer_provider()
    if isinstance(found, TracerProvider):
        if not isinstance(found.id_generator, GivenIds):  # where tracers take it from that are asked for later
            found.id_generator = GivenIds(found.id_generator)  # type: ignore[assignment]  # inferred from its default
        return found, False
    made = TracerProvider(
        resource=_resource(service), id_generator=GivenIds(RandomIdGenerator()), shutdown_on_exit=False
    )
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if isinstance(found, trace.ProxyTracerProvider):  # and not one of another maker, which the app keeps for itself
        trace.set_tracer_provider(made)
    return made, True


def _resource(service: str) -> Resource:
    """Who we are; a name that a variable gives wins."""
    said = Resource.create({SERVICE_VERSION: version("horarium")})
    if str(said.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        return said.merge(Resource({SERVICE_NAME: service}))
    return said
