"""The last hour and the next one at a glance: every row counted where it belongs, and read once for all who look."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import orjson
import pytest
from uuid_utils.compat import uuid7

from horarium.ids import least_id
from horarium.overview import LANES, Overview

if TYPE_CHECKING:
    from horarium.model import OverviewAnswer
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

INSERT = (
    "INSERT INTO executions (id, config_id, task_type, trigger, tick_at, status, started_at, completed_at, error, "
    "queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type, created_at) "
    "VALUES ($1, $2, 'echo', 'schedule', $3, $4, $5, $6, $7, 'default', 5, 60, 0, 0, 'cron', $3)"
)
OPEN = ("pending", "queued", "running", "retrying")


class Seen(Overview):
    """An overview of a rig, which counts how often it is read."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.database, rig.index, clock=rig.clock)
        self.rig = rig
        self.read_times = 0

    async def step(self, span: Any) -> OverviewAnswer:
        self.read_times += 1
        return await super().step(span)

    async def shown(self) -> Any:
        return orjson.loads((await self.read()).plain)


@pytest.fixture
def overview(rig: Rig) -> Seen:
    rig.clock.is_real()
    return Seen(rig)


async def tick(
    rig: Rig, config: int, status: str, *, minutes_ago: float, late: float | None = 0.01, error: str | None = None
) -> UUID:
    """A row of the ledger, as a tick of so long ago would have left it."""
    at = rig.clock.now - timedelta(minutes=minutes_ago)
    made = UUID(int=least_id(at).int | (uuid7().int & ((1 << 80) - 1)))
    began = None if late is None else at + timedelta(seconds=late)
    ended = None if status in OPEN else at + timedelta(seconds=(late or 0) + 1)
    await rig.sql(INSERT, made, config, at, status, began, ended, error)
    return made


def bin_of(shown: Any, minutes_ago: float) -> Any:
    at = datetime.fromisoformat(shown["at"]) - timedelta(minutes=minutes_ago)
    place = (at - datetime.fromisoformat(shown["since"])).total_seconds() // shown["bin_seconds"]
    return shown["bins"][int(place)]


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("success", "success"), ("failed", "failed"), ("timeout", "failed"), ("lost", "failed"),
        ("cancelled", "cancelled"), ("skipped", "skipped"), ("running", "in_flight"), ("pending", "in_flight"),
        ("retrying", "in_flight"),
    ],
)  # fmt: skip
async def test_a_tick_is_counted_in_its_minute_by_what_became_of_it(
    rig: Rig, overview: Seen, status: str, counted: str
) -> None:
    await tick(rig, await rig.config(), status, minutes_ago=30)

    shown = await overview.shown()

    names = ("success", "failed", "cancelled", "skipped", "in_flight")
    assert {name: bin_of(shown, 30)[name] for name in names} == {name: int(name == counted) for name in names}
    assert sum(each[name] for each in shown["bins"] for name in names) == 1


async def test_what_began_late_is_told_with_how_late(rig: Rig, overview: Seen) -> None:
    await tick(rig, await rig.config(), "success", minutes_ago=20, late=1)
    await tick(rig, await rig.config(), "success", minutes_ago=20, late=9)

    found = bin_of(await overview.shown(), 20)

    assert (found["late"], found["lateness_mean"], found["lateness_worst"]) == (1, pytest.approx(5), pytest.approx(9))


async def test_a_tick_that_still_waits_is_as_late_as_it_has_waited(rig: Rig, overview: Seen) -> None:
    await tick(rig, await rig.config(), "pending", minutes_ago=10, late=None)

    found = bin_of(await overview.shown(), 10)

    assert (found["late"], found["lateness_worst"]) == (1, pytest.approx(600, abs=30))


RETRIED = (
    "UPDATE executions SET attempt = 2, earlier_attempts = jsonb_build_array(jsonb_build_object("
    "'attempt', 1, 'status', 'failed', 'started_at', tick_at + interval '1 s')) WHERE id = $1"
)


@pytest.mark.parametrize(("status", "late"), [("success", 40.0), ("running", 40.0), ("retrying", None)])
async def test_what_began_on_time_is_not_late_for_being_tried_again(
    rig: Rig, overview: Seen, status: str, late: float | None
) -> None:
    await rig.sql(RETRIED, await tick(rig, await rig.config(), status, minutes_ago=10, late=late))

    shown = await overview.shown()

    assert (bin_of(shown, 10)["late"], bin_of(shown, 10)["lateness_worst"]) == (0, pytest.approx(1))
    assert shown["lanes"][0]["marks"][0]["late"] == 0


@pytest.mark.parametrize("status", ["cancelled", "failed"])
async def test_what_is_over_and_never_began_is_not_late(rig: Rig, overview: Seen, status: str) -> None:
    await tick(rig, await rig.config(), status, minutes_ago=10, late=None)

    shown = await overview.shown()

    assert bin_of(shown, 10)["lateness_worst"] is None
    assert shown["lanes"][0]["marks"][0]["late"] == 0


async def test_what_was_skipped_is_not_late(rig: Rig, overview: Seen) -> None:
    await tick(rig, await rig.config(), "skipped", minutes_ago=10, late=None)

    shown = await overview.shown()

    assert bin_of(shown, 10)["lateness_worst"] is None
    assert shown["lanes"][0]["marks"][0]["late"] == 0


async def test_older_ticks_are_no_part_of_it(rig: Rig, overview: Seen) -> None:
    await tick(rig, await rig.config(), "failed", minutes_ago=70)

    shown = await overview.shown()

    assert sum(each["failed"] for each in shown["bins"]) == 0


async def test_a_mark_that_stands_alone_has_its_exact_instant_and_leads_to_its_execution(
    rig: Rig, overview: Seen
) -> None:
    made = await tick(rig, await rig.config(), "failed", minutes_ago=12.345)

    ((mark,),) = [lane["marks"] for lane in (await overview.shown())["lanes"]]

    assert datetime.fromisoformat(mark["at"]) == rig.clock.now - timedelta(minutes=12.345)
    assert (mark["task_id"], mark["number"], mark["status"]) == (str(made), 1, "failed")


async def test_marks_that_would_cover_each_other_are_one_but_for_their_outcomes(rig: Rig, overview: Seen) -> None:
    config = await rig.config()
    start = rig.clock.now.replace(second=0, microsecond=0) - timedelta(minutes=10)
    ago = (rig.clock.now - start).total_seconds() / 60
    for second, status in enumerate(["success", "success", "failed", "success"]):
        await tick(rig, config, status, minutes_ago=ago - second / 60)

    ((first, second),) = [lane["marks"] for lane in (await overview.shown())["lanes"]]

    assert [(each["status"], each["number"]) for each in (first, second)] == [("success", 3), ("failed", 1)]


async def test_the_next_hour_is_counted_from_the_schedules(rig: Rig, overview: Seen) -> None:
    every_minute = await rig.config(schedule_config={"cron_expression": "* * * * *"})
    await rig.config(schedule_config={"cron_expression": "* * * * * *"})

    shown = await overview.shown()

    planned = [each["planned"] for each in shown["bins"]]
    lane = next(each for each in shown["lanes"] if each["config_id"] == every_minute)
    assert sum(planned[: shown["now_bin"]]) == 0
    assert planned[shown["now_bin"] + 1 :] == [pytest.approx(61, abs=1.5)] * 60
    assert (len(lane["planned"]), lane["planned_every_seconds"]) in ((60, None), (61, None))
    assert shown["configs_to_come"] == 2


async def test_of_many_configs_the_next_hour_is_told_by_a_sample(
    rig: Rig, overview: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horarium.overview.SAMPLE", 5)
    for _ in range(10):
        await rig.config(schedule_config={"cron_expression": "* * * * *"})

    shown = await overview.shown()

    assert [each["planned"] for each in shown["bins"]][shown["now_bin"] + 1 :] == [10.0] * 60
    assert shown["configs_to_come"] == 10


async def test_lanes_are_a_few_and_what_failed_is_among_them(rig: Rig, overview: Seen) -> None:
    failing = await rig.config(name="zz: fails")
    await tick(rig, failing, "failed", minutes_ago=50, error="broken")
    for _ in range(LANES + 3):
        await tick(rig, await rig.config(), "success", minutes_ago=5)

    lanes = (await overview.shown())["lanes"]

    assert len(lanes) == LANES
    assert lanes[-1]["config_id"] == failing


async def test_a_deleted_config_has_no_lane(rig: Rig, overview: Seen) -> None:
    config = await rig.config()
    await tick(rig, config, "success", minutes_ago=5)
    await rig.task_configs.delete(config, version=None)

    assert (await overview.shown())["lanes"] == []


async def test_failures_of_the_last_days_are_listed_newest_first_with_the_end_of_their_errors(
    rig: Rig, overview: Seen
) -> None:
    config = await rig.config(name="nightly")
    await tick(rig, config, "failed", minutes_ago=8 * 24 * 60, error="too old")
    older = await tick(rig, config, "timeout", minutes_ago=600, error="slow")
    newer = await tick(rig, config, "failed", minutes_ago=60, error="x" * 1000 + " the end")
    await tick(rig, config, "cancelled", minutes_ago=1, error="was stopped")

    failed = (await overview.shown())["failed"]

    assert [each["task_id"] for each in failed] == [str(newer), str(older)]
    assert (failed[0]["name"], failed[0]["error"][-8:], len(failed[0]["error"])) == ("nightly", " the end", 300)


async def test_what_is_in_flight_is_counted_and_what_runs_stands_first(rig: Rig, overview: Seen) -> None:
    config = await rig.config()
    await tick(rig, config, "pending", minutes_ago=3, late=None)
    running = await tick(rig, config, "running", minutes_ago=1)

    shown = await overview.shown()

    assert shown["in_flight"] == {"pending": 1, "queued": 0, "running": 1, "retrying": 0}
    assert shown["running"][0]["task_id"] == str(running)


async def test_a_hundred_who_look_at_once_are_one_reading(overview: Seen) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(overview.read)

    assert overview.read_times == 1


async def test_a_reading_that_is_given_up_leaves_the_next_one_to_read(overview: Seen) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await overview.read()

    assert (await overview.shown())["bins"]


async def test_what_was_read_is_kept_for_a_moment_and_then_read_again(
    rig: Rig, overview: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await overview.read()
    await overview.read()
    assert overview.read_times == 1
    monkeypatch.setattr(overview._kept, "_clock", lambda: 1e12)
    await tick(rig, await rig.config(), "success", minutes_ago=5)

    shown = await overview.shown()

    assert overview.read_times == 2
    assert bin_of(shown, 5)["success"] == 1
