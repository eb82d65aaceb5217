"""taskiq's own command over its own RabbitMQ broker, with Horarium's receiver: killed in the middle of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.actors import timeout_sweeper
from tests.support.taskiq_house import TaskiqHouse, a_taskiq_house
from tests.support.taskiq_worker import taskiq_worker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def house(rabbitmq: RabbitMQ, database_url: str, redis_url: str, redis_prefix: str) -> AsyncIterator[TaskiqHouse]:
    async with a_taskiq_house(rabbitmq.url, database_url, redis_url, redis_prefix) as made:
        yield made


async def test_what_a_killed_worker_ran_is_lost_once_or_tried_again_by_its_policy(
    house: TaskiqHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ delivers the messages again at once, taskiq starts another process, and it claims in vain."""
    monkeypatch.setattr(timeout_sweeper, "GONE_SECONDS", 1.0)
    notes, others = tmp_path / "notes", tmp_path / "others"
    with taskiq_worker(tmp_path / "printed", house.environ) as worker:
        task = await house.app.kicker("notes").kiq(str(notes), 60.0)
        labels = {"horarium_max_retries": 1, "horarium_retry_backoff_seconds": 0.0}
        tried = await house.app.kicker("notes", **labels).kiq(str(others), 60.0)
        await has_begun(notes)
        await has_begun(others)
        (killed,) = worker.workers()
        killed.kill()

        await house.sweeps()
        again = await house.app.kicker("greets").kiq("the next process")
        await house.reaches(again.task_id, "success")

    lost = await house.reaches(task.task_id, "lost")
    retrying = await house.reaches(tried.task_id, "retrying")
    assert (lost["reason"], lost["attempt"], len(await house.rows())) == ("worker_gone", 1, 3)
    assert (retrying["attempt"], retrying["earlier_attempts"][0]["status"]) == (2, "lost")
    assert retrying["message"]["args"] == [str(others), 60.0]
    assert [len(file.read_text().splitlines()) for file in (notes, others)] == [1, 1]


async def has_begun(file: Path) -> None:
    async def begun() -> bool:
        path = anyio.Path(file)
        return await path.exists() and bool(await path.read_text())

    await eventually(begun, within=45)


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
