"""What is told is tried until it has arrived, in order, whoever dies, hangs or asks for time meanwhile."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import anyio
import pytest
from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM
from horarium.errors import Conflict
from horarium.model import NotificationRulePatch
from horarium.notifying.channels import Undelivered
from horarium.notifying.outbox import LEASE, Outbox
from horarium.sql.queries import QUERIES
from tests.support.notified import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Desk,
    Died,
    a_config,
    dies,
)
from tests.support.receivers import LOOPBACK, Receiver
from tests.support.waiting import WAITING_FOR_A_LOCK, eventually

pytestmark = pytest.mark.anyio

ANOTHER_MESSAGE = """
INSERT INTO notifications (
    id, rule_id, subject, event, config_id, config_name, content, status, created_at, next_try_at, give_up_at
)
SELECT $1, rule_id, $1, event, -1, 'another', content, 'pending', created_at, created_at, give_up_at FROM notifications
"""


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
