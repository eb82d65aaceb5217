"""A crontab's lines become configs that run the same command at the same times, or are named with a reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from horarium.importing import Carried, NotCarried
from horarium.importing.crontab import read_lines, translate
from tests.support.import_target import carried, reason, target, ticks


def imported(text: str, **options: object) -> list[object]:
    """What becomes of each line of a crontab."""
    lines = read_lines(text, user_column=bool(options.pop("user_column", False)))
    return list(translate(lines, target(**options)))


def one(text: str, **options: object) -> dict:
    """The config of the one job of a crontab."""
    [outcome] = imported(text, **options)
    return carried(outcome)


def why_not(text: str, **options: object) -> str:
    """Why the one line of a crontab is not carried over."""
    [outcome] = imported(text, **options)
    return reason(outcome)


def test_a_line_becomes_a_config_of_shell_command_in_the_zone_of_the_machine() -> None:
    config = one("*/5 9-17 * * 1-5  /usr/bin/backup --all", timezone="Europe/Berlin")

    assert config["name"] == "/usr/bin/backup --all"
    assert (config["task_type"], config["scheduler_type"]) == ("shell_command", "cron")
    assert config["parameters"] == {"argv": ["/bin/sh", "-c", "/usr/bin/backup --all"]}
    assert config["schedule_config"] == {"cron_expression": "*/5 9-17 * * 1-5", "timezone": "Europe/Berlin"}


def test_as_under_cron_runs_may_overlap_and_missed_ones_are_not_made_up_for() -> None:
    config = one("* * * * * job")

    assert (config["overlap"], config["catchup"]) == ("allow_all", "skip")


def test_variables_hold_for_the_lines_below_them() -> None:
    text = "@daily before\nSHELL=/bin/bash\nPATH = '/opt/bin:/bin'\n@daily after\n"

    first, second = map(carried, imported(text))

    assert first["parameters"] == {"argv": ["/bin/sh", "-c", "before"]}
    assert second["parameters"] == {"argv": ["/bin/bash", "-c", "after"], "env": {"PATH": "/opt/bin:/bin"}}


def test_home_is_where_commands_run() -> None:
    assert one("HOME=/srv/app\n0 0 * * * job")["parameters"]["cwd"] == "/srv/app"


def test_cron_tz_is_the_zone_of_the_lines_below_it() -> None:
    config = one("CRON_TZ=America/New_York\n0 9 * * * job", timezone="UTC")

    assert config["schedule_config"]["timezone"] == "America/New_York"
    assert ticks(config, 1) == [datetime(2027, 1, 4, 14, tzinfo=UTC)]


def test_tz_is_the_commands_alone_and_that_is_said() -> None:
    [outcome] = imported("TZ=Asia/Tokyo\n0 9 * * * job")

    assert carried(outcome)["schedule_config"]["timezone"] == "UTC"
    assert carried(outcome)["parameters"]["env"] == {"TZ": "Asia/Tokyo"}
    assert isinstance(outcome, Carried)
    assert outcome.notes == ("TZ=Asia/Tokyo is set for the command alone; its times are those of UTC",)


def test_a_random_delay_of_nothing_is_none() -> None:
    [outcome] = imported("RANDOM_DELAY=0\n0 9 * * * job")

    assert "jitter_seconds" not in carried(outcome)
    assert outcome.notes == ()


def test_a_random_delay_of_minutes_is_jitter_of_seconds() -> None:
    assert one("RANDOM_DELAY=6\n0 9 * * * job")["jitter_seconds"] == 360


@pytest.mark.parametrize(
    ("macro", "expression"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_macros_are_the_expressions_they_stand_for(macro: str, expression: str) -> None:
    assert one(f"{macro} job")["schedule_config"]["cron_expression"] == expression


def test_an_escaped_percent_sign_is_one_and_a_bare_one_starts_input() -> None:
    assert one(r"0 0 * * * date +\%F")["parameters"]["argv"][2] == "date +%F"
    assert "has input after a %" in why_not("0 0 * * * mail -s hello%Dear%all")


def test_both_day_fields_given_mean_either_as_in_cron() -> None:
    config = one("0 0 13 * 5 job")

    days = [(tick.day, tick.isoweekday()) for tick in ticks(config, 60)]
    assert all(day == 13 or weekday == 5 for day, weekday in days)
    assert [day for day, weekday in days if weekday != 5] != []


def test_a_star_in_front_of_a_day_field_means_both_as_in_cron() -> None:
    config = one("0 0 */2 * 5 job")

    assert {(tick.day % 2, tick.isoweekday()) for tick in ticks(config, 60)} == {(1, 5)}


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_has_all_its_names(sunday: str) -> None:
    assert {tick.isoweekday() for tick in ticks(one(f"0 0 * * {sunday} job"))} == {7}


def test_a_system_crontab_names_users_and_that_they_are_lost_is_said() -> None:
    [outcome] = imported("17 * * * * www-data cd / && run-parts /etc/cron.hourly", user_column=True)

    assert carried(outcome)["parameters"]["argv"][2] == "cd / && run-parts /etc/cron.hourly"
    assert isinstance(outcome, Carried)
    assert outcome.notes == ("ran as the user www-data; runs as the worker's user",)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@reboot start", "runs when the machine starts"),
        ("@every_minute start", "@every_minute is not known"),
        ("0~30 * * * * job", "draws its time at random"),
        ("H H * * * job", "draws its time at random"),
        ("0 0 30 2 * job", "never fires"),
        ("61 * * * * job", "minute '61' is not understood"),
        ("0 0 * *", "has too few fields"),
    ],
)
def test_what_has_no_equal_is_named_with_the_reason(line: str, why: str) -> None:
    assert why in why_not(line)


def test_what_stays_behind_is_named_by_its_line() -> None:
    outcomes = imported("# first\n\n@reboot start\n")

    assert [each.name for each in outcomes if isinstance(each, NotCarried)] == ["line 3: start"]


def test_mail_is_missed_only_where_somebody_got_it() -> None:
    assert imported('MAILTO=""\n') == []
    assert "nobody is mailed" in why_not("MAILTO=ops@example.org\n")


def test_without_a_zone_nobody_can_say_when_it_runs() -> None:
    assert "--timezone" in why_not("0 0 * * * job", timezone=None)


def test_where_shell_command_is_off_it_is_said_how_to_turn_it_on() -> None:
    assert why_not("0 0 * * * job", types={}) == "shell_command is off there; HORARIUM_ALLOW_SHELL=1 turns it on"


def test_names_are_unique_and_a_line_added_below_changes_none() -> None:
    before = [carried(each)["name"] for each in imported("0 0 * * * job\n0 6 * * * job\n")]
    after = [carried(each)["name"] for each in imported("0 0 * * * job\n0 6 * * * job\n0 9 * * * job\n")]

    assert before == ["job", "job #2"]
    assert after == [*before, "job #3"]


def test_a_long_command_has_a_short_name() -> None:
    config = one(f"0 0 * * * {'x' * 500}")

    assert len(config["name"]) == 80
    assert config["parameters"]["argv"][2] == "x" * 500
