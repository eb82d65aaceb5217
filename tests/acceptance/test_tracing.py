"""Traces across processes: `horarium up` and a `horarium worker`, both sending their spans to a collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from horarium.tracing.derived import derived
from tests.support.crash_run import Servers, a_house
from tests.support.spans import collecting
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from tests.support.chaos_house import ChaosHouse
    from tests.support.spans import Collector, Seen

pytestmark = pytest.mark.timeout(300)

CALLER = "0af7651916cd43dd8448eb211c80319c"
PASSWORD = "hunter2-of-a-parameter"
ROUTE = "POST /api/v1/task-configs/{config_id}/run"


@pytest.fixture(scope="module")
def servers(server_portal: BlockingPortal, postgres_url: str, template_database: str, redis_url: str) -> Servers:
    return Servers(server_portal, postgres_url, template_database, redis_url)


def no_configs(_journal: Path, _now: datetime) -> Iterator[dict[str, Any]]:
    return iter(())


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def house(servers: Servers, collector: Collector) -> Iterator[ChaosHouse]:
    with pytest.MonkeyPatch.context() as environ, a_house(servers, no_configs) as house:
        environ.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environ.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        house.settings |= {"tracing": 1, "task_modules": "tests.support.traced_tasks"}
        house.start("up")
        house.start("worker")
        house.ready("up", "worker")
        yield house


def trace_of(collector: Collector, trace: str, *names: str) -> dict[str, list[Seen]]:
    """The spans of a trace by name, once it has so many of each name."""
    until(lambda: all(len(collector.of(trace).get(name, ())) >= names.count(name) for name in names))
    return collector.of(trace)


def test_a_run_by_hand_and_its_retry_are_one_trace_with_the_request_and_its_caller(
    house: ChaosHouse, collector: Collector
) -> None:
    """Over two processes, with what the task itself has traced; and nothing secret is in any of it."""
    config = house.client.config(
        task_type="traced.second_time", parameters={"password": PASSWORD}, scheduler_type="manual",
        schedule_config={}, queue="default", max_retries=1, retry_backoff_seconds=0,
    )  # fmt: skip

    asked = house.client.post(
        f"/task-configs/{config}/run", traceparent=f"00-{CALLER}-b7ad6b7169203331-01", tracestate="vendor=1"
    )
    ended = house.client.ended(asked["task_id"])

    run, publish = "run traced.second_time", "publish default"
    spans = trace_of(collector, CALLER, ROUTE, publish, publish, run, run, "own", "own")
    [request] = spans[ROUTE]
    assert (request.parent, request.service) == ("b7ad6b7169203331", "horarium")
    assert {span.parent for span in spans[publish]} == {request.id}
    assert {span.parent for span in spans[run]} == {span.id for span in spans[publish]}
    assert {span.parent for span in spans["own"]} == {span.id for span in spans[run]}
    assert {span.service for span in (*spans[run], *spans["own"])} == {"horarium-worker"}
    assert ended["status"] == "success"
    said = {span.attributes["horarium.attempt"]: span for span in spans[run]}
    assert {number: span.attributes["horarium.status"] for number, span in said.items()} == {
        1: "retrying",
        2: "success",
    }
    assert (said[1].attributes["error.type"], said[1].fails, said[2].fails) == ("ValueError", True, False)
    lines = [line for line in house.started["worker"].events if line["event"] == "execution.ended"]
    assert [line["span_id"] for line in lines if line.get("trace_id") == CALLER] == [said[1].id, said[2].id]
    for secret in (PASSWORD, house.token):
        assert not any(secret.encode() in body for body in collector.bodies)


def test_a_tick_is_one_trace_into_the_process_of_a_plain_function(house: ChaosHouse, collector: Collector) -> None:
    """Its id is computed from the execution's, and asked of nobody."""
    config = house.client.config(task_type="traced.plain", parameters={}, queue="default")
    execution = until(lambda: [e for e in house.client.executions(config) if e["status"] == "success"])[-1]
    house.client.post(f"/task-configs/{config}/stop")

    trace = f"{derived(UUID(execution['task_id'])).trace_id:032x}"
    spans = trace_of(collector, trace, "tick traced.plain", "publish default", "run traced.plain", "plain")

    [tick], [publish], [run], [plain] = (spans[name] for name in (
        "tick traced.plain", "publish default", "run traced.plain", "plain",
    ))  # fmt: skip
    assert [tick.parent, publish.parent, run.parent, plain.parent] == ["", tick.id, publish.id, run.id]
    assert tick.attributes["horarium.config.id"] == config
    assert tick.attributes["horarium.execution.id"] == run.attributes["messaging.message.id"] == execution["task_id"]
    assert (tick.service, run.service, plain.service) == ("horarium", "horarium-worker", "horarium-worker")
    assert plain.attributes["pid"] == execution["result"]
