"""A count that takes long is made once for all who ask at about the same time; a quick one is made anew each time."""

from __future__ import annotations

import anyio
import pytest

from horarium.totals import LARGE, MOST_KEPT, Totals

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting:
    """Something to count that grows by one each time, and a clock that passes as it is counted."""

    def __init__(self, seconds: float, total: int = 0) -> None:
        self.seconds = seconds
        self.now = 1000.0
        self.total = total
        self.times = 0
        self.totals = Totals(clock=lambda: self.now)

    async def count(self) -> int:
        await anyio.lowlevel.checkpoint()
        self.now += self.seconds
        self.times += 1
        return self.total + self.times

    async def asked(self, what: str = "all") -> int:
        return await self.totals.of(what, self.count)


async def test_a_quick_count_is_never_an_old_one() -> None:
    quick = Counting(seconds=0.01)

    assert [await quick.asked(), await quick.asked()] == [1, 2]


async def test_a_slow_count_is_kept_for_twenty_times_what_it_took() -> None:
    slow = Counting(seconds=0.2)
    assert await slow.asked() == 1

    slow.now += 3.9
    assert await slow.asked() == 1
    slow.now += 0.2
    assert await slow.asked() == 2


async def test_a_large_count_is_kept_however_quick_it_was() -> None:
    large = Counting(seconds=0.02, total=LARGE)
    assert await large.asked() == LARGE + 1

    large.now += 0.39
    assert await large.asked() == LARGE + 1
    large.now += 0.02
    assert await large.asked() == LARGE + 2


async def test_what_takes_ever_so_long_is_not_kept_for_ever() -> None:
    endless = Counting(seconds=25.0)
    assert await endless.asked() == 1

    endless.now += 21.0

    assert await endless.asked() == 2


async def test_those_who_ask_together_are_answered_by_one_count() -> None:
    slow = Counting(seconds=0.2)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(slow.asked)

    assert slow.times == 1


async def test_of_many_who_ask_together_for_a_quick_one_few_count() -> None:
    quick = Counting(seconds=0.01)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(quick.asked)

    assert quick.times == 1


async def test_each_thing_has_a_count_of_its_own() -> None:
    slow = Counting(seconds=0.2)

    assert [await slow.asked("failed"), await slow.asked("lost"), await slow.asked("failed")] == [1, 2, 1]


async def test_a_count_that_fails_is_an_error_to_whoever_asked_and_is_made_again() -> None:
    slow = Counting(seconds=0.2)

    async def away() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await slow.totals.of("all", away)

    assert await slow.asked() == 1


async def test_no_more_than_so_many_are_kept_whatever_is_asked() -> None:
    slow = Counting(seconds=0.2)

    for number in range(MOST_KEPT + 50):
        await slow.asked(f"{number}")

    assert len(slow.totals._kept) == MOST_KEPT
