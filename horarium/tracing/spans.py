"""The spans of Horarium, named and described by OpenTelemetry's conventions for HTTP servers and for messaging.

    POST /api/v1/task-configs/{config_id}/run        a request, in its caller's trace if it has one; or else
    tick reports.send_daily                   an execution that nobody asked for, from its decision until it was sent
    └─ publish default                        each message of it
       └─ run reports.send_daily              each attempt, in whichever process; what the task traces is below it

Whether a trace is kept is decided once, at its first span, and travels with it. A span says which execution it is of
and what became of it, never what with: no parameter, result, path, query, header or exception's message is in one.

A backfill makes thousands of executions in one request, so each has a trace of its own, and names that of the request.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode

from horarium.outcome import Refused, Unsuccessful
from horarium.tasks.message import Trace
from horarium.tracing.carried import carried
from horarium.tracing.derived import made_at_ns
from horarium.tracing.places import Places, carrier_of, current

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from uuid import UUID

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from horarium.outcome import Attempt, Outcome
    from horarium.sql.executions import Finished
    from horarium.tasks.message import TaskMessage

__all__ = ["Sending", "Tracing"]

STOP_SECONDS = 2.0
"""How long a process that ends may take to send the spans that it still has."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})

_run: ContextVar[Span | None] = ContextVar("run", default=None)


@dataclass(frozen=True, slots=True)
class Sending:
    """Messages on their way, with the spans of each; `messages` carry their trace."""

    messages: list[TaskMessage]
    spans: list[tuple[Span, ...]]
    """Of each message its own, and after it the one that begins its trace; none where it is not kept."""

    def end(
        self, error: BaseException | None = None, *, sent: Collection[UUID] = (), refused: Collection[UUID] = ()
    ) -> None:
        """They are with the broker; or are not, because of `error`, except those that were `sent`.

        The first span of a trace is left to whoever sends the message again, unless nobody ever will (`refused`).
        """
        for message, spans in zip(self.messages, self.spans, strict=True):
            failed = error is not None and message.execution_id not in sent
            for span in spans[:1] if failed and message.execution_id not in refused else spans:
                if failed:
                    _fails(span, error)
                span.end()


class Tracing:
    """Makes the spans of one process, through a provider that is shut down at the end where it is `ours`."""

    def __init__(self, provider: TracerProvider, *, ours: bool = False) -> None:
        self._provider = provider
        self._ours = ours
        self._places = Places(provider)

    def here(self) -> dict[str, str]:
        """What is carried of the span in which we are, whoever has made it."""
        return carrier_of(trace.get_current_span())

    async def stop(self) -> None:
        """Send what is left, for a moment at most; a collector that is away keeps no process from ending."""
        if not self._ours:
            return
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        with anyio.move_on_after(STOP_SECONDS, shield=True):
            while stopping.is_alive():  # noqa: ASYNC110 - a thread that may outlive this loop sets no event of it
                await anyio.sleep(0.01)

    @contextmanager
    def request(self, headers: Mapping[str, str], method: str, route: str | None, scheme: str) -> Iterator[Span]:
        """One request, in the trace that its headers name; what it makes writes that down."""
        known = method if method in METHODS else "_OTHER"
        said = {"http.request.method": known, "http.route": route, "url.scheme": scheme}
        name = "HTTP" if known == "_OTHER" else known
        context = propagate.extract(headers, context=Context())
        span = self._places.tracer.start_span(
            f"{name} {route}" if route else name, context=context, kind=SpanKind.SERVER, attributes=_known(said)
        )
        with current(span, context):
            yield span

    @staticmethod
    def answered(span: Span, status: int) -> None:
        """Say what the request was answered with."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)

    # Messages

    def sending(self, messages: Sequence[TaskMessage], system: str) -> Sending:
        """Begin the spans of messages that are about to be sent."""
        begun = [self._begin(message, system) for message in messages]
        return Sending([message for message, _ in begun], [spans for _, spans in begun])

    def _begin(self, message: TaskMessage, system: str) -> tuple[TaskMessage, tuple[Span, ...]]:
        if message.kicked is None and not (message.trace and message.trace.headers):
            dropped = self._places.dropped(message.execution_id, message.task_type)
            if dropped is not None:
                return replace(message, trace=Trace(dropped)), ()
        parent, first = self._place(message)
        publish = self._places.tracer.start_span(
            f"publish {message.queue}",
            context=parent,
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": system,
                "messaging.operation.name": "publish",
                "messaging.operation.type": "send",
                "messaging.destination.name": message.queue,
                "messaging.message.id": str(message.task_id),
                "horarium.attempt": message.attempt,
            },
        )
        return replace(message, trace=Trace(carrier_of(publish))), (publish, *first)

    def _place(self, message: TaskMessage) -> tuple[Context, tuple[Span, ...]]:
        """What is before the message in its trace; and the span that begins it, where this message does."""
        before = self._places.read(message.trace.headers if message.trace else None)
        if before is None and message.kicked is not None:
            before = self._places.read(message.kicked["labels"])
        if before is not None:
            return before, ()
        if message.begins is None or message.kicked is not None:
            return self._places.computed(message.execution_id, message.task_type), ()
        link = self._places.read(message.trace.link if message.trace else None)
        first = self._places.first(
            message.execution_id,
            message.task_type,
            start_time=made_at_ns(message.execution_id),
            attributes=_described(message),
            links=[] if link is None else [Link(trace.get_current_span(link).get_span_context())],
        )
        return trace.set_span_in_context(first, Context()), (first,)

    # Runs

    @contextmanager
    def run(self, attempt: Attempt, labels: dict[str, Any], system: str) -> Iterator[None]:
        """An attempt, in the trace that its message carries; from here on `labels` carry this span of it."""
        said: dict[str, Any] = {
            "messaging.system": system,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.message.id": str(attempt.task_id),
            "horarium.task_type": attempt.task_type,
            "horarium.config.id": attempt.config_id,
            "horarium.tick_at": None if attempt.tick_at is None else attempt.tick_at.isoformat(),
            "horarium.attempt": attempt.attempt,
            "horarium.lateness_seconds": attempt.lateness_seconds,
        }
        context = self._places.read(labels)
        options: dict[str, Any] = {"kind": SpanKind.CONSUMER, "attributes": _known(said)}
        if context is None and attempt.attempt == 1:  # whoever sent it traces nothing
            span = self._places.first(attempt.execution_id, attempt.task_type, verb="run", **options)
        else:
            context = context or self._places.computed(attempt.execution_id, attempt.task_type)
            span = self._places.tracer.start_span(f"run {attempt.task_type}", context=context, **options)
        with current(span, context or Context()):
            labels.update(carried.get() or {})
            entered = _run.set(span)
            try:
                yield
            finally:
                _run.reset(entered)

    @staticmethod
    def came_to(outcome: Outcome, error: BaseException | None) -> None:
        """How the attempt that runs here has ended."""
        span = _run.get()
        if span is None:
            return
        if isinstance(outcome, Unsuccessful | Refused):
            _fails(span, error)
        reason = getattr(outcome, "reason", None)
        if reason is not None:
            span.set_attribute("horarium.reason", reason)

    @staticmethod
    def written(finished: Finished | None) -> None:
        """What the ledger says of the execution now."""
        span = _run.get()
        if span is not None:
            span.set_attribute("horarium.status", "superseded" if finished is None else finished.status)


def _described(message: TaskMessage) -> dict[str, Any]:
    """An execution, as far as its message knows it."""
    tick_at = message.tick_at
    late = None
    if tick_at is not None and message.begins:  # without the config's name it may be a backfill, which is not late
        late = max(made_at_ns(message.execution_id) / 1e9 - tick_at.timestamp(), 0.0)
    return _known(
        {
            "horarium.execution.id": str(message.execution_id),
            "horarium.task_type": message.task_type,
            "horarium.config.id": message.config_id,
            "horarium.config.name": message.begins or None,
            "horarium.scheduler_type": message.scheduler_type,
            "horarium.tick_at": None if tick_at is None else tick_at.isoformat(),
            "horarium.lateness_seconds": late,
        }
    )


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _fails(span: Span, error: BaseException | None) -> None:
    """It failed, of an error of this kind; never in its words, which may hold a secret."""
    kind = type(error)
    if error is not None:
        name = kind.__qualname__
        span.set_attribute("error.type", name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}")
    span.set_status(StatusCode.ERROR)
