"""The event loop is blocked: it is told of while it lasts, with its culprit, and once more when it is over.

In real time, since a blocked loop has no other. Nothing sleeps: the loop is blocked until the monitor has told of it.
"""

from __future__ import annotations

import ctypes
import threading
import time
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
import structlog
from structlog.testing import capture_logs

from horarium.supervisor import EventRing, LoopRecovered, LoopStalled, StallMonitor, log_event
from tests.support.hook import Hook
from tests.support.waiting import WAIT_SECONDS

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@asynccontextmanager
async def watched(hook, *, threshold=0.25):
    """A loop that is watched; the ring holds everything once the block has ended."""
    monitor, ring = StallMonitor(time.monotonic, threshold=threshold, interval=0.01), EventRing()
    async with anyio.create_task_group() as group:
        await group.start(partial(monitor.run, "root", ring, hook))
        yield monitor, ring
        group.cancel_scope.cancel()


def kinds(ring):
    return [type(recorded.event) for recorded in ring.recent()]


async def looked_at(monitor, times):
    """Once somebody has looked at the pulse so often: the thread, and the beat."""
    looks, look = threading.Semaphore(0), monitor._pulse.stalled_for
    monitor._pulse.stalled_for = lambda: looks.release() or look()
    for _ in range(times):
        assert await anyio.to_thread.run_sync(looks.acquire, True, WAIT_SECONDS)


async def recovered(hook):
    """Once that is told."""
    return await anyio.to_thread.run_sync(hook.wait_for, LoopRecovered)


def forgets_to_await(hook, count=1):
    secret_of_a_variable = "hunter2"  # noqa: F841 - must not be told
    return hook.wait_for(LoopStalled, count)


async def test_a_blocked_loop_is_told_of_while_it_is_blocked_with_the_stack_of_what_blocks_it():
    hook = Hook()

    async with watched(hook) as (monitor, _):
        told = forgets_to_await(hook)
        stalled_for = monitor.stalled_for()

    assert (told.supervisor, told.name, told.level) == ("root", "loop.stalled", "error")
    assert "in forgets_to_await\n" in told.stack
    assert "return hook.wait_for(LoopStalled, count)" in told.stack
    assert "hunter2" not in told.stack.replace('"hunter2"', "")
    assert 0.25 <= told.stalled_ms / 1000 <= stalled_for


async def test_the_log_line_is_written_during_the_stall():
    hook = Hook()

    def log_and_tell(event):
        log_event(structlog.get_logger("tests"), event)
        hook(event)

    with capture_logs() as lines:
        async with watched(log_and_tell):
            forgets_to_await(hook)
            during = list(lines)

    (line,) = during
    assert (line["event"], line["log_level"], line["supervisor"]) == ("loop.stalled", "error", "root")
    assert "forgets_to_await" in line["stack"]


async def test_a_stall_is_told_of_again_whenever_it_has_doubled():
    hook = Hook()

    async with watched(hook):
        forgets_to_await(hook, count=3)

    first, second, third = (event.stalled_ms for event in hook.of(LoopStalled))
    rounding = 0.2  # events tell tenths of a millisecond
    assert second >= 2 * first - rounding
    assert third >= 2 * second - rounding


async def test_the_loop_that_is_back_is_told_of_once_and_the_ring_has_both():
    hook = Hook()

    async with watched(hook) as (monitor, ring):
        stalled = forgets_to_await(hook)
        back = await recovered(hook)
        stalled_for = monitor.stalled_for()

    assert (back.supervisor, back.name, back.level) == ("root", "loop.recovered", "warning")
    assert back.stalled_ms >= stalled.stalled_ms
    assert stalled_for == 0.0
    assert kinds(ring) == [LoopStalled, LoopRecovered]
    assert [recorded.event for recorded in ring.recent()] == hook.told


async def test_the_ring_is_left_alone_while_the_loop_is_blocked():
    hook = Hook()

    async with watched(hook) as (_, ring):
        forgets_to_await(hook)
        during = kinds(ring)

    assert during == []


async def test_a_second_stall_is_told_of_as_the_first_was():
    hook = Hook()

    async with watched(hook) as (_, ring):
        forgets_to_await(hook)
        await recovered(hook)
        forgets_to_await(hook, count=2)

    assert kinds(ring) == [LoopStalled, LoopRecovered, LoopStalled, LoopRecovered]


async def test_nothing_is_told_while_the_loop_runs():
    hook = Hook()

    async with watched(hook, threshold=WAIT_SECONDS) as (monitor, ring):
        await looked_at(monitor, times=10)

    assert (hook.told, kinds(ring)) == ([], [])


async def test_a_stall_in_which_no_thread_could_run_is_told_of_afterwards():
    hook = Hook()

    async with watched(hook):
        ctypes.PyDLL(None).usleep(400_000)  # PyDLL keeps the GIL
        back = await recovered(hook)

    assert back.stalled_ms >= 400


async def test_what_the_hook_refused_is_told_again_by_the_loop_and_the_monitor_goes_on():
    hook = Hook(broken=1)

    async with watched(hook, threshold=0.2) as (_, ring):
        forgets_to_await(hook)  # of the second time, when it has doubled
        await recovered(hook)

    assert kinds(ring) == [LoopStalled, LoopStalled, LoopRecovered]
    assert sorted(map(id, hook.told)) == sorted(id(recorded.event) for recorded in ring.recent())


async def test_a_hook_that_keeps_raising_is_raised_in_the_loop():
    called = threading.Event()

    def broken(_event):
        called.set()
        raise RuntimeError("no log today")

    async def blocked_once():
        async with watched(broken):
            assert called.wait(WAIT_SECONDS)
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as raised:
        await blocked_once()

    assert raised.group_contains(RuntimeError, match="no log today")


async def test_how_long_the_loop_is_blocked_can_be_asked_while_the_hook_hangs():
    hanging, free = threading.Event(), threading.Event()

    def hangs(_event):
        hanging.set()
        assert free.wait(WAIT_SECONDS)

    async with watched(hangs) as (monitor, ring):
        assert hanging.wait(WAIT_SECONDS)
        stalled_for = monitor.stalled_for()
        free.set()

    assert stalled_for >= 0.25
    assert kinds(ring) == [LoopStalled, LoopRecovered]


async def test_the_thread_is_gone_when_the_monitor_has_ended():
    def names():
        return [thread.name for thread in threading.enumerate()]

    async with watched(Hook()) as (monitor, _):
        during = names()

    assert "stall-monitor" in during
    assert "stall-monitor" not in names()
    assert monitor.stalled_for() == 0.0
