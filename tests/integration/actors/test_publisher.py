"""Every row that waits for a message gets one, whoever forgot to send it."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from functools import partial
from operator import add
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from horarium.errors import Unavailable
from horarium.keyspace.due_index import from_ms
from horarium.messages import Publish
from horarium.sql import executions
from horarium.sql.executions import Claim
from horarium.supervisor import ChildContext
from horarium.tasks import stream_broker
from horarium.tasks.stream_broker import StreamBroker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

MANY = 1500  # rows: more than one batch of the publisher


@pytest.fixture
async def broker(rig: Rig, redis_db: str) -> AsyncIterator[StreamBroker]:
    """The real sending side."""
    made = StreamBroker(redis_db, rig.keys)
    yield made
    await made.shutdown()


async def pending(rig: Rig) -> UUID:
    """A new row that waits for its message."""
    return await rig.manual_run(await rig.config(scheduler_type="manual", schedule_config={}))


async def retrying(rig: Rig, *, due_in: float, attempt: int = 2) -> UUID:
    execution_id = await pending(rig)
    await rig.sql(
        "UPDATE executions SET status = 'retrying', attempt = $2,"
        " retry_at = clock_timestamp() + make_interval(secs => $3) WHERE id = $1",
        execution_id,
        attempt,
        due_in,
    )
    return execution_id


async def status_of(rig: Rig, execution_id: UUID) -> str:
    return str((await rig.row(execution_id))["status"])


async def test_a_row_that_was_asked_for_is_sent_at_once_and_queued(rig: Rig) -> None:
    execution_id = await pending(rig)

    done = await rig.publisher().step([execution_id])

    (message,) = rig.broker.sent
    assert (done.published, message.execution_id, message.attempt) == (1, execution_id, 1)
    assert await status_of(rig, execution_id) == "queued"


@pytest.mark.parametrize("status", ["queued", "running", "cancelled", "success"])
async def test_a_row_that_no_longer_waits_is_not_sent(rig: Rig, status: str) -> None:
    execution_id = await pending(rig)
    await rig.sql(
        "UPDATE executions SET status = $1, queued_at = clock_timestamp(),"
        " completed_at = CASE WHEN $1 IN ('cancelled', 'success') THEN clock_timestamp() END",
        status,
    )

    done = await rig.publisher().step([execution_id])

    assert (done.published, rig.broker.sent) == (0, [])
    assert await status_of(rig, execution_id) == status


async def test_a_new_row_that_nobody_asked_for_is_left_to_the_dispatcher_for_five_seconds(rig: Rig) -> None:
    await pending(rig)

    young = await rig.publisher().step()
    await rig.age(5.1)
    old = await rig.publisher().step()

    assert (young.published, old.published) == (0, 1)


async def test_a_row_that_a_crash_left_before_the_clock_was_set_back_is_sent_at_once(rig: Rig) -> None:
    await pending(rig)
    await rig.age(-3600)

    assert (await rig.publisher().step()).published == 1


async def test_what_waits_for_room_meanwhile_is_not_refused_as_what_cannot_be_sent(rig: Rig) -> None:
    execution_id = await pending(rig)
    await rig.sql("UPDATE executions SET limited = true")

    async with rig.database.connection() as connection:
        await executions.refuse(connection, {Claim(execution_id, 1): "nobody knows how"})

    assert await status_of(rig, execution_id) == "pending"


async def test_a_retry_is_sent_when_it_is_due_with_its_own_attempt(rig: Rig) -> None:
    execution_id = await retrying(rig, due_in=-0.001, attempt=3)

    done = await rig.publisher().step()

    (message,) = rig.broker.sent
    assert (done.published, message.execution_id, message.attempt) == (1, execution_id, 3)
    row = await rig.row(execution_id)
    assert (row["status"], row["retry_at"]) == ("queued", None)


async def test_a_retry_that_is_not_due_is_waited_for_by_the_clock_that_says_when(rig: Rig) -> None:
    rig.clock.is_real()
    rig.clock.passes(60)
    execution_id = await retrying(rig, due_in=30)

    done = await rig.publisher().step([execution_id])

    assert done.published == 0
    assert 25 < done.next_retry <= 31
    assert await status_of(rig, execution_id) == "retrying"


async def test_without_a_retry_there_is_nothing_to_wait_for(rig: Rig) -> None:
    assert (await rig.publisher().step()).next_retry == math.inf


async def test_more_rows_than_fit_a_batch_are_sent_in_one_step(rig: Rig) -> None:
    await pending(rig)
    columns = "task_type, trigger, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds"
    await rig.sql(
        f"INSERT INTO executions (id, scheduler_type, {columns}) SELECT gen_random_uuid(), scheduler_type, {columns}"  # noqa: S608 - our columns
        " FROM executions, generate_series(2, $1)",
        MANY,
    )
    await rig.age(6)

    done = await rig.publisher().step()

    assert done.published == MANY
    assert len({message.execution_id for message in rig.broker.sent}) == MANY
    assert await rig.sql("SELECT count(*) FROM executions WHERE status = 'queued'") == MANY


async def test_while_the_broker_is_away_rows_stay_pending(rig: Rig) -> None:
    execution_id = await pending(rig)
    rig.broker.away = True

    with pytest.raises(Unavailable):
        await rig.publisher().step([execution_id])

    assert await status_of(rig, execution_id) == "pending"


async def test_a_crash_after_sending_sends_again_and_the_claim_lets_one_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = await pending(rig)

    async def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("horarium.tasks.sending.mark_queued", crash)
        with pytest.raises(RuntimeError):
            await rig.publisher().step([execution_id])
    await rig.age(6)

    await rig.publisher().step()
    first = await rig.claimed(execution_id)

    assert [message.execution_id for message in rig.broker.sent] == [execution_id, execution_id]
    assert first.attempt == 1
    with pytest.raises(AssertionError):  # the second message's claim
        await rig.claimed(execution_id, worker="another worker")


# Messages that the broker has lost


async def test_messages_lost_in_a_flush_are_found_and_sent_again(rig: Rig, broker: StreamBroker) -> None:
    execution_id = await pending(rig)
    publisher = rig.publisher(broker)
    await publisher.step([execution_id])
    await rig.age(10)
    await rig.redis.flushdb()

    found = await publisher.step()
    sent = await publisher.step()

    assert (found.lost, found.published, sent.published) == (1, 0, 1)
    assert await broker.depths() == {"default": 1}
    assert await status_of(rig, execution_id) == "queued"


async def test_a_message_that_still_waits_is_not_lost(rig: Rig, broker: StreamBroker) -> None:
    execution_id = await pending(rig)
    publisher = rig.publisher(broker)
    await publisher.step([execution_id])

    done = await publisher.step()

    assert done.lost == 0
    assert await broker.depths() == {"default": 1}


async def test_of_a_queue_that_was_flushed_only_what_was_sent_before_is_lost(rig: Rig, broker: StreamBroker) -> None:
    before, after = await pending(rig), await pending(rig)
    publisher = rig.publisher(broker)
    await publisher.step([before])
    await rig.age(60)
    await rig.redis.flushdb()
    await publisher.step([after])

    done = await publisher.step()

    assert done.lost == 1
    assert [await status_of(rig, before), await status_of(rig, after)] == ["pending", "queued"]


async def test_each_queue_is_judged_by_its_own_messages(rig: Rig, broker: StreamBroker) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={}, queue="reports")
    in_reports, in_default = await rig.manual_run(config), await pending(rig)
    publisher = rig.publisher(broker)
    await publisher.step([in_reports, in_default])
    await rig.redis.delete(rig.keys.queue("reports"))
    await rig.sql("UPDATE executions SET queued_at = queued_at - interval '6 s' WHERE queue = 'reports'")

    done = await publisher.step()

    assert done.lost == 1
    assert [await status_of(rig, in_reports), await status_of(rig, in_default)] == ["pending", "queued"]


async def test_a_redis_whose_clock_is_ahead_of_postgres_makes_nothing_lost(
    rig: Rig, broker: StreamBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits would be sent again with every look, for as long as it waits."""
    in_a_minute = partial(add, timedelta(minutes=1))
    monkeypatch.setattr(stream_broker, "from_ms", lambda ms: in_a_minute(from_ms(ms)))
    await rig.publisher(broker).step([await pending(rig)])

    done = await rig.publisher(broker).step()

    assert done.lost == 0


async def test_after_redis_clock_was_set_back_nothing_that_waits_is_lost(rig: Rig, broker: StreamBroker) -> None:
    """Ids of entries never go back, so that all of them are from the future for as long."""
    await rig.publisher(broker).step([await pending(rig)])
    stream, in_an_hour = rig.keys.queue("default"), int((time.time() + 3600) * 1000)
    await rig.redis.delete(stream)
    await rig.redis.xadd(stream, {"data": b"{}"}, id=f"{in_an_hour}-0")
    await rig.age(60)

    done = await rig.publisher(broker).step()

    assert done.lost == 0


async def test_what_runs_is_never_taken_for_lost(rig: Rig, broker: StreamBroker) -> None:
    execution_id = await pending(rig)
    await rig.claimed(execution_id)
    await rig.age(3600)

    done = await rig.publisher(broker).step()

    assert (done.lost, done.published) == (0, 0)


# Asked for without a break


async def test_whoever_asks_without_a_break_keeps_no_buffered_execution_waiting(rig: Rig) -> None:
    asked, config = await pending(rig), await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)
    first, waiting = [row["id"] for row in await rig.rows(config)]

    async def ask_again() -> None:
        while True:
            rig.mailboxes.publisher.send_nowait(Publish((asked,)))
            await checkpoint()

    async def has_begun() -> bool:
        return asked in {message.execution_id for message in rig.broker.sent}

    async def is_sent() -> bool:
        return waiting in {message.execution_id for message in rig.broker.sent}

    with rig.mailboxes.publisher.bind() as inbox:
        async with anyio.create_task_group() as group:
            group.start_soon(ask_again)
            context = ChildContext("publisher", 1, inbox)
            await group.start(lambda *, task_status: rig.publisher().run(context, task_status=task_status))

            await eventually(has_begun)

            await rig.sql(
                "UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE id = $1", first
            )

            await eventually(is_sent)
            group.cancel_scope.cancel()
