"""Who may start under limits, and when: room, spacing, turns. No clock but the one that is passed in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.admission import AHEAD, Candidate, Gate, Key, Line, admit, opens_in, release, room

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
LINE = Line("reports", "default")
OTHER = Line("mails", "default")
TYPE, QUEUE = Key("task_type", "reports"), Key("queue", "default")


def wanting(count: int, *, line: Line = LINE, first: int = 0, released: bool = False) -> list[Candidate]:
    return [Candidate(UUID(int=first + n), line, 5, released) for n in range(count)]


def slots(most: int, *, running: int = 0, reserved: int = 0) -> Gate:
    return Gate(most, None, NOON, running, reserved)


def paced(seconds: float, *, next_in: float = 0, reserved: int = 0) -> Gate:
    return Gate(None, timedelta(seconds=seconds), NOON + timedelta(seconds=next_in), 0, reserved)


def numbers(ids: list[UUID] | dict[UUID, datetime]) -> list[int]:
    return [each.int for each in ids]


def test_without_limits_everything_starts_now() -> None:
    assert admit(wanting(3), {}, [LINE], NOON) == {UUID(int=n): NOON for n in range(3)}


@pytest.mark.parametrize(("running", "start"), [(0, [0, 1]), (1, [0]), (2, []), (5, [])])
def test_as_many_start_as_there_is_room_for(running: int, start: list[int]) -> None:
    assert numbers(admit(wanting(4), {TYPE: slots(2, running=running)}, [], NOON)) == start


def test_the_one_that_was_let_go_is_first_and_has_the_room_that_was_kept() -> None:
    gates = {TYPE: slots(1)}

    assert numbers(admit([*wanting(2), *wanting(1, first=9, released=True)], gates, [LINE], NOON)) == [9]


def test_others_leave_the_room_that_is_kept() -> None:
    assert numbers(admit(wanting(3), {TYPE: slots(3, reserved=2)}, [], NOON)) == [0]


def test_nobody_overtakes_those_in_the_same_line() -> None:
    candidates = [*wanting(1), *wanting(1, line=OTHER, first=5)]

    assert numbers(admit(candidates, {QUEUE: slots(3)}, [LINE], NOON)) == [5]


def test_room_that_one_limit_refuses_is_not_taken_from_the_other() -> None:
    candidates = [*wanting(2), *wanting(2, line=OTHER, first=5)]

    assert numbers(admit(candidates, {QUEUE: slots(2), TYPE: slots(1, running=1)}, [], NOON)) == [5, 6]


def test_starts_are_given_out_a_moment_ahead_and_no_further() -> None:
    starts = admit(wanting(9), {TYPE: paced(0.08)}, [], NOON)

    assert list(starts.values()) == [NOON + timedelta(seconds=s) for s in (0, 0.08, 0.16)]


def test_what_was_not_used_of_a_rate_is_no_credit() -> None:
    gates = {TYPE: paced(10, next_in=-1000)}

    assert admit(wanting(2), gates, [], NOON) == {UUID(int=0): NOON}
    assert gates[TYPE].next_start_at == NOON + timedelta(seconds=10)


@given(
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=40),
    rate=st.integers(1, 30),
    period=st.floats(0.5, 5),
    many=st.integers(1, 5),
)
def test_no_period_sees_more_starts_than_the_rate(waits: list[float], rate: int, period: float, many: int) -> None:
    """Wherever a period begins, it has `rate` starts at most: that many are never closer together than a period."""
    gate = Gate(None, timedelta(seconds=period / rate), NOON)
    now, starts = NOON, list[datetime]()
    for number, wait in enumerate(waits):
        now += timedelta(seconds=wait)
        starts += admit(wanting(many, first=100 * number), {TYPE: gate}, [], now).values()

    assert all(later - earlier >= rate * gate.spacing for earlier, later in zip(starts, starts[rate:], strict=False))  # type: ignore[operator]  # it has one
    assert all(later > earlier for earlier, later in pairwise(starts))


def test_those_who_wait_go_by_priority_and_then_by_age() -> None:
    heads = [Candidate(UUID(int=1), LINE, 5), Candidate(UUID(int=2), LINE, 9), Candidate(UUID(int=3), LINE, 9)]

    assert numbers(release(heads, {TYPE: slots(2)}, NOON)) == [2, 3]


def test_what_is_let_go_has_room_under_all_its_limits() -> None:
    heads = [*wanting(3), *wanting(3, line=OTHER, first=5)]

    assert numbers(release(heads, {QUEUE: slots(3), TYPE: slots(1)}, NOON)) == [0, 5, 6]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (slots(5, running=2, reserved=1), 2),
        (slots(1, running=3), 0),
        (paced(0.05), 5),
        (paced(0.05, reserved=4), 1),
        (paced(10), 1),
        (paced(10, next_in=AHEAD.total_seconds()), 1),
        (paced(10, next_in=1), 0),
    ],
)
def test_room_is_what_is_left_of_slots_and_starts(gate: Gate, expected: int) -> None:
    assert room(LINE, {TYPE: gate}, NOON) == expected


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ({}, 0),
        ({TYPE: slots(1, running=1)}, math.inf),
        ({TYPE: paced(10, next_in=3)}, 3 - AHEAD.total_seconds()),
        ({TYPE: paced(10, next_in=3, reserved=1)}, 13 - AHEAD.total_seconds()),
        ({TYPE: paced(10, next_in=3), QUEUE: slots(1, running=1)}, math.inf),
        ({TYPE: paced(10, next_in=3), QUEUE: paced(10, next_in=7)}, 7 - AHEAD.total_seconds()),
    ],
)
def test_a_line_goes_on_when_the_last_of_its_limits_opens(gates: dict[Key, Gate], expected: float) -> None:
    assert opens_in([LINE], gates, NOON) == pytest.approx(expected)
