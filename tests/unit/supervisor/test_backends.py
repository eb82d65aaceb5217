"""The same library on every event loop it is meant for, in real time: asyncio's own, uvloop, and trio.

The other tests play in virtual time on asyncio and trio; uvloop's clock cannot be moved by a test, so what its loop
does otherwise (cancellation, stacks, timers) is seen here.
"""

# ruff: noqa: ARG001 - a child's entry point has one signature, whatever of it a test uses

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from horarium.supervisor import (
    Backoff,
    ChildExited,
    ChildHung,
    ChildRestarted,
    ChildSpec,
    ChildUnstopped,
    Mailbox,
    StrayCancellation,
    SupervisorSpec,
    TargetDown,
)

pytestmark = pytest.mark.anyio

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
SOON = Backoff(initial=0.01, jitter=0.0)


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return LOOPS[request.param]


async def test_a_crash_restarts_what_it_should_and_the_stop_is_in_order(stage):
    inner = SupervisorSpec("inner", (stage.child("b", backoff=SOON), stage.child("c")), strategy="rest_for_one")

    async with stage.playing(stage.child("a"), inner):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="c")

    assert stage.journal == ["b ends", "c ends", "b starts", "c starts", "c ends", "b ends", "a ends"]


async def test_a_hang_is_told_with_the_stack_of_the_task_that_hangs(stage):
    async def hangs_below(context, *, task_status):
        task_status.started()
        async with anyio.create_task_group() as group:
            group.start_soon(the_place_where_it_hangs)

    child = ChildSpec("a", hangs_below, watchdog=0.05, backoff=SOON, restart="temporary")

    async with stage.playing(child):
        hung = await stage.until(ChildHung)
        exited = await stage.until(ChildExited)

    assert "in the_place_where_it_hangs" in hung.stack
    assert hung.silent_ms >= 50
    assert exited.reason == "watchdog"


async def the_place_where_it_hangs():
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    "anyio_backend", [LOOPS["asyncio"], LOOPS["uvloop"]], ids=["asyncio", "uvloop"], indirect=False
)
async def test_awaiting_a_cancelled_future_is_the_childs_own_failure(stage, anyio_backend):
    async def strays(context, *, task_status):
        task_status.started()
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with stage.playing(stage.child("a"), ChildSpec("b", strays, restart="temporary")):
        exited = await stage.until(ChildExited)
        assert stage.journal == ["a starts"]

    assert isinstance(exited.error, StrayCancellation)


async def test_a_question_fails_when_its_actor_dies_of_it(stage):
    mailbox: Mailbox[Any] = Mailbox("m")

    async def dies(context, *, task_status):
        task_status.started()
        await context.inbox.receive()
        raise stage.Boom

    async with stage.playing(ChildSpec("a", dies, mailbox=mailbox, backoff=SOON)):
        with pytest.raises(TargetDown):
            await mailbox.ask(lambda reply: [reply])


async def test_a_child_that_ignores_its_cancellation_is_named_with_its_stack(stage):
    async with stage.playing(stage.child("a", "stubborn", shutdown=0.05)) as supervisor:
        supervisor.stop()
        unstopped = await supervisor.wait_stopped()
        stage.end("a")

    assert unstopped == ("a",)
    assert "_wait_for_order" in stage.of(ChildUnstopped)[0].stack


async def test_a_child_is_added_restarted_and_removed_while_the_tree_runs(stage):
    async with stage.playing(stage.child("a")) as supervisor:
        await supervisor.add(stage.child("b"), to="root")
        watch = supervisor.watch("b")
        supervisor.restart("b")
        await stage.until(ChildRestarted, child="b")
        await supervisor.remove("b")
        assert [node.id for node in supervisor.snapshot().children] == ["a"]

    assert (await watch.down()).incarnation == 1
    assert stage.journal == ["a starts", "b starts", "b ends", "b starts", "b ends", "a ends"]
