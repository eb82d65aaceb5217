"""The schema that editors check horarium.yaml by: it takes what the API takes and marks what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from horarium.manifest import manifest_schema

VALIDATOR = Draft202012Validator(manifest_schema())
CRON = {"name": "a", "task_type": "echo", "scheduler_type": "cron", "schedule_config": {"minute": 5, "hour": "3"}}


def faults(**file: Any) -> list[str]:
    return sorted(".".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(file))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(manifest_schema())


@pytest.mark.parametrize(
    "file",
    [
        {"configs": []},
        {"configs": [CRON], "source": "mine", "x-shared": 3},
        {"configs": [{"name": "a"}], "defaults": {"task_type": "echo", "scheduler_type": "manual"}},
        {"configs": [{**CRON, "scheduler_type": "interval", "schedule_config": {"hours": 1.5}}]},
        {"configs": [{**CRON, "end_at": "2030-01-31T09:00:00Z", "tags": ["a"]}]},
    ],
    ids=str,
)
def test_a_sound_file_has_no_faults(file: dict[str, Any]) -> None:
    assert faults(**file) == []


@pytest.mark.parametrize(
    ("file", "at"),
    [
        ({}, [""]),
        ({"configs": [], "config": []}, [""]),
        ({"configs": [{"task_type": "echo"}]}, ["configs.0"]),
        ({"configs": [{**CRON, "priority": 10}]}, ["configs.0.priority"]),
        ({"configs": [{**CRON, "prioritty": 1}]}, ["configs.0"]),
        ({"configs": [{**CRON, "status": "paused"}]}, ["configs.0.status"]),
        ({"configs": [{**CRON, "schedule_config": {"hours": 1}}]}, ["configs.0.schedule_config"]),
        ({"configs": [], "defaults": {"overlap": "never"}}, ["defaults.overlap"]),
    ],
    ids=str,
)
def test_a_mistake_is_marked_where_it_stands(file: dict[str, Any], at: list[str]) -> None:
    assert faults(**file) == at
