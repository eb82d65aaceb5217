"""A tick, step by step: one row, one message, and the index moved on last of all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import orjson
import pytest

from horarium.actors.dispatcher import Dispatcher
from horarium.messages import Publish
from horarium.model import TaskConfigPatch
from horarium.supervisor import ChildContext
from tests.support.config_actions import delete, pause, stop
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.config_actions import Action

pytestmark = pytest.mark.anyio

MANY = 2300  # configs: more than two batches of the dispatcher


class Crash(Exception):
    """The process ends here."""


async def crash_before_the_index_moves_on(rig: Rig, monkeypatch: pytest.MonkeyPatch, *, after: float) -> None:
    async def advance(*_: object) -> int:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(rig.index, "advance", advance)
        with pytest.raises((Crash, ExceptionGroup)):
            await rig.fire(after=after)


async def copies(rig: Rig, config_id: int, number: int) -> list[int]:
    """So many configs like this one, in Postgres alone."""
    names = (await rig.sql("SELECT array_agg(attname) FROM pg_attribute WHERE attrelid = 'task_configs'::regclass"
                           " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'name')"))  # fmt: skip
    columns = ", ".join(names)
    return list(
        await rig.sql(
            f"WITH made AS (INSERT INTO task_configs (name, {columns}) SELECT 'copy ' || n, {columns}"  # noqa: S608 - our columns
            " FROM task_configs, generate_series(1, $2::int) AS n WHERE id = $1 RETURNING id)"
            " SELECT array_agg(id) FROM made",
            config_id,
            number,
        )
    )


# One tick


async def test_a_due_tick_becomes_one_row_one_message_and_the_index_moves_on(rig: Rig) -> None:
    config = await rig.config()

    done = await rig.fire(after=1)

    (row,) = await rig.rows(config)
    (message,) = rig.broker.sent
    assert (done.configs, done.written, done.published, done.skipped, done.deferred) == (1, 1, 1, 0, 0)
    assert (row["tick_at"], row["status"], row["trigger"]) == (NOON + timedelta(seconds=1), "queued", "schedule")
    assert (message.execution_id, message.attempt, message.config_id) == (row["id"], 1, config)
    assert await rig.next_tick(config) == 2


async def test_the_message_carries_what_the_config_says(rig: Rig) -> None:
    config = await rig.config(parameters={"message": "grüße"}, queue="reports", priority=9)

    await rig.fire(after=1)

    (message,) = rig.broker.sent
    sent = orjson.loads(message.to_json())
    assert (message.queue, message.priority) == ("reports", 9)
    assert (sent["task_name"], sent["kwargs"]) == ("echo", {"message": "grüße"})
    assert sent["labels"] == {
        "config_id": config,
        "task_type": "echo",
        "scheduler_type": "cron",
        "tick_at": "2024-05-08T12:00:01Z",
        "attempt": 1,
    }


async def test_what_is_not_due_is_left_alone(rig: Rig) -> None:
    config = await rig.config(scheduler_type="interval", schedule_config={"minutes": 1})

    done = await rig.fire(after=59.999)

    assert done.configs == 0
    assert await rig.rows(config) == []
    assert await rig.next_tick(config) == 60


async def test_a_tick_to_the_millisecond_fires_at_its_millisecond(rig: Rig) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:01.234Z"})

    early = await rig.fire(after=1.233)
    due = await rig.fire(after=0.001)

    assert (early.configs, due.written) == (0, 1)
    assert [row["tick_at"] for row in await rig.rows(config)] == [NOON + timedelta(seconds=1, milliseconds=234)]


async def test_every_tick_of_a_minute_has_its_row_and_its_message(rig: Rig) -> None:
    config = await rig.config()

    await rig.fire_each_second(60)

    assert await rig.faults(config) == SOUND
    assert len(rig.broker.sent) == 60


async def test_more_configs_than_fit_a_batch_all_fire_in_one_step(rig: Rig) -> None:
    config = await rig.config()
    copied = await copies(rig, config, MANY)
    await rig.loader.load_all()

    done = await rig.fire(after=1)

    assert (done.configs, done.written, done.published) == (MANY + 1, MANY + 1, MANY + 1)
    assert await rig.sql("SELECT count(DISTINCT config_id) FROM executions WHERE status = 'queued'") == MANY + 1
    assert {(await rig.next_tick(each)) for each in copied} == {2}


# Crashes, and what is replayed after them


async def test_a_crash_before_the_index_moves_on_is_replayed_and_changes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config()
    await crash_before_the_index_moves_on(rig, monkeypatch, after=1)
    before = await rig.rows(config)

    done = await rig.fire()

    assert (done.configs, done.written, done.published) == (1, 0, 0)
    assert await rig.rows(config) == before
    assert len(rig.broker.sent) == 1
    assert await rig.next_tick(config) == 2
    assert await rig.faults(config) == SOUND


async def test_a_crash_before_anything_is_sent_leaves_a_row_that_the_publisher_sends(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.crash = Crash()
    with pytest.raises((Crash, ExceptionGroup)):
        await rig.fire(after=1)
    rig.broker.crash = None

    replayed = await rig.fire()
    await rig.age(6)
    await rig.publisher().step()

    (row,) = await rig.rows(config)
    assert (replayed.written, replayed.published) == (0, 0)
    assert [message.execution_id for message in rig.broker.sent] == [row["id"]]
    assert row["status"] == "queued"


async def test_a_config_whose_end_was_committed_but_not_indexed_does_not_fire_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:01Z"})
    await crash_before_the_index_moves_on(rig, monkeypatch, after=1)

    await rig.fire()

    assert await rig.requests() == [(config,), (config,)]
    assert (await rig.status(config), await rig.index.size()) == ("inactive", 0)
    assert await rig.faults(config) == SOUND


# A config that has changed since it was indexed


async def edit(rig: Rig, config: int) -> None:
    await rig.task_configs.edit(config, TaskConfigPatch(parameters={"message": "new"}), version=None)


@pytest.mark.parametrize("change", [pause, stop, delete, edit])
async def test_a_changed_config_does_not_fire_from_a_stale_index_and_the_loader_is_asked(
    rig: Rig, change: Action
) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await change(rig, config)
    rig.asked.clear()

    done = await rig.fire(after=1)

    assert (done.configs, done.written, done.deferred) == (1, 0, 1)
    assert await rig.rows(config) == []
    assert rig.broker.sent == []
    assert await rig.next_tick(config) == 1
    assert await rig.requests() == [(config,)]


@pytest.mark.parametrize("change", [pause, stop, delete])
async def test_once_the_loader_has_answered_a_config_that_must_not_fire_is_out_of_the_index(
    rig: Rig, change: Action
) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await change(rig, config)
    rig.loader_answers = True

    await rig.fire(after=1)
    await rig.requests()

    assert await rig.index.size() == 0


async def test_an_edited_config_fires_its_tick_late_and_as_edited(rig: Rig) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await edit(rig, config)
    rig.loader_answers = True

    await rig.fire(after=1)
    await rig.requests()
    await rig.fire(after=0.1)

    assert [message.parameters for message in rig.broker.sent] == [{"message": "new"}]
    assert await rig.faults(config) == SOUND


async def test_a_stale_config_does_not_stand_in_the_way_of_the_others(rig: Rig) -> None:
    stale, good = await rig.config(), await rig.config()
    rig.loader_answers = False
    await pause(rig, stale)

    done = await rig.fire(after=1)

    assert (done.configs, done.written) == (2, 1)
    assert await rig.faults(good) == SOUND


async def test_an_entry_without_its_spec_is_made_anew_and_no_tick_is_lost(rig: Rig) -> None:
    config = await rig.config()
    await rig.redis.delete(rig.keys.spec)

    without = await rig.fire(after=1)
    await rig.requests()
    mended = await rig.fire()

    assert (without.written, without.deferred, mended.written) == (0, 1, 1)
    assert await rig.faults(config) == SOUND


# A broker that is away


async def test_without_a_broker_rows_stay_pending_the_index_moves_on_and_the_publisher_is_told(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.away = True

    done = await rig.fire(after=1)

    (row,) = await rig.rows(config)
    assert (done.written, done.published) == (1, 0)
    assert row["status"] == "pending"
    assert await rig.next_tick(config) == 2
    with rig.mailboxes.publisher.bind() as inbox:
        assert inbox.receive_nowait() == Publish((row["id"],))


async def test_what_was_written_without_a_broker_is_sent_when_it_is_back(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.away = True
    await rig.fire(after=3)
    rig.broker.away = False

    asked = [row["id"] for row in await rig.rows(config)]
    sent = await rig.publisher().step(asked)

    assert sent.published == 3
    assert [message.execution_id for message in rig.broker.sent] == asked
    assert {row["status"] for row in await rig.rows(config)} == {"queued"}


# A flush


async def test_after_a_flush_the_cursor_comes_back_from_the_ledger(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(5)
    await rig.redis.flushdb()

    blind = await rig.fire(after=2)
    await rig.loader.load_all()
    healed = await rig.fire(after=1)

    assert (blind.configs, healed.published) == (0, 3)
    assert await rig.faults(config) == SOUND


async def test_after_a_flush_a_config_without_a_row_starts_from_its_creation(rig: Rig) -> None:
    config = await rig.config()
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=3)

    assert await rig.faults(config) == SOUND


async def test_after_a_flush_a_stretch_is_not_written_again(rig: Rig) -> None:
    config = await rig.config(catchup="skip", schedule_config={"cron_expression": "* * * * *"})
    await rig.fire(after=3630)
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=60)

    assert await rig.said_of(config) == [(60, 60, "skipped", "missed"), (3660, 1, "skipped", "missed")]
    assert await rig.faults(config) == SOUND


async def test_a_flush_between_the_row_and_the_index_loses_nothing_and_doubles_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config()
    await crash_before_the_index_moves_on(rig, monkeypatch, after=2)
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=1)

    assert await rig.faults(config) == SOUND
    assert len(rig.broker.sent) == 3


# Standing by


class Lease:
    """Whether this process leads, as a test says."""

    leads = False


async def test_a_lease_that_is_ours_again_needs_no_nudge(rig: Rig) -> None:
    """It can run out while its renewal is under way: to the leader nothing has changed then."""
    config, lease = await rig.config(), Lease()
    dispatcher = Dispatcher(rig.database, rig.index, rig.broker, rig.mailboxes, rig.clock, leadership=lease)

    async def written() -> bool:
        return bool(await rig.rows(config))

    with rig.mailboxes.dispatcher.bind() as inbox:
        async with anyio.create_task_group() as group:
            context = ChildContext("dispatcher", 1, inbox)
            await group.start(lambda *, task_status: dispatcher.run(context, task_status=task_status))
            rig.clock.passes(1)
            await anyio.wait_all_tasks_blocked()
            lease.leads = True

            await eventually(written)
            group.cancel_scope.cancel()
