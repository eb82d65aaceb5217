"""Recent history: a hundred events of each config, newest first, that run out by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors.history_writer import BATCH_EVENTS
from horarium.keyspace.history import HISTORY_EVENTS, HISTORY_SECONDS, STATUS_SECONDS, HistoryEvent
from tests.support.rig import NOON

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


def event(config_id: int, number: int) -> HistoryEvent:
    return HistoryEvent(config_id, "success", NOON + timedelta(seconds=number), {"number": number, "reason": None})


async def numbers(rig: Rig, config_id: int, limit: int = 1000) -> list[int]:
    return [each["number"] for each in await rig.history.newest(config_id, limit)]


async def test_events_are_kept_newest_first_without_what_is_none(rig: Rig) -> None:
    await rig.history.push([event(1, 1), event(1, 2)])
    await rig.history.push([event(1, 3)])

    assert await numbers(rig, 1) == [3, 2, 1]
    assert await numbers(rig, 1, limit=2) == [3, 2]
    assert (await rig.history.newest(1, 1))[0] == {
        "event": "success",
        "timestamp": "2024-05-08T12:00:03+00:00",
        "number": 3,
    }


async def test_configs_have_histories_of_their_own(rig: Rig) -> None:
    await rig.history.push([event(1, 1), event(2, 2), event(1, 3)])

    assert (await numbers(rig, 1), await numbers(rig, 2), await numbers(rig, 3)) == ([3, 1], [2], [])


@pytest.mark.parametrize("at_once", [1, 30, 250])
async def test_a_hundred_are_kept_however_they_come(rig: Rig, at_once: int) -> None:
    for first in range(0, 250, at_once):
        await rig.history.push([event(1, n) for n in range(first, min(first + at_once, 250))])

    assert await numbers(rig, 1) == list(range(249, 249 - HISTORY_EVENTS, -1))


async def test_the_newest_is_the_status(rig: Rig) -> None:
    await rig.history.push([event(1, 1), event(1, 2)])

    assert await rig.redis.get(rig.keys.status(1)) == event(1, 2).to_json()


async def test_history_and_status_run_out_after_the_last_event(rig: Rig) -> None:
    await rig.history.push([event(1, 1)])
    await rig.redis.expire(rig.keys.history(1), 5)
    await rig.redis.expire(rig.keys.status(1), 5)

    await rig.history.push([event(1, 2)])

    assert HISTORY_SECONDS - 5 < await rig.redis.ttl(rig.keys.history(1)) <= HISTORY_SECONDS
    assert STATUS_SECONDS - 5 < await rig.redis.ttl(rig.keys.status(1)) <= STATUS_SECONDS


async def test_the_writer_writes_more_than_one_call_takes(rig: Rig) -> None:
    events = [event(n % 7, n) for n in range(BATCH_EVENTS + 100)]

    assert await rig.history_writer().step(events) == BATCH_EVENTS + 100
    assert (await numbers(rig, 0, limit=1), await numbers(rig, 1, limit=1)) == ([595], [596])


async def test_the_writer_has_nothing_to_do_for_nothing(rig: Rig) -> None:
    assert await rig.history_writer().step([]) == 0
