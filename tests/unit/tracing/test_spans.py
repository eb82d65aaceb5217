"""An execution's trace, made by processes that share nothing but its messages and its id."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from taskiq import TaskiqMessage
from uuid_utils.compat import uuid7

from horarium.errors import Unavailable
from horarium.outcome import Attempt, Succeeded, Unsuccessful
from horarium.sql.executions import Finished
from horarium.tasks.message import TaskMessage, Trace
from horarium.tasks.unsent import Unsent
from horarium.tracing import spans
from horarium.tracing.carried import carried
from horarium.tracing.derived import derived, made_at_ns
from horarium.tracing.provider import tracer_provider
from horarium.tracing.spans import Tracing
from tests.support.spans import TracedProcess
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from tests.support.spans import Seen

TICK = datetime(2030, 1, 31, 9, tzinfo=UTC)
CALLER = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{CALLER}-b7ad6b7169203331-01"}


def tick(**fields: Any) -> TaskMessage:
    """The message of a tick that was decided just now, as the dispatcher makes it."""
    made = TaskMessage(
        uuid7(), 1, 7, "reports.send", "cron", TICK, {"password": "hunter2"}, "slow", 5, begins="daily report"
    )
    return replace(made, **fields)


def sent(process: TracedProcess, message: TaskMessage) -> TaskMessage:
    """The message as the broker holds it."""
    sending = process.tracing.sending([message], "redis")
    sending.end()
    return sending.messages[0]


def attempt_of(message: TaskMessage) -> Attempt:
    return Attempt(
        message.execution_id,
        message.attempt,
        message.config_id,
        message.task_type,
        message.tick_at,
        60,
        1,
        1,
        TICK,
        TICK,
    )


def ran(process: TracedProcess, message: TaskMessage, error: Exception | None = None) -> None:
    """A worker runs what a message is for."""
    with process.tracing.run(attempt_of(message), message.labels(), "redis"):
        status = "success" if error is None else "retrying"
        outcome = Succeeded(1) if error is None else Unsuccessful("failed", str(error))
        process.tracing.written(Finished(status, None, message.attempt, 7, None, awaited=False))
        process.tracing.came_to(outcome, error)


def above(span: Seen, made: list[Seen]) -> list[str]:
    """The names from the first span of its trace down to it."""
    by_id = {each.id: each for each in made}
    names = [span.name]
    while span.parent in by_id:
        span = by_id[span.parent]
        names.insert(0, span.name)
    return names


def test_a_tick_its_messages_and_its_attempts_are_one_trace_whoever_makes_them() -> None:
    """The second message is made by a process that knows nothing of the first but the row."""
    dispatcher, publisher, worker = TracedProcess(), TracedProcess(), TracedProcess()
    message = tick()

    ran(worker, sent(dispatcher, message), ValueError("hunter2"))
    ran(worker, sent(publisher, replace(message, attempt=2, begins=None)))

    made = [*dispatcher.spans, *publisher.spans, *worker.spans]
    assert {span.trace for span in made} == {f"{derived(message.execution_id).trace_id:032x}"}
    assert [above(span, made) for span in made] == [
        ["tick reports.send", "publish slow"],
        ["tick reports.send"],
        ["tick reports.send", "publish slow"],
        ["tick reports.send", "publish slow", "run reports.send"],
        ["tick reports.send", "publish slow", "run reports.send"],
    ]
    assert [span.parent for span in made if span.name.startswith("tick")] == [""]


def test_spans_say_which_execution_it_is_and_what_became_of_it_and_never_what_with() -> None:
    process = TracedProcess()
    message = tick()

    ran(process, sent(process, message), ValueError("hunter2 is wrong"))

    publish, first, run = process.spans
    assert first.attributes == {
        "horarium.execution.id": str(message.execution_id),
        "horarium.task_type": "reports.send",
        "horarium.config.id": 7,
        "horarium.config.name": "daily report",
        "horarium.scheduler_type": "cron",
        "horarium.tick_at": "2030-01-31T09:00:00+00:00",
        "horarium.lateness_seconds": max(made_at_ns(message.execution_id) / 1e9 - TICK.timestamp(), 0.0),
    }
    assert publish.attributes["messaging.system"] == "redis"
    assert publish.attributes["messaging.destination.name"] == "slow"
    assert publish.attributes["messaging.message.id"] == str(message.execution_id)
    assert (run.attributes["horarium.status"], run.attributes["error.type"], run.fails) == (
        "retrying",
        "ValueError",
        True,
    )
    assert "hunter2" not in "".join(span.to_json() for span in process.finished)


def test_a_backfill_is_not_late() -> None:
    process = TracedProcess()

    sent(process, tick(begins=""))

    (first,) = [span for span in process.spans if span.name.startswith("tick")]
    assert first.attributes["horarium.tick_at"] == "2030-01-31T09:00:00+00:00"
    assert "horarium.lateness_seconds" not in first.attributes


def test_a_ratio_of_the_traces_is_kept_and_each_of_them_whole() -> None:
    """Ids are UUIDs, whose lower half begins with two bits that never change: taken as they are, none is kept."""
    dispatcher, publisher, worker = (TracedProcess(ParentBased(TraceIdRatioBased(0.1))) for _ in range(3))
    messages = [tick() for _ in range(500)]

    for message in messages:
        ran(worker, sent(dispatcher, message))
        sent(publisher, replace(message, attempt=2, begins=None))

    kept = {span.trace for span in dispatcher.spans}
    assert 20 < len(kept) < 85
    assert {span.trace for span in worker.spans} == {span.trace for span in publisher.spans} == kept
    assert len(worker.spans) == len(kept)


def test_what_could_not_be_sent_has_its_first_span_from_whoever_sends_it() -> None:
    dispatcher, publisher = TracedProcess(), TracedProcess()
    message, gone = tick(), tick()

    dispatcher.tracing.sending([message], "redis").end(Unavailable("broker"))
    dispatcher.tracing.sending([gone], "redis").end(
        Unsent([], {gone.execution_id: "cannot be sent"}, away=False), refused={gone.execution_id}
    )
    sent(publisher, message)

    assert [(span.name, span.fails) for span in dispatcher.spans] == [
        ("publish slow", True), ("publish slow", True), ("tick reports.send", True),
    ]  # fmt: skip
    assert [(span.name, span.fails) for span in publisher.spans] == [
        ("publish slow", False),
        ("tick reports.send", False),
    ]
    assert {span.parent for span in dispatcher.spans[:1]} == {publisher.spans[1].id}


def test_a_request_is_named_by_its_route_in_the_trace_of_its_caller_and_carries_itself_along() -> None:
    process = TracedProcess()
    route = "/api/v1/task-configs/{config_id}/run"

    with process.tracing.request(HEADERS, "POST", route, "http") as span:
        process.tracing.answered(span, 202)
        asked = carried.get()
    ran(process, sent(process, tick(trace=Trace(asked or {}))))

    request, publish, run = process.spans
    assert (request.name, request.trace) == (f"POST {route}", CALLER)
    assert request.attributes == {
        "http.request.method": "POST", "http.route": route, "url.scheme": "http", "http.response.status_code": 202,
    }  # fmt: skip
    assert [publish.parent, run.parent] == [request.id, publish.id]
    assert carried.get() is None


def test_the_executions_of_a_backfill_have_a_trace_each_that_names_the_request() -> None:
    process = TracedProcess()

    sent(process, tick(trace=Trace({}, HEADERS)))

    [_, first] = process.finished
    assert [f"{link.context.trace_id:032x}" for link in first.links] == [CALLER]
    assert process.spans[1].parent == ""


@pytest.mark.parametrize("labels", [{}, {"traceparent": 7}, {"traceparent": "of somebody else"}])
def test_a_run_whose_message_carries_no_trace_begins_it(labels: dict[str, Any]) -> None:
    """Its retry, sent by a process that traces, is in the same trace."""
    worker = TracedProcess()
    message = tick()

    with worker.tracing.run(attempt_of(message), labels, "redis"):
        inside = dict(labels)
    sent(worker, replace(message, attempt=2, begins=None))

    run, publish = worker.spans
    assert (run.trace, run.parent) == (f"{derived(message.execution_id).trace_id:032x}", "")
    assert publish.parent == run.id
    assert inside["traceparent"] == f"00-{run.trace}-{run.id}-03"


def test_what_an_app_has_kicked_is_in_the_trace_that_it_came_with_when_it_is_sent_again() -> None:
    process = TracedProcess()
    kicked = {"task_id": "a", "labels": dict(HEADERS), "labels_types": {}, "args": [], "kwargs": {}}

    again = sent(process, tick(kicked=kicked, attempt=2, begins=None))

    [publish] = process.spans
    assert (publish.trace, publish.parent) == (CALLER, "b7ad6b7169203331")
    read = TaskiqMessage.model_validate_json(again.to_json())
    assert read.labels["traceparent"] == f"00-{CALLER}-{publish.id}-01"


def test_of_what_a_caller_puts_into_the_trace_nothing_but_the_trace_goes_on() -> None:
    """Baggage may be as long as a header, and anything."""
    process = TracedProcess()

    with process.tracing.request(HEADERS | {"baggage": "user=hunter2"}, "POST", None, "http"):
        asked = carried.get()

    assert set(asked or {}) == {"traceparent"}
    assert "baggage" in propagate.get_global_textmap().fields


def test_a_provider_that_an_app_has_made_is_used_and_gives_the_ids_that_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be made by the app's code, or by `opentelemetry-instrument`; and it is not ours to shut down."""
    theirs, message = TracerProvider(), tick()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)

    found, ours = tracer_provider("horarium")
    [(_, first)] = Tracing(found, ours=ours).sending([message], "redis").spans

    assert (found, ours) == (theirs, False)
    assert (first.get_span_context().trace_id, first.get_span_context().span_id) == derived(message.execution_id)
    other = theirs.get_tracer("theirs").start_span("other").get_span_context()
    assert other.trace_id != derived(message.execution_id).trace_id


@pytest.mark.anyio
async def test_a_collector_that_is_away_keeps_no_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """What shuts the SDK down may wait for its last request for half a minute."""
    ended = threading.Event()
    process = TracedProcess()
    monkeypatch.setattr(spans, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(process.provider, "shutdown", ended.wait)

    with anyio.fail_after(WAIT_SECONDS):
        await Tracing(process.provider, ours=True).stop()

    assert not ended.is_set()
    ended.set()
