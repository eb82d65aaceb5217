"""Answers for all who ask: one reading at a time for each thing, none while the last one is young enough."""

from __future__ import annotations

import anyio
import pytest

from horarium import kept as kept_module
from horarium.errors import Unavailable
from horarium.kept import KEPT_SECONDS, Kept
from horarium.views import LARGE_TOTAL, sums_good_for, total_good_for

pytestmark = pytest.mark.anyio


class Read:
    """Answers how often each key has been read; reading takes as long as the clock is told to move on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cost = 0.0
        self.times: dict[str, int] = {}
        self.fault: Exception | None = None

    async def __call__(self, key: str) -> str:
        self.times[key] = self.times.get(key, 0) + 1
        await anyio.lowlevel.checkpoint()
        self.now += self.cost
        if self.fault is not None:
            raise self.fault
        return f"{key} {self.times[key]}"

    def clock(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def read() -> Read:
    return Read()


@pytest.fixture
def kept(read: Read) -> Kept[str, str]:
    return Kept(read, clock=read.clock)


@pytest.fixture
def unkept(read: Read) -> Kept[str, str]:
    return Kept(read, good_for=lambda _answer, _took: 0.0, clock=read.clock)


async def all_get(kept: Kept[str, str], keys: list[str]) -> None:
    async with anyio.create_task_group() as group:
        for key in keys:
            group.start_soon(kept.get, key)


async def test_a_hundred_who_ask_at_once_are_one_reading_of_each(kept: Kept[str, str], read: Read) -> None:
    await all_get(kept, ["a", "b"] * 50)

    assert read.times == {"a": 1, "b": 1}


async def test_an_answer_is_kept_for_twenty_times_what_it_cost(kept: Kept[str, str], read: Read) -> None:
    read.cost = 0.5
    await kept.get("a")

    read.now = 0.5 + 9.9
    young = await kept.get("a")
    read.now = 0.5 + 10.1
    old = await kept.get("a")

    assert (young, old) == ("a 1", "a 2")


async def test_an_answer_that_cost_nothing_is_kept_for_a_moment(kept: Kept[str, str], read: Read) -> None:
    await kept.get("a")

    read.now = KEPT_SECONDS

    assert await kept.get("a") == "a 2"


async def test_an_answer_that_is_good_for_no_time_is_read_anew(unkept: Kept[str, str], read: Read) -> None:
    read.cost = 0.01

    assert [await unkept.get("a"), await unkept.get("a")] == ["a 1", "a 2"]


async def test_those_who_wait_share_a_reading_that_began_after_they_had_asked(
    unkept: Kept[str, str], read: Read
) -> None:
    """The first reads at once; all others asked before the second reading began, or while the first went on."""
    read.cost = 0.01

    await all_get(unkept, ["a"] * 100)

    assert read.times["a"] <= 2


async def test_what_could_not_be_read_is_not_kept_and_leaves_nothing_behind(kept: Kept[str, str], read: Read) -> None:
    read.fault = ValueError("away")
    with pytest.raises(ValueError, match="away"):
        await kept.get("a")

    read.fault = None

    assert await kept.get("a") == "a 2"
    assert kept._reading == {}


async def outcomes(kept: Kept[str, str], times: int) -> list[str]:
    """What so many who ask at once are told."""
    told: list[str] = []

    async def ask() -> None:
        try:
            told.append(await kept.get("a"))
        except Unavailable as error:
            told.append(str(error))

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(ask)
    return told


async def test_a_server_that_is_away_keeps_nobody_waiting_for_more_than_two_readings(
    kept: Kept[str, str], read: Read
) -> None:
    """Each finds it out after seconds; the hundredth of a hundred would be told after minutes."""
    read.cost = 5.0
    read.fault = Unavailable("Postgres", retry_after=3)

    told = await outcomes(kept, 100)

    assert told == ["Postgres is away; try again in 3 s"] * 100
    assert read.times["a"] <= 2
    assert kept._reading == {}


async def test_whoever_asks_after_a_server_was_away_looks_anew(kept: Kept[str, str], read: Read) -> None:
    read.cost = 5.0
    read.fault = Unavailable("Postgres")
    await outcomes(kept, 2)

    read.fault = None

    assert await kept.get("a") == "a 2"


async def test_no_more_answers_are_kept_than_a_bound(kept: Kept[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "MOST_KEPT", 2)
    for key in "abc":
        await kept.get(key)

    again = [await kept.get(key) for key in "cba"]

    assert again == ["c 1", "b 1", "a 2"]


@pytest.mark.parametrize(
    ("total", "took", "seconds"),
    [(3, 0.01, 0), (LARGE_TOTAL - 1, 0.1, 0), (3, 0.2, 4), (LARGE_TOTAL, 0.02, 0.4), (3, 25, 20)],
)
def test_a_total_is_kept_that_is_large_or_took_long_and_never_for_long(total: int, took: float, seconds: float) -> None:
    assert total_good_for(total, took) == pytest.approx(seconds)


def test_sums_are_kept_that_took_long() -> None:
    assert (sums_good_for({}, 0.1), sums_good_for({}, 0.8), sums_good_for({}, 25)) == (0, 16, 20)
