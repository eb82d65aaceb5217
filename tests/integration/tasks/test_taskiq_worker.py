"""taskiq's own command with Horarium's receiver: an app as it is, and the promises of `horarium worker`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.taskiq_house import TaskiqHouse, a_taskiq_house
from tests.support.taskiq_worker import taskiq_worker
from tests.support.waiting import WAIT_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@pytest.fixture
def database_url(emptied_ledger: str) -> str:
    """One for all of these tests, emptied before each."""
    return emptied_ledger


@pytest.fixture
async def house(database_url: str, redis_url: str, redis_prefix: str) -> AsyncIterator[TaskiqHouse]:
    async with a_taskiq_house(redis_url, database_url, redis_url, redis_prefix) as made:
        yield made


async def test_an_app_is_run_as_it_is_and_what_runs_at_the_end_may_end(house: TaskiqHouse, tmp_path: Path) -> None:
    """Middlewares, dependencies, plain functions, results; then SIGTERM: a drain, and an end in good order."""
    with taskiq_worker(tmp_path / "printed", house.environ, "--wait-tasks-timeout", "20") as worker:
        greeted = await house.app.kicker("greets").kiq("world")
        await house.reaches(greeted.task_id, "success")
        plain = await house.app.kicker("plain").kiq(0.0)
        retried = await house.app.kicker("fails_until", retry_on_error=True).kiq(str(tmp_path / "tries"), 1)
        assert (await greeted.wait_result(timeout=WAIT_SECONDS)).return_value == "hello world"
        assert (await plain.wait_result(timeout=WAIT_SECONDS)).return_value == plain.task_id
        assert (await retried.wait_result(timeout=WAIT_SECONDS)).return_value == 2

        last = await house.app.kicker("notes").kiq(str(tmp_path / "notes"), 3.0)
        running = await house.reaches(last.task_id, "running")
        worker.process.send_signal(signal.SIGTERM)

        assert worker.ended() == 0, worker.said
        row = await house.reaches(last.task_id, "success")
    assert (row["result"], row["attempt"], row["worker"]) == ("noted", 1, running["worker"])
    assert [each["trigger"] for each in await house.rows()] == ["external", "external", "external", "retry", "external"]


async def test_what_does_not_end_in_time_is_handed_back(house: TaskiqHouse, tmp_path: Path) -> None:
    with taskiq_worker(tmp_path / "printed", house.environ, "--wait-tasks-timeout", "0.5") as worker:
        task = await house.app.kicker("notes").kiq(str(tmp_path / "notes"), 60.0)
        await house.reaches(task.task_id, "running")

        worker.process.send_signal(signal.SIGTERM)

        assert worker.ended() == 0, worker.said
        row = await house.reaches(task.task_id, "pending")
    assert (row["attempt"], row["earlier_attempts"][0]["reason"]) == (2, "worker_stopped")


async def test_faulty_settings_are_said_and_end_the_command(house: TaskiqHouse, tmp_path: Path) -> None:
    """And not the process alone, which taskiq would start again for ever."""
    environ = house.environ | {"HORARIUM_QEUES": "a", "HORARIUM_LOG_LEVEL": "loud"}

    with taskiq_worker(tmp_path / "printed", environ) as worker:
        worker.ended()

        assert worker.said.count("HORARIUM_QEUES: unknown setting; did you mean HORARIUM_QUEUES?") == 1
        assert worker.said.count("HORARIUM_LOG_LEVEL") == 1
        assert "Traceback" not in worker.said


async def test_options_that_would_undo_a_promise_are_named(house: TaskiqHouse, tmp_path: Path) -> None:
    with taskiq_worker(tmp_path / "printed", house.environ, "--ack-type", "when_received") as worker:

        async def said() -> bool:
            return "'--ack-type'" in worker.said

        await eventually(said, within=30)
