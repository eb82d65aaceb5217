"""What travels in and out of the API: defaults, refusals by name, and a row as the API shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import ValidationError

from horarium.model import Execution, PauseRequest, TaskConfigCreate, TaskConfigPatch

GOOD: dict[str, Any] = {"name": "n", "task_type": "echo", "scheduler_type": "manual"}
NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": UUID(int=7), "config_id": 1, "task_type": "echo", "trigger": "schedule", "tick_at": NOON, "tick_until": None,
    "tick_count": 1, "for_tick": None, "retry_of": None, "status": "running", "reason": None, "attempt": 2,
    "earlier_attempts": [], "queue": "default", "worker": "w", "created_at": NOON, "queued_at": NOON,
    "started_at": None, "completed_at": None, "deadline_at": None, "buffered": False, "cancel_requested_at": None,
    "result": None, "error": None, "message_id": None, "message": None,
}  # fmt: skip


def at_fault(model: type[Any], given: object) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(given)
    return {".".join(map(str, error["loc"])) for error in refused.value.errors()}


def test_a_config_needs_a_name_a_task_and_a_kind_of_schedule() -> None:
    assert at_fault(TaskConfigCreate, {}) == {"name", "task_type", "scheduler_type"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"name": " "}, "name"),
        ({"status": "paused"}, "status"),
        ({"priority": 10}, "priority"),
        ({"tags": ["ok", ""]}, "tags.1"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"queue": "a b"}, "queue"),
        ({"start_at": "2024-01-01T00:00:00"}, "start_at"),
        ({"start_at": "1969-12-31T00:00:00Z"}, "start_at"),
        ({"end_at": "9998-01-01T00:00:00Z"}, "end_at"),
    ],
)
def test_a_field_at_fault_is_named(fields: dict[str, object], field: str) -> None:
    assert at_fault(TaskConfigCreate, GOOD | fields) == {field}


def strictly(given: dict[str, object]) -> set[str]:
    """The fields at fault in a body, read as the API reads it."""
    with pytest.raises(ValidationError) as refused:
        TaskConfigCreate.model_validate_json(orjson.dumps(GOOD | given), strict=True)
    return {".".join(map(str, error["loc"])) for error in refused.value.errors()}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"priority": True}, "priority"),
        ({"max_retries": "7"}, "max_retries"),
        ({"jitter_seconds": 86_401}, "jitter_seconds"),
        ({"jitter_seconds": 1.5}, "jitter_seconds"),
        ({"timeout_seconds": "7"}, "timeout_seconds"),
        ({"start_at": 1_900_000_000}, "start_at"),
        ({"start_at": "1900000000"}, "start_at"),
        ({"start_at": "2030-01-01"}, "start_at"),
        ({"start_at": "2030-01-01T00:00:60Z"}, "start_at"),
        ({"end_at": "2030-01-01T00:00:00+0100"}, "end_at"),
        ({"name": "\u200b"}, "name"),
        ({"name": "a\x7fb"}, "name"),
        ({"tags": ["ok", "a\u200bb"]}, "tags.1"),
    ],
)
def test_a_body_is_read_strictly(fields: dict[str, object], field: str) -> None:
    assert strictly(fields) == {field}


def test_a_body_read_strictly_may_hold_lists_choices_whole_seconds_and_instants() -> None:
    given = {"tags": ["é"], "overlap": "skip", "timeout_seconds": 5, "start_at": "2030-01-01t02:00:00.5+02:00"}

    config = TaskConfigCreate.model_validate_json(orjson.dumps(GOOD | given), strict=True)

    assert (config.tags, config.overlap, config.timeout_seconds) == (["é"], "skip", 5.0)
    assert config.start_at == datetime(2030, 1, 1, microsecond=500_000, tzinfo=UTC)


def test_a_name_is_kept_without_the_blanks_around_it() -> None:
    assert TaskConfigCreate.model_validate(GOOD | {"name": "  n  "}).name == "n"


def test_the_defaults_are_those_of_the_contract() -> None:
    config = TaskConfigCreate.model_validate(GOOD)

    assert (config.overlap, config.catchup) == ("skip", "latest")
    assert (config.catchup_window_seconds, config.max_catchup_runs) == (3600, 100)
    assert (config.status, config.queue, config.parameters, config.schedule_config) == ("active", None, {}, {})


def test_no_two_configs_share_a_default() -> None:
    first, second = TaskConfigCreate.model_validate(GOOD), TaskConfigCreate.model_validate(GOOD)

    first.tags.append("a")

    assert second.tags == []


def test_an_edit_knows_what_was_given() -> None:
    patch = TaskConfigPatch.model_validate({"end_at": None, "priority": 1})

    assert patch.model_dump(exclude_unset=True) == {"end_at": None, "priority": 1}


@pytest.mark.parametrize("name", sorted(TaskConfigPatch.model_fields.keys() - {"start_at", "end_at"}))
def test_only_dates_can_be_emptied(name: str) -> None:
    assert at_fault(TaskConfigPatch, {name: None}) == {name}


@pytest.mark.parametrize("field", ["status", "version", "id", "colour"])
def test_an_edit_refuses_what_it_cannot_change(field: str) -> None:
    assert at_fault(TaskConfigPatch, {field: 1}) == {field}


@pytest.mark.parametrize("given", [[], "x", 1, None])
def test_what_is_no_object_is_refused(given: object) -> None:
    assert at_fault(TaskConfigPatch, given) == {""}


def test_a_pause_may_say_nothing() -> None:
    assert PauseRequest().model_dump() == {"reason": None, "until": None}


def test_an_execution_that_has_not_started_has_no_attempt_of_its_own_yet() -> None:
    shown = Execution.of(ROW)

    assert shown.attempts == []
    assert (shown.task_id, shown.duration_seconds, shown.lateness_seconds) == (UUID(int=7), None, None)


def test_an_execution_shows_earlier_attempts_and_then_its_own() -> None:
    earlier = {"attempt": 1, "status": "failed", "error": "no"}
    times = {"started_at": NOON + timedelta(seconds=1.5), "completed_at": NOON + timedelta(seconds=4)}

    shown = Execution.of(ROW | times | {"earlier_attempts": [earlier], "status": "success"})

    assert [(each.attempt, each.status) for each in shown.attempts] == [(1, "failed"), (2, "success")]
    assert (shown.started_at, shown.duration_seconds) == (NOON + timedelta(seconds=1.5), 2.5)


def test_an_execution_is_as_late_as_its_first_attempt_was_and_no_later_for_its_retries() -> None:
    earlier = {"attempt": 1, "status": "failed", "error": "no", "started_at": "2024-05-08T12:00:00.25+00:00"}
    row = ROW | {"earlier_attempts": [earlier]}

    waits = Execution.of(row | {"status": "retrying"})
    runs = Execution.of(row | {"started_at": NOON + timedelta(seconds=40)})

    assert (waits.lateness_seconds, runs.lateness_seconds) == (0.25, 0.25)
