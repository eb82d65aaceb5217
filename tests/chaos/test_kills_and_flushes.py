"""The whole process killed and Redis flushed, again and again, under load: `make chaos`, with `-s` for the figures."""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from horarium.embedded import EmbeddedRedis
from tests.support.ledger import covered, gaps, overlaps
from tests.support.processes import Client, Running, horarium
from tests.support.servers import temporary_data_dir
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGS = 20
ROUNDS = 3
FINAL = {"success", "failed", "timeout", "cancelled", "lost", "skipped"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


def in_flight(client: Client) -> int:
    """How many executions wait or run at this instant."""
    return int(client.get("/executions/active", limit=1)["total"])


def busy(client: Client, configs: list[int]) -> int:
    """Wait for one more success of every config, and a little longer, so that the fault falls anywhere in a second."""
    since = datetime.now(UTC)
    until(lambda: all(client.executions(c, status="success", since=since.isoformat()) for c in configs), within=30)
    fault_at = datetime.now(UTC) + timedelta(seconds=random.random())  # noqa: S311 - no secret
    until(lambda: datetime.now(UTC) > fault_at)
    return in_flight(client)


def settled(client: Client, config: int, before: datetime) -> list[Any]:
    """The rows of a config's ticks before an instant, once each of them is final."""

    def look() -> list[Any]:
        rows = client.executions(config, until=before.isoformat())
        return rows if {row["status"] for row in rows} <= FINAL else []

    return until(look, within=40)


@pytest.mark.timeout(300)
def test_process_killed_and_redis_flushed_under_load_leave_every_tick_with_one_row(data_dir: Path) -> None:
    kills, flushes, hit = 0, 0, 0
    with ExitStack() as stack:
        house: Running = stack.enter_context(horarium(data_dir))
        client = house.client()
        brief = {"task_type": "sleep", "parameters": {"seconds": 0.5}, "catchup": "all", "overlap": "allow_all"}
        configs = [client.config(**brief) for _ in range(CONFIGS)]

        for _ in range(ROUNDS):
            hit += busy(client, configs)
            with redis.Redis.from_url(EmbeddedRedis(data_dir).url) as connection:
                connection.flushall()
            flushes += 1
            hit += busy(client, configs)
            house.kill()
            kills += 1
            house = stack.enter_context(horarium(data_dir))
            client = Client(house.url, client.token)

        busy(client, configs)
        end = datetime.now(UTC)
        rows = {config: settled(client, config, end) for config in configs}

    ticks = sum(len(covered(each)) for each in rows.values())
    endings = {row["status"] for each in rows.values() for row in each}
    lost = sum(row["status"] == "lost" for each in rows.values() for row in each)
    report(f"{kills} kills and {flushes} flushes hit {hit} executions in flight; {ticks} ticks, {endings}, {lost} lost")
    assert hit > 0, "faults that hit an idle house prove nothing"
    assert {config: gaps(each) for config, each in rows.items() if gaps(each)} == {}
    assert {config: overlaps(each) for config, each in rows.items() if overlaps(each)} == {}
    assert endings <= {"success", "lost"}
