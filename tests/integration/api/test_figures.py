"""How a config has gone, through the API: its calendar, and what its newest runs have taken."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
KIRITIMATI: dict[str, Any] = {
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 0 1 1 *", "timezone": "Pacific/Kiritimati"},
}


async def ran(house: House, config: int, times: int) -> list[str]:
    """So many runs by hand, one after the other, that have ended."""
    made = []
    for _ in range(times):
        made.append(str((await house.call("POST", f"{BASE}/{config}/run")).body["task_id"]))
        await eventually(lambda: ended(house, made[-1]))
    return made


async def ended(house: House, task_id: str) -> bool:
    return (await house.get(f"/executions/{task_id}"))["completed_at"] is not None


async def test_todays_runs_are_told_of_today_in_the_zone_of_the_config(house: House) -> None:
    """On the island of Kiritimati it is tomorrow for most of the day."""
    config = await house.config(**KIRITIMATI)
    await ran(house, config, 2)

    before = datetime.now(UTC) + timedelta(hours=14)
    calendar = await house.get(f"/task-configs/{config}/calendar")
    after = datetime.now(UTC) + timedelta(hours=14)

    (day,) = calendar["days"]
    assert calendar["timezone"] == "Pacific/Kiritimati"
    assert before.date().isoformat() <= day["date"] == calendar["today"] <= after.date().isoformat()
    assert (date.fromisoformat(calendar["today"]) - date.fromisoformat(calendar["first"])).days in range(364, 371)
    assert day | {"success": 2, "failed": 0, "skipped": 0, "in_flight": 0} == day
    assert (day["since"][10:], day["until"][10:]) == ("T10:00:00Z", "T10:00:00Z")


async def test_the_executions_of_a_day_are_those_that_the_list_shows_between_its_ends(house: House) -> None:
    config = await house.config(**KIRITIMATI)
    made = await ran(house, config, 2)
    (day,) = (await house.get(f"/task-configs/{config}/calendar"))["days"]

    page = await house.get("/executions", config_id=config, since=day["since"], until=day["until"])

    assert [each["task_id"] for each in page["items"]] == made[::-1]


async def test_a_config_that_never_ran_has_no_days_and_no_durations(house: House) -> None:
    config = await house.config()

    assert (await house.get(f"/task-configs/{config}/calendar"))["days"] == []
    assert await house.get(f"/task-configs/{config}/durations") == {
        "items": [], "median_seconds": None, "p95_seconds": None, "timeout_seconds": 300.0,
    }  # fmt: skip


async def test_durations_are_those_of_the_newest_runs_oldest_first(house: House) -> None:
    config = await house.config()
    made = await ran(house, config, 3)

    answer = await house.get(f"/task-configs/{config}/durations", limit=2)

    assert [each["task_id"] for each in answer["items"]] == made[1:]
    first, second = sorted(each["duration_seconds"] for each in answer["items"])
    assert 0 <= first <= answer["median_seconds"] <= answer["p95_seconds"] <= second
    assert {(each["status"], each["trigger"], each["lateness_seconds"]) for each in answer["items"]} == {
        ("success", "manual", None)
    }


async def test_what_a_schedule_started_says_how_late_it_began_and_what_was_skipped_is_no_run(house: House) -> None:
    config = await house.config()
    (made,) = await ran(house, config, 1)
    await house.sql(
        "UPDATE executions SET trigger = 'schedule', tick_at = started_at - interval '2 s' WHERE id = $1", made
    )
    await house.sql(
        "INSERT INTO executions (id, config_id, task_type, trigger, tick_at, status, reason, queue, priority,"
        " timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type, completed_at)"
        " SELECT $2, config_id, task_type, trigger, now(), 'skipped', 'overlap', queue, priority, timeout_seconds,"
        " max_retries, retry_backoff_seconds, scheduler_type, now() FROM executions WHERE id = $1",
        made,
        "ffffffff-0000-7000-8000-000000000000",
    )

    answer = await house.get(f"/task-configs/{config}/durations")

    assert [(each["task_id"], each["lateness_seconds"]) for each in answer["items"]] == [(made, 2.0)]


async def test_a_run_that_was_tried_again_is_as_late_as_its_first_attempt(house: House) -> None:
    config = await house.config(
        task_type="fail", parameters={"message": "no"}, max_retries=1, retry_backoff_seconds=0.1
    )
    (made,) = await ran(house, config, 1)
    await house.sql(
        "UPDATE executions SET trigger = 'schedule',"
        " tick_at = (earlier_attempts -> 0 ->> 'started_at')::timestamptz - interval '2 s' WHERE id = $1",
        made,
    )

    answer = await house.get(f"/task-configs/{config}/durations")

    assert [(each["task_id"], each["lateness_seconds"]) for each in answer["items"]] == [(made, 2.0)]
    assert (await house.get(f"/executions/{made}"))["lateness_seconds"] == 2.0


@pytest.mark.parametrize("path", ["calendar", "durations"])
async def test_a_config_that_is_not_there_has_neither(house: House, path: str) -> None:
    assert (await house.call("GET", f"{BASE}/999999999/{path}")).status == 404


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "501"}, {"limit": "many"}, {"last": "3"}])
async def test_what_is_no_number_of_runs_is_refused_by_name(house: House, query: dict[str, str]) -> None:
    config = await house.config()

    answer = await house.call("GET", f"{BASE}/{config}/durations", **query)

    assert (answer.status, answer.faults) == (422, {*query})
