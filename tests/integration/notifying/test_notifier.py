"""Who wants to be told is told once, in order, until it has arrived: real receivers, and a ledger that decides."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from uuid_utils.compat import uuid7

from horarium.actors.notifier import Notifier
from horarium.audit_log import SYSTEM
from horarium.errors import Conflict
from horarium.measures import Measures
from horarium.model import NotificationRuleCreate, NotificationRulePatch
from horarium.notifying.channels import Channels, Undelivered
from horarium.notifying.mail import Mailer
from horarium.notifying.mail_server import MailServer
from horarium.notifying.outbox import LEASE, MOST_PER_HOUR, Outbox
from horarium.notifying.rules import NotificationFilter, Notifications
from horarium.notifying.webhook import Webhooks
from horarium.outcome import Ending, Succeeded, Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish
from horarium.sql.queries import QUERIES
from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress
from tests.support.receivers import LOOPBACK, MailServerDouble, Receiver
from tests.support.waiting import WAITING_FOR_A_LOCK, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from horarium.outcome import Outcome
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

EVERYTHING = ["failed", "timeout", "lost", "missed", "config_error", "recovered"]
SILENT = {"execution_cancel", "execution_cancel_others", "execution_cancel_waiting", "execution_insert_skipped"}
"""Statements by which somebody ends executions on purpose."""
HOURLY = {"cron_expression": "0 * * * *"}
ANOTHER_MESSAGE = """
INSERT INTO notifications (
    id, rule_id, subject, event, config_id, config_name, content, status, created_at, next_try_at, give_up_at
)
SELECT $1, rule_id, $1, event, -1, 'another', content, 'pending', created_at, created_at, give_up_at FROM notifications
"""
DAY_SECONDS = 24 * 3600
HOUR_SECONDS = 3600.0
MINUTE_SECONDS = 60.0


@dataclass
class Desk:
    """The notifier over a rig, and those who are told."""

    rig: Rig
    receiver: Receiver
    mail: MailServerDouble
    openings: tuple[Opening, ...] = (Opening.parse(LOOPBACK),)
    notifiers: list[Notifier] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)

    @property
    def channels(self) -> Channels:
        server = MailServer(LOOPBACK, self.mail.port, use_tls=False, start_tls=False, username=None, password=None)
        return Channels(Webhooks(Egress(self.openings)), Mailer(server, "horarium@example.org"))

    @property
    def rules(self) -> Notifications:
        return Notifications(self.rig.database, self.channels, clock=self.rig.clock)

    def new_notifier(self) -> Notifier:
        """One that knows nothing, as after a crash."""
        outbox = Outbox(
            self.rig.database, clock=self.rig.clock, public_url="https://horarium.example", rand=lambda: 0.5
        )
        self.notifiers.append(Notifier(outbox, self.channels, self.measures))
        return self.notifiers[-1]

    async def rule(self, **fields: Any) -> asyncpg.Record:
        number = next(self.rig.numbers)
        channel = {} if "email" in fields else {"webhook": {"url": self.receiver.url}}
        body = {"name": f"rule {number}", "events": EVERYTHING, **channel, **fields}
        return await self.rules.create(NotificationRuleCreate.model_validate(body), by=SYSTEM)

    async def tell(self) -> list[str]:
        """Do all that is due; the statuses of the messages that were tried, in order."""
        notifier = self.notifiers[-1] if self.notifiers else self.new_notifier()
        statuses: list[str] = []
        while (done := await notifier.step()).tries or done.looked.more:
            for tried in done.tries:
                settled = await notifier.settle(tried, await notifier.send(tried))
                assert settled is not None
                statuses.append(settled.status)
        return statuses

    async def ends(self, config: int, outcome: Outcome) -> None:
        """A run of the config that ends so."""
        attempt = await self.rig.running(config)
        async with self.rig.database.connection() as connection:
            await executions.finish(
                connection, [Finish(attempt.execution_id, attempt.attempt, decide(attempt, outcome))]
            )

    async def fails(self, config: int) -> None:
        await self.ends(config, Unsuccessful("failed", "ValueError: no rows"))

    async def succeeds(self, config: int) -> None:
        await self.ends(config, Succeeded(None))

    async def count(self, table: str) -> int:
        return int(await self.rig.sql(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a name from this file


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[Desk]:
    rig.clock.is_real()
    async with Receiver() as receiver, MailServerDouble() as mail:
        yield Desk(rig, receiver, mail)


class Died(Exception):
    """What ends a step in its middle."""


def dies(*_: object) -> str:
    raise Died


async def a_config(rig: Rig, **fields: object) -> int:
    return await rig.config(scheduler_type="manual", schedule_config={}, max_retries=0, **fields)


async def a_broken_config(desk: Desk, **fields: object) -> int:
    """One whose schedule was written by hand, and is none; nobody has looked at it yet."""
    config = await desk.rig.config(schedule_config=HOURLY, **fields)
    await desk.rig.sql("UPDATE task_configs SET schedule_config = '{}' WHERE id = $1", config)
    return config


# What is told


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


# Once, and once more when it is well again


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


# Until it has arrived


async def test_what_does_not_arrive_is_tried_again_under_the_same_id_until_it_does(desk: Desk) -> None:
    desk.receiver.answers = [500, 307]
    await desk.rule()
    await desk.fails(await a_config(desk.rig))

    first = await desk.tell()
    at_once = await desk.tell()
    desk.rig.clock.passes(5)
    second = await desk.tell()
    reason = await desk.rig.sql("SELECT last_error FROM notifications")
    desk.rig.clock.passes(10)
    third = await desk.tell()

    assert (first, at_once, second, third) == (["pending"], [], ["pending"], ["delivered"])
    assert reason == "answered 307, and redirects are not followed"
    assert len({(each.id, each.body) for each in desk.receiver.received}) == 1
    assert len(desk.receiver.received) == 3


async def test_after_a_day_it_has_failed_and_can_be_sent_by_hand(desk: Desk) -> None:
    desk.receiver.answers = [503, 503]
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    desk.rig.clock.passes(DAY_SECONDS)

    assert await desk.tell() == ["failed"]
    assert await desk.rig.sql("SELECT last_error FROM notifications") == "answered 503"
    await desk.rules.retry(await desk.rig.sql("SELECT id FROM notifications"), by=SYSTEM)
    assert await desk.tell() == ["delivered"]


async def test_an_error_of_our_own_costs_the_message_that_meets_it_and_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An actor that dies of a message would meet it again, and end the process in the end."""
    monkeypatch.setattr("horarium.notifying.mail.mail", dies)
    await desk.rule(email={"to": ["a@example.org"]})
    await desk.rule()
    await desk.fails(await a_config(desk.rig))

    assert await desk.tell() == ["pending", "delivered"]
    assert await desk.rig.sql("SELECT max(last_error) FROM notifications") == "an error of Horarium's own: Died"


async def test_a_process_that_dies_after_sending_leaves_a_message_that_is_sent_once_more(desk: Desk) -> None:
    """Killed between the send and its record: the next one knows nothing of it but what is in Postgres."""
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    dead = desk.new_notifier()
    (tried,) = (await dead.step()).tries
    await dead.send(tried)

    desk.new_notifier()
    at_once = await desk.tell()
    desk.rig.clock.passes(LEASE.total_seconds())
    later = await desk.tell()

    assert (at_once, later) == ([], ["delivered"])
    assert len({each.id for each in desk.receiver.received}) == 1
    assert len(desk.receiver.received) == 2
    assert await dead.settle(tried, await dead.send(tried)) is None


async def test_who_decides_and_dies_before_the_commit_loses_no_notice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    monkeypatch.setattr("horarium.notifying.outbox.content", dies)
    with pytest.raises(Died):
        await desk.tell()

    monkeypatch.undo()

    assert await desk.count("notification_notices") == 1
    assert await desk.tell() == ["delivered"]


async def test_a_receiver_that_hangs_holds_up_no_other_and_gets_one_at_a_time(desk: Desk) -> None:
    await desk.rule(name="hangs", config_ids=[(config := await a_config(desk.rig))])
    await desk.fails(config)
    notifier = desk.new_notifier()
    desk.receiver.holds.clear()
    (hanging,) = (await notifier.step()).tries

    async with anyio.create_task_group() as sending, Receiver() as other:
        sending.start_soon(notifier.send, hanging)
        await desk.receiver.came.wait()
        await desk.rule(name="goes on", webhook={"url": other.url})
        await desk.fails(config)
        await desk.fails(await a_config(desk.rig))
        statuses = await desk.tell()
        desk.receiver.holds.set()

    assert (statuses, len(other.received), len(desk.receiver.received)) == (["delivered", "delivered"], 2, 1)


async def test_where_there_is_no_room_for_all_the_rule_goes_first_whose_message_was_tried_least(desk: Desk) -> None:
    """As many receivers that hang as may be sent to at once are not all that is ever tried."""
    desk.receiver.answers = [500]
    config, other = await a_config(desk.rig), await a_config(desk.rig)
    await desk.rule(config_ids=[config])
    fresh = await desk.rule(config_ids=[other])
    await desk.fails(config)
    await desk.tell()
    desk.rig.clock.passes(60)
    await desk.fails(other)
    outbox = Outbox(desk.rig.database, clock=desk.rig.clock)
    await outbox.look()

    (tried,) = await outbox.take((), 1)

    assert tried.rule_id == fresh["id"]


async def test_what_is_told_of_one_config_arrives_in_its_order(desk: Desk) -> None:
    desk.receiver.answers = [500]
    await desk.rule()
    config, other = await a_config(desk.rig), await a_config(desk.rig)
    await desk.fails(config)
    await desk.tell()
    await desk.succeeds(config)
    await desk.fails(other)

    await desk.tell()
    desk.rig.clock.passes(5)
    await desk.tell()

    assert [(each.said["type"], each.said["data"]["config_id"]) for each in desk.receiver.received[1:]] == [
        ("execution.failed", other),
        ("execution.failed", config),
        ("execution.recovered", config),
    ]


async def test_a_receiver_that_says_it_is_gone_is_not_asked_again(desk: Desk) -> None:
    desk.receiver.answers = [410]
    await desk.rule()
    await desk.fails(await a_config(desk.rig))

    assert await desk.tell() == ["failed"]
    assert await desk.rig.sql("SELECT last_error FROM notifications") == "answered 410"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_sent_nothing_of_any_config_before_it_is_over(
    desk: Desk, status: int
) -> None:
    desk.receiver.answers, desk.receiver.headers = [status], {"Retry-After": "120"}
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.fails(await a_config(desk.rig))

    first = await desk.tell()
    desk.rig.clock.passes(60)
    await desk.fails(await a_config(desk.rig))
    too_early = await desk.tell()
    desk.rig.clock.passes(61)

    assert (first, too_early) == (["pending"], [])
    assert await desk.tell() == ["delivered"] * 3


async def test_a_receiver_that_asks_for_time_while_it_is_decided_what_to_tell_it_is_not_told_that_either(
    desk: Desk,
) -> None:
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    notifier = desk.new_notifier()
    (tried,) = (await notifier.step()).tries
    busy = Undelivered("answered 429", wants_rest=timedelta(seconds=120))

    async with anyio.create_task_group() as settling, desk.rig.database.transaction() as deciding:
        await QUERIES.notification_rule_lock_enabled.rows(deciding)
        settling.start_soon(notifier.settle, tried, busy)
        await eventually(partial(desk.rig.sql, WAITING_FOR_A_LOCK))
        await deciding.execute(ANOTHER_MESSAGE, uuid7())

    assert await desk.tell() == []
    desk.rig.clock.passes(121)
    assert await desk.tell() == ["delivered", "delivered"]


async def test_only_a_receiver_that_is_busy_is_given_the_time_that_it_asks_for(desk: Desk) -> None:
    desk.receiver.answers, desk.receiver.headers = [500], {"Retry-After": "120"}
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    desk.rig.clock.passes(5)

    assert await desk.tell() == ["delivered"]


async def test_a_receiver_that_asks_for_time_beyond_the_day_is_tried_at_its_end(desk: Desk) -> None:
    desk.receiver.answers, desk.receiver.headers = [503, 503], {}
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    desk.rig.clock.passes(DAY_SECONDS - HOUR_SECONDS / 2)
    desk.receiver.headers = {"Retry-After": "3600"}

    statuses = await desk.tell()

    assert statuses == ["pending"]
    assert await desk.rig.sql("SELECT next_try_at = give_up_at FROM notifications")


async def test_a_webhook_that_moves_is_tried_at_once_whatever_the_old_receiver_has_asked_for(desk: Desk) -> None:
    desk.receiver.answers, desk.receiver.headers = [429], {"Retry-After": "120"}
    rule = await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    moved = NotificationRulePatch.model_validate({"webhook": {"url": f"{desk.receiver.url}/moved"}})

    await desk.rules.edit(rule["id"], moved, version=None, by=SYSTEM)
    await desk.fails(await a_config(desk.rig))

    assert await desk.tell() == ["delivered", "delivered"]


async def test_a_message_is_sent_by_hand_whatever_the_receiver_has_asked_for(desk: Desk) -> None:
    desk.receiver.answers, desk.receiver.headers = [429], {"Retry-After": "120"}
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    await desk.rules.retry(await desk.rig.sql("SELECT id FROM notifications"), by=SYSTEM)

    assert await desk.tell() == ["delivered"]


async def test_an_address_that_is_not_public_is_not_reached_and_the_reason_says_how_it_could_be(desk: Desk) -> None:
    desk.openings = ()
    await desk.rule()
    await desk.fails(await a_config(desk.rig))

    assert await desk.tell() == ["pending"]
    assert desk.receiver.received == []
    error = await desk.rig.sql("SELECT last_error FROM notifications")
    assert (LOOPBACK in error, "HORARIUM_HTTP_ALLOW" in error, "secret-path" in error) == (True, True, False)


async def test_a_rule_that_is_disabled_sends_nothing_any_more(desk: Desk) -> None:
    desk.receiver.answers = [500]
    rule = await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    await desk.rules.edit(rule["id"], NotificationRulePatch.model_validate({"enabled": False}), version=None, by=SYSTEM)

    desk.rig.clock.passes(60)
    assert await desk.tell() == []
    assert (
        await desk.rig.sql("SELECT status || ': ' || last_error FROM notifications") == "failed: the rule was disabled"
    )


async def test_a_message_is_not_sent_again_by_a_rule_that_is_being_disabled(desk: Desk) -> None:
    """It would wait, and be counted as waiting, for as long as the rule is disabled."""
    desk.receiver.answers = [410]
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    message = await desk.rig.sql("SELECT id FROM notifications")

    async def is_refused() -> None:
        with pytest.raises(Conflict, match="is disabled"):
            await desk.rules.retry(message, by=SYSTEM)

    async with anyio.create_task_group() as retrying, desk.rig.database.transaction() as disabling:
        await disabling.execute("UPDATE notification_rules SET enabled = false")
        retrying.start_soon(is_refused)
        await eventually(partial(desk.rig.sql, WAITING_FOR_A_LOCK))

    assert await desk.rig.sql("SELECT status FROM notifications") == "failed"


# Mail


async def test_a_mail_reaches_everybody_and_says_what_it_is(desk: Desk) -> None:
    await desk.rule(email={"to": ["a@example.org", "b@example.org"]})
    await desk.fails(await a_config(desk.rig, name="nightly-report"))

    assert await desk.tell() == ["delivered"]
    (mail,) = desk.mail.mails
    assert desk.mail.recipients == ["a@example.org", "b@example.org"]
    assert (mail["Subject"], mail["To"]) == ("[Horarium] nightly-report failed", "a@example.org, b@example.org")
    message_id = await desk.rig.sql("SELECT id FROM notifications")
    assert mail["Message-ID"] == f"<{message_id}@example.org>"
    assert "Error:         ValueError: no rows" in mail.get_content()


async def test_a_mail_that_is_refused_waits_and_one_that_one_address_takes_has_arrived(desk: Desk) -> None:
    """A second try would reach those once more who have it."""
    desk.mail.refuses = {"a@example.org", "b@example.org"}
    await desk.rule(email={"to": ["a@example.org", "b@example.org"]})
    await desk.fails(await a_config(desk.rig))
    refused = await desk.tell()
    said = await desk.rig.sql("SELECT last_error FROM notifications")
    desk.mail.refuses = {"b@example.org"}
    desk.rig.clock.passes(5)

    taken = await desk.tell()

    assert (refused, said) == (["pending"], "the mail server answered 550 not here")
    assert taken == ["delivered"]
    assert await desk.rig.sql("SELECT last_error FROM notifications") == "not taken for b@example.org"


async def test_the_total_of_a_long_list_of_messages_is_counted_once_for_all_who_ask(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horarium.notifying.rules.total_good_for", lambda _total, _took: HOUR_SECONDS)
    rules, everything = desk.rules, NotificationFilter()
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    _, before = await rules.messages(everything, before=None, limit=10)
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    rows, total = await rules.messages(everything, before=None, limit=10)
    _, delivered = await rules.messages(NotificationFilter(status="delivered"), before=None, limit=10)

    assert (before, len(rows), total, delivered) == (1, 2, 1, 2)


# Retention


async def test_messages_are_kept_as_long_as_executions(desk: Desk) -> None:
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    await desk.rig.cleanup(days=1).step()
    kept = await desk.count("notifications")
    desk.rig.clock.passes(2 * DAY_SECONDS)
    await desk.rig.cleanup(days=1).step()

    assert (kept, await desk.count("notifications")) == (1, 0)
