"""A difference as people read it, whatever is in it."""

from __future__ import annotations

from typing import Any

import pytest

from horarium.differences import Difference, difference_lines


def lines(*changes: dict[str, Any], dry_run: bool = False, unchanged: int = 0) -> list[str]:
    answer = {"dry_run": dry_run, "unchanged": ["x"] * unchanged, "changes": changes, "warnings": [], "more": 1}
    return [line.plain for line in difference_lines(Difference.model_validate(answer))]


def updated(before: object, after: object) -> list[str]:
    field = {"parameters": {"before": before, "after": after}}
    return [line.strip() for line in lines({"name": "a", "action": "update", "fields": field})[1:-1]]


def test_each_kind_has_its_sign_and_is_counted() -> None:
    kinds = [{"name": kind, "action": kind} for kind in ("create", "update", "delete", "create")]

    assert lines(*kinds, unchanged=3) == [
        "+ create", "~ update", "- delete", "+ create", "2 created, 1 updated, 1 deleted, 3 unchanged",
    ]  # fmt: skip
    assert lines(*kinds, dry_run=True)[-1] == "2 to create, 1 to update, 1 to delete, 0 unchanged"
    assert lines(unchanged=2) == ["2 unchanged"]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (1, 2, ["parameters: 1 -> 2"]),
        (None, "é", ['parameters: null -> "é"']),
        ([1], [1, 2], ["parameters: [1] -> [1, 2]"]),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, ["parameters.a: 1 -> 2"]),
        ({"a": 1}, {"b": 1}, ["parameters.a: 1 -> nothing", "parameters.b: nothing -> 1"]),
        ({"a": {"b": 1}}, {"a": {"b": True}}, ["parameters.a.b: 1 -> true"]),
        ("a\x1b[31m", "\n", ['parameters: "a\\u001b[31m" -> "\\n"']),
        ("", "x" * 300, [f'parameters: "" -> "{"x" * 199}...']),
    ],
)
def test_a_field_is_shown_before_and_after_and_of_a_mapping_what_differs(
    before: object, after: object, shown: list[str]
) -> None:
    assert updated(before, after) == shown


def test_a_name_moves_no_cursor() -> None:
    assert lines({"name": "a\x1b[2J\nb", "action": "create"})[0] == "+ a [2J b"
