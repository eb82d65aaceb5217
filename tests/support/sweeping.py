"""Attempts that a sweeper looks after, and the seconds that it counts.

monotonic   function   the clock that it counts by, which the test moves
real_time   function   the rig stands at the servers' own time, by which deadlines and pauses are measured
"""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.actors.timeout_sweeper import (
    DEADLINE_GRACE_SECONDS,
    Swept,
)
from horarium.keyspace.timeouts import Watch
from horarium.keyspace.workers import WorkerBeat
from horarium.outcome import Succeeded, decide
from horarium.sql import executions
from horarium.sql.executions import Finish
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    import asyncpg

    from horarium.outcome import Attempt
    from horarium.sql.executions import Finished
    from tests.support.rig import Rig

__all__ = [
    "NOTHING",
    "TIMEOUT",
    "WORKER",
    "Monotonic",
    "an_attempt",
    "beat",
    "beat_in_postgres",
    "late_success",
    "monotonic",
    "past_deadline",
    "real_time",
    "row_of",
    "swept_after_grace",
    "swept_within",
]

NOTHING = Swept(0, 0, 0)
WORKER = "a worker"
TIMEOUT = 30.0


class Monotonic:
    """The seconds that a sweeper counts."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    made = Monotonic()
    monkeypatch.setattr(anyio, "current_time", made)
    return made


@pytest.fixture
def real_time(rig: Rig) -> None:
    rig.clock.is_real()


async def beat(rig: Rig, worker: str = WORKER) -> None:
    await rig.workers.beat(WorkerBeat(worker, ("default",), 1, 1, "now"))


async def beat_in_postgres(rig: Rig, worker: str = WORKER) -> None:
    async with rig.database.connection() as connection:
        await QUERIES.worker_beat.value(connection, worker=worker)


async def an_attempt(rig: Rig, **fields: object) -> Attempt:
    """A claimed attempt of a config with TIMEOUT, whose worker lives."""
    manual: dict[str, object] = {"scheduler_type": "manual", "schedule_config": {}, "timeout_seconds": TIMEOUT}
    config = await rig.config(**(manual | fields))
    await beat(rig)
    return await rig.running(config, worker=WORKER)


async def past_deadline(rig: Rig, attempt: Attempt) -> None:
    """Let the attempt's deadline have passed a second ago, in the ledger and in the index."""
    passed = rig.clock() - timedelta(seconds=1)
    await rig.sql("UPDATE executions SET deadline_at = $2 WHERE id = $1", attempt.execution_id, passed)
    await rig.timeouts.watch([Watch(attempt.execution_id, attempt.attempt, passed)])


async def swept_after_grace(rig: Rig, monotonic: Monotonic) -> Swept:
    """What the sweeper ends when it has seen what is overdue for as long as it leaves it to its worker."""
    assert await rig.sweeper.step() == NOTHING
    monotonic.now += DEADLINE_GRACE_SECONDS
    return await rig.sweeper.step()


async def swept_within(rig: Rig, monotonic: Monotonic, seconds: float) -> Swept:
    """All that sweeps end of which one is made now and one with each second that passes."""
    swept = [await rig.sweeper.step()]
    end = monotonic.now + seconds
    while monotonic.now < end:
        monotonic.now = min(monotonic.now + 1, end)
        swept.append(await rig.sweeper.step())
    return Swept(*(sum(each) for each in zip(*map(astuple, swept), strict=True)))


async def late_success(rig: Rig, attempt: Attempt) -> Finished | None:
    """What the ledger answers when this attempt says after all that it succeeded."""
    async with rig.database.connection() as connection:
        ending = decide(attempt, Succeeded("late"))
        (answer,) = await executions.finish(connection, [Finish(attempt.execution_id, attempt.attempt, ending)])
    return answer


async def row_of(rig: Rig, attempt: Attempt) -> asyncpg.Record:
    return await rig.row(attempt.execution_id)
