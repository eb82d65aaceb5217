"""A year of days: each execution is told once, whether the ledger has it, or it was counted, or it was deleted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import orjson
import pytest
from uuid_utils.compat import uuid7

from horarium import day_counts
from horarium.day_counts import COUNTED, OUTCOMES, DayCounter
from horarium.days import WEEKS_BEFORE
from horarium.figures import Figures
from horarium.ids import least_id

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

INSERT = (
    "INSERT INTO executions (id, config_id, task_type, trigger, tick_at, tick_until, tick_count, status, completed_at,"
    " queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type, created_at)"
    " SELECT t.id, $2, 'echo', 'schedule', t.at, $4, $5, t.status, t.at + $7::interval, 'default', 5, 60, 0, 0, 'cron',"
    " t.at FROM unnest($1::uuid[], $3::timestamptz[], $6::text[]) AS t (id, at, status)"
)
KATHMANDU = {"cron_expression": "0 * * * *", "timezone": "Asia/Kathmandu"}
OPEN = ("pending", "queued", "running", "retrying")

Told = Counter[tuple[str, str]]


async def ticked(
    rig: Rig, config: int, at: datetime, status: str = "success", *, last: datetime | None = None, ticks: int = 1
) -> UUID:
    """A row of the ledger as a tick at that instant would have left it, or a stretch of them."""
    made = an_id(at)
    taken = None if status in OPEN else timedelta(seconds=1)
    await rig.sql(INSERT, [made], config, [at], last, ticks, [status], taken)
    return made


def an_id(at: datetime) -> UUID:
    """One that was made at that instant."""
    return UUID(int=least_id(at).int | (uuid7().int & ((1 << 80) - 1)))


async def told(rig: Rig, config: int) -> Told:
    """What the calendar says now: how many of what on which day."""
    shown = orjson.loads(await Figures(rig.database, clock=rig.clock).calendar(config))
    return Counter({(day["date"], name): day[name] for day in shown["days"] for name in COUNTED if day[name]})


async def workload(rig: Rig, config: int, zone: str = "UTC") -> Told:
    """Two months of eight ticks a day that came to all sorts of ends; what is to be told."""
    now = rig.clock.now.replace(microsecond=0)
    ticks = [now - timedelta(hours=12 + 3 * number) for number in range(8 * 60)]
    statuses = [OUTCOMES[number % len(OUTCOMES)] for number in range(8 * 60)]
    await rig.sql(INSERT, [an_id(at) for at in ticks], config, ticks, None, 1, statuses, timedelta(seconds=1))
    days = [at.astimezone(ZoneInfo(zone)).date().isoformat() for at in ticks]
    return Counter(zip(days, statuses, strict=True))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few executions are many, and a batch is small."""
    monkeypatch.setattr(day_counts, "MANY_ROWS", 10)
    monkeypatch.setattr(day_counts, "BATCH_ROWS", 50)


@pytest.fixture
def real(rig: Rig) -> Rig:
    rig.clock.is_real()
    return rig


async def counted(rig: Rig) -> None:
    """Count in advance, as the cleanup does, until there is no more."""
    counter = DayCounter(rig.database, clock=rig.clock)
    while await counter.step():
        pass


async def rows_left(rig: Rig) -> int:
    return int(await rig.sql("SELECT count(*) FROM executions"))


# What the ledger has


@pytest.mark.parametrize("status", OPEN)
async def test_what_is_under_way_is_told_of_today(real: Rig, status: str) -> None:
    config = await real.config()
    await ticked(real, config, real.clock.now, status)

    assert await told(real, config) == {(real.clock.now.date().isoformat(), "in_flight"): 1}


async def test_a_tick_is_told_on_its_day_in_the_zone_of_its_config_by_what_became_of_it(real: Rig) -> None:
    config = await real.config(schedule_config=KATHMANDU)

    expected = await workload(real, config, "Asia/Kathmandu")

    assert await told(real, config) == expected


async def test_other_configs_and_days_before_the_calendar_are_not_told(real: Rig) -> None:
    config, other = await real.config(), await real.config()
    await ticked(real, config, real.clock.now - timedelta(weeks=WEEKS_BEFORE + 1))
    await ticked(real, other, real.clock.now)

    assert await told(real, config) == {}


async def test_the_ticks_of_a_stretch_fall_on_their_own_days(real: Rig) -> None:
    """A pause of ten days of a config that runs at nine on weekdays."""
    config = await real.config(schedule_config={"cron_expression": "0 9 * * 1-5"})
    monday = real.clock.now.replace(hour=9, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=monday.weekday() + 21)
    await ticked(real, config, monday, "skipped", last=monday + timedelta(days=9), ticks=8)

    weekdays = [monday + timedelta(days=each) for each in (0, 1, 2, 3, 4, 7, 8, 9)]
    assert await told(real, config) == Counter([(each.date().isoformat(), "skipped") for each in weekdays])


# What is deleted


async def test_days_outlive_their_executions(real: Rig) -> None:
    """Retention by age takes half of two months; the calendar is what it was, to the last run."""
    config = await real.config(schedule_config=KATHMANDU)
    expected = await workload(real, config, "Asia/Kathmandu")
    before = await rows_left(real)

    await real.cleanup(days=30).step()

    assert await rows_left(real) < before / 1.5
    assert await told(real, config) == expected


async def test_days_outlive_what_a_config_has_too_many_of(real: Rig) -> None:
    config = await real.config()
    expected = await workload(real, config)

    await real.cleanup(days=365, rows=10).step()

    assert await rows_left(real) == 10
    assert await told(real, config) == expected


async def test_a_stretch_that_is_deleted_keeps_its_days(real: Rig) -> None:
    config = await real.config(schedule_config={"cron_expression": "0 * * * *"})
    first = datetime.combine(real.clock.now.date() - timedelta(days=40), datetime.min.time(), UTC)
    await ticked(real, config, first, "skipped", last=first + timedelta(hours=47), ticks=48)
    await ticked(real, config, real.clock.now)
    expected = await told(real, config)

    await real.cleanup(days=30).step()

    assert await rows_left(real) == 1
    assert await told(real, config) == expected
    assert expected[first.date().isoformat(), "skipped"] == 24


async def test_what_cannot_be_counted_is_not_deleted(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = await real.config()
    expected = await workload(real, config)
    before = await rows_left(real)

    async def broken(*_: Any) -> None:
        raise RuntimeError("cut short")

    with monkeypatch.context() as patched:
        patched.setattr(day_counts, "_add", broken)
        with pytest.raises(RuntimeError, match="cut short"):
            await real.cleanup(days=30).step()

    assert await rows_left(real) == before
    assert await told(real, config) == expected


async def test_a_config_that_is_gone_leaves_no_days(real: Rig) -> None:
    config = await real.config()
    await workload(real, config)
    await real.cleanup(days=30).step()
    await real.task_configs.delete(config, version=None)
    await real.sql("DELETE FROM executions")

    await real.cleanup().step()

    assert await real.sql("SELECT count(*) FROM execution_days") == 0


async def test_days_that_no_calendar_shows_any_more_go(real: Rig) -> None:
    config = await real.config()
    await workload(real, config)
    await real.cleanup(days=30).step()
    old = real.clock.now.date() - timedelta(weeks=WEEKS_BEFORE + 2)
    await real.sql("UPDATE execution_days SET day = $1 WHERE day = (SELECT min(day) FROM execution_days)", old)

    await real.cleanup(days=20).step()

    assert await real.sql("SELECT count(*) FROM execution_days WHERE day <= $1", old) == 0


# What is counted in advance


@pytest.mark.usefixtures("small")
async def test_counting_in_advance_changes_nothing_that_is_told(real: Rig) -> None:
    config = await real.config(schedule_config=KATHMANDU)
    expected = await workload(real, config, "Asia/Kathmandu")

    await counted(real)

    assert (
        await real.sql("SELECT sum(success + failed + timeout + cancelled + lost + skipped) FROM execution_days") > 400
    )
    assert await told(real, config) == expected


@pytest.mark.usefixtures("small")
async def test_what_was_counted_in_advance_is_not_counted_again_when_it_is_deleted(real: Rig) -> None:
    config = await real.config()
    expected = await workload(real, config)
    await counted(real)

    await real.cleanup(days=30, rows=50).step()
    newer = await ticked(real, config, real.clock.now)

    assert await rows_left(real) <= 51
    assert await told(real, config) == expected + Counter([(real.clock.now.date().isoformat(), "success")]), newer


@pytest.mark.usefixtures("small")
async def test_what_is_under_way_is_not_counted_nor_passed_over(real: Rig) -> None:
    """An execution of a month ago still runs: what is newer waits for it, is told all the same, and it is told once."""
    config = await real.config()
    running = await ticked(real, config, real.clock.now - timedelta(days=30, hours=1), "running")
    expected = await workload(real, config)
    await counted(real)
    mark = await real.sql("SELECT counted_until FROM execution_day_marks")

    await real.sql("UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE id = $1", running)
    await counted(real)

    day = (real.clock.now - timedelta(days=30, hours=1)).date().isoformat()
    assert mark < running
    assert await real.sql("SELECT counted_until FROM execution_day_marks") > running
    assert await told(real, config) == expected + Counter([(day, "lost")])


@pytest.mark.usefixtures("small")
async def test_what_is_as_new_as_a_row_that_may_still_come_is_not_counted(real: Rig) -> None:
    config = await real.config()
    for minute in range(30):
        await ticked(real, config, real.clock.now - timedelta(minutes=minute))

    await counted(real)

    assert await real.sql("SELECT count(*) FROM execution_days") == 0


@pytest.mark.usefixtures("small")
async def test_whoever_counts_and_deletes_at_once_counts_once(real: Rig) -> None:
    """Two processes that both take themselves for the leader, for a moment, and somebody who looks."""
    config = await real.config()
    expected = await workload(real, config)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(counted, real)
            group.start_soon(real.cleanup(days=30, rows=20).step)
        seen = [await told(real, config) for _ in range(20)]

    assert [each for each in seen if each != expected] == []
    assert await told(real, config) == expected
