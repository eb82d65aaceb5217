"""A rule tells once of what is wrong, and once more when it is well again."""

from __future__ import annotations

from itertools import count

import pytest
from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM
from horarium.model import NotificationRulePatch
from horarium.notifying.outbox import MOST_PER_HOUR, Outbox
from horarium.outcome import Ending, Succeeded, decide
from horarium.sql import executions
from horarium.sql.executions import Finish
from tests.support.notified import (
    Desk,
    a_config,
)

pytestmark = pytest.mark.anyio


async def test_a_thousand_failures_of_one_config_are_one_message(desk: Desk) -> None:
    await desk.rule()
    config = await a_config(desk.rig)
    await desk.rig.sql(
        "INSERT INTO executions (id, config_id, task_type, trigger, status, queue, priority, timeout_seconds,"
        " max_retries, retry_backoff_seconds, scheduler_type)"
        " SELECT i, $2, 'fail', 'manual', 'running', 'default', 5, 60, 0, 1, 'manual' FROM unnest($1::uuid[]) AS i",
        [uuid7() for _ in range(1000)],
        config,
    )
    endings = [Finish(row["id"], 1, Ending("failed", "failed", error="x")) for row in await desk.rig.rows(config)]
    async with desk.rig.database.connection() as connection:
        await executions.finish(connection, endings)

    assert await desk.tell() == ["delivered"]
    assert await desk.rig.sql("SELECT notices FROM notification_alerts") == 1000


async def test_well_again_is_told_once_and_the_next_failure_anew(desk: Desk) -> None:
    await desk.rule()
    config = await a_config(desk.rig)
    await desk.fails(config)
    await desk.tell()
    await desk.succeeds(config)
    await desk.tell()
    await desk.succeeds(config)
    await desk.tell()

    await desk.fails(config)
    await desk.tell()

    assert desk.receiver.kinds == ["execution.failed", "execution.recovered", "execution.failed"]
    assert desk.receiver.received[1].said["data"]["failures"] == 1


async def test_a_search_for_what_is_well_again_that_takes_long_is_made_the_less_often(desk: Desk) -> None:
    """There may be ten thousand open alerts."""
    seconds = count(step=1.0)
    outbox = Outbox(desk.rig.database, clock=desk.rig.clock, timer=lambda: next(seconds))
    await desk.rule()
    config = await a_config(desk.rig)
    await desk.fails(config)
    await outbox.look()
    await outbox.look()
    await desk.succeeds(config)

    looks = [(await outbox.look())[0].recovered for _ in range(25)]

    assert sum(looks) == 1
    assert looks.index(1) > 10


async def test_a_run_that_was_under_way_before_the_failure_does_not_make_it_well(desk: Desk) -> None:
    await desk.rule()
    config = await a_config(desk.rig)
    earlier = await desk.rig.running(config)
    await desk.fails(config)
    await desk.tell()

    async with desk.rig.database.connection() as connection:
        await executions.finish(connection, [Finish(earlier.execution_id, 1, decide(earlier, Succeeded(None)))])

    await desk.tell()
    assert desk.receiver.kinds == ["execution.failed"]


async def test_a_rule_is_told_of_its_own_configs_and_an_edit_begins_anew(desk: Desk) -> None:
    config, other = await a_config(desk.rig), await a_config(desk.rig, tags=["theirs"])
    rule = await desk.rule(config_ids=[config])
    await desk.fails(config)
    await desk.fails(other)
    await desk.tell()

    await desk.rules.edit(
        rule["id"], NotificationRulePatch.model_validate({"config_ids": [], "tags": ["theirs"]}), version=1, by=SYSTEM
    )
    await desk.fails(config)
    await desk.fails(other)
    await desk.tell()

    assert [each.said["data"]["config_id"] for each in desk.receiver.received] == [config, other]


async def test_past_sixty_messages_an_hour_a_rule_is_quiet_and_says_so(desk: Desk) -> None:
    await desk.rule(repeat="every", events=["failed"])
    config = await a_config(desk.rig)
    await desk.rig.sql(
        "INSERT INTO notification_notices (subject, config_id, event)"
        " SELECT i, $2, 'failed' FROM unnest($1::uuid[]) AS i",
        [uuid7() for _ in range(MOST_PER_HOUR + 5)],
        config,
    )

    statuses = await desk.tell()

    assert statuses == ["delivered"] * MOST_PER_HOUR
    assert [each.said["data"].get("last_of_the_hour") for each in desk.receiver.received[-2:]] == [None, True]
    assert await desk.rig.sql("SELECT count(*) FROM notifications WHERE status = 'suppressed'") == 5
    assert desk.measures.registry.get_sample_value("horarium_notifications_total", {"outcome": "suppressed"}) == 5


async def test_a_notice_of_a_config_that_is_gone_for_good_is_dropped(desk: Desk) -> None:
    await desk.rule()
    await desk.rig.sql("INSERT INTO notification_notices (subject, config_id, event) VALUES ($1, -1, 'lost')", uuid7())

    assert await desk.tell() == []
    assert await desk.count("notification_notices") == 0
