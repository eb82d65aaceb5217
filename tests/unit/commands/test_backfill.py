"""A backfill in pieces: every tick belongs to one of them, whichever ends of a piece the API counts in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from horarium.client import ApiError
from horarium.commands.backfill import Backfill, pieces, ticks_of

START = datetime(2026, 11, 1, tzinfo=UTC)
TICKS = [START + timedelta(minutes=number) for number in range(7)]
END = TICKS[-1]


def inside(piece: tuple[str, str, int], *, ends: bool) -> list[datetime]:
    start, end, _ = map(str, piece)
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return [tick for tick in TICKS if first < tick < last or (ends and tick in (first, last))]


def test_pieces_follow_each_other_from_the_start_to_the_end() -> None:
    parts = pieces(START.isoformat(), END.isoformat(), TICKS, size=3)

    assert [start for start, _, _ in parts[1:]] == [end for _, end, _ in parts[:-1]]
    assert (parts[0][0], parts[-1][1]) == (START.isoformat(), END.isoformat())
    assert [count for _, _, count in parts] == [3, 3, 1]


def test_a_tick_belongs_to_one_piece_whether_the_ends_count_or_not() -> None:
    parts = pieces(START.isoformat(), END.isoformat(), TICKS, size=3)

    with_ends = [tick for part in parts for tick in inside(part, ends=True)]
    without = [tick for part in parts for tick in inside(part, ends=False)]

    assert with_ends == TICKS
    assert without == TICKS[1:-1]


def test_without_a_tick_there_is_still_one_piece_for_the_api_to_judge() -> None:
    assert pieces("a", "b", []) == [("a", "b", 0)]


def test_a_schedule_that_makes_no_sense_is_refused_by_its_name() -> None:
    config = {"name": "broken", "scheduler_type": "cron", "schedule_config": {"cron_expression": "x"}}

    with pytest.raises(ApiError, match="the schedule of broken makes no sense, mend it first: "):
        ticks_of(config, Backfill("broken", START.isoformat(), END.isoformat(), {}))
