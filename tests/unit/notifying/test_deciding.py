"""Which notices become messages: the scope of a rule, the first in a row, the bound of an hour, and recovery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from horarium.notifying.deciding import Alert, Decided, Event, Notice, Rule, decide, decide_recovered

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
ROOM = {(rule_id, config_error): 60 for rule_id in (1, 2) for config_error in (False, True)}


def rule(rule_id: int = 1, **fields: object) -> Rule:
    made = {
        "events": ["failed", "missed", "recovered"],
        "config_ids": [],
        "tags": [],
        "repeat": "first",
        "errors": "kind",
    }
    return Rule.of({"id": rule_id, **made, **fields})


def notice(number: int = 1, event: Event = "failed", config_id: int = 7, **fields: object) -> Notice:
    at = NOON + timedelta(seconds=number)
    made = {"config_name": "nightly", "tags": frozenset({"nightly"}), "facts": {}, **fields}
    return Notice(UUID(int=number), event, config_id, at=at, **made)  # type: ignore[arg-type]  # given by name


def told(decided: Decided) -> list[tuple[int, int, str]]:
    """Which rule tells of which notice, and how: `told`, `last` or `suppressed`."""
    return [
        (each.rule.id, each.notice.subject.int, "suppressed" if each.suppressed else "last" if each.last else "told")
        for each in decided.told
    ]


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ({}, True),
        ({"config_ids": [7]}, True),
        ({"config_ids": [8]}, False),
        ({"tags": ["nightly", "other"]}, True),
        ({"tags": ["other"]}, False),
        ({"config_ids": [8], "tags": ["nightly"]}, True),
        ({"events": ["missed"]}, False),
    ],
)
def test_a_rule_is_about_its_events_of_its_configs_its_tags_or_all(scope: dict[str, object], concerned: bool) -> None:
    assert rule(**scope).wants(notice()) is concerned


def test_of_failures_in_a_row_the_first_is_told_and_the_rest_are_counted() -> None:
    decided = decide([rule()], [notice(1), notice(2), notice(3)], [], ROOM)

    assert told(decided) == [(1, 1, "told")]
    assert decided.opened == (Alert(1, 7, notice(1).at, UUID(int=3), notice(3).at, notices=3),)


def test_a_failure_while_an_alert_is_open_is_not_told_and_moves_it() -> None:
    open_one = Alert(1, 7, NOON, UUID(int=1), NOON)

    decided = decide([rule()], [notice(2, "missed")], [open_one], ROOM)

    assert told(decided) == []
    assert decided.opened == (Alert(1, 7, NOON, UUID(int=2), notice(2).at, notices=2),)


def test_a_rule_that_wants_every_failure_is_told_each() -> None:
    decided = decide([rule(repeat="every")], [notice(1), notice(2)], [], ROOM)

    assert told(decided) == [(1, 1, "told"), (1, 2, "told")]


def test_each_rule_and_each_config_has_an_alert_of_its_own() -> None:
    decided = decide([rule(1), rule(2)], [notice(1), notice(2, config_id=8)], [], ROOM)

    assert told(decided) == [(1, 1, "told"), (2, 1, "told"), (1, 2, "told"), (2, 2, "told")]
    assert {alert.key for alert in decided.opened} == {(1, 7), (2, 7), (1, 8), (2, 8)}


def test_past_its_room_a_rule_suppresses_and_opens_no_alert_so_the_next_failure_is_told() -> None:
    flood = [notice(number, config_id=number) for number in (1, 2, 3)]

    decided = decide([rule()], flood, [], {(1, False): 2})

    assert told(decided) == [(1, 1, "told"), (1, 2, "last"), (1, 3, "suppressed")]
    assert [alert.config_id for alert in decided.opened] == [1, 2]


def test_a_config_in_error_is_told_while_its_alert_is_open_and_moves_it() -> None:
    """It fails no more, so that nothing else would ever tell of it."""
    open_one = Alert(1, 7, NOON, UUID(int=1), NOON)

    decided = decide([rule(events=["failed", "config_error"])], [notice(2, "config_error")], [open_one], ROOM)

    assert told(decided) == [(1, 2, "told")]
    assert decided.opened == (Alert(1, 7, NOON, UUID(int=2), notice(2).at, notices=2),)


def test_a_rule_that_has_no_room_for_failures_has_some_for_configs_in_error() -> None:
    wants = rule(events=["failed", "config_error"])

    decided = decide([wants], [notice(1), notice(2, "config_error")], [], {(1, False): 0, (1, True): 2})

    assert told(decided) == [(1, 1, "suppressed"), (1, 2, "told")]
    assert decided.left == {(1, False): 0, (1, True): 1}


def test_what_is_well_again_is_told_once_and_closes_its_alert() -> None:
    decided = decide_recovered({1: rule()}, [((1, 7), notice(9, "recovered"))], ROOM)

    assert told(decided) == [(1, 9, "told")]
    assert decided.closed == [(1, 7)]


@pytest.mark.parametrize(
    ("rules", "ended_by"),
    [({1: rule(events=["failed"])}, notice(9, "recovered")), ({1: rule()}, None), ({}, notice(9, "recovered"))],
    ids=["not wanted", "config gone", "rule gone"],
)
def test_an_alert_that_nobody_wants_the_end_of_is_closed_in_silence(
    rules: dict[int, Rule], ended_by: Notice | None
) -> None:
    decided = decide_recovered(rules, [((1, 7), ended_by)], ROOM)

    assert (told(decided), decided.closed) == ([], [(1, 7)])


def test_a_recovery_that_there_is_no_room_for_waits_with_its_alert_open() -> None:
    decided = decide_recovered({1: rule()}, [((1, 7), notice(9, "recovered"))], {(1, False): 0})

    assert (told(decided), decided.closed) == ([], [])
