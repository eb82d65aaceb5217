"""Starting, stopping, pausing and running a config: a transaction that leaves no tick unaccounted for, or a refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.errors import Conflict, InvalidInput, NotFound
from horarium.messages import Publish
from horarium.model import RunRequest
from tests.support.config_actions import delete, edit, fields_of, pause, reload, rename, resume, run, start, stop
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.config_actions import Action

pytestmark = pytest.mark.anyio

NOBODY = 999_999_999


# Start, stop, pause, resume


@pytest.mark.parametrize("action", [start, stop, pause, resume, delete, rename, reload, run])
@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "never made"])
async def test_nothing_can_be_done_to_a_config_that_is_not_there(rig: Rig, action: Action, gone: bool) -> None:
    config = await rig.config()
    await rig.task_configs.delete(config, version=None)

    with pytest.raises(NotFound):
        await action(rig, config if gone else NOBODY)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("active", start),
        ("paused", start),
        ("inactive", stop),
        ("inactive", pause),
        ("paused", pause),
        ("error", pause),
        ("active", resume),
        ("inactive", resume),
        ("error", resume),
    ],
)
async def test_an_action_that_the_state_does_not_allow_is_refused_and_changes_nothing(
    rig: Rig, status: str, action: Action
) -> None:
    config = await rig.config()
    await rig.sql("UPDATE task_configs SET status = $1", status)
    rig.clock.passes(5)
    before = await rig.config_row(config)

    with pytest.raises(Conflict, match=status) as refusal:
        await action(rig, config)

    assert refusal.value.code == "state"
    assert await rig.config_row(config) == before
    assert await rig.rows(config) == []


async def test_stopping_writes_what_was_due_and_starting_owes_ticks_from_then_on(rig: Rig) -> None:
    config = await rig.config()
    rig.clock.passes(3)

    await stop(rig, config)
    rig.clock.passes(100)
    await start(rig, config)
    await rig.fire(after=1)

    assert await rig.said_of(config) == [(1, 3, "skipped", "stopped"), (104, 1, "queued", None)]


async def test_stopping_a_config_in_error_makes_it_inactive(rig: Rig) -> None:
    config = await rig.config()
    await rig.sql("UPDATE task_configs SET status = 'error'")

    await stop(rig, config)

    assert await rig.status(config) == "inactive"


async def test_a_pause_keeps_its_reason_and_its_end_and_takes_the_config_out_of_the_index(rig: Rig) -> None:
    config = await rig.config()

    row = await pause(rig, config, seconds=60)

    assert (row["status"], row["paused_reason"]) == ("paused", "a holiday")
    assert row["paused_until"] == NOON + timedelta(seconds=60)
    assert await rig.index.size() == 0


async def test_a_pause_cannot_end_in_the_past(rig: Rig) -> None:
    config = await rig.config()

    with pytest.raises(InvalidInput) as refusal:
        await pause(rig, config, seconds=0)

    assert fields_of(refusal) == ["until"]


async def test_the_ticks_of_a_pause_are_one_row_and_firing_goes_on_after_it(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(2)
    await pause(rig, config)
    rig.clock.passes(3600)

    row = await rig.task_configs.resume(config)
    await rig.fire(after=1)

    assert await rig.said_of(config) == [
        (1, 1, "queued", None),
        (2, 1, "queued", None),
        (3, 3600, "skipped", "paused"),
        (3603, 1, "queued", None),
    ]
    assert (row["paused_reason"], row["paused_until"]) == (None, None)
    assert await rig.faults(config) == SOUND


@pytest.mark.parametrize("action", [stop, delete], ids=["stopped", "deleted"])
async def test_the_ticks_of_a_pause_are_written_when_something_else_ends_it(rig: Rig, action: Action) -> None:
    config = await rig.config()
    await pause(rig, config)
    rig.clock.passes(10)

    await action(rig, config)

    assert [(tick, count) for tick, count, *_ in await rig.said_of(config)] == [(1, 10)]
    assert await rig.faults(config) == SOUND


async def test_a_paused_config_whose_schedule_is_edited_stays_paused_and_accounts_for_both(rig: Rig) -> None:
    config = await rig.config()
    await pause(rig, config)
    rig.clock.passes(10)
    await edit(rig, config, schedule_config={"cron_expression": "*/5 * * * * *"})
    rig.clock.passes(10)

    await resume(rig, config)

    assert await rig.said_of(config) == [(1, 10, "skipped", "paused"), (15, 2, "skipped", "paused")]


async def test_a_pause_without_a_tick_writes_no_row(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "0 0 * * *"})
    await pause(rig, config)

    await resume(rig, config)

    assert await rig.rows(config) == []


async def test_resuming_after_the_end_accounts_for_the_ticks_and_the_config_becomes_inactive(rig: Rig) -> None:
    config = await rig.config(end_at=NOON + timedelta(seconds=30))
    await pause(rig, config)
    rig.clock.passes(60)

    await resume(rig, config)
    await rig.fire(after=1)

    assert await rig.said_of(config) == [(1, 30, "skipped", "paused")]
    assert await rig.status(config) == "inactive"


@pytest.mark.parametrize("action", [stop, resume, delete])
async def test_a_paused_config_that_cannot_be_understood_any_more_can_be_put_right(rig: Rig, action: Action) -> None:
    config = await rig.config()
    await pause(rig, config)
    await rig.sql("UPDATE task_configs SET schedule_config = schedule_config || jsonb_build_object('timezone', 'Gone')")

    await action(rig, config)
    await rig.requests()

    assert await rig.status(config) in ("inactive", "error")


# A clock that moves between two readings


async def test_a_tick_in_the_very_moment_of_a_resume_has_its_row(rig: Rig) -> None:
    config = await rig.config()
    await pause(rig, config)
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=9.7), timedelta(seconds=0.2)

    await resume(rig, config)
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=12), timedelta(0)
    await rig.fire()

    assert await rig.faults(config) == SOUND


async def test_a_tick_in_the_very_moment_of_an_edit_has_its_row(rig: Rig) -> None:
    config = await rig.config()
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=9.5), timedelta(seconds=0.2)

    await edit(rig, config, schedule_config={"cron_expression": "*/1 * * * * *"})
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=12), timedelta(0)
    await rig.fire()

    assert await rig.faults(config) == SOUND


async def test_a_date_in_the_very_moment_of_its_creation_is_refused_or_owed(rig: Rig) -> None:
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=9.7), timedelta(seconds=0.2)

    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:10Z"})
    rig.clock.now, rig.clock.step = NOON + timedelta(seconds=12), timedelta(0)
    await rig.fire()

    assert await rig.said_of(config) == [(10, 1, "queued", None)]


# Reload and run


async def test_a_reload_puts_a_lost_entry_back(rig: Rig) -> None:
    config = await rig.config()
    await rig.index.remove([config])

    await reload(rig, config)

    assert await rig.next_tick(config) == 1


async def test_a_run_by_hand_is_committed_and_then_sent(rig: Rig) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={}, timeout_seconds=7)

    execution_id = await rig.manual_run(config)

    row = await rig.row(execution_id)
    assert (row["status"], row["trigger"], row["tick_at"], row["timeout_seconds"]) == ("pending", "manual", None, 7)
    with rig.mailboxes.publisher.bind() as inbox:
        assert inbox.receive_nowait() == Publish((execution_id,))


async def test_a_run_may_have_parameters_of_its_own(rig: Rig) -> None:
    config = await rig.config()

    execution_id = await rig.task_configs.run(config, RunRequest(parameters={"message": "once"}), idempotency_key=None)

    assert (await rig.row(execution_id))["parameters"] == {"message": "once"}


async def test_parameters_of_a_run_that_do_not_fit_are_refused(rig: Rig) -> None:
    config = await rig.config()

    with pytest.raises(InvalidInput) as refusal:
        await rig.task_configs.run(config, RunRequest(parameters={}), idempotency_key=None)

    assert fields_of(refusal) == ["parameters.message"]
    assert await rig.rows(config) == []


@pytest.mark.parametrize("action", [pause, stop])
async def test_a_config_that_does_not_fire_can_still_be_run_by_hand(rig: Rig, action: Action) -> None:
    config = await rig.config()
    await action(rig, config)

    execution_id = await rig.manual_run(config)

    assert (await rig.row(execution_id))["status"] == "pending"


async def test_the_same_idempotency_key_answers_the_same_run(rig: Rig) -> None:
    config = await rig.config()

    first = await rig.task_configs.run(config, RunRequest(), idempotency_key="a key")
    second = await rig.task_configs.run(config, RunRequest(), idempotency_key="a key")

    assert first == second
    assert len(await rig.rows(config)) == 1


async def test_an_idempotency_key_belongs_to_one_config(rig: Rig) -> None:
    one, other = await rig.config(), await rig.config()

    first = await rig.task_configs.run(one, RunRequest(), idempotency_key="a key")
    second = await rig.task_configs.run(other, RunRequest(), idempotency_key="a key")

    assert first != second


async def test_an_idempotency_key_with_other_parameters_is_refused(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.run(config, RunRequest(), idempotency_key="a key")

    with pytest.raises(Conflict) as refusal:
        await rig.task_configs.run(config, RunRequest(parameters={"message": "other"}), idempotency_key="a key")

    assert refusal.value.code == "idempotency_key"


async def test_runs_without_a_key_are_as_many_as_were_asked_for(rig: Rig) -> None:
    config = await rig.config()

    runs: set[UUID] = {await rig.manual_run(config) for _ in range(3)}

    assert len(runs) == 3
