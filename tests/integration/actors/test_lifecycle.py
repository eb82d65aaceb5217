"""What can be done to a task config: a transaction that leaves no tick unaccounted for, or a refusal with a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from pydantic import ValidationError

from horarium.errors import Conflict, InvalidInput, NotFound
from horarium.messages import Publish
from horarium.model import RunRequest, TaskConfigPatch
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    Action: TypeAlias = Callable[[Rig, int], Awaitable[Any]]

pytestmark = pytest.mark.anyio

NOBODY = 999_999_999
SECOND = timedelta(seconds=1)


def fields_of(refusal: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [".".join(map(str, error.loc)) for error in refusal.value.errors]


async def edit(rig: Rig, config: int, *, version: int | None = None, **fields: object) -> Any:
    return await rig.task_configs.edit(config, TaskConfigPatch.model_validate(fields), version=version)


async def pause(rig: Rig, config: int, *, seconds: float | None = None) -> Any:
    until = None if seconds is None else rig.clock.now + timedelta(seconds=seconds)
    return await rig.task_configs.pause(config, reason="a holiday", until=until)


# Create


async def test_a_new_config_is_active_owes_ticks_from_now_on_and_is_in_the_index(rig: Rig) -> None:
    config = await rig.config()

    row = await rig.config_row(config)
    assert (row["status"], row["version"], row["scheduled_from"]) == ("active", 1, NOON)
    assert row["schedule_config"] == {"cron_expression": "* * * * * *", "timezone": "UTC"}
    assert await rig.next_tick(config) == 1
    assert [event.event for event in rig.events()] == ["task_loaded"]


async def test_an_inactive_config_is_not_in_the_index(rig: Rig) -> None:
    config = await rig.config(status="inactive")

    assert await rig.status(config) == "inactive"
    assert await rig.index.size() == 0


async def test_a_manual_config_is_not_in_the_index(rig: Rig) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={})

    assert await rig.status(config) == "active"
    assert await rig.index.size() == 0


async def test_the_queue_is_the_task_types_own_unless_given(rig: Rig) -> None:
    plain, given = await rig.config(), await rig.config(queue="reports")

    assert (await rig.config_row(plain))["queue"] == "default"
    assert (await rig.config_row(given))["queue"] == "reports"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"task_type": "no.such"}, "task_type"),
        ({"parameters": {}}, "parameters.message"),
        ({"parameters": {"message": 7}}, "parameters.message"),
        ({"parameters": {"message": "hello", "more": 1}}, "parameters.more"),
        ({"schedule_config": {"cron_expression": "61 * * * *"}}, "schedule_config.cron_expression"),
        ({"schedule_config": {"cron_expression": "* * * * *", "timezone": "Mars"}}, "schedule_config.timezone"),
        ({"schedule_config": {"every": 3}}, "schedule_config.every"),
        ({"scheduler_type": "interval", "schedule_config": {"seconds": 0}}, "schedule_config.seconds"),
        ({"scheduler_type": "date", "schedule_config": {}}, "schedule_config.run_date"),
        (
            {"scheduler_type": "date", "schedule_config": {"run_date": "2024-05-08T12:00:00Z"}},
            "schedule_config.run_date",
        ),
        (
            {
                "scheduler_type": "date",
                "schedule_config": {"run_date": "2024-05-08T13:00:00Z"},
                "end_at": "2024-05-08T12:30:00Z",
            },
            "schedule_config.run_date",
        ),
        ({"end_at": "2024-05-08T12:00:00Z"}, "end_at"),
        ({"scheduler_type": "manual", "schedule_config": {"seconds": 1}}, "schedule_config.seconds"),
    ],
)
async def test_a_config_that_breaks_a_rule_names_its_field_and_stores_nothing(
    rig: Rig, fields: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await rig.config(**fields)

    assert fields_of(refusal) == [fault]
    assert await rig.sql("SELECT count(*) FROM task_configs") == 0


async def test_a_name_is_taken_once(rig: Rig) -> None:
    await rig.config(name="the report")

    with pytest.raises(Conflict) as refusal:
        await rig.config(name="the report")

    assert refusal.value.code == "duplicate_name"


async def test_the_name_of_a_deleted_config_is_free(rig: Rig) -> None:
    first = await rig.config(name="the report")
    await rig.task_configs.delete(first, version=None)

    second = await rig.config(name="the report")

    assert second != first


async def test_a_change_is_committed_even_while_the_loader_is_down(rig: Rig) -> None:
    rig.mailboxes.loader.close()

    config = await rig.config()

    assert await rig.status(config) == "active"
    assert await rig.index.size() == 0


# Edit


async def test_an_edit_changes_what_it_gives_and_keeps_the_rest(rig: Rig) -> None:
    config = await rig.config(tags=["a"], timeout_seconds=7)

    row = await edit(rig, config, name="another", tags=["b"])

    assert (row["name"], row["tags"], row["timeout_seconds"], row["version"]) == ("another", ["b"], 7, 2)
    assert await rig.index.versions([config]) == {config: 2}


async def test_an_edit_may_empty_a_date(rig: Rig) -> None:
    config = await rig.config(end_at=NOON + timedelta(hours=1))

    row = await edit(rig, config, end_at=None)

    assert row["end_at"] is None


async def test_an_edit_of_something_else_leaves_the_schedule_where_it_was(rig: Rig) -> None:
    config = await rig.config(scheduler_type="interval", schedule_config={"seconds": 10})
    rig.clock.passes(7)

    row = await edit(rig, config, description="new")
    await rig.fire(after=3)

    assert (row["scheduled_from"], row["schedule_config"]["anchor"]) == (NOON, NOON.isoformat())
    assert [tick for tick, *_ in await rig.said_of(config)] == [10]


async def test_the_ticks_that_an_edit_of_the_schedule_passes_over_are_one_skipped_row(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(2)
    rig.clock.passes(3)

    await edit(rig, config, schedule_config={"cron_expression": "*/10 * * * * *"})
    await rig.fire(after=5)

    assert await rig.said_of(config) == [
        (1, 1, "queued", None),
        (2, 1, "queued", None),
        (3, 3, "skipped", "edited"),
        (10, 1, "queued", None),
    ]


async def test_an_edit_with_another_version_in_mind_is_refused(rig: Rig) -> None:
    config = await rig.config()
    await edit(rig, config, version=1, description="mine")

    with pytest.raises(Conflict) as refusal:
        await edit(rig, config, version=1, description="yours")

    assert refusal.value.code == "version"
    assert (await rig.config_row(config))["description"] == "mine"


async def test_an_edit_to_a_taken_name_is_refused_whole(rig: Rig) -> None:
    await rig.config(name="taken")
    config = await rig.config()
    rig.clock.passes(3)

    with pytest.raises(Conflict) as refusal:
        await edit(rig, config, name="taken", schedule_config={"cron_expression": "* * * * *"})

    assert refusal.value.code == "duplicate_name"
    assert await rig.rows(config) == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"task_type": "sleep"}, "parameters.seconds"),
        ({"parameters": {"message": None}}, "parameters.message"),
        ({"scheduler_type": "date"}, "schedule_config.cron_expression"),
        ({"end_at": "2024-05-08T11:00:00Z"}, "end_at"),
    ],
)
async def test_an_edit_that_breaks_a_rule_names_its_field_and_changes_nothing(
    rig: Rig, fields: dict[str, Any], fault: str
) -> None:
    config = await rig.config()
    rig.clock.passes(3)
    before = await rig.config_row(config)

    with pytest.raises(InvalidInput) as refusal:
        await edit(rig, config, **fields)

    assert fault in fields_of(refusal)
    assert await rig.config_row(config) == before
    assert await rig.rows(config) == []


async def test_what_may_not_be_empty_cannot_be_emptied() -> None:
    with pytest.raises(ValidationError, match="name"):
        TaskConfigPatch.model_validate({"name": None})


async def test_a_config_that_ended_long_ago_can_still_be_renamed(rig: Rig) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:10Z"})
    await rig.fire(after=3600)

    row = await edit(rig, config, name="done")

    assert row["name"] == "done"


# Delete


async def test_deleting_cancels_what_waits_and_lets_go_on_what_runs(rig: Rig) -> None:
    config = await rig.config()
    running = await rig.running(config)
    await rig.fire(after=1)

    await rig.task_configs.delete(config, version=None)

    ticked, ran = await rig.rows(config)
    assert (ticked["status"], ticked["reason"]) == ("cancelled", "config_deleted")
    assert (ran["id"], ran["status"]) == (running.execution_id, "running")
    assert await rig.index.size() == 0


async def test_the_ticks_that_a_deletion_passes_over_are_one_skipped_row(rig: Rig) -> None:
    config = await rig.config()
    rig.clock.passes(5)

    await rig.task_configs.delete(config, version=None)

    assert await rig.said_of(config) == [(1, 5, "skipped", "deleted")]


async def test_a_deletion_with_another_version_in_mind_is_refused(rig: Rig) -> None:
    config = await rig.config()

    with pytest.raises(Conflict):
        await rig.task_configs.delete(config, version=7)

    assert await rig.status(config) == "active"


# Start, stop, pause, resume


async def start(rig: Rig, config: int) -> None:
    await rig.task_configs.start(config)


async def stop(rig: Rig, config: int) -> None:
    await rig.task_configs.stop(config)


async def resume(rig: Rig, config: int) -> None:
    await rig.task_configs.resume(config)


async def delete(rig: Rig, config: int) -> None:
    await rig.task_configs.delete(config, version=None)


async def rename(rig: Rig, config: int) -> None:
    await edit(rig, config, name="new")


async def reload(rig: Rig, config: int) -> None:
    await rig.task_configs.reload(config)


async def run(rig: Rig, config: int) -> None:
    await rig.manual_run(config)


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
