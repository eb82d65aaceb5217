"""Taking messages: as many at once as there are seats, until it is asked to finish."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.tasks.intake import Intake
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Source:
    """Messages that are there, and then none for ever, or a fault."""

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self._count = count
        self._fault = fault
        self.closed = False

    async def messages(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self._count):
                yield b"%d" % number
            if self._fault is not None:
                raise self._fault
            await asyncio.Event().wait()
        finally:
            self.closed = True

    async def is_closed(self) -> None:
        async def so() -> bool:
            return self.closed

        await eventually(so)


class Handler:
    """Handles each message when it is let."""

    def __init__(self, *, held: bool) -> None:
        self.begun: list[bytes] = []
        self.ended: list[bytes] = []
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def __call__(self, message: object) -> None:
        assert isinstance(message, bytes)
        self.begun.append(message)
        await self.go.wait()
        self.ended.append(message)

    async def has_begun(self, count: int) -> None:
        async def so_many() -> bool:
            return len(self.begun) >= count

        await eventually(so_many)


async def test_no_more_is_read_than_there_are_seats_for() -> None:
    handler, finish = Handler(held=True), asyncio.Event()
    intake = Intake(Source(5).messages(), handler, seats=asyncio.Semaphore(2))

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: intake.run(finish, drain_seconds=1))
        await handler.has_begun(2)
        begun = list(handler.begun)
        handler.go.set()
        await handler.has_begun(5)
        finish.set()

    assert begun == [b"0", b"1"]
    assert len(handler.ended) == 5


async def test_asked_to_finish_it_reads_no_more_and_waits_for_what_runs() -> None:
    source, handler, finish = Source(1), Handler(held=True), asyncio.Event()
    intake = Intake(source.messages(), handler, seats=asyncio.Semaphore(2))

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: intake.run(finish, drain_seconds=5))
        await handler.has_begun(1)
        finish.set()
        await source.is_closed()
        ended_before = list(handler.ended)
        handler.go.set()

    assert (ended_before, handler.ended) == ([], [b"0"])


async def test_what_does_not_end_is_waited_for_no_longer_than_said() -> None:
    handler, finish = Handler(held=True), asyncio.Event()
    intake = Intake(Source(1).messages(), handler, seats=asyncio.Semaphore(1))

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: intake.run(finish, drain_seconds=0.01))
        await handler.has_begun(1)
        finish.set()

    assert handler.ended == []


async def test_a_fault_of_the_source_is_raised() -> None:
    intake = Intake(Source(1, OSError("gone")).messages(), Handler(held=False), seats=asyncio.Semaphore(3))

    with pytest.raises(OSError, match="gone"):
        await intake.run(asyncio.Event(), drain_seconds=1)


async def test_no_more_is_taken_in_all_than_was_said() -> None:
    source, handler = Source(5), Handler(held=False)

    await Intake(source.messages(), handler, seats=asyncio.Semaphore(5), most=3).run(asyncio.Event(), drain_seconds=1)

    assert (handler.ended, source.closed) == ([b"0", b"1", b"2"], True)


async def test_a_session_that_ends_leaves_its_seats_to_the_next_one() -> None:
    """A pause ends a session, and a resume is the next one of the same receiver: no seat is lost in between."""
    seats, handler = asyncio.Semaphore(1), Handler(held=False)
    for session in range(3):
        finish = asyncio.Event()
        async with anyio.create_task_group() as group:
            intake = Intake(Source(1).messages(), handler, seats=seats)
            group.start_soon(partial(intake.run, finish, drain_seconds=1))
            await handler.has_begun(session + 1)
            finish.set()

    assert len(handler.ended) == 3
    assert not seats.locked()
