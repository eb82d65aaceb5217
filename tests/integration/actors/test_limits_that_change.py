"""Limits that are raised, lowered and taken away, rates, and many workers at once under them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from horarium.tasks.limited import send_limited
from tests.support.limited import (
    ANOTHER,
    Crew,
    by_hand,
    claimed,
    limit,
    most_at_once,
    over,
    sent_next,
    started,
    states,
    unlimit,
)
from tests.support.together import at_once
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


# Limits that change


async def test_a_limit_that_is_raised_lets_as_many_more_go(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 4)
    await started(rig, *made)

    await limit(rig, "task_type", "echo", max_running=3)

    assert await sent_next(rig) == made[1:3]


async def test_under_a_limit_that_is_lowered_nothing_starts_until_it_is_kept(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=2)
    made = await by_hand(rig, 3)
    got = await claimed(rig, *made)

    await limit(rig, "task_type", "echo", max_running=1)
    await over(rig, got[made[0]])
    assert await sent_next(rig) == []
    await over(rig, got[made[1]])

    assert await sent_next(rig) == [made[2]]


async def test_one_that_was_sent_as_the_limit_was_lowered_waits_again(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=2)
    made = await by_hand(rig, 3)
    got = await claimed(rig, *made)
    await over(rig, got[made[0]])
    await rig.publisher().step()

    await limit(rig, "task_type", "echo", max_running=1)

    assert await started(rig, made[2]) == []
    assert await states(rig, made[2:]) == ["pending limited"]


async def test_without_the_limit_all_go(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 4)
    await started(rig, *made)

    await unlimit(rig, "task_type", "echo")

    assert await sent_next(rig) == made[1:]
    assert await started(rig, *made[1:]) == made[1:]


# How often one starts


async def test_between_two_starts_there_is_the_spacing_of_the_rate(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", rate=2, period_seconds=10)
    made = await by_hand(rig, 2)

    assert await started(rig, *made) == made[:1]
    assert await sent_next(rig) == []
    await rig.sql("UPDATE limits SET next_start_at = next_start_at - make_interval(secs => 5)")
    assert await sent_next(rig) == [made[1]]
    assert await started(rig, made[1]) == [made[1]]


async def test_the_publisher_knows_when_the_next_one_may_go(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", rate=2, period_seconds=10)
    await started(rig, *await by_hand(rig, 2))

    done = await rig.publisher().step()

    assert 0 < done.more_in <= 4.8


async def test_a_new_rate_goes_on_from_the_last_start(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", rate=1, period_seconds=1000)
    await started(rig, *await by_hand(rig, 2))

    await limit(rig, "task_type", "echo", rate=1, period_seconds=20)

    assert 0 < (await rig.publisher().step()).more_in <= 19.8


async def test_a_claim_that_is_repeated_is_no_second_start(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", rate=1, period_seconds=60)
    (first,) = await by_hand(rig, 1)
    begun = (await claimed(rig, first))[first]

    again = (await claimed(rig, first))[first]

    assert begun is not None
    assert again is not None
    assert again.started_at == begun.started_at


async def test_the_starts_of_many_workers_are_a_rate_apart(rig: Rig) -> None:
    """The ledger's `started_at` are at least a fiftieth of a second apart, and little more: the rate is reached."""
    await limit(rig, "task_type", "echo", rate=50, period_seconds=1)
    made = await by_hand(rig, 40)
    crew = Crew(rig, seconds=0)

    await at_once(
        *(partial(crew.work, f"worker {n}", len(made)) for n in range(3)), partial(let_go, rig, crew, len(made))
    )

    starts = sorted([(await rig.row(each))["started_at"] for each in made])
    assert min(later - earlier for earlier, later in pairwise(starts)) >= timedelta(seconds=0.02)
    assert starts[-1] - starts[0] < timedelta(seconds=10)


# Many at once


@pytest.mark.parametrize("limits", [{"echo": 3}, {"echo": 2, "default": 3}])
async def test_many_workers_never_run_more_than_the_limits_say(rig: Rig, limits: dict[str, int]) -> None:
    kinds = {"echo": "task_type", "default": "queue"}
    for name, most in limits.items():
        await limit(rig, kinds[name], name, max_running=most)  # type: ignore[arg-type]  # one of the two
    made = [*await by_hand(rig, 30), *await by_hand(rig, 10, **ANOTHER)]
    crew = Crew(rig)

    await at_once(
        *(partial(crew.work, f"worker {n}", len(made)) for n in range(4)), partial(let_go, rig, crew, len(made))
    )

    rows = [await rig.row(each) for each in made]
    assert {name: most_at_once(rows, name) for name in limits} == limits
    assert all(crew.most[name] <= most for name, most in limits.items())
    assert await states(rig, made) == ["success"] * len(made)


async def let_go(rig: Rig, crew: Crew, until_done: int) -> None:
    """Play the publisher's part for limits, as often as it may."""

    async def over() -> bool:
        await send_limited(rig.database, rig.broker)
        return crew.done >= until_done

    await eventually(over)
