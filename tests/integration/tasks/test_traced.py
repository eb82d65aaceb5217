"""Runs with spans around them, beside taskiq's own middleware for OpenTelemetry in the same app."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry import trace
from redis.asyncio import Redis
from taskiq.kicker import AsyncKicker
from taskiq.middlewares.opentelemetry_middleware import OpenTelemetryMiddleware
from taskiq_redis import RedisStreamBroker
from uuid_utils.compat import uuid7

from horarium.adopting.broker import AdoptedBroker
from horarium.tasks.message import TaskMessage
from horarium.tasks.shell import Shell
from horarium.tasks.traced import KickedHere, TracedPublisher, TracedReceiver
from tests.support.adopted_app import app_over
from tests.support.spans import TracedProcess
from tests.support.waiting import eventually
from tests.support.workbench import a_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(emptied_ledger: str) -> str:
    """One for all of these tests, emptied before each."""
    return emptied_ledger


@pytest.fixture
def process() -> TracedProcess:
    return TracedProcess()


@pytest.fixture
def theirs(process: TracedProcess) -> OpenTelemetryMiddleware:
    """The middleware of taskiq itself, in the same process."""
    return OpenTelemetryMiddleware(tracer=process.provider.get_tracer("app"))


@pytest.fixture
async def bench(
    database_url: str, redis_url: str, redis_prefix: str, process: TracedProcess, theirs: OpenTelemetryMiddleware
) -> AsyncIterator[Workbench]:
    receiver_of = partial(TracedReceiver, tracing=process.tracing, system="redis")
    async with a_workbench(
        database_url, redis_url, redis_prefix,
        prepare=lambda broker: broker.add_middlewares(theirs), receiver_of=receiver_of,
    ) as made:  # fmt: skip
        yield made


async def test_beside_taskiqs_own_middleware_its_span_is_below_ours(
    bench: Workbench, process: TracedProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """It enters a context before the run and leaves it after: both are the same one, or OpenTelemetry complains."""
    await bench.run("echo", {"message": "x"})
    await eventually(bench.all_acknowledged)

    [execute, run] = process.spans
    assert (execute.name, run.name) == ("execute/echo", "run echo")
    assert (execute.trace, execute.parent) == (run.trace, run.id)
    assert run.attributes["horarium.status"] == "success"
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_is_kicked_within_a_run_is_in_its_trace(bench: Workbench, process: TracedProcess) -> None:
    bench.broker.middlewares[:] = [KickedHere(process.tracing)]

    with process.tracing.request({}, "POST", None, "http"):
        task_id = (await AsyncKicker("echo", bench.broker, {}).kiq(message="x")).task_id
    await bench.kicked(str(task_id).replace("-", ""))
    await eventually(bench.all_acknowledged)

    [request, run] = process.spans
    assert (run.name, run.trace, run.parent) == ("run echo", request.trace, request.id)


async def test_whom_a_task_asks_for_something_is_told_the_trace(bench: Workbench, process: TracedProcess) -> None:
    """A server by the header, a program by the variable."""
    bench.broker.add_dependency_context({Shell: Shell(allowed=True)})
    told: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(request.headers["traceparent"])
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        await bench.run("http_request", {"url": str(server.make_url("/"))})
    row = await bench.run("shell_command", {"argv": ["sh", "-c", "echo $TRACEPARENT"]})
    told.append(row["result"]["stdout"].strip())
    await eventually(bench.all_acknowledged)

    runs = [span for span in process.spans if span.name.startswith("run")]
    assert told == [f"00-{span.trace}-{span.id}-03" for span in runs]


async def test_an_apps_own_span_of_sending_is_between_our_message_and_our_run(
    redis_url: str, redis_prefix: str, process: TracedProcess, theirs: OpenTelemetryMiddleware
) -> None:
    app = app_over(RedisStreamBroker(redis_url, queue_name=redis_prefix)).broker
    app.add_middlewares(theirs)
    adopted = AdoptedBroker(app, works=False, sends=True)
    message = TaskMessage(uuid7(), 1, 7, "app.greet", "manual", None, {"message": "hello"}, "default", 5, begins="")

    await TracedPublisher(adopted, process.tracing).publish([message])
    labels = await the_labels_of_the_message_in(app)
    await adopted.close()

    spans = {span.name: span for span in process.spans}
    publish, send = spans["publish default"], spans["send/app.greet"]
    assert (send.trace, send.parent) == (publish.trace, publish.id)
    assert labels["traceparent"] == f"00-{send.trace}-{send.id}-03"
    assert trace.get_current_span() is trace.INVALID_SPAN


async def the_labels_of_the_message_in(app: RedisStreamBroker) -> dict[str, Any]:
    """Of the one message that its stream holds."""
    async with Redis(connection_pool=app.connection_pool) as redis:
        [(_, fields)] = await redis.xrange(app.queue_name)
    return dict(json.loads(fields[b"data"])["labels"])
