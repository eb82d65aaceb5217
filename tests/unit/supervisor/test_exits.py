"""How a child can end, and that no end of one child ever touches another."""

# ruff: noqa: ARG001 - a child's entry point has one signature, whatever of it a test uses

from __future__ import annotations

import asyncio

import anyio
import pytest

from horarium.supervisor import ChildExited, ChildRestarted, ChildSpec, StrayCancellation, SupervisorSpec

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


@on_asyncio
async def test_awaiting_a_cancelled_future_is_that_childs_failure_and_nobody_elses(stage):
    """A bare task group would end all siblings here, without an exception."""

    # given
    async def strays(context, *, task_status):
        task_status.started()
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    # when
    async with stage.playing(stage.child("a"), ChildSpec("b", strays), stage.child("c")):
        exit_event = await stage.until(ChildExited)
        assert stage.journal == ["a starts", "c starts"]

    # then
    assert exit_event.child == "b"
    assert exit_event.reason == "stray_cancellation"
    assert isinstance(exit_event.error, StrayCancellation)
    assert isinstance(exit_event.error.__cause__, asyncio.CancelledError)


@on_asyncio
async def test_a_stray_cancellation_before_ready_is_retried_like_any_failure(stage):
    async def strays_once(context, *, task_status):
        if context.incarnation == 1:
            raise asyncio.CancelledError
        task_status.started()
        await anyio.sleep_forever()

    async with stage.playing(stage.child("a"), ChildSpec("b", strays_once)):
        pass

    assert stage.of(ChildExited)[0].reason == "stray_cancellation"
    assert stage.journal == ["a starts", "a ends"]


async def test_an_exception_group_is_one_exit(stage):
    async def two_at_once(context, *, task_status):
        task_status.started()
        async with anyio.create_task_group() as group:
            group.start_soon(_fail_with, ValueError("one"))
            group.start_soon(_fail_with, KeyError("two"))

    async with stage.playing(ChildSpec("a", two_at_once, restart="temporary")):
        exit_event = await stage.until(ChildExited)

    assert exit_event.reason == "error"
    assert isinstance(exit_event.error, ExceptionGroup)
    assert {type(error) for error in exit_event.error.exceptions} == {ValueError, KeyError}


async def _fail_with(error):
    raise error


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_an_interrupt_is_never_absorbed(stage, fatal):
    async def interrupted(context, *, task_status):
        task_status.started()
        raise fatal

    with pytest.raises(BaseExceptionGroup) as raised:
        await stage.supervisor(stage.child("a"), SupervisorSpec("inner", (ChildSpec("b", interrupted),))).run()

    assert raised.group_contains(fatal)
    assert {event.child for event in stage.of(ChildExited)} == {"a", "b", "inner"}


def test_an_interrupt_leaves_asyncio_too(stage):
    async def interrupted(context, *, task_status):
        raise KeyboardInterrupt

    supervisor = stage.supervisor(ChildSpec("a", interrupted))

    with pytest.raises(KeyboardInterrupt):
        anyio.run(supervisor.run)


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_an_interrupt_inside_a_group_is_not_absorbed_either(stage):
    async def interrupted(context, *, task_status):
        raise BaseExceptionGroup("both", [ValueError(), KeyboardInterrupt()])

    with pytest.raises(BaseExceptionGroup) as raised:
        await stage.supervisor(ChildSpec("a", interrupted)).run()

    assert raised.group_contains(KeyboardInterrupt)
    assert not raised.group_contains(ValueError)


async def test_an_error_raised_while_stopping_is_told_and_stops_nobody_else(stage):
    async def dies_badly(context, *, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            raise stage.Boom

    async with stage.playing(stage.child("a"), ChildSpec("b", dies_badly)):
        pass

    exit_event = stage.of(ChildExited, child="b")[0]
    assert exit_event.reason == "error"
    assert isinstance(exit_event.error, stage.Boom)
    assert stage.journal == ["a starts", "a ends"]


async def test_an_unshielded_await_in_finally_is_cut_short(stage):
    async def lingers(context, *, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(1)
            stage.journal.append("never reached")

    async with stage.playing(ChildSpec("a", lingers)):
        pass

    assert stage.journal == []
    assert stage.of(ChildExited)[0].reason == "shutdown"


async def test_an_entry_point_that_raises_before_its_first_await_fails_alone(stage):
    def broken(context, *, task_status):
        raise stage.Boom

    async with stage.playing(stage.child("a"), ChildSpec("b", broken, restart="temporary"), stage.child("c")):
        pass

    assert stage.of(ChildExited, child="b")[0].reason == "start_failed"


async def test_calling_started_twice_is_the_childs_own_error(stage):
    async def eager(context, *, task_status):
        task_status.started()
        if context.incarnation == 1:
            task_status.started()
        await anyio.sleep_forever()

    async with stage.playing(ChildSpec("a", eager)):
        await stage.until(ChildRestarted)

    assert isinstance(stage.of(ChildExited)[0].error, RuntimeError)


async def test_what_a_killed_child_says_while_ending_is_kept_as_a_note(stage):
    async def dies_badly(context, *, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            raise stage.Boom("last words")

    async with stage.playing(ChildSpec("a", dies_badly, restart="temporary")) as supervisor:
        supervisor.kill("a")
        exit_event = await stage.until(ChildExited)

    assert "last words" in exit_event.error.__notes__[0]
