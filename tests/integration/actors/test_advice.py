"""Warnings when servers are away, or when there is more to look at than there is time: what is known is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium import advice
from horarium.advice import Advisor, Saved
from horarium.keyspace.pool import connect
from horarium.keyspace.workers import WorkerBeat, Workers
from horarium.sql.database import Database

if TYPE_CHECKING:
    import asyncpg

    from tests.support.rig import Rig

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]

NOBODY = "127.0.0.1:1"


def advisor(rig: Rig, *, database: Database | None = None, workers: Workers | None = None) -> Advisor:
    return Advisor(database or rig.database, workers or rig.workers, redelivers_after=lambda: None, clock=rig.clock)


async def codes(advisor: Advisor, *rows: asyncpg.Record) -> list[list[str]]:
    found = await advisor.of(*(Saved(row, row["id"]) for row in rows))
    return [[each.code for each in of_one] for of_one in found]


async def config(rig: Rig, **fields: object) -> asyncpg.Record:
    """A config that is faster than its timeout."""
    return await rig.config_row(await rig.config(timeout_seconds=5, **fields))


async def test_a_queue_is_read_where_one_of_the_living_workers_reads_it(rig: Rig) -> None:
    row = await config(rig)
    nobody = await codes(advisor(rig), row)
    await rig.workers.beat(WorkerBeat("w", ("default", "other"), 1, 0, "now"))

    assert nobody == [["queue_not_read", "more_often_than_timeout"]]
    assert await codes(advisor(rig), row) == [["more_often_than_timeout"]]


async def test_without_redis_nothing_is_said_of_queues_and_all_else_is(rig: Rig) -> None:
    redis = connect(f"redis://{NOBODY}")
    away = Workers(redis, rig.keys)

    assert await codes(advisor(rig, workers=away), await config(rig)) == [["more_often_than_timeout"]]
    await redis.aclose()


async def test_without_postgres_nothing_is_said_of_runs_and_all_else_is(rig: Rig) -> None:
    row = await config(rig, overlap="skip")
    async with Database(f"postgresql://nobody@{NOBODY}/none") as away:
        found = await codes(advisor(rig, database=away), row)

    assert found == [["queue_not_read", "more_often_than_timeout"]]


async def test_of_more_than_there_is_time_for_some_are_looked_at(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "LOOK_SECONDS", -1.0)
    row = await config(rig)

    assert len(await codes(advisor(rig), row, row, row)) == 1
