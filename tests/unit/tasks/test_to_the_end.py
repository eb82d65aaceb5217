"""Work that nobody cuts off: it ends, and then whoever waits for it is cancelled, or hears what it raised."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from horarium.tasks.to_the_end import to_the_end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """Goes on when it is let, and is done then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.is_done = False
        self._error = error

    async def __call__(self) -> None:
        await self.go.wait()
        self.is_done = True
        if self._error is not None:
            raise self._error


async def cancelled(waiting: asyncio.Task[None], times: int) -> None:
    """Cancel it so often, each time once it has settled."""
    for _ in range(times):
        await anyio.wait_all_tasks_blocked()
        waiting.cancel()
    await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("times", [1, 3])
async def test_work_is_done_however_often_who_waits_for_it_is_cancelled(times: int) -> None:
    work = Work()
    waiting = asyncio.create_task(to_the_end(work()))

    await cancelled(waiting, times)
    assert not waiting.done()
    work.go.set()
    await asyncio.wait([waiting])

    assert (work.is_done, waiting.cancelled()) == (True, True)


@pytest.mark.parametrize("times", [0, 1])
async def test_what_it_raises_is_heard(times: int) -> None:
    work = Work(ValueError("no"))
    waiting = asyncio.create_task(to_the_end(work()))

    await cancelled(waiting, times)
    work.go.set()

    with pytest.raises(ValueError, match="no"):
        await waiting
