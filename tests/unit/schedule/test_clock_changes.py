"""When the clocks of a zone are set is told of every cron, with what that does to it, on all sides of the world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from horarium.schedule import CronSchedule, IntervalSchedule, Terms, coming_changes, notes, ticks_between

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

VIENNA = "Europe/Vienna"  # 29 March 02:00 to 03:00, 25 October 03:00 to 02:00
NEW_YORK = "America/New_York"  # 8 March 02:00 to 03:00, 1 November 02:00 to 01:00
LORD_HOWE = "Australia/Lord_Howe"  # half an hour: 5 April 02:00 to 01:30, 4 October 02:00 to 02:30


def effects(expression: str, zone: str) -> list[tuple[str, str]]:
    changes = coming_changes(CronSchedule(expression, zone), Terms(end_at=NEW_YEAR + timedelta(days=364)), NEW_YEAR)
    return [(each.date, each.effect) for each in changes]


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("30 2 * * *", VIENNA, [("2026-03-29", "moved"), ("2026-10-25", "first_only")]),
        ("*/15 2 * * *", VIENNA, [("2026-03-29", "left_out"), ("2026-10-25", "both")]),
        ("30 9 * * 1-5", VIENNA, [("2026-03-29", "none"), ("2026-10-25", "none")]),
        ("30 2 * * 1-5", VIENNA, [("2026-03-29", "none"), ("2026-10-25", "none")]),
        ("30 * * * *", VIENNA, [("2026-03-29", "none"), ("2026-10-25", "none")]),
        ("30 2 * * *", NEW_YORK, [("2026-03-08", "moved"), ("2026-11-01", "none")]),
        ("30 1 * * *", NEW_YORK, [("2026-03-08", "none"), ("2026-11-01", "first_only")]),
        ("15 2 * * *", LORD_HOWE, [("2026-04-05", "none"), ("2026-10-04", "moved")]),
        ("45 1 * * *", LORD_HOWE, [("2026-04-05", "first_only"), ("2026-10-04", "none")]),
        ("*/20 1,2 * * *", LORD_HOWE, [("2026-04-05", "both"), ("2026-10-04", "left_out")]),
        ("30 2 * * *", "UTC", []),
        ("30 2 * * *", "Asia/Kolkata", []),
    ],
)
def test_each_change_of_clocks_is_told_with_what_it_does(
    expression: str, zone: str, expected: list[tuple[str, str]]
) -> None:
    assert effects(expression, zone) == expected


def test_a_change_says_by_how_much_the_clocks_are_set() -> None:
    schedule = CronSchedule("0 9 * * *", LORD_HOWE)

    forward, back = coming_changes(
        schedule, Terms(end_at=NEW_YEAR + timedelta(days=500)), NEW_YEAR + timedelta(days=200)
    )

    assert (forward.offset_before_seconds, forward.offset_after_seconds) == (37_800, 39_600)
    assert (back.offset_before_seconds, back.offset_after_seconds) == (39_600, 37_800)
    assert forward.changes_at == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    assert "nothing is due in the time that is skipped" in forward.message


def test_an_interval_knows_no_clocks() -> None:
    assert list(coming_changes(IntervalSchedule(3600, NEW_YEAR), Terms(), NEW_YEAR)) == []


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        (
            "30 2 * * *",
            NEW_YORK,
            datetime(2026, 3, 7, 12, tzinfo=UTC),
            "right after a time that the clocks skip; clocks have changed to EDT",
        ),
        ("30 9 * * *", NEW_YORK, datetime(2026, 3, 7, 15, tzinfo=UTC), "clocks have changed to EDT"),
        (
            "45 1 * * *",
            LORD_HOWE,
            datetime(2026, 4, 3, 15, tzinfo=UTC),
            "this time comes twice: the first one",
        ),
    ],
)
def test_a_run_at_a_change_is_marked(expression: str, zone: str, after: datetime, expected: str) -> None:
    """The run after the change; the one before it has nothing to say."""
    schedule = CronSchedule(expression, zone)
    ticks = list(ticks_between(schedule, after - timedelta(days=1), after + timedelta(days=1)))

    said = notes(schedule, ticks, ZoneInfo(zone))

    assert said == ["", expected]
