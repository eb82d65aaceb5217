"""A backfill through the API: it says how many executions it made, and they run; what is no span is refused by name."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
HOURLY: dict[str, Any] = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 * * * *"}}
A_MORNING = {"start": "2024-05-08T06:00:00Z", "end": "2024-05-08T12:00:00Z"}


async def test_a_morning_is_backfilled_once_and_runs_in_its_order(house: House) -> None:
    config = await house.config(**HOURLY)

    answers = [await house.call("POST", f"{BASE}/{config}/backfill", A_MORNING) for _ in range(2)]

    assert [answer.status for answer in answers] == [202, 202]
    assert [answer.body for answer in answers] == [{"created": 7, "skipped": 0}, {"created": 0, "skipped": 7}]

    async def all_done() -> Any:
        page = await house.get(f"/task-configs/{config}/executions", trigger="backfill", status="success")
        return page["items"] if page["total"] == 7 else None

    done = sorted(await eventually(all_done), key=lambda each: each["started_at"])
    assert [each["tick_at"] for each in done] == [f"2024-05-08T{hour:02}:00:00Z" for hour in range(6, 13)]
    assert all(one["completed_at"] <= other["started_at"] for one, other in pairwise(done))


async def test_a_dry_run_says_how_many_it_would_make_and_makes_none(house: House) -> None:
    config = await house.config(**HOURLY)

    answer = await house.call("POST", f"{BASE}/{config}/backfill", A_MORNING | {"dry_run": True})

    assert (answer.status, answer.body) == (202, {"created": 7, "skipped": 0})
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 0
    assert await house.sql("SELECT count(*) FROM audit_log WHERE target_id = $1::text", str(config)) == 1


async def test_backfills_of_one_morning_at_once_make_it_once(house: House) -> None:
    config = await house.config(**HOURLY)

    answers = await house.at_once(10, "POST", f"{BASE}/{config}/backfill", A_MORNING)

    assert {answer.status for answer in answers} == {202}
    assert sum(answer.body["created"] for answer in answers) == 7
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 7


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({}, {"start", "end"}),
        (A_MORNING | {"end": "2099-01-01T00:00:00Z"}, {"end"}),
        (A_MORNING | {"start": "2024-05-09T00:00:00Z"}, {"start"}),
        (A_MORNING | {"start": "2024-05-08T06:00:00"}, {"start"}),
        (A_MORNING | {"start": "2022-01-01T00:00:00Z"}, {"end"}),
        (A_MORNING | {"start": "1970-01-01T00:00:00Z"}, {"start"}),
        (A_MORNING | {"overlap": "skip"}, {"overlap"}),
        (A_MORNING | {"limit": 3}, {"limit"}),
    ],
)
async def test_what_is_no_span_is_refused_by_name(house: House, body: dict[str, str], at_fault: set[str]) -> None:
    config = await house.config(**HOURLY)

    answer = await house.call("POST", f"{BASE}/{config}/backfill", body)

    assert (answer.status, answer.faults) == (422, at_fault)
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 0


async def test_a_manual_config_is_a_conflict_and_none_is_not_found(house: House) -> None:
    assert (await house.call("POST", f"{BASE}/{await house.config()}/backfill", A_MORNING)).status == 409
    assert (await house.call("POST", f"{BASE}/999999999/backfill", A_MORNING)).status == 404
