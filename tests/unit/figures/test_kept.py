"""Answers for all who ask: one reading at a time for each thing, none while the last one is young enough."""

from __future__ import annotations

import anyio
import pytest

from horarium import kept as kept_module
from horarium.kept import KEPT_SECONDS, Kept

pytestmark = pytest.mark.anyio


class Read:
    """Answers how often each key has been read; reading takes as long as the clock is told to move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.cost = 0.0
        self.times: dict[str, int] = {}
        self.fault: Exception | None = None
        monkeypatch.setattr(kept_module.time, "monotonic", lambda: self.now)

    async def __call__(self, key: str) -> bytes:
        self.times[key] = self.times.get(key, 0) + 1
        await anyio.lowlevel.checkpoint()
        self.now += self.cost
        if self.fault is not None:
            raise self.fault
        return f"{key} {self.times[key]}".encode()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    return Read(monkeypatch)


async def test_a_hundred_who_ask_at_once_are_one_reading_of_each(read: Read) -> None:
    kept = Kept(read)

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(kept.get, "ab"[number % 2])

    assert read.times == {"a": 1, "b": 1}


async def test_an_answer_is_kept_for_twenty_times_what_it_cost(read: Read) -> None:
    kept, read.cost = Kept(read), 0.5
    await kept.get("a")

    read.now = 0.5 + 9.9
    young = await kept.get("a")
    read.now = 0.5 + 10.1
    old = await kept.get("a")

    assert (young, old) == (b"a 1", b"a 2")


async def test_an_answer_that_cost_nothing_is_kept_for_a_moment(read: Read) -> None:
    kept = Kept(read)
    await kept.get("a")

    read.now = KEPT_SECONDS

    assert await kept.get("a") == b"a 2"


async def test_what_could_not_be_read_is_not_kept_and_leaves_nothing_behind(read: Read) -> None:
    kept, read.fault = Kept(read), ValueError("away")
    with pytest.raises(ValueError, match="away"):
        await kept.get("a")

    read.fault = None

    assert await kept.get("a") == b"a 2"
    assert kept._reading == {}


async def test_no_more_answers_are_kept_than_a_bound(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "MOST_KEPT", 2)
    kept = Kept(read)
    for key in "abc":
        await kept.get(key)

    again = [await kept.get(key) for key in "cba"]

    assert again == [b"c 1", b"b 1", b"a 2"]
