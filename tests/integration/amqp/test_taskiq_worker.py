"""taskiq's own command over its own RabbitMQ broker, with Horarium's receiver: killed in the middle of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from horarium.actors import timeout_sweeper
from tests.support.taskiq_house import TaskiqHouse, a_taskiq_house
from tests.support.taskiq_worker import taskiq_worker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def house(rabbitmq: RabbitMQ, database_url: str, redis_url: str, redis_prefix: str) -> AsyncIterator[TaskiqHouse]:
    async with a_taskiq_house(rabbitmq.url, database_url, redis_url, redis_prefix) as made:
        yield made


async def test_a_worker_killed_in_the_middle_leaves_one_execution_that_is_lost(
    house: TaskiqHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ delivers the message again at once, taskiq starts another process, and it claims in vain."""
    monkeypatch.setattr(timeout_sweeper, "GONE_SECONDS", 1.0)
    notes = tmp_path / "notes"
    with taskiq_worker(tmp_path / "printed", house.environ) as worker:
        task = await house.app.kicker("notes").kiq(str(notes), 60.0)
        await house.reaches(task.task_id, "running")
        (killed,) = worker.workers()
        killed.kill()

        swept = await house.sweeps()
        again = await house.app.kicker("greets").kiq("the next process")
        await house.reaches(again.task_id, "success")

    lost, _ = await house.rows()
    assert (swept.orphaned, lost["status"], lost["reason"], lost["attempt"]) == (1, "lost", "worker_gone", 1)
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["began"]


async def test_a_worker_killed_in_the_middle_leaves_the_next_attempt_to_the_policy(
    house: TaskiqHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeout_sweeper, "GONE_SECONDS", 1.0)
    with taskiq_worker(tmp_path / "printed", house.environ) as worker:
        labels = {"horarium_max_retries": 1, "horarium_retry_backoff_seconds": 0.0}
        task = await house.app.kicker("notes", **labels).kiq(str(tmp_path / "notes"), 60.0)
        await house.reaches(task.task_id, "running")
        (killed,) = worker.workers()
        killed.kill()

        await house.sweeps()

        row = await house.reaches(task.task_id, "retrying")

    assert (row["attempt"], row["earlier_attempts"][0]["status"]) == (2, "lost")
    assert row["message"]["args"] == [str(tmp_path / "notes"), 60.0]


async def test_a_message_delivered_ten_times_over_rabbitmq_is_run_once(house: TaskiqHouse, tmp_path: Path) -> None:
    with taskiq_worker(tmp_path / "printed", house.environ, processes=2):
        kick = house.app.kicker("notes").with_task_id("the same id").kiq
        for _ in range(10):
            await kick(str(tmp_path / "notes"), 1.0)
        last = await house.app.kicker("greets").kiq("the last in the queue")
        assert (await last.wait_result(timeout=45)).return_value == "hello the last in the queue"

        async def one_is_done() -> bool:
            return [row["status"] for row in await house.rows()] == ["success", "success"]

        await eventually(one_is_done)

    assert len((tmp_path / "notes").read_text().splitlines()) == 2
