"""Making, editing, deleting a config: a transaction that leaves no tick unaccounted for, or a refusal with a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from horarium.errors import Conflict, InvalidInput
from horarium.model import TaskConfigPatch
from horarium.outcome import HandBack, Succeeded, Unsuccessful, decide
from tests.support.config_actions import edit, fields_of
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from horarium.outcome import Outcome

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


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


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"description": "why", "tags": ["a"], "timeout_seconds": 7, "end_at": "2024-05-09T12:00:00Z"},
        {"schedule_config": {"seconds": 10}},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 10, "anchor": "2024-05-08T14:00:00+02:00"}},
        {"parameters": {"message": "hello"}, "name": "the report"},
    ],
)
async def test_an_edit_to_what_is_so_already_changes_nothing_and_tells_nobody(rig: Rig, fields: dict[str, Any]) -> None:
    config = await rig.config(
        name="the report", parameters={"message": "hello"}, description="why", tags=["a"], timeout_seconds=7,
        end_at="2024-05-09T12:00:00Z", scheduler_type="interval", schedule_config={"seconds": 10},
    )  # fmt: skip
    before = await rig.config_row(config)
    await rig.requests()
    rig.asked.clear()
    rig.clock.passes(25)

    row = await edit(rig, config, version=1, **fields)

    assert (row["id"], row["version"]) == (config, 1)
    assert await rig.config_row(config) == before
    assert await rig.rows(config) == []
    assert await rig.requests() == []
    assert [event.event for event in rig.events()] == ["task_loaded"]


async def test_an_edit_to_what_is_so_already_is_refused_with_another_version_in_mind(rig: Rig) -> None:
    config = await rig.config()
    await edit(rig, config, description="mine")

    with pytest.raises(Conflict) as refusal:
        await edit(rig, config, version=1)

    assert refusal.value.code == "version"


async def test_a_date_that_has_fired_may_be_given_again_beside_what_changes(rig: Rig) -> None:
    fired = {"run_date": "2024-05-08T12:00:10Z"}
    config = await rig.config(scheduler_type="date", schedule_config=fired)
    await rig.fire(after=3600)

    row = await edit(rig, config, schedule_config=fired, description="done")

    assert (row["description"], row["status"]) == ("done", "inactive")


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


@pytest.mark.parametrize(
    ("outcome", "then"),
    [
        (Unsuccessful("failed", "no"), ("failed", None)),
        (HandBack("worker_stopped"), ("cancelled", "config_deleted")),
        (Succeeded(None), ("success", None)),
    ],
    ids=["failed", "given back", "succeeded"],
)
async def test_what_runs_when_its_config_is_deleted_is_not_tried_again(
    rig: Rig, outcome: Outcome, then: tuple[str, str | None]
) -> None:
    config = await rig.config(max_retries=3)
    running = await rig.running(config)
    await rig.task_configs.delete(config, version=None)

    await rig.ledger().finish(running, decide(running, outcome))

    row = await rig.row(running.execution_id)
    assert (row["status"], row["reason"]) == then
    assert (row["attempt"], row["completed_at"] is not None) == (1, True)


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
