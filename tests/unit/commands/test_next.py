"""`horarium next` works out when a schedule fires with nobody to ask, and says what is wrong by the flag it came by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from horarium.cli import app

if TYPE_CHECKING:
    from click.testing import Result


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(app, ["next", *arguments], env=environ)


def rows(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()[1:]]


def test_each_tick_is_shown_by_its_own_clocks_and_in_utc() -> None:
    result = run("*/30 9-17 * * 1-5", "--tz", "Europe/Paris", "--count", "2", "--from", "2026-07-03T17:30")

    assert rows(result) == [
        "Fri 2026-07-03 17:30:00+02:00 2026-07-03 15:30:00Z",
        "Mon 2026-07-06 09:00:00+02:00 2026-07-06 07:00:00Z",
    ]


def test_a_tick_that_the_clocks_move_is_marked_and_explained() -> None:
    result = run("30 2 * * *", "--tz", "Europe/Paris", "--count", "2", "--from", "2026-03-28T02:00")

    assert rows(result)[1] == (
        "Sun 2026-03-29 03:00:00+02:00 2026-03-29 01:00:00Z right after a time that the clocks skip; "
        "clocks have changed to CEST"
    )
    assert "warning: on 2026-03-29 the clocks change in Europe/Paris: there is no 02:30:00" in result.stderr


def test_of_a_time_that_comes_twice_each_one_is_named() -> None:
    result = run("30 * * * *", "--tz", "Europe/Paris", "--count", "2", "--from", "2026-10-25T00:00Z")

    first, second = rows(result)
    assert first.endswith("this time comes twice: the first one")
    assert second.endswith("this time comes twice: the second one; clocks have changed to CET")


def test_an_interval_counts_from_its_anchor_and_is_shown_by_the_clocks_asked_for() -> None:
    result = run(
        "--every",
        "90m",
        "--anchor",
        "2026-01-01",
        "--from",
        "2026-01-01T01:00Z",
        "--tz",
        "Asia/Kolkata",
        "--count",
        "1",
    )

    assert rows(result) == ["Thu 2026-01-01 07:30:00+05:30 2026-01-01 02:00:00Z"]


def test_an_interval_without_an_anchor_begins_where_the_look_does() -> None:
    result = run("--every", "1d12h", "--from", "2026-01-01T00:00Z", "--count", "2", "--json")

    assert [each["tick_at"] for each in json.loads(result.stdout)["items"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-02T12:00:00Z",
    ]


def test_an_interval_is_written_as_for_a_config() -> None:
    result = run("--every", " 90 ", "--from", "2026-01-01T00:00Z", "--count", "2", "--json")

    assert [each["tick_at"] for each in json.loads(result.stdout)["items"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:30Z",
    ]


def test_a_date_without_an_offset_goes_by_the_zone() -> None:
    result = run("--at", "2090-01-01T09:00", "--tz", "America/New_York", "--json")

    assert json.loads(result.stdout)["items"] == [
        {"tick_at": "2090-01-01T14:00:00Z", "local": "2090-01-01T09:00:00-05:00", "note": None}
    ]


def test_a_schedule_is_said_in_words_beside_its_ticks() -> None:
    shown = run("30 9 * * 1-5", "--tz", "Europe/Vienna")
    as_json = run("30 9 * * 1-5", "--tz", "Europe/Vienna", "--json")

    assert shown.stderr == "Every weekday at 09:30, Europe/Vienna\n"
    assert json.loads(as_json.stdout)["words"] == "Every weekday at 09:30, Europe/Vienna"


def test_no_setting_is_read_however_wrong() -> None:
    result = run("* * * * *", "--count", "1", HORARIUM_PORT="many", HORARIUM_NONSENSE="1")

    assert len(rows(result)) == 1


@pytest.mark.parametrize("arguments", [["0 0 31 2 *"], ["--at", "2020-01-01"]])
def test_a_schedule_with_no_tick_to_come_is_code_1_and_says_so(arguments: list[str]) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("warning: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["*/5 9-32 * * 1-5"], "EXPRESSION: hour '9-32' is not understood; use 0-23"),
        (["* * *"], "EXPRESSION: must have 5 fields"),
        (["* * * * *", "--tz", "Europe/Pariss"], "--tz: is no time zone; did you mean 'Europe/Paris'?"),
        (["--every", "90m", "--tz", "Mars"], "--tz: is no time zone"),
        (["--every", "5m5m"], "--every: must be a duration such as 30s, 5m or 1d2h30m, not '5m5m'"),
        (["--every", "1.5h"], "--every: must be a duration such as 30s, 5m or 1d2h30m, not '1.5h'"),
        (["--every", "0s"], "--every: days, hours, minutes, seconds must add up to whole seconds, at least 1"),
        (["--every", "1h", "--anchor", "noon"], "--anchor: must be an RFC 3339 string"),
        (["--at", "2026-02-30"], "--at: is no date and time of the calendar"),
        (["* * * * *", "--from", "tomorrow"], "--from: must be an RFC 3339 string"),
    ],
)
def test_what_makes_no_sense_is_code_2_with_the_flag_and_the_remedy(arguments: list[str], said: str) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"horarium: {said}")


@pytest.mark.parametrize(
    "arguments",
    [[], ["* * * * *", "--every", "90m"], ["* * * * *", "--anchor", "2026-01-01"], ["* * * * *", "--count", "0"]],
)
def test_a_command_line_that_contradicts_itself_is_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
