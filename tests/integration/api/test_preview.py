"""A schedule that is not saved yet: what it would fire, and what may surprise about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

PREVIEW = "/api/v1/schedules/preview"
DAILY: dict[str, Any] = {
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 6 * * *", "timezone": "Asia/Kolkata"},
}
HOURLY: dict[str, Any] = {"scheduler_type": "interval", "schedule_config": {"hours": 1}}
UNREADABLE: list[dict[str, Any]] = [
    {"scheduler_type": "cron", "schedule_config": {"cron_expression": "99 * * * *"}},
    {"scheduler_type": "cron", "schedule_config": {"minute": 0, "timezone": "Mars/Olympus"}},
    {"scheduler_type": "cron", "schedule_config": {}},
    {"scheduler_type": "interval", "schedule_config": {"seconds": 0}},
    {"scheduler_type": "date", "schedule_config": {"run_date": "soon"}},
    {"scheduler_type": "lunar", "schedule_config": {}},
    {**HOURLY, "start_at": "2030-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"},
    {**HOURLY, "jitter_seconds": 86_401},
    {**HOURLY, "timeout_seconds": 0},
]


async def preview(house: House, **asked: Any) -> Answer:
    return await house.call("POST", PREVIEW, asked)


async def codes(house: House, **asked: Any) -> list[str]:
    return [each["code"] for each in (await preview(house, **asked)).body["warnings"]]


async def test_a_preview_shows_ticks_as_next_runs_does(house: House) -> None:
    answer = await preview(house, **DAILY, count=3)

    items = answer.body["items"]
    assert (answer.status, answer.body["timezone"], len(items)) == (200, "Asia/Kolkata", 3)
    assert {each["local"][10:] for each in items} == {"T06:00:00+05:30"}
    assert [each["fires_at"] for each in items] == [each["tick_at"] for each in items]
    assert answer.body["warnings"] == []


async def test_ten_are_shown_unless_more_are_asked_for(house: House) -> None:
    assert len((await preview(house, **DAILY)).body["items"]) == 10


async def test_a_schedule_is_said_in_words_by_its_preview_and_by_its_config(house: House) -> None:
    config = await house.config(**DAILY)

    shown, saved = await preview(house, **DAILY), await house.get(f"/task-configs/{config}/next-runs")

    assert shown.body["words"] == saved["words"] == "Every day at 06:00, Asia/Kolkata"


async def test_every_change_of_clocks_is_told_and_the_run_after_it_says_so(house: House) -> None:
    """Also where it touches no run, since from then on they come at another time of UTC."""
    schedule = {"cron_expression": "0 9 * * *", "timezone": "Europe/Vienna"}
    answer = await preview(
        house, scheduler_type="cron", schedule_config=schedule, start_at="2099-10-24T00:00:00Z", count=3
    )

    first, *_ = answer.body["clock_changes"]
    assert (first["date"], first["effect"]) == ("2099-10-25", "none")
    assert (first["offset_before_seconds"], first["offset_after_seconds"]) == (7200, 3600)
    assert [each["note"] for each in answer.body["items"]] == [None, "clocks have changed to CET", None]
    assert answer.body["warnings"] == []


@pytest.mark.parametrize("jitter", [0, 600])
async def test_a_preview_for_a_config_is_what_its_next_runs_are_once_it_is_saved(house: House, jitter: int) -> None:
    config = await house.config(**HOURLY)
    asked = {"scheduler_type": "cron", "schedule_config": {"minute": "7,22"}, "jitter_seconds": jitter}

    shown = await preview(house, **asked, config_id=config)
    await house.call("PATCH", f"/api/v1/task-configs/{config}", asked)

    saved = await house.get(f"/task-configs/{config}/next-runs")
    assert shown.body["items"] == saved["items"]


async def test_a_preview_of_an_interval_keeps_the_anchor_of_its_config(house: House) -> None:
    config = await house.config(
        scheduler_type="interval", schedule_config={"hours": 1, "anchor": "2024-01-01T00:17:00Z"}
    )

    shown = await preview(house, scheduler_type="interval", schedule_config={"hours": 2}, config_id=config)

    assert {each["tick_at"][13:] for each in shown.body["items"]} == {":17:00Z"}


async def test_without_a_config_it_is_not_known_when_jitter_fires(house: House) -> None:
    shown = await preview(house, **DAILY, jitter_seconds=600)

    assert {each["fires_at"] for each in shown.body["items"]} == {None}
    assert len(shown.body["items"]) == 10


@pytest.mark.parametrize("body", UNREADABLE, ids=str)
async def test_what_cannot_be_read_is_refused_as_it_is_when_it_is_saved(house: House, body: dict[str, Any]) -> None:
    saved = {**body, "name": "unreadable", "task_type": "echo", "parameters": {"message": "m"}}

    previewed = await preview(house, **body)
    created = await house.call("POST", "/api/v1/task-configs", saved)

    assert (previewed.status, created.status) == (422, 422)
    assert previewed.faults == created.faults


@pytest.mark.parametrize(
    "fault", [{"count": 0}, {"count": 101}, {"config_id": 0}, {"config_id": 999_999_999}, {"name": "x"}], ids=str
)
async def test_a_faulty_question_is_refused_and_the_field_named(house: House, fault: dict[str, Any]) -> None:
    answer = await preview(house, **HOURLY, **fault)

    assert (answer.status, answer.faults) == (422, set(fault))


@pytest.mark.parametrize(
    "asked",
    [
        {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 0 30 2 *"}},
        {"scheduler_type": "cron", "schedule_config": {"day": "31", "month": "4"}},
        {"scheduler_type": "date", "schedule_config": {"run_date": "2020-01-01T00:00:00Z"}},
        {**DAILY, "end_at": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
async def test_a_schedule_that_never_fires_is_shown_to_have_no_runs(house: House, asked: dict[str, Any]) -> None:
    answer = await preview(house, **asked)

    assert (answer.status, answer.body["items"]) == (200, [])
    assert [each["code"] for each in answer.body["warnings"]] == ["never_fires"]


async def test_a_schedule_faster_than_its_timeout_is_warned_of_with_its_figures(house: House) -> None:
    answer = await preview(house, **HOURLY, timeout_seconds=7200)

    (warning,) = answer.body["warnings"]
    assert (warning["code"], warning["apart_seconds"]) == ("more_often_than_timeout", 3600)
    assert "3600 s" in warning["message"]
    assert "7200 s" in warning["message"]


async def test_jitter_wider_than_the_interval_is_warned_of(house: House) -> None:
    assert await codes(house, **HOURLY, jitter_seconds=7200) == ["jitter_wider_than_interval"]


async def test_the_days_on_which_the_clocks_change_over_a_run_are_named(house: House) -> None:
    answer = await preview(
        house, scheduler_type="cron", schedule_config={"cron_expression": "30 2 * * *", "timezone": "Europe/Berlin"}
    )

    warnings = answer.body["warnings"]
    assert {each["code"] for each in warnings} == {"daylight_saving_gap", "daylight_saving_repeat"}
    assert all(each["date"] in each["message"] for each in warnings)
    assert all(datetime.fromisoformat(each["changes_at"]) > datetime.now(UTC) for each in warnings)
