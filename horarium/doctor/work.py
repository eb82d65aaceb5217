"""The work: does somebody read every queue that configs use, and is the due index as large as the configs say."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field's type
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from horarium.doctor.diagnosis import failed, ok, warning
from horarium.doctor.house import lease, ready
from horarium.keyspace.due_index import DueIndex
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.keyspace.workers import Workers
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis.asyncio import Redis

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient
    from horarium.sql.database import Database

__all__ = ["IndexFacts", "QueueFacts", "ask_index", "ask_queues", "judge_index", "judge_queues"]

SECOND_LOOK_SECONDS = 1.5
"""After this, a difference between the due index and the configs is no change under way."""


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """How many configs use each queue, how many workers read it, whether anybody leads, and whose the queues are."""

    configs: Mapping[str, int] = field(default_factory=dict)
    workers: Mapping[str, int] = field(default_factory=dict)
    living: int = 0
    led: bool = True
    adopted: bool = False


async def ask_queues(patient: Patient) -> QueueFacts | None:
    """The facts; None before there are tables."""
    async with ready(patient) as database, _redis(patient) as redis:
        if database is None:
            return None
        async with database.connection() as connection:
            rows = await QUERIES.doctor_queues.rows(connection)
        leader = await lease(database)
        beats = await Workers(redis, Keys(patient.settings.key_prefix)).living()
    read = [queue for beat in beats for queue in beat.queues]
    return QueueFacts(
        configs={row["queue"]: row["configs"] for row in rows},
        workers={queue: read.count(queue) for queue in read},
        living=len(beats),
        led=leader.seconds > 0,
        adopted=patient.settings.broker is not None,
    )


def judge_queues(facts: QueueFacts | None) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts is None:
        return
    if not facts.living:
        remedy = "start `horarium worker`, or `horarium up` with HORARIUM_INLINE_WORKER=1"
        broken = facts.led and facts.configs
        yield (failed if broken else warning)("workers", "none is alive", remedy)
        return
    yield ok("workers", f"{facts.living} alive, reading {', '.join(sorted(facts.workers))}")
    for queue, configs in facts.configs.items():
        if queue not in facts.workers:
            summary = f"{configs} configs use {queue}, which no worker reads"
            remedy = "have the app's broker read it" if facts.adopted else f"start `horarium worker --queues {queue}`"
            yield failed(f"queue {queue}", summary, f"{remedy}, or correct the configs")


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """How many configs ought to be in the due index, and how many are."""

    expected: int = 0
    found: int = 0
    loaded: bool = True
    led: bool = True


async def ask_index(patient: Patient) -> IndexFacts | None:
    """The facts, looked at twice where they differ; None before there are tables."""
    async with ready(patient) as database, _redis(patient) as redis:
        if database is None:
            return None
        index = DueIndex(redis, Keys(patient.settings.key_prefix))
        facts = await _compare(database, index)
        if facts.expected != facts.found and facts.led:
            await anyio.sleep(SECOND_LOOK_SECONDS)
            facts = await _compare(database, index)
    return facts


async def _compare(database: Database, index: DueIndex) -> IndexFacts:
    async with database.connection() as connection:
        expected = await QUERIES.doctor_scheduled.value(connection)
    led = (await lease(database)).seconds > 0
    return IndexFacts(expected, await index.size(), loaded=await index.is_loaded(), led=led)


def judge_index(facts: IndexFacts | None) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts is None:
        return
    summary = f"{facts.found} of {facts.expected} active configs are in it"
    if facts.expected == facts.found and (facts.loaded or not facts.expected):
        yield ok("due index", summary)
    elif not facts.led:
        yield warning("due index", f"{summary}, and nobody leads", "`horarium up` loads it when it starts")
    else:
        remedy = (
            "it is compared now and then and mends itself; if it stays so, restart schedule_loader (`horarium tree`)"
        )
        yield warning("due index", summary, remedy)


@asynccontextmanager
async def _redis(patient: Patient) -> AsyncIterator[Redis]:
    redis = connect(patient.redis.url)
    try:
        yield redis
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()
