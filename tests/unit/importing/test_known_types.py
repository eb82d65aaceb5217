"""Calls become parameters by the signature of the task type, and what does not fit it stays behind with a reason."""

from __future__ import annotations

import pytest

from horarium.importing import KnownTypes
from horarium.importing.carrying import CannotCarry, plain

SEND = {
    "properties": {"region": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["region"],
    "additionalProperties": False,
}
COMPLETE = KnownTypes({"reports.send": SEND}, complete=True)
LOCAL = KnownTypes({"reports.send": SEND}, complete=False)


def test_positional_arguments_take_the_names_of_the_signature() -> None:
    assert COMPLETE.keywords("reports.send", ("eu",), {"limit": 5}) == {"region": "eu", "limit": 5}


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        (("eu", 5, True), {}, "has 3 positional arguments; reports.send takes region, limit"),
        (("eu",), {"region": "us"}, "gives region by position and by name"),
        ((), {"region": "eu", "colour": "red"}, "reports.send takes no colour"),
        ((), {"limit": 5}, "reports.send needs region"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(args: tuple, kwargs: dict, why: str) -> None:
    with pytest.raises(CannotCarry, match=why):
        COMPLETE.keywords("reports.send", args, kwargs)


def test_a_task_missing_from_a_complete_list_is_refused_with_what_to_do() -> None:
    with pytest.raises(CannotCarry, match=r'declare it with @task\("app.add"\)'):
        COMPLETE.keywords("app.add", (), {})


def test_a_task_missing_from_what_is_known_here_may_be_there() -> None:
    assert LOCAL.keywords("app.add", (), {"x": 1}) == {"x": 1}


def test_the_positions_of_an_unknown_task_mean_nothing() -> None:
    with pytest.raises(CannotCarry, match="HORARIUM_TASK_MODULES"):
        LOCAL.keywords("app.add", (1,), {})


@pytest.mark.parametrize("value", [b"bytes", {1: "a key that is a number"}, float("nan"), {1, 2}, object()])
def test_an_argument_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(CannotCarry, match="JSON has no form for"):
        plain({"argument": [value]})


def test_tuples_are_the_lists_that_json_makes_of_them() -> None:
    assert plain({"a": (1, "two", None)}) == {"a": [1, "two", None]}
