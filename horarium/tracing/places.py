"""Where a span is to be: below one that headers or labels name, in a trace that is computed, or at its beginning."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from horarium.tracing.carried import carried
from horarium.tracing.derived import derived
from horarium.tracing.provider import given

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from horarium.tracing.derived import Derived

__all__ = ["Places", "carrier_of", "current"]

TRACEPARENT = "traceparent"
NOWHERE = Context()


class Places:
    """Finds them, for the spans that `tracer` makes."""

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer("horarium", version("horarium"))
        self._sampler = provider.sampler
        self._fields = tuple(propagate.get_global_textmap().fields)

    def read(self, headers: Mapping[str, Any] | None) -> Context | None:
        """The trace that these name; None where they name none. Labels are anybody's, and need not be texts."""
        if headers is None:
            return None
        texts = {name: headers[name] for name in self._fields if isinstance(headers.get(name), str)}
        context = propagate.extract(texts, context=Context())
        return context if trace.get_current_span(context).get_span_context().is_valid else None

    def computed(self, execution_id: UUID, task_type: str) -> Context:
        """The trace of an execution as it must have begun, kept or not."""
        ids = derived(execution_id)
        kept = self._decides(ids, task_type) is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.RANDOM_TRACE_ID | (TraceFlags.SAMPLED if kept else TraceFlags.DEFAULT))
        first = SpanContext(ids.trace_id, ids.span_id, is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(NonRecordingSpan(first), Context())

    def dropped(self, execution_id: UUID, task_type: str) -> dict[str, str] | None:
        """What is carried of a computed trace that is not kept; None of one that is, or that is not carried W3C's way.

        A burst of which one in a hundred is kept is to cost what that one costs: the others get no span at all.
        """
        ids = derived(execution_id)
        if TRACEPARENT not in self._fields or self._decides(ids, task_type) is not Decision.DROP:
            return None
        return {TRACEPARENT: f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{TraceFlags.RANDOM_TRACE_ID:02x}"}

    def _decides(self, ids: Derived, task_type: str) -> Decision:
        """What the sampler says of a trace that begins: by its id and name, which are all that everybody knows."""
        return self._sampler.should_sample(NOWHERE, ids.trace_id, f"tick {task_type}").decision

    def first(self, execution_id: UUID, task_type: str, *, verb: str = "tick", **options: Any) -> Span:
        """The span that begins this trace, under the ids that everybody can compute."""
        entered = given.set(derived(execution_id))
        try:
            return self.tracer.start_span(f"{verb} {task_type}", context=Context(), **options)
        finally:
            given.reset(entered)


@contextmanager
def current(span: Span, context: Context) -> Iterator[None]:
    """The span is the current one until the block ends, and is carried along; then it ends."""
    entered = attach(trace.set_span_in_context(span, context))
    carries = carried.set(carrier_of(span))
    try:
        yield
    finally:
        carried.reset(carries)
        detach(entered)
        span.end()


def carrier_of(span: Span) -> dict[str, str]:
    """What is carried of the trace: of the caller's baggage nothing, which is his and may be anything."""
    headers: dict[str, str] = {}
    propagate.inject(headers, trace.set_span_in_context(span, Context()))
    return headers
