"""Configs declared all at once: equal to the declaration afterwards, or as they were; no tick unaccounted for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from horarium.audit_log import Author
from horarium.errors import Forbidden, InvalidInput
from tests.support.coverage import SOUND
from tests.support.declaring import HOURLY, PAST, apply, declared, done, id_of, posting
from tests.support.rig import NOON, Rig

pytestmark = pytest.mark.anyio


async def everything(rig: Rig) -> Any:
    """All that is stored of configs, their ticks and the audit log, as text."""
    return await rig.sql(
        "SELECT (SELECT json_agg(c ORDER BY id) FROM task_configs AS c)::text"
        " || coalesce((SELECT json_agg(e ORDER BY id) FROM executions AS e)::text, '')"
        " || coalesce((SELECT json_agg(a ORDER BY id) FROM audit_log AS a)::text, '')"
    )


async def faults_of(rig: Rig, *configs: dict[str, Any]) -> list[tuple[object, ...]]:
    with pytest.raises(InvalidInput) as refusal:
        await apply(rig, *configs)
    return [error.loc for error in refusal.value.errors]


# Equal to the declaration


async def test_what_is_not_there_is_made_and_is_in_the_index(rig: Rig) -> None:
    plan = await apply(rig, declared("b"), declared("a", status="inactive", tags=["x"]))

    assert done(plan) == (["b", "a"], [], [], [])
    made, resting = await rig.config_row(await id_of(rig, "b")), await rig.config_row(await id_of(rig, "a"))
    assert (made["status"], made["version"], made["scheduled_from"], made["queue"]) == ("active", 1, NOON, "default")
    assert (resting["status"], resting["tags"]) == ("inactive", ["x"])
    assert (await rig.next_tick(made["id"]), await rig.next_tick(resting["id"])) == (1, None)


async def test_applied_again_nothing_changes_no_version_no_entry_no_row(rig: Rig) -> None:
    both = declared("cron", end_at="2030-01-01T00:00:00+02:00", timeout_seconds=10), declared("interval", **HOURLY)
    await apply(rig, *both)
    rig.clock.passes(5)
    before = await everything(rig)

    plan = await apply(rig, *both, prune=True)

    assert done(plan) == ([], [], [], ["cron", "interval"])
    assert await everything(rig) == before


async def test_a_field_that_is_declared_no_longer_goes_back_to_its_default(rig: Rig) -> None:
    await apply(rig, declared("a", priority=9, queue="reports", description="why"))

    plan = await apply(rig, declared("a"))

    row = await rig.config_row(await id_of(rig, "a"))
    assert [list(each.fields) for each in plan.updates] == [["description", "queue", "priority"]]
    assert (row["priority"], row["queue"], row["description"], row["version"]) == (5, "default", "", 2)


async def test_one_reload_tells_of_all_changes(rig: Rig) -> None:
    await apply(rig, declared("a"), declared("b"), declared("gone"))
    await rig.requests()
    rig.asked.clear()

    await apply(rig, declared("a"), declared("b", priority=1), declared("c"), prune=True)

    asked = [set(ids) for ids in await rig.requests()]
    assert asked == [
        {await id_of(rig, "b"), await id_of(rig, "c"), int(await rig.sql("SELECT max(id) - 1 FROM task_configs"))}
    ]


@pytest.mark.parametrize(
    ("stored", "declared_now", "is_changed"),
    [({"n": 1}, {"n": True}, True), ({"n": 1e16}, {"n": 10**16}, False), ({"a": [1, {}]}, {"a": [1, {}]}, False)],
)
async def test_parameters_are_compared_as_json(
    rig: Rig, stored: dict[str, Any], declared_now: dict[str, Any], is_changed: bool
) -> None:
    await apply(rig, posting("a", stored))

    plan = await apply(rig, posting("a", declared_now))

    assert bool(plan.updates) is is_changed


# Ticks


async def test_another_schedule_passes_over_what_was_due_as_an_edit_does(rig: Rig) -> None:
    await apply(rig, declared("a"), declared("untouched"))
    rig.clock.passes(5)

    await apply(rig, declared("a", **HOURLY), declared("untouched"))

    config = await id_of(rig, "a")
    assert await rig.said_of(config) == [(1, 5, "skipped", "edited")]
    assert (await rig.config_row(config))["scheduled_from"] == NOON + timedelta(seconds=5)
    assert await rig.said_of(await id_of(rig, "untouched")) == []


async def test_an_edit_of_something_else_leaves_ticks_owed(rig: Rig) -> None:
    await apply(rig, declared("a"))
    rig.clock.passes(5)

    await apply(rig, declared("a", priority=1))

    config = await id_of(rig, "a")
    assert await rig.said_of(config) == []
    assert (await rig.config_row(config))["scheduled_from"] == NOON


async def test_what_is_removed_leaves_its_ticks_accounted_for_and_its_waiting_runs_cancelled(rig: Rig) -> None:
    await apply(rig, declared("a", overlap="allow_all"), declared("b"))
    config = await id_of(rig, "a")
    await rig.fire(after=1)
    await rig.sql("UPDATE executions SET status = 'pending' WHERE config_id = $1", config)
    rig.clock.passes(3)

    plan = await apply(rig, declared("b"), prune=True)

    assert done(plan)[2] == ["a"]
    assert await rig.said_of(config) == [(1, 1, "cancelled", "config_deleted"), (2, 3, "skipped", "deleted")]
    assert await rig.next_tick(config) is None


async def test_an_interval_without_an_anchor_keeps_the_one_it_has(rig: Rig) -> None:
    await apply(rig, declared("a", **HOURLY))
    rig.clock.passes(100)

    plan = await apply(rig, declared("a", scheduler_type="interval", schedule_config={"hours": 2}))

    assert [list(each.fields) for each in plan.updates] == [["schedule_config"]]
    assert (await rig.config_row(await id_of(rig, "a")))["schedule_config"]["anchor"] == "2024-05-08T12:00:00+00:00"


async def test_no_tick_is_lost_or_doubled_over_changes_and_fires(rig: Rig) -> None:
    await apply(rig, declared("a", overlap="allow_all"))
    config = await id_of(rig, "a")
    await rig.fire(after=2)
    await apply(rig, declared("a", overlap="allow_all", end_at="2024-05-08T13:00:00Z"))
    await rig.fire(after=2)

    assert await rig.faults(config) == SOUND


# Status


async def test_a_paused_config_stays_paused_whatever_else_changes(rig: Rig) -> None:
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    await rig.task_configs.pause(config, reason="a holiday", until=None)

    same, edited = await apply(rig, declared("a")), await apply(rig, declared("a", priority=1))

    row = await rig.config_row(config)
    assert (done(same)[3], done(edited)[1]) == (["a"], ["a"])
    assert (row["status"], row["paused_reason"], row["priority"]) == ("paused", "a holiday", 1)


async def test_a_paused_config_declared_inactive_is_stopped_with_its_pause_accounted_for(rig: Rig) -> None:
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    await rig.task_configs.pause(config, reason="a holiday", until=None)
    rig.clock.passes(4)

    await apply(rig, declared("a", status="inactive"))

    row = await rig.config_row(config)
    assert (row["status"], row["paused_reason"]) == ("inactive", None)
    assert await rig.said_of(config) == [(1, 4, "skipped", "paused")]


async def test_declared_inactive_it_is_stopped_and_declared_active_started_again(rig: Rig) -> None:
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    rig.clock.passes(2)
    await apply(rig, declared("a", status="inactive"))
    rig.clock.passes(2)

    await apply(rig, declared("a"))

    assert await rig.said_of(config) == [(1, 2, "skipped", "stopped")]
    assert (await rig.config_row(config))["scheduled_from"] == NOON + timedelta(seconds=4)
    assert await rig.next_tick(config) == 5
    assert [event.event for event in rig.events()] == ["task_loaded", "task_stopped", "task_started"]


async def test_a_date_that_has_fired_is_declared_on_without_a_fault_or_a_change(rig: Rig) -> None:
    once = declared("a", scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:01Z"})
    await apply(rig, once)
    await rig.fire(after=1)
    await rig.fire(after=1)
    config = await id_of(rig, "a")
    assert await rig.status(config) == "inactive"

    plan = await apply(rig, once)

    assert done(plan)[3] == ["a"]
    assert await rig.status(config) == "inactive"


async def test_a_date_in_the_past_may_be_declared_inactive_and_not_active(rig: Rig) -> None:
    assert await faults_of(rig, declared("a", **PAST)) == [("configs", 0, "schedule_config", "run_date")]

    await apply(rig, declared("a", **PAST, status="inactive"))

    assert await rig.status(await id_of(rig, "a")) == "inactive"


async def test_a_config_in_error_is_started_once_it_is_declared_sound(rig: Rig) -> None:
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    await rig.sql('UPDATE task_configs SET schedule_config = \'{"cron_expression": "nonsense"}\' WHERE id = $1', config)
    await rig.loader.load_all()
    assert await rig.status(config) == "error"

    await apply(rig, declared("a"))

    assert await rig.status(config) == "active"


# All or nothing


async def test_every_fault_is_told_at_its_place_and_nothing_is_changed(rig: Rig) -> None:
    before = await everything(rig)

    places = await faults_of(
        rig,
        declared("sound"),
        declared("two faults", parameters={}, schedule_config={"cron_expression": "99 * * * *"}),
        declared("sound"),
        declared("no type", task_type="no.such"),
        declared("limits", start_at="2030-01-02T00:00:00Z", end_at="2030-01-01T00:00:00Z"),
    )

    assert places == [
        ("configs", 1, "parameters", "message"),
        ("configs", 1, "schedule_config", "cron_expression"),
        ("configs", 2, "name"),
        ("configs", 3, "task_type"),
        ("configs", 4, "end_at"),
    ]
    assert await everything(rig) == before


async def test_a_dry_run_answers_the_same_and_changes_nothing(rig: Rig) -> None:
    await apply(rig, declared("kept"), declared("edited"), declared("gone"))
    rig.clock.passes(5)
    changes = declared("kept"), declared("edited", **HOURLY), declared("new")
    before, events = await everything(rig), len(rig.events())

    looked = await apply(rig, *changes, prune=True, dry_run=True)

    assert events == 3
    assert await everything(rig) == before
    assert rig.events() == []
    assert done(looked) == done(await apply(rig, *changes, prune=True))


async def test_a_dry_run_neither_waits_for_a_config_that_is_held_nor_holds_it(rig: Rig) -> None:
    await apply(rig, declared("held"))
    async with rig.database.transaction() as connection:
        await connection.execute("SELECT 1 FROM task_configs FOR UPDATE")
        looked = await apply(rig, declared("held", priority=1), dry_run=True)

    assert done(looked)[1] == ["held"]


async def test_an_operator_declares_nothing_that_is_an_admins_to_say(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await apply(rig, declared("a"), by=Author("user", None, "an admin", is_admin=True))
    monkeypatch.setattr(rig.applying._rules, "permit", _refuse)

    assert done(await apply(rig, declared("a")))[3] == ["a"], "what is left as it is needs no leave"
    with pytest.raises(Forbidden):
        await apply(rig, declared("a", priority=1))


def _refuse(*_: object) -> None:
    raise Forbidden("only an admin may")


# What is written down


async def test_every_change_has_its_entry_in_the_audit_log_and_nothing_else_has(rig: Rig) -> None:
    await apply(rig, declared("a"), declared("b"), declared("gone"))
    await apply(rig, declared("a", priority=1), declared("b", status="inactive"), declared("new"), prune=True)

    async with rig.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM audit_log ORDER BY id")

    said = [(row["action"], row["target_name"], row["actor_name"]) for row in rows[3:]]
    assert [row["action"] for row in rows[:3]] == ["task_config.created"] * 3
    assert said == [
        ("task_config.created", "new", "an operator"),
        ("task_config.updated", "a", "an operator"),
        ("task_config.stopped", "b", "an operator"),
        ("task_config.deleted", "gone", "an operator"),
    ]
    assert (rows[4]["before"], rows[4]["after"]) == ({"priority": 5}, {"priority": 1})
    assert rows[3]["before"] is None
    assert rows[3]["after"]["parameters"] == {"message": "***"}
