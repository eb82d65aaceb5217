"""Group commit: every asker is answered, by its own answer, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.errors import Unavailable
from horarium.tasks.batching import Batcher
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Broken(Unavailable):
    """What a flush fails with as a whole."""

    def __init__(self) -> None:
        super().__init__("the server")


class Doubling:
    """A flush that answers twice the item, when it is let."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.broken = 0
        if not held:
            self.go.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.go.wait()
        if self.broken:
            self.broken -= 1
            raise Broken
        return [2 * item for item in items]


async def submit_all(batcher: Batcher[int, int], items: Sequence[int]) -> list[int | BaseException]:
    return list(await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True))


async def test_a_batch_is_sent_in_nobodys_name() -> None:
    """What is logged meanwhile is not of the one who happened to ask first."""
    asker: contextvars.ContextVar[str] = contextvars.ContextVar("asker", default="nobody")
    seen: list[str] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        seen.append(asker.get())
        return items

    asker.set("the first")
    await Batcher(flush).submit(1)

    assert seen == ["nobody"]


async def test_an_idle_batcher_sends_one_item_at_once() -> None:
    flush = Doubling()

    assert await Batcher(flush).submit(21) == 42
    assert flush.batches == [[21]]


async def test_what_is_asked_meanwhile_goes_out_together() -> None:
    flush = Doubling(held=True)
    batcher: Batcher[int, int] = Batcher(flush)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(batcher.submit(1))
        await anyio.wait_all_tasks_blocked()
        rest = [group.create_task(batcher.submit(item)) for item in (2, 3, 4)]
        await anyio.wait_all_tasks_blocked()
        flush.go.set()

    assert [first.result(), *(task.result() for task in rest)] == [2, 4, 6, 8]
    assert flush.batches == [[1], [2, 3, 4]]


async def test_no_batch_is_larger_than_it_may_be() -> None:
    flush = Doubling()

    answers = await submit_all(Batcher(flush, max_batch=3), range(8))

    assert answers == [0, 2, 4, 6, 8, 10, 12, 14]
    assert [len(batch) for batch in flush.batches] == [3, 3, 2]


async def test_everyone_of_a_batch_that_fails_learns_so_and_the_next_batch_goes_on() -> None:
    flush = Doubling()
    flush.broken = 1
    batcher: Batcher[int, int] = Batcher(flush, max_batch=3)

    answers = await submit_all(batcher, range(5))

    assert [type(answer) for answer in answers] == [Broken, Broken, Broken, int, int]
    assert await batcher.submit(7) == 14


async def test_an_item_that_cannot_be_sent_fails_alone() -> None:
    async def fastidious(items: Sequence[int]) -> list[int]:
        if 2 in items:
            raise ValueError
        return [2 * item for item in items]

    answers = await submit_all(Batcher(fastidious), range(4))

    assert [type(answer) for answer in answers] == [int, int, ValueError, int]
    assert answers[3] == 6


async def test_a_flush_that_answers_too_little_leaves_nobody_waiting() -> None:
    async def forgetful(items: Sequence[int]) -> list[int]:
        return [2 * item for item in items[1:]]

    with anyio.fail_after(WAIT_SECONDS):
        answers = await submit_all(Batcher(forgetful), range(3))

    assert [type(answer) for answer in answers] == [ValueError, ValueError, ValueError]


async def test_who_asks_a_few_turns_of_the_loop_later_comes_along() -> None:
    """As messages do that came in one read of a socket."""
    flush = Doubling()
    batcher: Batcher[int, int] = Batcher(flush)

    async def later(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await batcher.submit(turns)

    await asyncio.gather(*(later(turns) for turns in range(4)))

    assert flush.batches == [[0, 1, 2, 3]]


async def test_one_asker_that_is_cancelled_harms_nobody_and_its_item_is_sent() -> None:
    flush = Doubling(held=True)
    batcher: Batcher[int, int] = Batcher(flush)
    asked = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await anyio.wait_all_tasks_blocked()

    asked[0].cancel()
    asked[1].cancel()
    flush.go.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(answer) for answer in answers] == [asyncio.CancelledError, asyncio.CancelledError, int]
    assert [item for batch in flush.batches for item in batch] == [1, 2, 3]
    assert await batcher.submit(4) == 8


@settings(deadline=None)
@given(
    items=st.lists(st.integers(), max_size=60), max_batch=st.integers(1, 20), broken=st.integers(0, 3), data=st.data()
)
def test_every_asker_is_answered_once_and_by_its_own_answer(
    items: list[int], max_batch: int, broken: int, data: st.DataObject
) -> None:
    cancelled = data.draw(st.sets(st.integers(0, max(len(items) - 1, 0))))

    async def play() -> tuple[list[int | BaseException], Doubling]:
        flush = Doubling(held=True)
        flush.broken = broken
        batcher: Batcher[int, int] = Batcher(flush, max_batch=max_batch)
        asked = [asyncio.create_task(batcher.submit(item)) for item in items]
        await asyncio.sleep(0)
        for index in cancelled & set(range(len(items))):
            asked[index].cancel()
        flush.go.set()
        async with asyncio.timeout(5):
            answers = list(await asyncio.gather(*asked, return_exceptions=True))
            await anyio.wait_all_tasks_blocked()  # what nobody waits for any more is sent, too
            return answers, flush

    answers, flush = asyncio.run(play())

    assert [item for batch in flush.batches for item in batch] == items
    assert all(len(batch) <= max_batch for batch in flush.batches)
    for index, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if index in cancelled:
            assert isinstance(answer, asyncio.CancelledError)
        elif index // max_batch < broken:
            assert isinstance(answer, Broken)
        else:
            assert answer == 2 * item
