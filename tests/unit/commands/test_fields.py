"""Flags become the fields of a config, with what they do not name taken from the config that is there."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from horarium.commands.fields import fields_of, merged_parameters

CRON = {
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 9 * * *", "timezone": "Europe/Paris"},
    "parameters": {"region": "north", "limit": 5},
}
INTERVAL = {"scheduler_type": "interval", "schedule_config": {"hours": 1, "anchor": "x"}, "parameters": {}}


@pytest.mark.parametrize(
    ("given", "kind", "schedule"),
    [
        ({"cron": "*/5 * * * *"}, "cron", {"cron_expression": "*/5 * * * *"}),
        ({"cron": "* * * * *", "tz": "Asia/Tokyo"}, "cron", {"cron_expression": "* * * * *", "timezone": "Asia/Tokyo"}),
        ({"every": {"hours": 2}, "anchor": "x"}, "interval", {"hours": 2, "anchor": "x"}),
        ({"at": "2030-01-31T09:00:00Z"}, "date", {"run_date": "2030-01-31T09:00:00Z"}),
        ({"manual": True}, "manual", {}),
    ],
)
def test_each_kind_of_schedule_has_its_flag(given: dict[str, Any], kind: str, schedule: dict[str, Any]) -> None:
    assert fields_of(given) == {"scheduler_type": kind, "schedule_config": schedule}


@pytest.mark.parametrize(
    ("given", "current", "said"),
    [
        ({}, None, "one of --cron, --every, --at, --manual"),
        ({"tz": "UTC"}, None, "one of --cron, --every, --at, --manual"),
        ({"cron": "* * * * *", "manual": True}, None, "--cron and --manual do not go together"),
        ({"every": {"hours": 1}, "tz": "UTC"}, None, "--tz goes with --cron or --at"),
        ({"cron": "* * * * *", "anchor": "x"}, None, "--anchor goes with --every"),
        ({"tz": "UTC"}, INTERVAL, "--tz is nothing to a config whose schedule is interval"),
        ({"anchor": "x"}, CRON, "--anchor is nothing to a config whose schedule is cron"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(given: Any, current: Any, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        fields_of(given, current)


def test_a_new_expression_keeps_the_zone_that_was_there() -> None:
    fields = fields_of({"cron": "0 8 * * *"}, CRON)

    assert fields["schedule_config"] == {"cron_expression": "0 8 * * *", "timezone": "Europe/Paris"}


def test_a_new_zone_keeps_the_expression_that_was_there() -> None:
    assert fields_of({"tz": "UTC"}, CRON) == {
        "schedule_config": {"cron_expression": "0 9 * * *", "timezone": "UTC"},
    }


def test_another_kind_of_schedule_takes_nothing_from_the_one_before() -> None:
    assert fields_of({"at": "2030-01-31T09:00:00Z"}, INTERVAL)["schedule_config"] == {
        "run_date": "2030-01-31T09:00:00Z",
    }


def test_an_edit_sends_only_what_it_names() -> None:
    assert fields_of({"priority": 0, "description": ""}, CRON) == {"priority": 0, "description": ""}


def test_one_parameter_leaves_the_others_and_an_object_replaces_all() -> None:
    one = merged_parameters({"param": ["limit=7", "note=hi"]}, CRON["parameters"])  # type: ignore[arg-type]
    all_of_them = merged_parameters({"params_json": {"a": 1}, "param": ["b=2"]}, CRON["parameters"])  # type: ignore[arg-type]

    assert one == {"region": "north", "limit": 7, "note": "hi"}
    assert all_of_them == {"a": 1, "b": 2}


def test_dates_and_tags_can_be_emptied() -> None:
    assert fields_of({"end_at": "none", "tag": [""]}, CRON) == {"end_at": None, "tags": []}
    assert fields_of({"start_at": "2030-01-31T09:00:00Z", "tag": ["a", "b"]}, CRON) == {
        "start_at": "2030-01-31T09:00:00+00:00",
        "tags": ["a", "b"],
    }
