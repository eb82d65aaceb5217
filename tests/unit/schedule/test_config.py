"""Reading configs: what is accepted, what is stored, and that every fault names its field and a remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    ScheduleError,
    normalise_config,
    parse_schedule,
)

NOW = datetime(2024, 5, 8, 12, 0, 0, 250_000, tzinfo=UTC)
EVERY = "* * * * *"
JSON = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({}))
CRON_TEXT = st.lists(st.text("0123456789*/-,L#WMONJA", min_size=1, max_size=6), min_size=4, max_size=7).map(" ".join)
KEYS = (
    "cron_expression", "minute", "hour", "day", "month", "day_of_week", "timezone",
    "days", "hours", "minutes", "seconds", "anchor", "run_date", "other",
)  # fmt: skip
GOOD = [
    ("cron", {"cron_expression": " */5  9-17 * * mon-fri ", "timezone": "Europe/Berlin"}),
    ("cron", {"minute": 0, "hour": "3"}),
    ("interval", {"hours": 1, "minutes": 30.0}),
    ("interval", {"seconds": 10, "anchor": "1970-01-01T00:00:00z"}),
    ("date", {"run_date": "2030-07-01 09:00:00.1239", "timezone": "America/New_York"}),
    ("date", {"run_date": "1970-01-01T00:00:00Z", "timezone": "America/New_York"}),
    ("manual", {}),
]


def fault(scheduler_type: str, config: dict[str, object]) -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(scheduler_type, config, now=NOW)
    return caught.value


def attempt(scheduler_type: str, config: dict[str, object]) -> str:
    """Say which field was refused, or whether what is stored is stored for good."""
    try:
        stored = normalise_config(scheduler_type, config, now=NOW)
    except ScheduleError as error:
        return error.field
    return "stored" if normalise_config(scheduler_type, stored, now=NOW) == stored else "changed"


def test_equal_crons_in_different_spelling_are_equal_schedules() -> None:
    spelled = parse_schedule("cron", {"cron_expression": " 0  9 * * mon "}, now=NOW)
    by_field = parse_schedule("cron", {"minute": 0, "hour": 9, "day_of_week": "Mon"}, now=NOW)

    assert spelled == by_field == CronSchedule("0 9 * * MON", "UTC")


def test_an_interval_adds_its_units_up() -> None:
    config = {"days": 1, "hours": 2, "minutes": 0.5, "seconds": 3, "anchor": "2024-01-01T00:00:00+01:00"}

    schedule = parse_schedule("interval", config, now=NOW)

    assert schedule == IntervalSchedule(93_633, datetime(2023, 12, 31, 23, tzinfo=UTC))


def test_an_interval_without_anchor_is_pinned_to_now_for_good() -> None:
    stored = normalise_config("interval", {"minutes": 5}, now=NOW)

    assert stored == {"minutes": 5, "anchor": "2024-05-08T12:00:00+00:00"}
    assert normalise_config("interval", stored, now=NOW + timedelta(days=1)) == stored


def test_fields_left_out_of_a_cron_are_stars() -> None:
    stored = normalise_config("cron", {"hour": 3}, now=NOW)

    assert stored == {
        "minute": "*", "hour": "3", "day": "*", "month": "*", "day_of_week": "*", "timezone": "UTC",
    }  # fmt: skip


def test_manual_has_nothing_to_say() -> None:
    assert parse_schedule("manual", {}, now=NOW) == ManualSchedule()


@pytest.mark.parametrize(
    ("run_date", "zone", "instant"),
    [
        ("2030-01-01T09:00:00Z", "Europe/Berlin", datetime(2030, 1, 1, 9, tzinfo=UTC)),
        ("2030-01-01T09:00:00+05:30", "UTC", datetime(2030, 1, 1, 3, 30, tzinfo=UTC)),
        ("2030-01-01T09:00", "Europe/Berlin", datetime(2030, 1, 1, 8, tzinfo=UTC)),
        ("2024-03-31T02:30:00", "Europe/Berlin", datetime(2024, 3, 31, 1, tzinfo=UTC)),  # in the gap
        ("2024-10-27T02:30:00", "Europe/Berlin", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),  # the first of two
        ("2024-10-06T02:10:00", "Australia/Lord_Howe", datetime(2024, 10, 5, 15, 30, tzinfo=UTC)),
        ("2011-12-30T12:00:00", "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("2030-01-01T09:00:00.123987Z", "UTC", datetime(2030, 1, 1, 9, 0, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_a_run_date_is_read_in_its_zone(run_date: str, zone: str, instant: datetime) -> None:
    schedule = parse_schedule("date", {"run_date": run_date, "timezone": zone}, now=NOW)

    assert schedule == DateSchedule(instant)


@pytest.mark.parametrize(("scheduler_type", "config"), GOOD)
def test_what_is_stored_means_the_same_and_stays_as_it_is(scheduler_type: str, config: dict[str, object]) -> None:
    stored = normalise_config(scheduler_type, config, now=NOW)
    read_back = json.loads(json.dumps(stored))
    later = NOW + timedelta(days=9)

    assert normalise_config(scheduler_type, read_back, now=later) == stored
    assert parse_schedule(scheduler_type, read_back, now=later) == parse_schedule(scheduler_type, config, now=NOW)


@given(
    run_date=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # wall clock times are naive
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Africa/Monrovia", "Pacific/Apia", "Africa/Casablanca"]),
)
def test_any_run_date_is_stored_for_good(run_date: datetime, zone: str) -> None:
    stored = normalise_config("date", {"run_date": run_date.isoformat(), "timezone": zone}, now=NOW)

    assert normalise_config("date", stored, now=NOW) == stored


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("", "must have 5 fields"),
        ("@daily", "must have 5 fields"),
        ("* * * * * * *", "it has 7"),
        ("61 * * * *", "minute '61' is not understood; use 0-59"),
        ("* 24 * * *", "hour '24' is not understood; use 0-23"),
        ("* * 0 * *", "day '0' is not understood; use 1-31"),
        ("* * * FOO *", "month 'FOO' is not understood; use 1-12 or JAN-DEC"),
        ("* * * * MON#6", "day_of_week 'MON#6' is not understood; use 0-7 or SUN-SAT"),
        ("60 * * * * *", "second '60' is not understood; use 0-59"),
        ("5-1 * * * *", "minute '5-1' is not understood"),
        ("*/0 * * * *", "minute '*/0' is not understood"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("٣ * * * *", "plain ASCII"),
        ("9" * 5000 + " * * * *", "at most 1000 characters"),
        (5, "must be a string"),
        (None, "must be a string"),
    ],
)
def test_a_bad_expression_is_told_what_is_wrong(expression: object, remedy: str) -> None:
    error = fault("cron", {"cron_expression": expression})

    assert error.field == "cron_expression"
    assert remedy in error.message


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"minute": "75"}, "minute"),
        ({"minute": 75}, "minute"),
        ({"minute": True}, "minute"),
        ({"minute": "1 2"}, "minute"),
        ({"hour": ""}, "hour"),
        ({"hour": 1.5}, "hour"),
        ({"day": 32}, "day"),
        ({"day": "31", "month": "FEB", "hour": "0"}, "day"),
        ({"month": "13"}, "month"),
        ({"day_of_week": "8"}, "day_of_week"),
        ({"second": "5", "minute": "*"}, "second"),
        ({"cron_expression": EVERY, "minute": "5"}, "cron_expression"),
        ({}, "cron_expression"),
        ({"timezone": "UTC"}, "cron_expression"),
    ],
)
def test_a_bad_cron_field_is_named(config: dict[str, object], field: str) -> None:
    assert fault("cron", config).field == field


@pytest.mark.parametrize(
    "zone",
    ["", "/UTC", "../etc/passwd", "America", "UTC\0", "localtime", "Mars/Olympus", "x" * 5000, "utc", None, 5],
)
def test_an_unknown_zone_is_refused_and_no_path_is_followed(zone: object) -> None:
    assert fault("cron", {"cron_expression": EVERY, "timezone": zone}).field == "timezone"
    assert fault("date", {"run_date": "2030-01-01T00:00:00Z", "timezone": zone}).field == "timezone"


def test_a_misspelled_zone_gets_a_suggestion() -> None:
    assert (
        "did you mean 'Europe/Berlin'?"
        in fault("cron", {"cron_expression": EVERY, "timezone": "europe/Belrin"}).message
    )


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 0.5}, "seconds"),
        ({"minutes": -1, "hours": 1}, "minutes"),
        ({"hours": "1"}, "hours"),
        ({"hours": False}, "hours"),
        ({"days": 36_501}, "days"),
        ({"days": 36_500, "seconds": 1}, "seconds"),
        ({"days": 10**400}, "days"),
        ({"days": float("nan")}, "days"),
        ({"days": float("inf")}, "days"),
        ({"weeks": 1}, "weeks"),
        ({"seconds": 5, "timezone": "UTC"}, "timezone"),
        ({"seconds": 5, "anchor": "2024-01-01T00:00:00"}, "anchor"),
        ({"seconds": 5, "anchor": 0}, "anchor"),
    ],
)
def test_a_bad_interval_is_named(config: dict[str, object], field: str) -> None:
    assert fault("interval", config).field == field


@pytest.mark.parametrize(
    ("run_date", "remedy"),
    [
        ("tomorrow", "RFC 3339"),
        ("2030-01-01", "RFC 3339"),
        ("20300101T000000Z", "RFC 3339"),
        (1_900_000_000, "RFC 3339"),
        ("2030-02-30T00:00:00Z", "calendar"),
        ("2030-01-01T24:00:00Z", "calendar"),
        ("2030-01-01T23:59:60Z", "calendar"),
        ("0000-01-01T00:00:00Z", "calendar"),
        ("2030-01-01T00:00:00+24:00", "calendar"),
        ("0001-01-01T00:00:00+05:00", "years 1970 to 9997"),
        ("9999-12-31T23:59:59-05:00", "years 1970 to 9997"),
        ("1969-12-31T23:59:59Z", "years 1970 to 9997"),
    ],
)
def test_a_bad_run_date_is_told_what_is_wrong(run_date: object, remedy: str) -> None:
    error = fault("date", {"run_date": run_date})

    assert error.field == "run_date"
    assert remedy in error.message


@pytest.mark.parametrize(
    ("scheduler_type", "config", "field"),
    [
        ("weekly", {}, "scheduler_type"),
        ("manual", {"minute": "5"}, "minute"),
        ("date", {}, "run_date"),
        ("date", {"run_date": "2030-01-01T00:00:00Z", "jitter": 5}, "jitter"),
    ],
)
def test_what_does_not_belong_is_named(scheduler_type: str, config: dict[str, object], field: str) -> None:
    assert fault(scheduler_type, config).field == field


def test_an_error_prints_its_field_and_its_remedy() -> None:
    assert str(fault("manual", {"x": 1})) == "x: unknown field; a manual schedule takes no fields"


@given(
    scheduler_type=st.sampled_from(["cron", "interval", "date", "manual", "other"]),
    config=st.dictionaries(st.sampled_from(KEYS), CRON_TEXT | JSON, max_size=4),
)
def test_any_config_is_either_stored_or_refused_by_field(scheduler_type: str, config: dict[str, object]) -> None:
    outcome = attempt(scheduler_type, config)

    assert outcome in {"stored", *config, "scheduler_type", "cron_expression", "seconds", "run_date", "timezone"}


@given(expression=CRON_TEXT)
def test_any_expression_is_either_stored_or_refused(expression: str) -> None:
    assert attempt("cron", {"cron_expression": expression}) in {"stored", "cron_expression"}
