"""The due index is what Postgres says, whichever way a change came in and whatever Redis has forgotten."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from unittest.mock import patch

import anyio
import pytest

from horarium.actors import schedule_loader
from horarium.actors.schedule_loader import PAGE_CONFIGS, Loaded, ScheduleLoader
from horarium.keyspace.due_index import DueEntry
from horarium.lifecycle import TaskConfigs
from horarium.messages import Mailboxes, Reload
from horarium.model import TaskConfigCreate, TaskConfigPatch
from horarium.supervisor import ChildSpec, Supervisor, SupervisorSpec
from horarium.tasks.registry import TaskTypes
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.anyio

NEVER = 10**9


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The rig with a loader that does what the test tells it to, and nothing by itself."""
    rig.loader_answers = False
    return rig


@asynccontextmanager
async def following(rig: Rig) -> AsyncIterator[Mailboxes]:
    """A loader as a child of a supervisor, with mailboxes of its own: the rig is another process to it.

    No page is compared by turns: what is found is found otherwise.
    """
    mailboxes = Mailboxes()
    loader = ScheduleLoader(rig.database, rig.index, mailboxes)
    child = ChildSpec("schedule_loader", loader.run, mailbox=mailboxes.loader)
    supervisor = Supervisor(SupervisorSpec("root", (child,)), on_event=lambda _: None)
    never = patch.object(schedule_loader, "COMPARE_EVERY_LOOKS", NEVER)
    async with anyio.create_task_group() as group:
        with never:
            await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
            yield mailboxes
        supervisor.stop()


async def in_secret(rig: Rig, statement: str) -> None:
    """Change Postgres without a notification, as if it had been lost."""
    async with rig.database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement)


async def many(rig: Rig, number: int) -> int:
    """One config and so many copies of it, in Postgres alone; the id of the first."""
    config = await rig.config()
    names = await rig.sql(
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'task_configs'::regclass"
        " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'name')"
    )
    await in_secret(
        rig,
        f"INSERT INTO task_configs (name, {names}) SELECT 'copy ' || n, {names}"  # noqa: S608 - our columns
        f" FROM task_configs, generate_series(1, {number}) AS n",
    )
    return config


# Reload


async def test_a_reload_puts_active_configs_in_and_takes_the_others_out(rig: Rig) -> None:
    active, stopped = await rig.config(), await rig.config()
    await rig.loader.reload([active, stopped])
    await rig.task_configs.stop(stopped)

    loaded = await rig.loader.reload([active, stopped])

    assert loaded == Loaded(put=1, removed=1)
    assert await rig.index.config_ids() == [active]


async def test_a_reload_of_nothing_does_nothing(rig: Rig) -> None:
    assert await rig.loader.reload([]) == Loaded()


async def test_a_reload_of_what_never_was_does_nothing(rig: Rig) -> None:
    assert await rig.loader.reload([999_999_999]) == Loaded()


async def test_an_entry_newer_than_postgres_is_of_another_database_and_gives_way(rig: Rig) -> None:
    """After a restore from a backup the versions in the index are ahead: the config must fire all the same."""
    config = await rig.config()
    await rig.index.upsert([DueEntry(config, 7, NOON + timedelta(hours=1), b"{}")])

    loaded = await rig.loader.reload([config])

    assert loaded.put == 1
    assert await rig.index.versions([config]) == {config: 1}
    assert await rig.next_tick(config) == 1


async def test_a_reload_starts_after_the_newest_row_and_not_before_the_config_owes_ticks(rig: Rig) -> None:
    config = await rig.config()
    await rig.loader.reload([config])
    await rig.fire(after=100)
    await rig.index.remove([config])

    await rig.loader.reload([config])

    assert await rig.next_tick(config) == 101


async def test_an_unreadable_schedule_becomes_an_error_says_why_and_holds_up_nobody(rig: Rig) -> None:
    good, bad = await rig.config(), await rig.config()
    await rig.sql("UPDATE task_configs SET schedule_config = '{}' WHERE id = $1", bad)
    rig.events()

    loaded = await rig.loader.reload([good, bad])

    (event,) = rig.events()
    assert (loaded.put, await rig.index.config_ids()) == (1, [good])
    assert (await rig.status(bad), await rig.status(good)) == ("error", "active")
    assert (event.config_id, event.event) == (bad, "task_execution_failed")
    assert "cron_expression" in event.details["error"]


async def test_a_config_with_no_tick_left_is_due_at_once_and_made_inactive_by_the_dispatcher(rig: Rig) -> None:
    config = await rig.config(end_at=NOON + timedelta(seconds=2))
    await rig.sql("UPDATE task_configs SET scheduled_from = end_at")
    rig.clock.passes(60)

    await rig.loader.reload([config])
    done = await rig.fire()

    assert (done.configs, done.written) == (1, 0)
    assert (await rig.status(config), await rig.index.size()) == ("inactive", 0)


# Everything


async def test_loading_all_fills_an_empty_index_page_by_page(rig: Rig) -> None:
    await many(rig, PAGE_CONFIGS + 200)

    loaded = await rig.loader.load_all()

    assert loaded == Loaded(put=PAGE_CONFIGS + 201, removed=0)
    assert await rig.index.size() == PAGE_CONFIGS + 201
    assert await rig.index.is_loaded()
    assert rig.mailboxes.dispatcher.depth == 1


async def test_loading_all_takes_out_what_does_not_belong(rig: Rig) -> None:
    config = await rig.config()
    await rig.index.upsert([DueEntry(999_999_999, 1, NOON, b"{}")])

    loaded = await rig.loader.load_all()

    assert loaded == Loaded(put=1, removed=1)
    assert await rig.index.config_ids() == [config]


async def test_a_full_load_replaces_an_entry_that_is_newer_than_postgres(rig: Rig) -> None:
    """After a restore from a backup a full load is as good as a reload of each config."""
    config, other = await rig.config(), await rig.config()
    await rig.index.upsert([DueEntry(config, 7, NOON + timedelta(hours=1), b"{}")])

    await rig.loader.load_all()

    assert await rig.index.versions([config, other]) == {config: 1, other: 1}


async def test_what_is_loaded_may_fire_before_the_rest_is_loaded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher is told after the first of two pages, and not only when the load has ended."""
    await many(rig, PAGE_CONFIGS + 200)
    told: list[int] = []
    upsert = rig.index.upsert

    async def noted(entries: Sequence[DueEntry]) -> int:
        told.append(rig.mailboxes.dispatcher.depth)
        return await upsert(entries)

    monkeypatch.setattr(rig.index, "upsert", noted)
    monkeypatch.setattr("horarium.actors.schedule_loader.LANES", 1)

    await rig.loader.load_all()

    assert told == [0, 1]


async def test_loading_all_again_loses_and_doubles_no_tick(rig: Rig) -> None:
    config = await rig.config()
    await rig.loader.load_all()
    await rig.fire_each_second(2)

    await rig.loader.load_all()
    await rig.fire_each_second(2)

    assert await rig.faults(config) == SOUND
    assert len(rig.broker.sent) == 4


# Comparing


async def test_comparing_mends_what_is_missing_and_what_is_of_another_version(rig: Rig) -> None:
    missing, old, right = await rig.config(), await rig.config(), await rig.config()
    await rig.loader.reload([old, right])
    await rig.sql("UPDATE task_configs SET version = version + 1 WHERE id = $1", old)

    mended = await rig.loader.compare_page()

    assert mended == Loaded(put=2)
    assert await rig.index.versions([missing, old, right]) == {missing: 1, old: 2, right: 1}


async def test_comparing_an_index_that_is_right_changes_nothing(rig: Rig) -> None:
    await rig.config()
    await rig.loader.load_all()

    assert await rig.loader.compare_page() == Loaded()


async def test_comparing_notices_an_index_that_lost_its_ticks_but_not_its_specs(rig: Rig) -> None:
    config = await rig.config()
    await rig.loader.load_all()
    await rig.redis.delete(rig.keys.due)

    mended = await rig.loader.compare_page()

    assert mended == Loaded(put=1)
    assert await rig.next_tick(config) == 1


async def test_comparing_goes_through_all_pages_in_turn_and_starts_over(rig: Rig) -> None:
    first = await many(rig, PAGE_CONFIGS + 200)

    pages = [(await rig.loader.compare_page()).put for _ in range(3)]
    await rig.index.remove([first])
    again = await rig.loader.compare_page()

    assert pages == [PAGE_CONFIGS, 201, 0]
    assert again == Loaded(put=1)


async def test_comparing_everything_takes_one_call(rig: Rig) -> None:
    await many(rig, PAGE_CONFIGS + 200)

    assert await rig.loader.compare_all() == Loaded(put=PAGE_CONFIGS + 201)


# Following


async def indexed(rig: Rig, config: int, version: int) -> None:
    async def shown() -> bool:
        return await rig.index.versions([config]) == {config: version}

    await eventually(shown)


async def compared(mailboxes: Mailboxes) -> None:
    """The loader has compared everything, as it does when it begins to follow."""
    await mailboxes.loader.ask(lambda reply: Reload((), reply))


async def gone(rig: Rig) -> None:
    async def empty() -> bool:
        return await rig.index.size() == 0

    await eventually(empty)


async def test_a_child_loads_everything_before_it_says_that_it_is_ready(rig: Rig) -> None:
    config = await rig.config()

    async with following(rig):
        assert await rig.index.versions([config]) == {config: 1}


async def test_a_change_in_this_process_is_in_the_index_when_the_change_returns(rig: Rig) -> None:
    async with following(rig) as mailboxes:
        here = TaskConfigs(rig.database, TaskTypes(), mailboxes, clock=rig.clock)
        body = TaskConfigCreate(
            name="here",
            task_type="echo",
            parameters={"message": "hello"},
            scheduler_type="interval",
            schedule_config={"seconds": 5},
        )
        row = await here.create(body)

        assert await rig.next_tick(row["id"]) == 5


async def test_a_change_in_another_process_is_heard_of(rig: Rig) -> None:
    async with following(rig) as mailboxes:
        config = await rig.config()
        await indexed(rig, config, 1)
        await rig.task_configs.stop(config)
        await gone(rig)

    assert mailboxes.dispatcher.depth == 1


async def test_a_change_heard_of_while_the_one_before_is_brought_in_is_not_forgotten(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres was read before the second change, and both are about the same config."""
    upsert = rig.index.upsert

    async with following(rig) as mailboxes:

        async def heard() -> bool:
            return mailboxes.loader.depth > 0

        async def edited_meanwhile(entries: Sequence[DueEntry]) -> int:
            monkeypatch.setattr(rig.index, "upsert", upsert)
            await rig.task_configs.edit(entries[0].config_id, TaskConfigPatch(priority=9), version=1)
            await eventually(heard)
            return await upsert(entries)

        await compared(mailboxes)
        monkeypatch.setattr(rig.index, "upsert", edited_meanwhile)
        config = await rig.config()

        await indexed(rig, config, 2)


async def test_every_question_is_answered_however_many_come_at_once(rig: Rig) -> None:
    answered: list[None] = []

    async def ask(mailboxes: Mailboxes, config: int) -> None:
        answered.append(await mailboxes.loader.ask(lambda reply: Reload((config,), reply)))

    async with following(rig) as mailboxes, anyio.create_task_group() as group:
        for config in range(50):
            group.start_soon(ask, mailboxes, config)

    assert len(answered) == 50


async def test_a_flush_is_noticed_and_healed(rig: Rig) -> None:
    config = await rig.config()
    async with following(rig):
        await rig.redis.flushdb()

        await indexed(rig, config, 1)


async def test_a_redis_that_was_started_again_is_compared_with_postgres_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have come back without what was written last, and pages are compared by turns for minutes."""
    config = await rig.config()

    async def another_run() -> str:
        return "another run"

    async with following(rig) as mailboxes:
        await compared(mailboxes)
        await rig.index.remove([config])
        monkeypatch.setattr(rig.index, "run_id", another_run)

        await indexed(rig, config, 1)


async def test_what_changed_while_nobody_listened_is_found_when_the_connection_is_back(rig: Rig) -> None:
    config = await rig.config()
    async with following(rig):
        await in_secret(rig, "UPDATE task_configs SET version = version + 1")
        await rig.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            " AND datname = current_database()"
        )

        await indexed(rig, config, 2)


async def test_many_changed_configs_are_reloaded_a_page_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may change at once; no reload keeps the loop, or a statement, for all of them."""
    monkeypatch.setattr(schedule_loader, "PAGE_CONFIGS", 2)
    configs = [await rig.config() for _ in range(5)]
    await rig.task_configs.stop(configs[0])

    assert await rig.loader.reload(configs) == Loaded(put=4, removed=0)
    assert sorted(await rig.index.ticks(configs)) == configs[1:]
