"""A plain function and all it has started end together, whatever ends it, and the pool serves the next call."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from horarium.tasks import process_group, sync_pool
from horarium.tasks.sync_pool import SyncPool
from tests.support.families import alive, members, plain_family, plain_waits_for_its_children
from tests.support.tasks import plain_add, plain_pid
from tests.support.waiting import eventually, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

FAMILY = 6
"""The function's own process, four it started, and one that one of those started."""


@pytest.fixture
async def pool() -> AsyncIterator[SyncPool]:
    made = SyncPool(1)
    yield made
    made.stop()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "pids"


async def add(pool: SyncPool) -> int:
    answer: int = await pool.call(plain_add.original_func, [1, 2], {})
    return answer


async def begun(pool: SyncPool, mark: Path) -> tuple[asyncio.Task[object], list[int]]:
    """A call that waits, once its family is there, and who that is."""
    call = asyncio.create_task(pool.call(plain_family.original_func, [str(mark)], {}))

    async def written() -> list[int]:
        assert not call.done(), call
        return members(mark)

    family = await eventually(written)
    assert len(family) == FAMILY
    assert set(family) < set(alive(family[0]))
    return call, family


async def all_gone(group: int) -> None:
    async def nobody() -> bool:
        return alive(group) == []

    await eventually(nobody)


# What ends a function ends its children


async def test_a_cancelled_call_is_over_when_all_of_its_processes_are_dead(pool: SyncPool, mark: Path) -> None:
    call, family = await begun(pool, mark)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    states = {psutil.Process(pid).status() for pid in alive(family[0])}
    assert states <= {psutil.STATUS_ZOMBIE}, "at most not yet reaped by who inherits them"
    await all_gone(family[0])
    assert await add(pool) == 3


async def test_a_call_past_its_timeout_leaves_no_process(pool: SyncPool, mark: Path) -> None:
    """Which it runs into as soon as all of them are there."""

    async def run_out(limit: asyncio.Timeout) -> None:
        await eventually(lambda: _written(mark))
        limit.reschedule(asyncio.get_running_loop().time())

    async def call() -> None:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(run_out(limit))
            await pool.call(plain_family.original_func, [str(mark)], {})

    with pytest.raises(TimeoutError):
        await call()

    assert len(members(mark)) == FAMILY
    await all_gone(members(mark)[0])
    assert await add(pool) == 3


@pytest.mark.parametrize("code", [0, 7])
async def test_a_function_that_ends_its_process_takes_its_children_along(pool: SyncPool, mark: Path, code: int) -> None:
    with pytest.raises(Exception, match="Abnormal termination"):
        await pool.call(plain_family.original_func, [str(mark), f"exit {code}"], {})

    await all_gone(members(mark)[0])
    assert await add(pool) == 3


async def test_a_process_killed_from_outside_takes_its_children_along(pool: SyncPool, mark: Path) -> None:
    call, family = await begun(pool, mark)

    os.kill(family[0], signal.SIGKILL)
    with pytest.raises(Exception, match="Abnormal termination"):
        await call

    await all_gone(family[0])
    assert await add(pool) == 3


async def test_what_runs_on_after_its_function_has_returned_ends_with_the_process(pool: SyncPool, mark: Path) -> None:
    assert await pool.call(plain_family.original_func, [str(mark), "return"], {}) == "done"
    family = members(mark)
    assert set(family) < set(alive(family[0])), "left alone"

    pool.stop()

    await all_gone(family[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_is_killed_or_stops_leaves_no_process(mark: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.support.worker_process", str(mark)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as worker:  # noqa: S603, ASYNC220 - ourselves
        try:
            family = await eventually(lambda: _written(mark))
            worker.send_signal(number)
            until(lambda: worker.poll() is not None)
            await all_gone(family[0])
            assert worker.stderr is not None
            worker.stderr.read()  # ends, so nobody holds the pipe open
        finally:
            worker.kill()


async def _written(mark: Path) -> list[int]:
    return members(mark)


# The pool goes on


async def test_an_idle_process_that_is_killed_is_replaced(pool: SyncPool) -> None:
    pid = await pool.call(plain_pid.original_func, [], {})
    os.kill(pid, signal.SIGKILL)
    await all_gone(pid)
    assert pool._pool is not None

    async def noticed() -> bool:
        return not pool._pool.active

    await eventually(noticed)

    assert await add(pool) == 3


async def test_a_call_cancelled_before_its_process_is_up_does_not_wait_for_the_next(pool: SyncPool, mark: Path) -> None:
    call = asyncio.create_task(pool.call(plain_family.original_func, [str(mark)], {}))
    await asyncio.sleep(0)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    if members(mark):
        await all_gone(members(mark)[0])
    assert await add(pool) == 3


async def test_a_function_that_waits_for_its_children_waits_for_no_other(pool: SyncPool) -> None:
    assert await pool.call(plain_waits_for_its_children.original_func, [], {}) == 1


async def test_a_stopped_pool_leaves_no_guard(pool: SyncPool) -> None:
    pid = await pool.call(plain_pid.original_func, [], {})
    assert len(alive(pid)) == 2, "the process and its guard"

    pool.stop()

    await all_gone(pid)


async def test_without_the_guard_children_outlive_a_function_that_ends_its_process(
    mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_pool, "_serve", _serve_without_a_guard)
    pool = SyncPool(1)
    try:
        with pytest.raises(Exception, match="Abnormal termination"):
            await pool.call(plain_family.original_func, [str(mark), "exit 7"], {})
        await add(pool)
        assert set(alive(members(mark)[0])) == set(members(mark)[1:])
    finally:
        pool.stop()
        os.killpg(members(mark)[0], signal.SIGKILL)


def _serve_without_a_guard(_worker: int, _relay: object) -> None:
    process_group.os.setpgid(0, 0)
