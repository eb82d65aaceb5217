"""A schedule of taskiq as a config, and back: in the same sense, or refused with what cannot be honoured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from taskiq import ScheduledTask

from horarium.adopting.translating import Offer, config_of, scheduled_task_of
from horarium.errors import InvalidInput
from horarium.model import TaskConfigCreate

OFFER = Offer.of(
    [
        {
            "name": "app.send",
            "parameters_schema": {
                "properties": {"region": {}, "limit": {}},
                "required": ["region"],
                "additionalProperties": False,
            },
            "labels": {"team": "growth", "queue_name": "post", "timeout": "never", "priority": "200"},
        }
    ]
)


def scheduled(**fields: Any) -> ScheduledTask:
    """A schedule with the id `s1`, by default at nine."""
    known = {"task_name": "app.send", "schedule_id": "s1", "labels": {}, "args": [], "kwargs": {"region": "EU"}}
    return ScheduledTask(**(known | ({} if {"time", "interval"} & fields.keys() else {"cron": "0 9 * * *"}) | fields))


def config(**fields: Any) -> dict[str, Any]:
    """The config of such a schedule, which the API's own model takes."""
    made = config_of(scheduled(**fields), OFFER)
    TaskConfigCreate.model_validate(made)
    return made


def faults(**fields: Any) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        config(**fields)
    return [".".join(map(str, each.loc)) for each in refused.value.errors]


def test_a_config_is_called_by_its_task_and_the_schedules_id() -> None:
    assert config()["name"] == "app.send s1"


@pytest.mark.parametrize(
    ("offset", "zone"),
    [(None, "UTC"), ("Europe/Vienna", "Europe/Vienna"), (timedelta(hours=-5), "Etc/GMT+5")],
)
def test_cron_has_its_offset_as_a_zone(offset: object, zone: str) -> None:
    made = config(cron="*/5 9-17 * * mon-fri", cron_offset=offset)

    assert made["scheduler_type"] == "cron"
    assert made["schedule_config"] == {"cron_expression": "*/5 9-17 * * 1-5", "timezone": zone}


def test_a_time_is_a_date_in_utc() -> None:
    made = config(time=datetime(2030, 1, 31, 9, tzinfo=UTC))

    assert (made["scheduler_type"], made["schedule_config"]) == ("date", {"run_date": "2030-01-31T09:00:00+00:00"})


@pytest.mark.parametrize("interval", [90, timedelta(seconds=90)])
def test_an_interval_is_one_in_seconds(interval: object) -> None:
    made = config(interval=interval)

    assert (made["scheduler_type"], made["schedule_config"]) == ("interval", {"seconds": 90})


def test_positional_arguments_take_the_names_of_the_signature_in_its_order() -> None:
    assert config(args=["EU", 5], kwargs={})["parameters"] == {"region": "EU", "limit": 5}


def test_arguments_are_as_taskiqs_own_formatter_writes_them() -> None:
    assert config(kwargs={"region": datetime(2030, 1, 1, tzinfo=UTC)})["parameters"] == {
        "region": "2030-01-01T00:00:00Z"
    }


def test_labels_that_are_fields_become_fields() -> None:
    made = config(labels={"queue_name": "letters", "priority": "7", "timeout": "2.5", "max_retries": "3"})

    fields = ("queue", "priority", "timeout_seconds", "max_retries")
    assert [made[name] for name in fields] == ["letters", 7, 2.5, 3]


def test_labels_that_the_task_declares_itself_are_on_its_messages_anyhow() -> None:
    made = config(labels={"team": "growth", "queue_name": "post", "timeout": "never", "schedule": "[...]"})

    assert {"queue", "timeout_seconds"} & made.keys() == set()


@pytest.mark.parametrize(
    ("label", "value"),
    [("trace", "1"), ("team", "other"), ("priority", "10"), ("timeout", "soon"), ("max_retries", -1)],
)
def test_a_label_that_cannot_be_honoured_is_named(label: str, value: object) -> None:
    assert faults(labels={label: value}) == [f"labels.{label}"]


def test_every_fault_is_named_at_once() -> None:
    assert faults(task_id="mine", labels={"a": "1", "b": "2"}) == ["task_id", "labels.a", "labels.b"]


def test_a_task_that_is_not_known_there_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"knows no task 'app\.other'.*HORARIUM_BROKER"):
        config(task_name="app.other")


@pytest.mark.parametrize(
    "fields",
    [
        {"kwargs": {"region": "EU", "colour": "red"}},
        {"kwargs": {}},
        {"args": ["EU"]},
        {"args": ["EU", 1, 2], "kwargs": {}},
        {"kwargs": {"region": object()}},
        {"cron": "every day"},
        {"cron_offset": timedelta(hours=5, minutes=30)},
    ],
    ids=["unknown", "missing", "twice", "too many", "no JSON", "no cron", "half an hour"],
)
def test_what_has_no_equal_here_is_refused(fields: dict[str, Any]) -> None:
    assert faults(**fields) == ["app.send"]


@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "0 9 * * 1", "cron_offset": "Europe/Vienna"},
        {"time": datetime(2030, 1, 31, 9, tzinfo=UTC)},
        {"interval": 90},
    ],
)
def test_a_config_is_shown_as_the_schedule_it_was_made_from(fields: dict[str, Any]) -> None:
    kept = TaskConfigCreate.model_validate(config(**fields)).model_dump() | {"queue": "default"}

    shown = scheduled_task_of(kept)

    given = scheduled(**fields)
    assert shown is not None
    assert shown.model_dump(exclude={"labels"}) == given.model_dump(exclude={"labels"})
    assert shown.labels["queue"] == "default"


def test_a_cron_line_that_somebody_has_written_by_its_fields_is_shown_as_one() -> None:
    kept = TaskConfigCreate.model_validate(config()).model_dump() | {"queue": "default"}
    fields = {"minute": "0", "hour": "9", "day": "*", "month": "*", "day_of_week": "1"}

    shown = scheduled_task_of({**kept, "schedule_config": {**fields, "timezone": "UTC"}})

    assert shown is not None
    assert (shown.cron, shown.cron_offset) == ("0 9 * * 1", "UTC")


@pytest.mark.parametrize(
    "change",
    [{"scheduler_type": "manual", "schedule_config": {}}, {"name": "renamed"}, {"schedule_config": {"seconds": 0.5}}],
)
def test_a_config_that_taskiq_would_not_know_is_no_schedule(change: dict[str, Any]) -> None:
    kept = TaskConfigCreate.model_validate(config(interval=90)).model_dump()

    assert scheduled_task_of({**kept, **change}) is None
