"""Each actor's step, cancelled at every checkpoint it has: no connection is lost, no answer goes astray, no work is.

A supervisor stops an actor wherever it stands, in the middle of a command and between two. A connection that was
handed back then, with the command's answer still to come, would give it to whoever asks next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors import timeout_sweeper
from horarium.actors.cleanup import Cleaned
from horarium.actors.schedule_loader import Loaded
from horarium.actors.timeout_sweeper import Swept
from horarium.keyspace.due_index import DueEntry
from horarium.keyspace.history import HistoryEvent
from horarium.keyspace.timeouts import Watch
from horarium.keyspace.workers import WorkerBeat
from horarium.sql.executions import Claim, claim
from horarium.tasks.stream_broker import StreamBroker
from tests.support.coverage import SOUND
from tests.support.pools import redis_is_sound
from tests.support.rig import NOON, Rig
from tests.support.scenes import BY_HAND, OnARig, checkpoints_of

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]

EACH_MINUTE = {"schedule_config": {"cron_expression": "* * * * *"}}
NOBODYS = 999_999_999


@dataclass
class OfADispatcher(OnARig):
    """A scene of due configs."""

    configs: list[int] = field(default_factory=list)

    async def step(self) -> None:
        await self.rig.dispatcher().step()

    async def all_is_sent(self) -> None:
        """Step again, let the publisher send what was left unsent, and check that each row to run has its message."""
        await self.step()
        await self.rig.requests()
        await self.rig.sql("UPDATE executions SET created_at = created_at - interval '6 s' WHERE status = 'pending'")
        await self.rig.publisher().step()
        to_run = await self.rig.sql("SELECT array_agg(id ORDER BY id) FROM executions WHERE status <> 'skipped'")
        assert await self.rig.sql("SELECT count(*) FROM executions WHERE status = 'pending'") == 0
        assert sorted({message.execution_id for message in self.rig.broker.sent}) == to_run


class DispatcherFires(OfADispatcher):
    """A tick to run, a tick to skip behind a run that goes on, and the last tick of a config."""

    async def prepare(self) -> None:
        once = {"scheduler_type": "date", "schedule_config": {"run_date": "2024-05-08T12:00:02Z"}}
        self.configs = [await self.rig.config(), await self.rig.config(overlap="skip"), await self.rig.config(**once)]
        await self.rig.fire(after=1)
        await self.rig.age(3)
        self.rig.clock.passes(1)
        self.rig.events()

    async def then(self) -> None:
        await self.all_is_sent()
        every_second, one_at_a_time, once = self.configs
        assert await self.rig.said_of(every_second) == [(1, 1, "queued", None), (2, 1, "queued", None)]
        assert await self.rig.said_of(one_at_a_time) == [(1, 1, "queued", None), (2, 1, "skipped", "overlap")]
        assert await self.rig.said_of(once) == [(2, 1, "queued", None)]
        assert [await self.rig.next_tick(each) for each in self.configs] == [3, 3, None]
        assert await self.rig.status(once) == "inactive"
        # history is told last, and once: a dispatcher cut off before leaves it to the ledger
        assert [e.details["reason"] for e in self.rig.events()] in ([], ["overlap"])


class DispatcherCatchesUp(OfADispatcher):
    """Ticks missed for ten minutes: all to run, all skipped but the newest, and a stretch behind an index that lags."""

    async def prepare(self) -> None:
        runs, skips = await self.rig.config(catchup="all", **EACH_MINUTE), await self.rig.config(**EACH_MINUTE)
        lags = await self.rig.config(catchup="skip", **EACH_MINUTE)
        self.configs = [runs, skips, lags]
        (entry,) = [each for each in await self.rig.index.page(None, 3) if each.config_id == lags]
        await self.rig.fire(after=120)
        await self.rig.index.upsert([DueEntry(lags, entry.version, entry.tick, entry.spec)])
        self.rig.clock.passes(513)

    async def then(self) -> None:
        await self.all_is_sent()
        assert [await self.rig.faults(each) for each in self.configs] == [SOUND] * 3
        assert [await self.rig.next_tick(each) for each in self.configs] == [660] * 3
        assert {status for each in self.configs for _, _, status, _ in await self.rig.said_of(each)} == {
            "queued",
            "skipped",
        }


@dataclass
class PublisherSends(OnARig):
    """A run that nobody sent, a retry that is due, and a message that the broker has lost."""

    broker: StreamBroker
    runs: list[UUID] = field(default_factory=list)

    async def prepare(self) -> None:
        config = await self.rig.config(**BY_HAND)
        lost, retried, _ = self.runs = [await self.rig.manual_run(config) for _ in range(3)]
        await self.rig.publisher(self.broker).step([lost])
        await self.rig.age(60)
        await self.rig.redis.delete(self.rig.keys.queue("default"))
        await self.rig.sql(
            "UPDATE executions SET status = 'retrying', attempt = 2, retry_at = clock_timestamp() WHERE id = $1",
            retried,
        )

    async def step(self) -> None:
        await self.rig.publisher(self.broker).step()

    async def sound(self) -> None:
        await super().sound()
        await redis_is_sound(self.broker.connection_pool)

    async def then(self) -> None:
        await self.step()
        await self.step()  # what the one before has found lost is sent by this one
        assert [(await self.rig.row(each))["status"] for each in self.runs] == ["queued"] * 3
        assert (await self.broker.depths())["default"] >= 3
        assert [await self._claims(each) for each in self.runs] == [1, 1, 1]

    async def _claims(self, execution_id: UUID) -> int:
        """How many of two messages would be let run."""
        attempt = (await self.rig.row(execution_id))["attempt"]
        async with self.rig.database.connection() as connection:
            won = [await claim(connection, worker, [Claim(execution_id, attempt)]) for worker in ("one", "other")]
        return sum(attempt is not None for (attempt,) in won)


@dataclass
class LoaderLoads(OnARig):
    """Configs that the index lacks, one that makes no sense, and an entry that belongs to none."""

    configs: list[int] = field(default_factory=list)
    bad: int = 0

    async def prepare(self) -> None:
        self.configs = [await self.rig.config() for _ in range(3)]
        self.bad = await self.rig.config()
        await self.rig.sql("UPDATE task_configs SET schedule_config = '{}' WHERE id = $1", self.bad)
        await self.rig.redis.flushdb()
        await self.rig.index.upsert([DueEntry(NOBODYS, 1, NOON, b"{}")])

    async def step(self) -> object:
        return await self.rig.loader.load_all()

    async def then(self) -> None:
        loaded = await self.step()
        assert loaded in (Loaded(3, 1), Loaded(3, 0))
        assert await self.rig.index.is_loaded()
        await self.shown()

    async def shown(self) -> None:
        assert await self.rig.index.versions([*self.configs, self.bad, NOBODYS]) == dict.fromkeys(self.configs, 1)
        assert sorted(await self.rig.index.config_ids()) == self.configs
        assert await self.rig.status(self.bad) == "error"
        assert [await self.rig.next_tick(each) for each in self.configs] == [1, 1, 1]


class LoaderReloads(LoaderLoads):
    """The same, of those that somebody has named."""

    async def step(self) -> object:
        return await self.rig.loader.reload([*self.configs, self.bad, NOBODYS])

    async def then(self) -> None:
        await self.step()
        await self.shown()


@dataclass
class SweeperSweeps(OnARig):
    """An attempt past its deadline, one whose worker is gone, and a pause that has run out."""

    late: UUID | None = None
    orphan: UUID | None = None
    paused: int = 0

    async def prepare(self) -> None:
        self.rig.clock.is_real()
        self.rig.clock.passes(-60)
        self.paused = await self.rig.config()
        await self.rig.task_configs.pause(self.paused, reason=None, until=self.rig.clock.now + timedelta(seconds=60))
        self.rig.clock.passes(60)
        config = await self.rig.config(**BY_HAND, timeout_seconds=30)
        late, orphan = await self.rig.running(config, worker="alive"), await self.rig.running(config, worker="gone")
        self.late, self.orphan = late.execution_id, orphan.execution_id
        await self.rig.workers.beat(WorkerBeat("alive", ("default",), 1, 1, "now"))
        passed = late.started_at - timedelta(seconds=1)
        await self.rig.sql("UPDATE executions SET deadline_at = $2 WHERE id = $1", self.late, passed)
        await self.rig.timeouts.watch([Watch(late.execution_id, 1, passed)])
        self.rig.events()

    async def step(self) -> object:
        return await self.rig.sweeper.step()

    async def then(self) -> None:
        assert self.late and self.orphan  # noqa: PT018 - set together
        await self.step()
        late, orphan = await self.rig.row(self.late), await self.rig.row(self.orphan)
        assert (late["status"], late["reason"]) == ("timeout", "deadline_passed")
        assert (orphan["status"], orphan["reason"]) == ("lost", "worker_gone")
        assert await self.rig.timeouts.watched() == set()
        (pause,) = await self.rig.rows(self.paused)
        assert (await self.rig.status(self.paused), pause["reason"], pause["tick_count"]) == ("active", "paused", 60)
        told = [event.event for event in self.rig.events()]
        assert len(told) == len(set(told))
        assert set(told) <= {"timeout", "lost", "task_resumed"}
        assert await self.step() == Swept(0, 0, 0)


@dataclass
class LeaderTakesOver(OnARig):
    """A lease that has run out."""

    async def prepare(self) -> None:
        await self.rig.sql("INSERT INTO leases VALUES ('scheduler', 'a dead one', 7, clock_timestamp())")

    async def step(self) -> object:
        leader, _ = self.rig.leader("ours")
        return await leader.step()

    async def then(self) -> None:
        leader, leadership = self.rig.leader("ours")
        await leader.step()
        assert (leadership.leads, leadership.leader, leadership.epoch) == (True, "ours", 8)


@dataclass
class CleanupCleans(OnARig):
    """Executions past their retention, and a deleted config that nothing speaks of."""

    config: int = 0

    async def prepare(self) -> None:
        self.config = await self.rig.config()
        await self.rig.fire_each_second(3)
        await self.rig.task_configs.delete(await self.rig.config(), version=None)
        await self.rig.sql(
            "UPDATE executions SET status = 'success', completed_at = '2024-01-01',"
            " id = ('00000000-0000-7000-8000-00000000000' || extract(second FROM tick_at)::int)::uuid"
        )
        self.rig.clock.is_real()

    async def step(self) -> object:
        return await self.rig.cleanup().step()

    async def then(self) -> None:
        await self.step()
        assert [tick for tick, *_ in await self.rig.said_of(self.config)] == [3]
        assert await self.rig.sql("SELECT array_agg(id) FROM task_configs") == [self.config]
        assert await self.step() == Cleaned()


@dataclass
class HistoryIsWritten(OnARig):
    """News of two configs."""

    async def prepare(self) -> None:
        pass

    async def step(self) -> None:
        await self.rig.history_writer().step([news(1, "one"), news(2, "two"), news(1, "three")])

    async def then(self) -> None:
        before = [await self.known(1), await self.known(2)]
        assert before in ([[], []], [["three", "one"], ["two"]])
        await self.rig.history_writer().step([news(1, "four")])
        assert [await self.known(1), await self.known(2)] == [["four", *before[0]], before[1]]

    async def known(self, config_id: int) -> list[str]:
        return [event["text"] for event in await self.rig.history.newest(config_id, 10)]


def news(config_id: int, text: str) -> HistoryEvent:
    return HistoryEvent.now(config_id, "task_executed", text=text)


@pytest.fixture
def rig(relayed_rig: Rig) -> Rig:
    return relayed_rig


async def test_a_dispatcher_cancelled_anywhere_leaves_each_tick_to_be_fired_once(rig: Rig) -> None:
    assert await checkpoints_of(DispatcherFires(rig)) > 14


async def test_a_dispatcher_cancelled_anywhere_in_its_catch_up_covers_each_tick_once(rig: Rig) -> None:
    assert await checkpoints_of(DispatcherCatchesUp(rig)) > 15


async def test_a_publisher_cancelled_anywhere_leaves_every_row_to_be_sent(rig: Rig, redis_db: str) -> None:
    broker = StreamBroker(redis_db, rig.keys)

    assert await checkpoints_of(PublisherSends(rig, broker)) > 10
    await broker.shutdown()


async def test_a_loader_cancelled_anywhere_in_a_full_load_loads_all_with_the_next(rig: Rig) -> None:
    assert await checkpoints_of(LoaderLoads(rig)) > 14


async def test_a_loader_cancelled_anywhere_in_a_reload_reloads_with_the_next(rig: Rig) -> None:
    assert await checkpoints_of(LoaderReloads(rig)) > 8


async def test_a_sweeper_cancelled_anywhere_leaves_all_to_be_ended_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeout_sweeper, "DEADLINE_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(timeout_sweeper, "GONE_SECONDS", 0.0)

    assert await checkpoints_of(SweeperSweeps(rig)) > 20


async def test_a_leader_cancelled_anywhere_in_its_take_over_leads_with_the_next_look(rig: Rig) -> None:
    assert await checkpoints_of(LeaderTakesOver(rig)) >= 2


async def test_a_cleanup_cancelled_anywhere_cleans_up_with_the_next(rig: Rig) -> None:
    assert await checkpoints_of(CleanupCleans(rig)) > 2


async def test_a_history_writer_cancelled_anywhere_has_written_all_or_nothing(rig: Rig) -> None:
    assert await checkpoints_of(HistoryIsWritten(rig)) > 0
