"""A row of an older system, whatever its columns are called, as a user or a config of ours; or why it is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.legacy.configs import NewConfig, new_config
from horarium.legacy.users import NewUser, new_user
from horarium.legacy.words import CONFIG_COLUMNS, USER_COLUMNS, LeftOut, unread
from horarium.tasks.registry import TaskTypes, import_task_modules

if TYPE_CHECKING:
    from collections.abc import Callable

import_task_modules(())
TYPES = TaskTypes()
NOW = datetime(2024, 5, 8, 12, tzinfo=UTC)
CONFIG: dict[str, Any] = {
    "id": 1,
    "name": "nightly",
    "task_type": "echo",
    "parameters": {"message": "hi"},
    "scheduler_type": "cron",
    "schedule_config": {"minute": "5"},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def config(**columns: object) -> NewConfig:
    return new_config(CONFIG | columns, TYPES, NOW)


def outcome(make: Callable[[], NewConfig | NewUser]) -> str:
    """The name of what was made, or why nothing was."""
    try:
        return make().name
    except LeftOut as reason:
        return str(reason)


@pytest.mark.parametrize(
    ("columns", "role"),
    [
        ({"is_admin": True}, "admin"),
        ({"is_superuser": 1, "role": "viewer"}, "admin"),
        ({"role": "SuperAdmin"}, "admin"),
        ({"role": "Operator"}, "operator"),
        ({"role": "intern"}, "viewer"),
        ({}, "viewer"),
    ],
)
def test_who_was_an_admin_is_one_and_who_is_unknown_may_look(columns: dict[str, object], role: str) -> None:
    assert new_user({"username": "ada", **columns}).values["role"] == role


@pytest.mark.parametrize(
    ("columns", "active"),
    [
        ({}, True),
        ({"is_active": None}, True),
        ({"enabled": "f"}, False),
        ({"disabled": True}, False),
        ({"active": 0}, False),
    ],
)
def test_a_user_is_active_unless_something_says_otherwise(columns: dict[str, object], active: bool) -> None:
    assert new_user({"username": "ada", **columns}).values["is_active"] is active


def test_a_user_without_a_name_goes_by_its_address() -> None:
    user = new_user({"email": "ada@example.org", "first_name": "Ada", "last_name": "L"})

    assert (user.name, user.values["full_name"]) == ("ada@example.org", "Ada L")


def test_a_hash_is_in_no_remark_and_in_no_repr() -> None:
    user = new_user({"username": "ada", "password": "pbkdf2$secret"})

    assert "secret" not in repr(user)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"username": "  "}, "has no name"),
        ({"username": "a\nb"}, "the name"),
        ({"username": "ada", "deleted_at": "2020-01-01T00:00:00"}, "was deleted there"),
    ],
)
def test_a_user_that_cannot_be_one_is_left_out(columns: dict[str, object], why: str) -> None:
    with pytest.raises(LeftOut, match=why):
        new_user(columns)


@pytest.mark.parametrize(
    ("given_schedule", "stored"),
    [
        ("5 * * * *", {"cron_expression": "5 * * * *", "timezone": "UTC"}),
        ('{"cron": "5 * * * *", "tz": "Europe/Paris"}', {"cron_expression": "5 * * * *", "timezone": "Europe/Paris"}),
        ({"minute": 5, "hour": None}, {"minute": "5", "timezone": "UTC"}),
    ],
)
def test_a_cron_is_read_however_it_was_kept(given_schedule: object, stored: dict[str, str]) -> None:
    kept = config(schedule_config=given_schedule).values["schedule_config"]

    assert {name: kept[name] for name in stored} == stored


def test_limits_of_a_schedule_are_the_config_s_own_here() -> None:
    kept = config(
        scheduler_type="interval", schedule_config={"weeks": 1, "days": 1, "end_date": "2030-01-01T00:00:00+01:00"}
    ).values

    assert kept["schedule_config"]["days"] == 8
    assert kept["end_at"] == datetime(2029, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"task_type": "nobodys"}, "is not registered here"),
        ({"parameters": "{half"}, "parameters is no JSON"),
        ({"parameters": [1]}, "parameters"),
        ({"schedule_config": [1]}, "schedule_config is no object"),
        ({"schedule_config": {"cron_expression": "0 0 31 2 *"}}, "never fires"),
        ({"schedule_config": {"minute": "5", "end_date": "soon"}}, "end_date 'soon' is no instant"),
        ({"scheduler_type": "solar"}, "scheduler_type"),
        ({"is_deleted": True}, "was deleted there"),
        ({"queue": "no such name"}, "queue"),
    ],
)
def test_a_config_that_the_api_would_refuse_is_left_out(columns: dict[str, object], why: str) -> None:
    with pytest.raises(LeftOut, match=why):
        config(**columns)


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, "active"),
        ({"status": "ENABLED"}, "active"),
        ({"status": "paused"}, "paused"),
        ({"status": "active", "enabled": False}, "inactive"),
        ({"is_active": False}, "inactive"),
        ({"status": "weird"}, "inactive"),
        ({"end_at": "2020-01-01T00:00:00Z"}, "inactive"),
    ],
)
def test_a_config_is_in_the_state_it_was_in_or_inactive(columns: dict[str, object], status: str) -> None:
    assert config(**columns).values["status"] == status


def test_what_is_out_of_range_is_brought_into_it_and_said() -> None:
    made = config(priority="high", max_retries=1000, timeout=10**9, retry_delay="soon", tags="a, b")

    assert (made.values["priority"], made.values["max_retries"], made.values["tags"]) == (7, 100, ["a", "b"])
    assert made.values["retry_backoff_seconds"] == 10.0
    assert made.remarks == (
        "max_retries 1000 is out of range: 100",
        "retry_backoff_seconds 'soon' is none here: the default instead",
        "timeout_seconds 1000000000 is out of range: 604800",
    )


def test_columns_that_have_no_counterpart_are_named() -> None:
    assert [each.subject for each in unread("users", ("id", "avatar"), USER_COLUMNS)] == ["users.avatar"]


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys([n for names in CONFIG_COLUMNS.values() for n in names], ANYTHING))
)
def test_no_row_is_so_strange_that_it_is_neither_taken_nor_left_out(row: dict[str, Any]) -> None:
    assert outcome(lambda: new_config(CONFIG | row, TYPES, NOW))


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys([n for names in USER_COLUMNS.values() for n in names], ANYTHING))
)
def test_no_user_is_either(row: dict[str, Any]) -> None:
    assert outcome(lambda: new_user(row))
