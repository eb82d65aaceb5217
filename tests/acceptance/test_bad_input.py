"""What is wrong is refused where it is given: a 4xx that names the field, and nothing stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.processes import Client

GOOD: dict[str, Any] = {
    "name": "bad input",
    "task_type": "echo",
    "parameters": {"message": "hello"},
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 6 * * *"},
}


def cron(**schedule: object) -> dict[str, object]:
    return {"schedule_config": schedule}


def date(**schedule: object) -> dict[str, object]:
    return {"scheduler_type": "date", "schedule_config": schedule}


BREAKS_A_RULE = {
    "an unknown task type": ({"task_type": "nope"}, "task_type"),
    "no task type": ({"task_type": None}, "task_type"),
    "a bad cron": (cron(cron_expression="99 * * * *"), "schedule_config.cron_expression"),
    "a cron of four fields": (cron(cron_expression="* * * *"), "schedule_config.cron_expression"),
    "a cron that never fires": (cron(cron_expression="0 0 30 2 *"), "schedule_config.cron_expression"),
    "a cron that is a number": (cron(cron_expression=5), "schedule_config.cron_expression"),
    "a bad field of a cron": (cron(minute="60"), "schedule_config.minute"),
    "an unknown zone": (cron(cron_expression="* * * * *", timezone="Mars/Base"), "schedule_config.timezone"),
    "an unknown schedule field": (cron(cron_expression="* * * * *", secs=1), "schedule_config.secs"),
    "a run date in the past": (date(run_date="2020-01-01T00:00:00Z"), "schedule_config.run_date"),
    "a run date that is none": (date(run_date="soon"), "schedule_config.run_date"),
    "no run date": (date(), "schedule_config.run_date"),
    "an interval of nothing": ({"scheduler_type": "interval", "schedule_config": {"seconds": 0}}, "schedule_config"),
    "an interval of less": ({"scheduler_type": "interval", "schedule_config": {"seconds": -5}}, "schedule_config"),
    "an unknown kind of schedule": ({"scheduler_type": "weekly"}, "scheduler_type"),
    "a parameter of the wrong type": ({"parameters": {"message": 1}}, "parameters.message"),
    "a missing parameter": ({"parameters": {}}, "parameters.message"),
    "an unknown parameter": ({"parameters": {"message": "x", "colour": 1}}, "parameters.colour"),
    "parameters that are a list": ({"parameters": []}, "parameters"),
    "an unknown field": ({"colour": "red"}, "colour"),
    "an empty name": ({"name": "  "}, "name"),
    "a name with a line break": ({"name": "bad\ninput"}, "name"),
    "a name too long": ({"name": "x" * 201}, "name"),
    "a priority of ten": ({"priority": 10}, "priority"),
    "no timeout at all": ({"timeout_seconds": 0}, "timeout_seconds"),
    "a negative number of retries": ({"max_retries": -1}, "max_retries"),
    "an end before its start": ({"start_at": "2099-01-02T00:00:00Z", "end_at": "2099-01-01T00:00:00Z"}, "end_at"),
    "a start without a zone": ({"start_at": "2099-01-02T00:00:00"}, "start_at"),
    "a start before the calendar": ({"start_at": "0001-01-01T00:00:00Z"}, "start_at"),
    "a start that no zone reaches": ({"start_at": "0001-01-01T00:00:00+14:00"}, "start_at"),
    "an end after the calendar": ({"end_at": "9999-12-31T23:59:59-14:00"}, "end_at"),
    "an end that leaves no tick": ({"end_at": "2020-01-01T00:00:00Z"}, "end_at"),
    "an overlap not offered": ({"overlap": "buffer_everything"}, "overlap"),
    "a start that is a number": ({"start_at": 4_000_000_000}, "start_at"),
    "a priority that is a truth": ({"priority": True}, "priority"),
    "a number that is a text": ({"max_retries": "7"}, "max_retries"),
    "a name that cannot be seen": ({"name": "\u200b"}, "name"),
    "a tag with a control character": ({"tags": ["a\x7fb"]}, "tags.0"),
    "a NUL in a parameter": ({"parameters": {"message": "a\x00b"}}, "body"),
    "a queue that is a path": ({"queue": "../etc"}, "queue"),
}
MALFORMED = {
    "broken JSON": (b'{"name": ', 400),
    "nothing": (b"", 400),
    "a byte that is no UTF-8": (b'{"name": "\xff"}', 400),
    "a body of 5 MB": (b'{"name": "' + b"x" * 5_000_000 + b'"}', 413),
    "a text": (b'"hello"', 422),
    "a list": (b"[]", 422),
    "a NUL": (b'{"name": "a\\u0000b"}', 422),
    "a lone surrogate": (b'{"name": "a\\ud800b"}', 400),
    "depth without end": (b"[" * 100_000, 400),
    "parameters nested too deeply": (b'{"parameters": {"message": ' + b"[" * 300 + b"]" * 300 + b"}}", 400),
}


def stored(admin: Client) -> int:
    return int(admin.get("/task-configs", limit=1)["total"])


@pytest.mark.parametrize(("fields", "at_fault"), BREAKS_A_RULE.values(), ids=BREAKS_A_RULE.keys())
def test_a_config_that_breaks_a_rule_is_refused_by_the_name_of_the_field(
    admin: Client, fields: dict[str, object], at_fault: str
) -> None:
    before = stored(admin)

    answer = admin.call("POST", "/task-configs", GOOD | fields)

    assert (answer.status, answer.body["code"]) == (422, "invalid_input")
    assert any(fault == at_fault or fault.startswith(f"{at_fault}.") for fault in answer.faults), answer.body
    assert all(error["msg"] for error in answer.body["errors"])
    assert stored(admin) == before


@pytest.mark.parametrize(("body", "status"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_no_config_is_refused(admin: Client, body: bytes, status: int) -> None:
    before = stored(admin)

    answer = admin.call("POST", "/task-configs", body)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"]
    assert stored(admin) == before


def test_a_body_of_another_type_is_refused(admin: Client) -> None:
    answer = admin.call("POST", "/task-configs", GOOD, headers={"Content-Type": "text/plain"})

    assert answer.status == 415


def test_a_name_that_is_taken_is_refused(admin: Client) -> None:
    admin.post("/task-configs", GOOD | {"name": "taken"})
    before = stored(admin)

    answer = admin.call("POST", "/task-configs", GOOD | {"name": "taken"})

    assert (answer.status, answer.body["code"]) == (409, "duplicate_name")
    assert stored(admin) == before


@pytest.mark.parametrize(("fields", "at_fault"), BREAKS_A_RULE.values(), ids=BREAKS_A_RULE.keys())
def test_an_edit_that_breaks_a_rule_is_refused_and_changes_nothing(
    admin: Client, fields: dict[str, object], at_fault: str
) -> None:
    config = admin.config(scheduler_type="cron", schedule_config={"cron_expression": "0 6 * * *"})
    before = admin.get(f"/task-configs/{config}")

    answer = admin.call("PATCH", f"/task-configs/{config}", fields)

    assert (answer.status, answer.body["code"]) == (422, "invalid_input")
    assert any(fault == at_fault or fault.startswith(f"{at_fault}.") for fault in answer.faults), answer.body
    assert admin.get(f"/task-configs/{config}") == before


def test_a_run_with_parameters_that_do_not_fit_makes_no_execution(admin: Client) -> None:
    config = admin.config(scheduler_type="manual", schedule_config={})

    answer = admin.call("POST", f"/task-configs/{config}/run", {"parameters": {"message": 1}})

    assert (answer.status, answer.faults) == (422, {"parameters.message"})
    assert admin.executions(config) == []
