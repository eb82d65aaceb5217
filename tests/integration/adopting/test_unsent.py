"""A batch that is not sent whole: what is held is not sent again, what never can be ends, and the rest goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.sql.queries import QUERIES
from horarium.tasks.sending import send
from horarium.tasks.unsent import Unsent
from tests.support.brokers import RecordingBroker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from horarium.tasks.message import TaskMessage
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


class PickyBroker(RecordingBroker):
    """Takes every message once, but for those of the config `refuses`; `breaks_after` so many it is away."""

    refuses: int | None = None
    breaks_after: int | None = None

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        held = [each for each in messages if each.config_id != self.refuses][: self.breaks_after]
        self.sent += held
        refused = {each.execution_id: "no such letter" for each in messages if each.config_id == self.refuses}
        away = len(held) + len(refused) < len(messages)
        if refused or away:
            raise Unsent([each.execution_id for each in held], refused, away=away)


async def waiting(rig: Rig) -> tuple[int, UUID]:
    """A config, and a row of it that waits for its message."""
    config_id = await rig.config(scheduler_type="manual", schedule_config={})
    return config_id, await rig.manual_run(config_id)


async def test_what_can_never_be_sent_fails_with_its_reason_and_does_not_come_back(rig: Rig) -> None:
    (bad_config, bad), (_, good) = await waiting(rig), await waiting(rig)
    broker = PickyBroker()
    broker.refuses = bad_config

    await rig.publisher(broker).step([bad, good])
    again = await rig.publisher(broker).step([bad, good])

    refused = await rig.row(bad)
    assert (refused["status"], refused["reason"], refused["error"]) == ("failed", "not_sendable", "no such letter")
    assert (await rig.row(good))["status"] == "queued"
    assert (again.published, len(broker.sent)) == (0, 1)


async def test_what_was_sent_before_the_broker_went_is_not_sent_again(rig: Rig) -> None:
    (_, first), (_, second) = await waiting(rig), await waiting(rig)
    broker = PickyBroker()
    broker.breaks_after = 1

    with pytest.raises(Unsent):
        await rig.publisher(broker).step([first, second])
    broker.breaks_after = None
    await rig.publisher(broker).step([first, second])

    assert [each.execution_id for each in broker.sent] == [first, second]


async def test_a_claim_that_was_faster_than_the_refusal_stands(rig: Rig) -> None:
    """A broker may well hold what its client believes not to have sent."""
    config_id, execution_id = await waiting(rig)
    broker = PickyBroker()
    broker.refuses = config_id
    (row,) = await rows_to_publish(rig, execution_id)
    await rig.claimed(execution_id)
    rig.told()

    await send(rig.database, broker, [row], rig.mailboxes.record)

    assert (await rig.row(execution_id))["status"] == "running"
    assert rig.told() == []


async def test_what_can_never_be_sent_is_in_the_history_of_its_config(rig: Rig) -> None:
    config_id, execution_id = await waiting(rig)
    broker = PickyBroker()
    broker.refuses = config_id
    (row,) = await rows_to_publish(rig, execution_id)
    rig.told()

    await send(rig.database, broker, [row], rig.mailboxes.record)

    (event,) = rig.events()
    assert (event.config_id, event.event) == (config_id, "failed")
    assert (event.details["task_id"], event.details["error"]) == (str(execution_id), "no such letter")
    assert event.details["completed_at"] == (await rig.row(execution_id))["completed_at"]


async def test_to_the_dispatcher_the_broker_is_away_and_the_publisher_sees_to_the_rest(rig: Rig) -> None:
    config_id = await rig.config()
    broker = rig.broker = PickyBroker()
    broker.refuses = config_id

    done = await rig.fire(after=1)
    await rig.age(60)
    await rig.publisher().step()

    assert done.published == 0
    assert [row["status"] for row in await rig.rows(config_id)] == ["failed"]


async def rows_to_publish(rig: Rig, execution_id: UUID) -> list[asyncpg.Record]:
    async with rig.database.connection() as connection:
        return await QUERIES.execution_to_publish.rows(connection, ids=[execution_id], pending_seconds=5.0, max_rows=10)
