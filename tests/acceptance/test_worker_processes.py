"""`horarium worker --processes 2`: one parent, two workers, and all ways to their end; on Redis and on RabbitMQ."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.support.crash_run import Servers, a_house
from tests.support.processes import END_SECONDS, START_SECONDS, running
from tests.support.rabbitmq import rabbitmq
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from tests.support.chaos_house import ChaosHouse
    from tests.support.rabbitmq import RabbitMQ

__all__ = ["rabbitmq"]

pytestmark = pytest.mark.timeout(300)

DRAIN_SECONDS = 1.0
STOP_SECONDS = 10.0


@pytest.fixture(scope="module")
def servers(server_portal: BlockingPortal, postgres_url: str, template_database: str, redis_url: str) -> Servers:
    return Servers(server_portal, postgres_url, template_database, redis_url)


def no_configs(_journal: Path, _now: datetime) -> Iterator[dict[str, Any]]:
    return iter(())


@contextmanager
def a_started_house(servers: Servers, **settings: object) -> Iterator[ChaosHouse]:
    """An `up` without a worker."""
    with a_house(servers, no_configs) as house:
        house.settings |= {"drain_seconds": DRAIN_SECONDS, "worker_processes": 2, **settings}
        house.start("up")
        house.ready("up")
        yield house


@pytest.fixture(scope="module")
def house(servers: Servers) -> Iterator[ChaosHouse]:
    with a_started_house(servers) as started:
        yield started


@pytest.fixture(scope="module")
def rabbit_house(servers: Servers, rabbitmq: RabbitMQ) -> Iterator[ChaosHouse]:
    with a_started_house(servers, broker_url=rabbitmq.url) as started:
        yield started


def workers(house: ChaosHouse) -> list[dict[str, Any]]:
    """Those that live, as the API shows them."""
    return list(house.client.get("/system/workers")["items"])


@contextmanager
def two_processes(house: ChaosHouse) -> Iterator[list[psutil.Process]]:
    """The processes of a new parent, once both are heard and no other is; they are gone when the block ends."""
    parent = house.start("workers").process

    def both() -> list[psutil.Process]:
        below = {child.pid: child for child in psutil.Process(parent.pid).children()}
        heard = {worker["pid"] for worker in workers(house)}
        return list(below.values()) if len(below) == 2 and heard == set(below) else []

    processes = until(both, within=START_SECONDS)
    try:
        yield processes
    finally:
        if parent.poll() is None:
            left = psutil.Process(parent.pid).children()
            parent.kill()
            psutil.wait_procs(left, timeout=END_SECONDS)


def long_runs(house: ChaosHouse, count: int) -> list[str]:
    """The ids of so many executions that run for a minute, once they do."""
    config = house.client.config(
        task_type="sleep", parameters={"seconds": 60}, scheduler_type="manual", schedule_config={}, overlap="allow_all"
    )
    ids = [str(house.client.post(f"/task-configs/{config}/run")["task_id"]) for _ in range(count)]
    until(lambda: all(house.client.get(f"/executions/{each}")["status"] == "running" for each in ids))
    return ids


def assert_handed_back(house: ChaosHouse, ids: list[str]) -> None:
    """Their workers gave them up and said so, and nobody runs them."""
    shown = [house.client.get(f"/executions/{each}") for each in ids]
    assert {each["status"] for each in shown} <= {"pending", "queued"}
    assert {each["attempts"][0]["reason"] for each in shown} == {"worker_stopped"}
    assert {each["attempt"] for each in shown} == {2}
    for each in ids:
        house.client.post(f"/executions/{each}/cancel")


def assert_stops_in_order(house: ChaosHouse, processes: list[psutil.Process], number: signal.Signals) -> None:
    """Both run something long when their parent is told to stop: both hand it back, in the time of one, told once."""
    ids = long_runs(house, 4)
    busy = sorted(worker["active"] for worker in workers(house))

    asked_at = time.monotonic()
    code = house.started["workers"].stop(number)
    took = time.monotonic() - asked_at

    report(f"both stopped {took:.1f} s after {number.name}, at work were {busy}")
    assert code == 0
    assert DRAIN_SECONDS <= took < STOP_SECONDS
    assert [process for process in processes if process.is_running()] == []
    assert house.started["workers"].log.count('"signal.received"') == 3
    assert_handed_back(house, ids)


def test_at_ctrl_c_both_drain_at_once_and_hand_back_what_is_left(house: ChaosHouse) -> None:
    """The terminal's own signal reaches the parent alone, for each process has a session to itself."""
    with two_processes(house) as processes:
        assert [os.getsid(process.pid) for process in processes] == [process.pid for process in processes]
        assert_stops_in_order(house, processes, signal.SIGINT)


def test_on_rabbitmq_a_paused_one_leaves_everything_to_the_other_and_both_hand_back_at_sigterm(
    rabbit_house: ChaosHouse,
) -> None:
    house = rabbit_house
    config = house.client.config(scheduler_type="manual", schedule_config={}, overlap="allow_all")

    def run_by() -> str:
        task_id = house.client.post(f"/task-configs/{config}/run")["task_id"]
        return str(house.client.ended(task_id)["worker"])

    with two_processes(house) as processes:
        paused, other = workers(house)
        house.client.post(f"/system/workers/{paused['id']}/pause")
        until(lambda: house.client.get(f"/system/workers/{paused['id']}")["state"] == "paused")
        while_paused = {run_by() for _ in range(10)}
        house.client.post(f"/system/workers/{paused['id']}/resume")
        until(lambda: run_by() == paused["id"])

        assert while_paused == {other["id"]}
        assert_stops_in_order(house, processes, signal.SIGTERM)


def test_a_process_that_is_killed_is_started_again_and_the_log_says_so(house: ChaosHouse) -> None:
    with two_processes(house) as (first, second):
        killed_at = time.monotonic()
        first.kill()
        until(lambda: len({worker["pid"] for worker in workers(house)} - {first.pid}) == 2, within=START_SECONDS)

        report(f"another one is heard {time.monotonic() - killed_at:.1f} s after kill -9")
        told = house.started["workers"].events
        exited = next(each for each in told if each["event"] == "child.exited" and each["child"].startswith("worker-"))
        assert "ended with code -9" in exited["error"]
        assert exited["decision"].startswith("restart")
        assert second.is_running()


def test_a_parent_that_is_killed_takes_its_processes_along_and_they_hand_back_what_they_run(house: ChaosHouse) -> None:
    with two_processes(house) as processes:
        ids = long_runs(house, 2)

        killed_at = time.monotonic()
        house.started["workers"].kill()
        _, alive = psutil.wait_procs(processes, timeout=END_SECONDS)

        report(f"both gone {time.monotonic() - killed_at:.1f} s after kill -9 of their parent")
        assert alive == []
        assert_handed_back(house, ids)


def test_a_parent_ends_well_when_all_of_its_processes_have_drained(house: ChaosHouse) -> None:
    with two_processes(house):
        for worker in workers(house):
            house.client.post(f"/system/workers/{worker['id']}/drain")

        assert house.started["workers"].ended() == 0


def test_settings_that_a_process_refuses_end_the_parent_with_code_2(house: ChaosHouse) -> None:
    settings = {"database_url": house.database_url, "redis_url": house.redis_url, "task_modules": "no.such.module"}

    with running(house.folder / "data", "worker", "--processes", "2", **settings) as parent:
        code = parent.ended(within=START_SECONDS)

    assert code == 2
    assert "HORARIUM_TASK_MODULES: cannot import no.such.module" in parent.log
    assert "worker process" in parent.log
