"""An app's own stream broker as Horarium sends through it: its way of making a message, and Horarium's promises."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from taskiq import InMemoryBroker
from taskiq_redis import RedisStreamBroker

from horarium.adopting import broker as adopted_broker
from horarium.adopting.broker import AdoptedBroker
from horarium.adopting.carriers import UNKNOWN_LOST_AFTER
from horarium.errors import Unavailable
from horarium.tasks.message import TaskMessage
from horarium.tasks.unsent import Unsent
from tests.support.adopted_app import app_over, greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from taskiq import BrokerMessage

pytestmark = pytest.mark.anyio

TICK = datetime(2030, 1, 31, 9, tzinfo=UTC)


def message(text: str = "hello", *, queue: str = "default", attempt: int = 1) -> TaskMessage:
    return TaskMessage(uuid4(), attempt, 7, "app.greet", "cron", TICK, {"message": text}, queue, 5)


class House:
    """The app, adopted by a process that sends."""

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url)
        self.app = app_over(RedisStreamBroker(url, queue_name="letters", additional_streams={"post": ">"}))
        self.broker = AdoptedBroker(self.app.broker, works=False, sends=True)

    async def held(self, stream: str = "letters") -> list[dict[str, Any]]:
        """The messages of a stream, as a worker reads them."""
        entries: Any = await self.redis.xrange(stream)
        return [json.loads(fields[b"data"]) for _, fields in entries]

    async def sent_an_hour_ago(self) -> None:
        """Have the stream hold a message that was sent then."""
        moment = datetime.now(UTC) - timedelta(hours=1)
        await self.redis.xadd("letters", {"data": b"{}"}, id=f"{int(moment.timestamp() * 1000)}-0")

    async def lost_after(self) -> timedelta:
        """How long ago what is lost of the main queue was sent, at least."""
        age = await self.broker.lost_after("default")
        assert age is not None
        return age

    async def taken(self, *, acknowledged: bool) -> None:
        """Have a worker take a message, and finish it or not."""
        ((_, ((entry_id, _),)),) = await self.redis.xreadgroup("taskiq", "a worker", {"letters": ">"}, count=1)
        if acknowledged:
            await self.redis.xack("letters", "taskiq", entry_id)


@asynccontextmanager
async def a_house(url: str) -> AsyncIterator[House]:
    house = House(url)
    try:
        yield house
    finally:
        await house.broker.close()
        await house.redis.aclose()


@pytest.fixture
async def house(redis_db: str) -> AsyncIterator[House]:
    async with a_house(redis_db) as made:
        await made.broker.startup()
        yield made


# Sending


async def test_a_message_is_the_apps_own_with_the_executions_id_and_both_their_labels(house: House) -> None:
    sent = message(attempt=3)

    await house.broker.publish([sent])

    (held,) = await house.held()
    assert (UUID(held["task_id"]), held["task_name"]) == (sent.execution_id, "app.greet")
    assert (held["args"], held["kwargs"]) == ([], {"message": "hello"})
    assert held["labels"] == {
        "team": "growth",
        "seen_by": "witness",
        "config_id": 7,
        "task_type": "app.greet",
        "scheduler_type": "cron",
        "tick_at": "2030-01-31T09:00:00Z",
        "attempt": 3,
    }


async def test_the_apps_middlewares_see_what_is_sent_before_and_after(house: House) -> None:
    sent = [message(), message()]

    await house.broker.publish(sent)

    ids = {str(each.execution_id) for each in sent}
    assert {each.task_id for each in house.app.witness.sending} == ids
    assert set(house.app.witness.sent) == ids


async def test_a_queue_of_the_app_has_its_own_stream(house: House) -> None:
    await house.broker.publish([message(queue="post"), message()])

    assert [each["labels"].get("queue_name") for each in await house.held("post")] == ["post"]
    assert len(await house.held()) == 1
    assert await house.broker.depths() == {"default": 1, "post": 1}


async def test_a_queue_of_horariums_own_label_is_reached_through_the_apps(house: House) -> None:
    """The app's broker does not read `queue`, as `@task(queue=...)` of `horarium` has it."""
    house.app.broker.register_task(greet, "app.posted", queue="post")

    await house.broker.publish([replace(message(queue="post"), task_type="app.posted")])

    assert len(await house.held("post")) == 1


async def test_a_message_that_cannot_be_made_is_named_and_the_others_are_sent(house: House) -> None:
    bad, good = message("refuse me"), message()

    with pytest.raises(Unsent) as unsent:
        await house.broker.publish([bad, good])

    assert unsent.value.refused == {bad.execution_id: "cannot be sent: ValueError: no such letter"}
    assert (unsent.value.sent, unsent.value.away) == ({good.execution_id}, False)
    assert len(await house.held()) == 1


async def test_what_an_app_has_kicked_with_a_delay_does_not_wait_again_when_it_is_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is the same all the same: the app's own retries read the label."""
    kicked: list[BrokerMessage] = []

    async def kick(ready: BrokerMessage) -> None:
        kicked.append(ready)

    monkeypatch.setattr(house.app.broker, "kick", kick)
    whole = {"task_id": "one", "labels": {"delay": "3600"}, "labels_types": {"delay": 1}, "args": [], "kwargs": {}}

    await house.broker.publish([replace(message(attempt=2), kicked=whole, message_id=uuid4())])

    (ready,) = kicked
    assert "delay" not in ready.labels
    assert json.loads(ready.message)["labels"]["delay"] == "3600"


async def test_a_queue_whose_name_is_of_something_else_in_redis_is_refused_and_the_others_are_sent(
    house: House,
) -> None:
    await house.redis.set("sessions", "no stream")
    bad, good = message(queue="sessions"), message()

    with pytest.raises(Unsent) as unsent:
        await house.broker.publish([bad, good])

    assert "under the name of its queue is no stream" in unsent.value.refused[bad.execution_id]
    assert (unsent.value.sent, unsent.value.away) == ({good.execution_id}, False)


async def test_what_a_slow_broker_holds_at_the_deadline_is_not_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopted_broker, "PUBLISH_SECONDS", 0.3)
    slow, quick = message("slow"), message()

    async def kick(ready: Any) -> None:
        if ready.task_id == str(slow.execution_id):
            await asyncio.Event().wait()

    monkeypatch.setattr(house.app.broker, "kick", kick)

    with pytest.raises(Unsent) as unsent:
        await house.broker.publish([slow, quick])

    assert (unsent.value.sent, unsent.value.away) == ({quick.execution_id}, True)


async def test_no_more_are_on_their_way_at_once_than_the_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most = 0, 0

    async def kick(_: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    monkeypatch.setattr(house.app.broker, "kick", kick)

    await house.broker.publish([message() for _ in range(200)])

    assert most == adopted_broker.CONCURRENCY


@pytest.mark.parametrize("error", [ConnectionError(), asyncio.CancelledError(), RuntimeError("a client's own")])
async def test_whatever_a_client_says_when_its_server_is_away_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    async def kick(_: Any) -> None:
        raise error

    monkeypatch.setattr(house.app.broker, "kick", kick)

    with pytest.raises(Unsent) as unsent:
        await house.broker.publish([message()])

    assert (unsent.value.away, unsent.value.refused) == (True, {})


async def test_a_middleware_that_fails_over_what_is_sent_has_it_sent_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post_send(_self: object, _: Any) -> None:
        raise ValueError("too late")

    monkeypatch.setattr(type(house.app.witness), "post_send", post_send)

    await house.broker.publish([message()])

    assert len(await house.held()) == 1


# What is lost


async def test_a_message_that_waits_is_never_called_lost_however_long_it_does(house: House) -> None:
    await house.sent_an_hour_ago()

    assert await house.lost_after() >= timedelta(hours=1)
    assert await house.broker.depths() == {"default": 1, "post": 0}


async def test_a_message_that_a_worker_has_in_hand_is_never_called_lost_either(house: House) -> None:
    await house.sent_an_hour_ago()
    await house.taken(acknowledged=False)
    await house.broker.publish([message()])
    await house.taken(acknowledged=True)

    assert await house.lost_after() >= timedelta(hours=1)
    assert await house.broker.depths() == {"default": 1, "post": 0}


async def test_what_was_acknowledged_without_a_claim_is_sent_again_after_five_minutes(house: House) -> None:
    """A plain `taskiq worker` may have run it: again each second would be a storm."""
    await house.sent_an_hour_ago()
    await house.taken(acknowledged=True)
    await house.broker.publish([message()])
    await house.taken(acknowledged=True)

    age = await house.lost_after()

    assert await house.broker.depths() == {"default": 0, "post": 0}
    assert timedelta(minutes=5) <= age < timedelta(minutes=6)


async def test_what_went_with_a_flush_is_lost_at_once_and_what_is_sent_after_it_arrives(house: House) -> None:
    await house.broker.publish([message()])
    await house.redis.flushdb()

    age = await house.lost_after()
    await house.broker.publish([message()])

    assert age < timedelta(seconds=6)
    await house.taken(acknowledged=True)  # though no worker has started since


async def test_a_broker_that_can_be_asked_nothing_is_given_a_quarter_of_an_hour() -> None:
    broker = AdoptedBroker(InMemoryBroker(), works=False, sends=True)

    assert await broker.lost_after("default") == UNKNOWN_LOST_AFTER
    assert await broker.depths() == {}


# Starting and stopping


@pytest.mark.parametrize(
    ("works", "sends", "began", "ended"),
    [
        (False, True, ["client started", "both"], ["client stopped"]),
        (True, False, ["worker started", "both"], ["worker stopped"]),
        (True, True, ["worker started", "both", "client started"], ["client stopped", "worker stopped"]),
    ],
    ids=["up", "worker", "up with a worker"],
)
async def test_each_event_of_the_app_runs_once_whoever_asks_for_the_start(
    redis_db: str, works: bool, sends: bool, began: list[str], ended: list[str]
) -> None:
    app = app_over(RedisStreamBroker(redis_db))
    broker = AdoptedBroker(app.broker, works=works, sends=sends)

    await asyncio.gather(broker.startup(), broker.startup(), broker.publish([message()]))
    await broker.shutdown()
    await broker.publish([message()])
    started = list(app.events)
    await broker.close()
    await broker.close()

    assert started == began
    assert app.events == began + ended


async def test_a_worker_that_begins_again_begins_with_new_connections(redis_db: str) -> None:
    app = app_over(RedisStreamBroker(redis_db))
    broker = AdoptedBroker(app.broker, works=True, sends=False)
    await broker.startup()
    await broker.shutdown()

    await broker.startup()

    assert app.events == ["worker started", "both", "worker stopped", "worker started", "both"]
    await broker.close()


async def test_a_start_that_finds_nobody_is_taken_back_and_may_be_tried_again(tmp_path: Any) -> None:
    app = app_over(RedisStreamBroker(f"unix://{tmp_path}/redis.sock"))
    broker = AdoptedBroker(app.broker, works=True, sends=False)

    with pytest.raises(Unavailable):
        await broker.startup()

    assert app.events == ["worker started", "both", "worker stopped"]


async def test_a_broken_handler_of_the_app_is_no_server_that_is_away(redis_db: str) -> None:
    app = app_over(RedisStreamBroker(redis_db))

    async def broken(_: Any) -> None:
        raise KeyError("no such setting")

    app.broker.add_event_handler(next(iter(app.broker.event_handlers)), broken)
    broker = AdoptedBroker(app.broker, works=True, sends=False)

    with pytest.raises(KeyError, match="no such setting"):
        await broker.startup()
