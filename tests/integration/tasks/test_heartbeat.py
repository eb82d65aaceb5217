"""A worker is heard by Redis, or else by Postgres; heard by neither it is fenced before it can be given up."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.actors.timeout_sweeper import GONE_SECONDS
from horarium.keyspace import pool
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.keyspace.workers import WorkerBeat, Workers
from horarium.sql.database import Database
from horarium.sql.queries import QUERIES
from horarium.tasks import heartbeat
from horarium.tasks.heartbeat import FENCE_SECONDS, LAST_TRY_SECONDS, Heartbeat
from tests.support.waiting import WAIT_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

pytestmark = pytest.mark.anyio

WORKER = "a worker"
NOBODY = "127.0.0.1:1"
"""A port at which nobody listens."""

SOON_SECONDS = 0.02
"""What stands in for pauses, and for the wait for a server that says nothing."""

PATIENT_SECONDS = 20.0
"""What a server has that answers: a machine that is busy fences nobody here."""


@dataclass
class Fence:
    """What is fenced, and how often it was."""

    up: bool = False
    times: int = 0

    def fence(self) -> int:
        self.up = True
        self.times += 1
        return 0

    def lift_fence(self) -> None:
        self.up = False

    async def is_up(self) -> bool:
        return self.up

    async def is_lifted(self) -> bool:
        return not self.up


@dataclass
class Scene:
    """Both servers, a worker, and what it beats with."""

    redis: Workers
    postgres: Database
    fence: Fence
    beats: Heartbeat = field(init=False)
    now: float = 0.0
    described: int = 0
    signs: list[datetime] = field(default_factory=list)

    def describe(self) -> WorkerBeat:
        self.described += 1
        return WorkerBeat(WORKER, (), 1, 0, "now")

    async def tries_again(self, times: int) -> None:
        """Wait until it has tried to be heard so often from now on."""
        enough = self.described + times

        async def so_often() -> bool:
            return self.described >= enough

        await eventually(so_often)

    async def heard_by_redis(self) -> bool:
        return await self.redis.gone([WORKER]) == set()

    async def heard_by_postgres(self) -> bool:
        """Whether there has been one more sign."""
        async with self.postgres.connection() as connection:
            rows = await QUERIES.worker_beats.rows(connection, workers=[WORKER])
        news = [row["beaten_at"] for row in rows if row["beaten_at"] not in self.signs]
        self.signs += news
        return bool(news)


@pytest.fixture
async def scene(
    database_url: str, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """A worker that is heard again and again, while the clock by which it is fenced stands still."""
    for pause in ("BEAT_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(heartbeat, pause, SOON_SECONDS)
    for patience in ("TELL_SECONDS", "LAST_TRY_SECONDS"):
        monkeypatch.setattr(heartbeat, patience, PATIENT_SECONDS)
    redis = connect(redis_url)
    try:
        async with Database(database_url) as database, anyio.create_task_group() as group:
            scene = Scene(Workers(redis, Keys(redis_prefix)), database, Fence())
            scene.beats = Heartbeat(WORKER, scene.redis, database, scene.describe, scene.fence, lambda: scene.now)
            await group.start(scene.beats.keep, lambda: None)
            yield scene
            group.cancel_scope.cancel()
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """Where a server would be that accepts connections and says nothing."""
    gone = asyncio.Event()

    async def serve(_: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await gone.wait()
        to_client.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
        gone.set()


async def cut_off_from_both(scene: Scene, place: str = NOBODY) -> Database:
    """Let the worker find its servers at this place; answers what it takes for Postgres, which is to be opened."""
    scene.beats.workers = Workers(connect(f"redis://{place}/0"), Keys())
    return Database(f"postgresql://postgres@{place}/none?sslmode=disable")


async def test_a_worker_is_heard_by_redis(scene: Scene) -> None:
    await eventually(scene.heard_by_redis)
    assert not await scene.heard_by_postgres()


async def test_a_worker_that_redis_does_not_hear_is_heard_by_postgres_and_works_on(scene: Scene) -> None:
    scene.beats.workers = Workers(connect(f"redis://{NOBODY}/0"), Keys())

    for _ in range(3):
        scene.now += FENCE_SECONDS
        await eventually(scene.heard_by_postgres)

    assert scene.fence.times == 0


async def test_a_worker_that_nobody_hears_is_fenced_until_somebody_does(scene: Scene) -> None:
    redis = scene.beats.workers
    async with await cut_off_from_both(scene) as nowhere:
        scene.beats.database = nowhere
        await scene.tries_again(2)
        before = scene.fence.times
        scene.now += FENCE_SECONDS
        await eventually(scene.fence.is_up)
        await scene.tries_again(3)
        still = (scene.fence.up, scene.fence.times)

        scene.beats.workers = redis
        await eventually(scene.fence.is_lifted)

    assert (before, still) == (0, (True, 1))


async def test_a_server_that_says_nothing_does_not_put_the_fence_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "TELL_SECONDS", 2 * WAIT_SECONDS)
    monkeypatch.setattr(heartbeat, "LAST_TRY_SECONDS", SOON_SECONDS)
    for patience in ("CONNECT_SECONDS", "COMMAND_SECONDS", "CALL_SECONDS"):
        monkeypatch.setattr(pool, patience, 2 * WAIT_SECONDS)
    async with black_hole() as place, await cut_off_from_both(scene, place) as nowhere:
        scene.beats.database = nowhere
        scene.now += FENCE_SECONDS

        await eventually(scene.fence.is_up)


async def test_a_worker_that_was_frozen_tries_to_be_heard_before_it_stops_anything(scene: Scene) -> None:
    scene.now += 2 * FENCE_SECONDS  # and nothing of it has run meanwhile

    await scene.redis.leave(WORKER)
    await eventually(scene.heard_by_redis)

    assert scene.fence.times == 0


def test_a_worker_has_stopped_what_it_runs_before_it_can_be_given_up() -> None:
    to_stop = 1.0
    assert FENCE_SECONDS + LAST_TRY_SECONDS + to_stop <= GONE_SECONDS
