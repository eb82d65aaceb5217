"""The days the clocks change: every rule of the package's docstring, by table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from horarium.schedule import CronSchedule, IntervalSchedule, next_tick, ticks_between, zones

BERLIN_GAP = datetime(2024, 3, 31, 1, tzinfo=UTC)  # 02:00 becomes 03:00
BERLIN_FOLD = datetime(2024, 10, 27, 1, tzinfo=UTC)  # 03:00 becomes 02:00
LORD_HOWE_GAP = datetime(2024, 10, 5, 15, 30, tzinfo=UTC)  # 02:00 becomes 02:30
LORD_HOWE_FOLD = datetime(2024, 4, 6, 15, tzinfo=UTC)  # 02:00 becomes 01:30
SAO_PAULO_GAP = datetime(2018, 11, 4, 3, tzinfo=UTC)  # midnight becomes 01:00
SAMOA_GAP = datetime(2011, 12, 30, 10, tzinfo=UTC)  # the whole of 30 December is left out


def minutes_from(change: datetime, expression: str, zone: str) -> list[float]:
    """Ticks within two hours of a change, in minutes from it."""
    reach = timedelta(hours=2)
    ticks = ticks_between(CronSchedule(expression, zone), change - reach, change + reach)
    return [(tick - change) / timedelta(minutes=1) for tick in ticks]


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *", "15 30 2 * * *", "* 0-59 2 * * *", "0 2,3 * * *"])
def test_fixed_times_in_a_gap_run_once_right_after_it(expression: str) -> None:
    assert 0 in minutes_from(BERLIN_GAP, expression, "Europe/Berlin")
    assert minutes_from(BERLIN_GAP, expression, "Europe/Berlin").count(0) == 1


def test_a_fixed_time_before_the_gap_does_not_run_again_after_it() -> None:
    assert minutes_from(BERLIN_GAP, "30 1 * * *", "Europe/Berlin") == [-30]


@pytest.mark.parametrize(("expression", "expected"), [("*/30 2 * * *", []), ("30 * * * *", [-90, -30, 30, 90])])
def test_wildcards_have_no_ticks_in_a_gap(expression: str, expected: list[float]) -> None:
    assert minutes_from(BERLIN_GAP, expression, "Europe/Berlin") == expected


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
def test_a_repeated_hour_runs_fixed_times_once(expression: str) -> None:
    assert minutes_from(BERLIN_FOLD, expression, "Europe/Berlin") == [-30]


@pytest.mark.parametrize("expression", ["*/30 2 * * *", "0 */30 2 * * *"])
def test_a_repeated_hour_runs_wildcards_twice(expression: str) -> None:
    assert minutes_from(BERLIN_FOLD, expression, "Europe/Berlin") == [-60, -30, 0, 30]


def test_a_cursor_inside_the_repeated_hour_never_leads_into_the_past() -> None:
    """CronSim 2.8 answers 02:30 of the first pass here, half an hour ago."""
    inside = BERLIN_FOLD + timedelta(minutes=10)

    assert next_tick(CronSchedule("30 2 * * *", "Europe/Berlin"), inside) == datetime(2024, 10, 28, 1, 30, tzinfo=UTC)


def test_a_half_hour_gap_skips_half_an_hour_only() -> None:
    assert minutes_from(LORD_HOWE_GAP, "*/10 3-23/3 * * *", "Australia/Lord_Howe")[:3] == [30, 40, 50]
    assert minutes_from(LORD_HOWE_GAP, "10,40 2 * * *", "Australia/Lord_Howe") == [0, 10]


def test_a_half_hour_fold_repeats_half_an_hour_only() -> None:
    assert minutes_from(LORD_HOWE_FOLD, "*/15 1 * * *", "Australia/Lord_Howe") == [-60, -45, -30, -15, 0, 15]
    assert minutes_from(LORD_HOWE_FOLD, "0,15,30,45 1 * * *", "Australia/Lord_Howe") == [-60, -45, -30, -15]


def test_a_gap_at_midnight_belongs_to_the_day_that_begins() -> None:
    assert minutes_from(SAO_PAULO_GAP, "0 0 4 11 *", "America/Sao_Paulo") == [0]
    assert minutes_from(SAO_PAULO_GAP, "0 0 3 11 *", "America/Sao_Paulo") == []
    assert minutes_from(SAO_PAULO_GAP, "*/30 0-1 4 11 *", "America/Sao_Paulo") == [0, 30]


def test_a_day_that_a_zone_leaves_out_runs_as_the_next_one_begins() -> None:
    assert minutes_from(SAMOA_GAP, "0 12 30 12 *", "Pacific/Apia") == [0]


def test_an_hour_repeated_across_midnight_utc_runs_fixed_times_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No zone of the IANA database does this yet, so one is made: from 23:30 UTC on, 01:30 becomes 00:30."""
    midnight = datetime(2024, 6, 1, tzinfo=UTC)
    second = int(midnight.timestamp()) - 1800
    changes = {second // 86_400: zones.Change(second, before=7200, after=3600)}
    monkeypatch.setattr(zones, "change_on", lambda _, day: changes.get(day))

    assert minutes_from(midnight, "0 1 * * *", "Etc/GMT-1") == [-60]
    assert minutes_from(midnight, "*/60 1 * * *", "Etc/GMT-1") == [-60, 0]


@pytest.mark.parametrize("change", [BERLIN_GAP, BERLIN_FOLD])
def test_intervals_do_not_notice(change: datetime) -> None:
    hourly = IntervalSchedule(3600, change - timedelta(days=9, minutes=30))

    ticks = list(ticks_between(hourly, change - timedelta(hours=1), change + timedelta(hours=1)))

    assert ticks == [change - timedelta(minutes=30), change + timedelta(minutes=30)]
