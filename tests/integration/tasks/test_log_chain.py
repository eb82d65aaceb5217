"""One execution through the log: its id leads from the dispatcher's line to the worker's, and to the task's own."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from horarium.actors.dispatcher import Dispatcher
from horarium.actors.schedule_loader import ScheduleLoader
from horarium.keyspace.due_index import DueIndex
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.lifecycle import TaskConfigs
from horarium.model import RunRequest, TaskConfigCreate
from horarium.tasks.registry import TaskTypes
from tests.support.waiting import eventually
from tests.support.workbench import WORKER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio

EVERY_SECOND = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *"}}
BY_HAND: dict[str, Any] = {"scheduler_type": "manual", "schedule_config": {}}


@asynccontextmanager
async def scheduling(bench: Workbench, redis_url: str, prefix: str) -> AsyncIterator[tuple[ScheduleLoader, Dispatcher]]:
    """The loader and the dispatcher of the house whose worker is on the bench."""
    redis = connect(redis_url)
    index = DueIndex(redis, Keys(prefix))
    try:
        yield (
            ScheduleLoader(bench.database, index, bench.mailboxes),
            Dispatcher(bench.database, index, bench.broker, bench.mailboxes, lambda: datetime.now(UTC)),
        )
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the task waits for, there already."""
    path = tmp_path / "go"
    path.touch()
    return path


async def saved(bench: Workbench, mark: Path, **schedule: Any) -> tuple[TaskConfigs, int]:
    """A config of a task that logs, and whoever can run it."""
    configs = TaskConfigs(bench.database, TaskTypes(), bench.mailboxes)
    wanted = {"name": "it", "task_type": "test.reports", "parameters": {"mark": str(mark), "name": "it"}} | schedule
    row = await configs.create(TaskConfigCreate.model_validate(wanted))
    return configs, row["id"]


def about(task_id: str, lines: list[Any]) -> list[Any]:
    """What one grep finds."""
    return [line for line in lines if task_id in str(line)]


async def test_one_task_id_leads_from_the_tick_to_the_worker_and_to_what_the_task_logged(
    bench: Workbench, redis_url: str, redis_prefix: str, mark: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    caplog.set_level(logging.DEBUG, "horarium.stages")
    _, config_id = await saved(bench, mark, **EVERY_SECOND)

    # when
    with capture_logs([merge_contextvars]) as lines:
        async with scheduling(bench, redis_url, redis_prefix) as (loader, dispatcher):
            await loader.load_all()
            task_ids = await eventually(lambda: named_in_a_step(dispatcher))
            await bench.ended(UUID(task_ids[0]))
            await eventually(bench.all_acknowledged)

    # then
    told = about(task_ids[0], lines)
    assert [line["event"] for line in told][0::4] == ["ticks.committed", "execution.ended"]
    assert {line["event"] for line in told[1:4]} == {"messages.published", "execution.started", "spoke"}
    (spoke,) = (line for line in told if line["event"] == "spoke")
    assert (spoke["task_id"], spoke["config_id"], spoke["attempt"]) == (task_ids[0], config_id, 1)
    assert (told[-1]["worker"], told[-1]["ended_as"]) == (WORKER, "success")
    assert told[-1]["duration_ms"] > 0


async def named_in_a_step(dispatcher: Dispatcher) -> list[str]:
    """What the dispatcher's line at info names, once a tick was due."""
    return (await dispatcher.step()).named


async def test_an_execution_that_a_request_has_made_names_the_request(bench: Workbench, mark: Path) -> None:
    configs, config_id = await saved(bench, mark, **BY_HAND)

    with capture_logs([merge_contextvars]) as lines:
        with bound_contextvars(request_id="r-7"):
            task_id = await configs.run(config_id, RunRequest(), idempotency_key=None)
        await bench.publisher.step([task_id])
        await bench.ended(task_id)

    created, *rest = about(str(task_id), lines)
    assert (created["event"], created["request_id"], created["trigger"]) == ("execution.created", "r-7", "manual")
    assert [line["event"] for line in rest][-1] == "execution.ended"
    assert [line for line in rest if "request_id" in line] == []
