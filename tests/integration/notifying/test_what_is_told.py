"""What somebody wants to be told of is noticed in the transaction that brings it about, and told with its reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

import pytest

from horarium.audit_log import SYSTEM
from horarium.outcome import Unsuccessful
from horarium.sql import executions
from horarium.sql.executions import Claim
from horarium.sql.queries import QUERIES
from tests.support.notified import (
    HOURLY,
    MINUTE_SECONDS,
    Desk,
    a_broken_config,
    a_config,
    dies,
)

pytestmark = pytest.mark.anyio

SILENT = {"execution_cancel", "execution_cancel_others", "execution_cancel_waiting", "execution_insert_skipped"}
"""Statements by which somebody ends executions on purpose."""


@pytest.mark.parametrize("status", ["failed", "timeout", "lost"])
async def test_what_ends_badly_is_told_with_its_reason_and_a_link(desk: Desk, status: Any) -> None:
    await desk.rule()
    config = await a_config(desk.rig, name="nightly-report", tags=["nightly"])

    await desk.ends(config, Unsuccessful(status, "ValueError: no rows"))

    assert await desk.tell() == ["delivered"]
    (came,) = desk.receiver.received
    data = came.said["data"]
    (row,) = await desk.rig.rows(config)
    assert came.said["type"] == f"execution.{status}"
    assert (data["config_name"], data["tags"], data["error"]) == ("nightly-report", ["nightly"], "ValueError: no rows")
    assert (data["task_id"], data["url"]) == (str(row["id"]), f"https://horarium.example/executions/{row['id']}")
    assert data["duration_seconds"] >= 0


async def test_what_cannot_be_sent_to_any_worker_is_told_as_failed(desk: Desk) -> None:
    await desk.rule()
    run = await desk.rig.manual_run(await a_config(desk.rig))

    async with desk.rig.database.connection() as connection:
        await executions.refuse(connection, {Claim(run, 1): "no such queue"})

    assert await desk.tell() == ["delivered"]
    assert desk.receiver.received[0].said["data"]["error"] == "no such queue"


async def test_a_webhook_can_be_verified_by_the_secret_that_was_shown_once(desk: Desk) -> None:
    """And by the one before it, for a day after it was changed."""
    old = await desk.rule()
    new = await desk.rules.rotate(old["id"], None, by=SYSTEM)
    await desk.fails(await a_config(desk.rig))

    await desk.tell()

    (came,) = desk.receiver.received
    content = f"{came.id}.{came.headers['webhook-timestamp']}.".encode() + came.body
    digests = [
        hmac.new(base64.b64decode(rule["secret"].removeprefix("whsec_")), content, hashlib.sha256).digest()
        for rule in (new, old)
    ]
    assert came.headers["webhook-signature"].split() == [f"v1,{base64.b64encode(each).decode()}" for each in digests]
    assert new["secret"] != old["secret"]


async def test_a_success_and_a_failure_that_is_tried_again_write_no_notice(desk: Desk) -> None:
    await desk.rule()
    await desk.succeeds(await a_config(desk.rig))
    retried = await desk.rig.config(scheduler_type="manual", schedule_config={}, max_retries=3)

    await desk.fails(retried)

    assert await desk.count("notification_notices") == 0


async def test_where_nobody_wants_to_be_told_nothing_is_written(desk: Desk) -> None:
    await desk.rule(enabled=False)

    await desk.fails(await a_config(desk.rig))

    assert await desk.count("notification_notices") == 0


async def test_ticks_that_were_missed_are_told_as_one(desk: Desk) -> None:
    await desk.rule()
    desk.rig.clock.now = desk.rig.clock.now.replace(microsecond=0)
    config = await desk.rig.config(catchup="skip")

    await desk.rig.fire(after=100)

    await desk.tell()
    missed = [each.said["data"] for each in desk.receiver.received if each.said["type"] == "execution.missed"]
    assert [(data["config_id"], data["reason"]) for data in missed] == [(config, "missed")]
    assert missed[0]["tick_count"] > MINUTE_SECONDS


async def test_ticks_without_any_row_are_told_once_the_auditor_has_found_them(desk: Desk) -> None:
    await desk.rule()
    config = await desk.rig.config()
    auditor, _ = desk.rig.auditor()
    desk.rig.clock.passes(120)

    await auditor.step()
    await auditor.step()

    await desk.tell()
    (came,) = desk.receiver.received
    assert (came.said["type"], came.said["data"]["reason"]) == ("execution.missed", "no_row")
    assert came.said["data"]["url"] == f"https://horarium.example/configs/{config}"


async def test_a_config_that_becomes_an_error_is_told_with_what_is_wrong(desk: Desk) -> None:
    await desk.rule()
    config = await a_broken_config(desk, name="nightly-report")

    await desk.rig.loader.reload([config])

    assert await desk.tell() == ["delivered"]
    (came,) = desk.receiver.received
    data = came.said["data"]
    assert (came.said["type"], data["config_name"], data["status"]) == ("config.error", "nightly-report", "error")
    assert (data["task_id"], data["trigger"]) == (None, None)
    assert data["error"].startswith("cron_expression: ")
    assert data["url"] == f"https://horarium.example/configs/{config}"


async def test_of_two_processes_that_find_a_config_in_error_one_tells(desk: Desk) -> None:
    """The other has read it before it was marked; the mark and the notice are one statement."""
    await desk.rule()
    config = await a_broken_config(desk)
    async with desk.rig.database.connection() as connection:
        (row,) = await QUERIES.task_config_schedules.rows(connection, ids=[config])
    await desk.rig.loader.reload([config])
    desk.rig.events()

    assert await desk.rig.loader._entries([row]) == []

    assert (await desk.count("notification_notices"), desk.rig.events()) == (1, [])


async def test_a_config_is_an_error_without_a_notice_where_nobody_wants_to_be_told(desk: Desk) -> None:
    config = await a_broken_config(desk)

    await desk.rig.loader.reload([config])

    assert (await desk.rig.status(config), await desk.count("notification_notices")) == ("error", 0)


async def test_what_is_wrong_with_a_config_other_than_its_schedule_is_told_without_its_frames(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horarium.firing.FiringSpec.of", dies)
    await desk.rule(errors="kind")
    config = await a_broken_config(desk)

    await desk.rig.loader.reload([config])

    await desk.tell()
    assert [each.said["data"]["error"].rpartition(".")[2] for each in desk.receiver.received] == ["Died"]


async def test_a_config_in_error_is_well_again_once_it_is_mended_and_started_and_not_by_a_run_by_hand(
    desk: Desk,
) -> None:
    await desk.rule()
    config = await a_broken_config(desk)
    await desk.rig.loader.reload([config])
    await desk.tell()
    await desk.succeeds(config)
    await desk.tell()
    by_hand = list(desk.receiver.kinds)

    await desk.rig.sql("UPDATE task_configs SET schedule_config = $2 WHERE id = $1", config, HOURLY)
    await desk.rig.task_configs.start(config)
    await desk.succeeds(config)
    await desk.tell()

    assert by_hand == ["config.error"]
    assert desk.receiver.kinds == ["config.error", "execution.recovered"]


def test_every_statement_that_ends_executions_notices_it_or_is_named_here() -> None:
    """Who adds one is asked whether anybody wants to be told."""
    writes = re.compile(
        r"UPDATE executions\b.*\bcompleted_at = |INSERT INTO executions \([^)]*\bcompleted_at\b", re.DOTALL
    )
    ending = {query.name: "execution_noticed(" in query.sql for query in QUERIES.all() if writes.search(query.sql)}

    assert {name for name, noticed in ending.items() if noticed} == {
        "execution_finish",
        "execution_refuse",
        "execution_insert_ticks",
    }
    assert {name for name, noticed in ending.items() if not noticed} == SILENT
