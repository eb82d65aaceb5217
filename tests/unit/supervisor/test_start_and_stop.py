"""Ordered start with readiness, reverse stop with deadlines."""

# ruff: noqa: ARG001 - a child's entry point has one signature, whatever of it a test uses

from __future__ import annotations

import anyio
import pytest
import trio

from horarium.supervisor import (
    ChildExited,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    ChildUnstopped,
    LetGo,
    Supervisor,
    SupervisorSpec,
    SupervisorStarted,
    SupervisorStopped,
)

pytestmark = pytest.mark.anyio


async def test_children_start_in_order_and_stop_in_reverse(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), stage.child("c")):
        pass

    assert stage.journal == ["a starts", "b starts", "c starts", "c ends", "b ends", "a ends"]
    assert [event.child for event in stage.of(ChildStarted)] == ["a", "b", "c"]
    assert [event.child for event in stage.of(ChildStopped)] == ["c", "b", "a"]


async def test_a_child_waits_until_the_one_before_it_is_ready(stage):
    async def slow(context, *, task_status):
        await anyio.sleep(3)
        stage.journal.append("slow is ready")
        task_status.started()
        await anyio.sleep_forever()

    async with stage.playing(ChildSpec("slow", slow), stage.child("next")):
        pass

    assert stage.journal[:2] == ["slow is ready", "next starts"]
    assert stage.of(ChildStarted, child="slow")[0].start_ms == 3000


async def test_the_supervisor_is_started_once_every_child_is_ready(stage):
    async with stage.playing(stage.child("a"), SupervisorSpec("inner", (stage.child("b"),))):
        when_started = list(stage.events)

    assert isinstance(when_started[-1], SupervisorStarted)
    assert [event.child for event in when_started if isinstance(event, ChildStarted)] == ["a", "b", "inner"]


async def test_a_nested_supervisor_stops_its_children_in_reverse_before_its_elder_siblings(stage):
    inner = SupervisorSpec("inner", (stage.child("b"), stage.child("c")))

    async with stage.playing(stage.child("a"), inner, stage.child("d")):
        stage.journal.clear()

    assert stage.journal == ["d ends", "c ends", "b ends", "a ends"]


async def test_an_asked_stop_is_an_exit_of_reason_shutdown_that_is_not_restarted(stage):
    async with stage.playing(stage.child("a")):
        pass

    exit_event = stage.of(ChildExited)[0]
    assert exit_event.reason == "shutdown"
    assert exit_event.decision == LetGo("its supervisor is stopping")


async def test_a_draining_child_ends_of_itself_before_it_is_cancelled(stage):
    async def drains(context, *, task_status):
        task_status.started()
        await context.stopping.wait()
        await anyio.sleep(2)
        stage.journal.append("drained")

    async with stage.playing(ChildSpec("a", drains, drain=5)):
        pass

    assert stage.journal == ["drained"]
    assert stage.of(ChildStopped)[0].stop_ms == 2000


async def test_a_child_that_does_not_drain_is_cancelled_at_its_deadline(stage):
    async with stage.playing(stage.child("a", drain=5)):
        pass

    assert stage.of(ChildStopped)[0].stop_ms == 5000


async def test_a_child_that_ignores_its_cancellation_holds_up_nobody_and_is_named(stage):
    """Its siblings stop on time; it is reported, then joined when it ends at last."""
    # given
    async with stage.playing(stage.child("a"), stage.child("b", "stubborn", shutdown=2)) as supervisor:
        began = anyio.current_time()

        # when
        supervisor.stop()
        unstopped = await supervisor.wait_stopped()

        # then
        assert unstopped == ("b",)
        assert anyio.current_time() - began == pytest.approx(2)
        assert stage.journal[-1] == "a ends"
        assert supervisor.snapshot().find("b").state == "unstopped"
        stage.end("b")

    assert stage.of(ChildUnstopped)[0].after_ms == 2000
    assert stage.of(SupervisorStopped)[0].unstopped == ("b",)
    assert stage.of(ChildExited, child="b")[0].reason == "shutdown"


async def test_a_child_that_needs_a_moment_after_its_cancellation_gets_it(stage):
    async def cleans_up(context, *, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1.5)

    async with stage.playing(ChildSpec("a", cleans_up, shutdown=2)):
        pass

    assert stage.of(ChildStopped)[0].stop_ms == 1500
    assert stage.of(ChildUnstopped) == []


async def test_a_stop_during_the_start_ends_what_was_started_and_starts_nothing_more(stage):
    supervisor = stage.supervisor(stage.child("a"), stage.child("b", "hang"), stage.child("c"))

    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        await stage.until(ChildStarted, child="a")
        await anyio.sleep(1)
        supervisor.stop()

    assert stage.journal == ["a starts", "b starts", "b ends", "a ends"]


async def test_a_stop_during_backoff_does_not_wait_for_the_restart(stage):
    async with stage.playing(stage.child("a", "crash")) as supervisor:
        await stage.until(ChildExited, count=5)
        began = anyio.current_time()
        supervisor.stop()
        await supervisor.wait_stopped()

    assert anyio.current_time() == began


async def test_cancelling_the_run_still_accounts_for_every_child(stage):
    supervisor = stage.supervisor(stage.child("a"), SupervisorSpec("inner", (stage.child("b"),)))

    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        group.cancel_scope.cancel()

    assert {event.child: event.reason for event in stage.of(ChildExited)} == dict.fromkeys(
        ["a", "b", "inner"], "shutdown"
    )
    assert [event.supervisor for event in stage.of(SupervisorStopped)] == ["inner", "root"]


async def test_a_nested_supervisor_with_a_stubborn_child_holds_up_nobody(stage):
    inner = SupervisorSpec("inner", (stage.child("b", "stubborn", shutdown=2),))

    async with stage.playing(stage.child("a"), inner) as supervisor:
        began = anyio.current_time()
        supervisor.stop()
        unstopped = await supervisor.wait_stopped()
        assert anyio.current_time() - began == pytest.approx(2)
        stage.end("b")

    assert unstopped == ("inner",)
    assert stage.of(SupervisorStopped, supervisor="inner")[0].unstopped == ("b",)


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_a_deadline_that_passes_while_another_is_told_of_is_not_forgotten(stage):
    """The clock goes on while a stack is written down: on MockClock only because the hook moves it."""
    # given
    children = (stage.child("a", "stubborn", shutdown=2), stage.child("b", "stubborn", shutdown=2.01))

    def takes_its_time(event):
        if isinstance(event, ChildUnstopped):
            trio.lowlevel.current_clock().jump(0.05)

    supervisor = Supervisor(SupervisorSpec("root", children), on_event=takes_its_time)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))

        # when
        supervisor.cancel()
        with anyio.move_on_after(10) as waiting:
            await supervisor.wait_stopped()
        stage.end("a")
        stage.end("b")

    # then
    assert not waiting.cancelled_caught
