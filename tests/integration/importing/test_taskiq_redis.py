"""What taskiq-redis' two schedule sources keep, written by themselves, held against taskiq's own scheduler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from taskiq import ScheduledTask
from taskiq.cli.scheduler.run import is_cron_task_now
from taskiq.serializers import JSONSerializer, PickleSerializer
from taskiq_redis import ListRedisScheduleSource, RedisScheduleSource

from horarium.importing import NotCarried, Outcome
from horarium.importing.taskiq_redis import read, translate
from tests.support.import_target import NOW, carried, reason, target, ticks

if TYPE_CHECKING:
    from taskiq import ScheduleSource
    from taskiq.abc.serializer import TaskiqSerializer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:RedisScheduleSource is deprecated:DeprecationWarning"),
]

SOURCES = pytest.mark.parametrize("kind", [RedisScheduleSource, ListRedisScheduleSource])
PREFIX = "my*schedules"
"""With a character that means something in a pattern."""

CRONS = (
    "* * * * *",
    "*/15 9-17 * * 1-5",
    "0 6 * * 0",
    "30 4 1,15 * 5",
    "0 0 */2 * 1",
    "0 0 * * monday",
    "0 0 * * 5-7",
    "10-50/20 */6 * * *",
)
DAYS = 40


def entry(schedule_id: str, **fields: Any) -> ScheduledTask:
    given = {"task_name": "reports.send", "labels": {}, "args": [], "kwargs": {}, "schedule_id": schedule_id, **fields}
    return ScheduledTask(**given)


async def written(
    url: str, kind: type[ScheduleSource], *entries: ScheduledTask, serializer: TaskiqSerializer | None = None
) -> None:
    """The entries, put into Redis by the source itself."""
    source = kind(url, prefix=PREFIX, serializer=serializer or JSONSerializer())
    await source.startup()
    for each in entries:
        await source.add_schedule(each)
    await source.shutdown()
    if isinstance(source, ListRedisScheduleSource):
        await source._connection_pool.disconnect()  # it leaves its connections open


async def imported(url: str, *, unsafe_pickle: bool = False, **options: Any) -> list[Outcome]:
    stored = await read(url, PREFIX)
    return [translate(each, target(**options), unsafe_pickle=unsafe_pickle) for each in stored]


def by_taskiq(cron: str, offset: str | timedelta | None = None) -> list[datetime]:
    """The minutes of some weeks in which taskiq's scheduler would send it."""
    minutes = (NOW + timedelta(minutes=number) for number in range(1, DAYS * 24 * 60))
    return [minute for minute in minutes if is_cron_task_now(cron, minute, offset)]


@SOURCES
async def test_a_schedule_becomes_a_config_named_after_its_task_and_its_id(
    kind: type[ScheduleSource], redis_db: str
) -> None:
    await written(redis_db, kind, entry("daily", cron="0 3 * * *", kwargs={"region": "eu"}))

    [outcome] = await imported(redis_db)

    config = carried(outcome)
    assert (config["name"], config["task_type"]) == ("reports.send daily", "reports.send")
    assert config["parameters"] == {"region": "eu"}
    assert config["schedule_config"] == {"cron_expression": "0 3 * * *", "timezone": "UTC"}
    assert (config["overlap"], config["catchup"]) == ("allow_all", "skip")


@pytest.mark.parametrize("cron", CRONS)
async def test_every_cron_is_due_when_taskiq_sends_it(cron: str, redis_db: str) -> None:
    await written(redis_db, ListRedisScheduleSource, entry("one", cron=cron))
    oracle = by_taskiq(cron)

    [outcome] = await imported(redis_db)

    assert oracle != []
    assert ticks(carried(outcome), len(oracle)) == oracle


@pytest.mark.parametrize("offset", ["Asia/Tokyo", timedelta(hours=5), timedelta(hours=-3)], ids=str)
async def test_an_offset_is_a_zone(offset: str | timedelta, redis_db: str) -> None:
    await written(redis_db, ListRedisScheduleSource, entry("one", cron="30 8 * * 1", cron_offset=offset))
    oracle = by_taskiq("30 8 * * 1", offset)

    [outcome] = await imported(redis_db)

    assert ticks(carried(outcome), len(oracle)) == oracle


@SOURCES
async def test_dates_and_intervals_are_what_they_were(kind: type[ScheduleSource], redis_db: str) -> None:
    soon = NOW + timedelta(days=2)
    every_hour = timedelta(hours=1)
    await written(redis_db, kind, entry("a", time=soon), entry("b", interval=90), entry("c", interval=every_hour))

    date, seconds, delta = map(carried, await imported(redis_db))

    assert (date["scheduler_type"], date["schedule_config"]) == ("date", {"run_date": soon.isoformat()})
    assert (seconds["scheduler_type"], seconds["schedule_config"]) == ("interval", {"seconds": 90})
    assert delta["schedule_config"] == {"seconds": 3600}


async def test_positional_arguments_take_the_names_of_our_task_type(redis_db: str) -> None:
    await written(redis_db, ListRedisScheduleSource, entry("one", cron="0 3 * * *", args=["eu", 5]))
    schema = {"properties": {"region": {}, "limit": {}}, "additionalProperties": False}

    [known] = await imported(redis_db, types={"reports.send": schema})
    [unknown] = await imported(redis_db)

    assert carried(known)["parameters"] == {"region": "eu", "limit": 5}
    assert "positional arguments" in reason(unknown)


async def test_labels_are_taken_over_or_named(redis_db: str) -> None:
    labels = {"retry_on_error": True, "max_retries": 4, "timeout": 30, "priority": 2, "queue_name": "slow"}
    await written(redis_db, ListRedisScheduleSource, entry("one", cron="0 3 * * *", labels={**labels, "team": "ops"}))

    [outcome] = await imported(redis_db)

    config = carried(outcome)
    assert (config["max_retries"], config["timeout_seconds"], config["priority"], config["queue"]) == (4, 30, 2, "slow")
    assert outcome.notes == ("the label team='ops' is left out",)


@SOURCES
async def test_a_pickle_is_read_only_where_that_is_asked_for(kind: type[ScheduleSource], redis_db: str) -> None:
    await written(redis_db, kind, entry("one", cron="0 3 * * *"), serializer=PickleSerializer())

    [refused] = await imported(redis_db)
    [read_anyway] = await imported(redis_db, unsafe_pickle=True)

    assert reason(refused) == "is a pickle; --unsafe-pickle reads it"
    assert carried(read_anyway)["schedule_config"]["cron_expression"] == "0 3 * * *"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"cron": "0 0 * * 7"}, "never fires"),
        ({"cron": "not a cron"}, "taskiq cannot read either"),
        ({"cron": "0 0 * * *", "cron_offset": "Europe/Atlantis"}, "is no time zone"),
        ({"cron": "0 0 * * *", "cron_offset": timedelta(minutes=30)}, "only zones of whole hours"),
        ({"time": datetime(2020, 1, 1, tzinfo=UTC)}, "was due at 2020-01-01T00:00:00+00:00"),
        ({"cron": "0 0 31 2 *"}, "never fires"),
    ],
)
async def test_what_has_no_equal_is_named_with_the_reason(fields: dict[str, Any], why: str, redis_db: str) -> None:
    await written(redis_db, ListRedisScheduleSource, entry("one", **fields))

    [outcome] = await imported(redis_db)

    assert why in reason(outcome)


async def test_what_no_list_names_never_ran_and_is_not_missed(redis_db: str) -> None:
    await written(redis_db, ListRedisScheduleSource, entry("one", cron="0 3 * * *"))
    async with Redis.from_url(redis_db) as redis:
        await redis.delete(f"{PREFIX}:cron")

    [outcome] = await imported(redis_db)

    assert isinstance(outcome, NotCarried)
    assert not outcome.matters
