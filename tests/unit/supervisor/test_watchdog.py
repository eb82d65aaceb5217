"""Watchdogs: a child that hangs is told from one that waits, and told with the place where it hangs."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildExited,
    ChildHung,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    ChildUnstopped,
    Hung,
    Mailbox,
    RestartScheduled,
    StillRunning,
)
from horarium.supervisor.watchdog import Pulse, Watchdog

pytestmark = pytest.mark.anyio


def works(body, **options):
    """A child that is ready at once and then does what `body` does with its context, and serves once restarted."""

    async def run(context, *, task_status):
        task_status.started()
        if context.incarnation == 1:
            await body(context)
        with context.idle():
            await anyio.sleep_forever()

    return ChildSpec("a", run, **{"watchdog": 60, **options})


async def a_place_to_hang_in():
    await anyio.sleep_forever()


async def test_a_child_that_hangs_is_cancelled_and_restarted(stage):
    async with stage.playing(stage.child("a", "busy", "serve", watchdog=60), stage.child("b")):
        restarted = await stage.until(ChildRestarted)
        assert stage.journal == ["a starts", "b starts", "a ends", "a starts"]

    exit_event = stage.of(ChildExited)[0]
    assert exit_event.reason == "watchdog"
    assert isinstance(exit_event.error, Hung)
    assert restarted.incarnation == 2


async def test_a_hang_is_told_with_what_was_handled_and_the_stack(stage):
    async def hangs(context):
        context.working_on("invoice 7")
        await a_place_to_hang_in()

    async with stage.playing(works(hangs)):
        hung = await stage.until(ChildHung)

    assert (hung.child, hung.incarnation, hung.handling) == ("a", 1, "invoice 7")
    assert "a_place_to_hang_in" in hung.stack
    assert str(stage.of(ChildExited)[0].error).endswith("handling invoice 7")


async def test_a_hang_in_a_task_of_the_childs_own_group_shows_in_the_stack(stage):
    async def hangs_below(context):  # noqa: ARG001 - the task below gives no sign of life
        async with anyio.create_task_group() as group:
            group.start_soon(a_place_to_hang_in, name="the task below")

    async with stage.playing(works(hangs_below)):
        hung = await stage.until(ChildHung)

    assert "a_place_to_hang_in" in hung.stack
    assert 'Task "the task below"' in hung.stack


async def test_a_child_that_never_gave_a_sign_hangs_exactly_at_its_limit(stage):
    async with stage.playing(stage.child("a", "busy", "serve", watchdog=60)):
        ready = anyio.current_time()
        hung = await stage.until(ChildHung)
        assert anyio.current_time() - ready == 60

    assert hung.silent_ms == 60_000


@pytest.mark.parametrize("last_sign", [0.001, 7, 14.999, 15, 15.001, 29, 44, 59.999])
async def test_a_hang_is_never_told_before_the_limit_and_at_most_a_quarter_later(stage, last_sign):
    async def gives_one_sign(context):
        await anyio.sleep(last_sign)
        context.beat()
        await anyio.sleep_forever()

    async with stage.playing(works(gives_one_sign)):
        ready = anyio.current_time()
        await stage.until(ChildHung)
        silence = anyio.current_time() - ready - last_sign

    assert 60 <= silence <= 75


async def test_a_watchdog_looks_four_times_within_its_limit():
    pulse = Pulse()
    watchdog = Watchdog(60, pulse, now=0)

    planned = [watchdog.next_look]
    barked = [watchdog.barks(15), watchdog.barks(30), watchdog.barks(45), watchdog.barks(59)]
    planned.append(watchdog.next_look)

    assert barked == [False] * 4
    assert planned == [15, 60]
    assert watchdog.barks(60)


async def test_a_look_that_comes_late_accuses_nobody_who_could_not_run_either():
    """The event loop was blocked, or the whole process stopped: the limit begins anew."""
    watchdog = Watchdog(60, Pulse(), now=0)

    assert not watchdog.barks(1000)
    assert [watchdog.barks(now) for now in (1015, 1030, 1045, 1059)] == [False] * 4
    assert watchdog.barks(1060)


async def test_a_child_that_waits_for_messages_is_idle_and_no_hang(stage):
    mailbox = Mailbox("letters")

    async def reads(context):
        await context.inbox.receive()

    async with stage.playing(works(reads, mailbox=mailbox)):
        await anyio.sleep(24 * 3600)

    assert stage.of(ChildHung) == []


async def test_a_child_that_sleeps_by_its_context_is_idle_and_no_hang(stage):
    async def sleeps(context):
        await context.sleep(3600)
        stage.journal.append("slept")

    async with stage.playing(works(sleeps)):
        await anyio.sleep(24 * 3600)

    assert stage.journal == ["slept"]
    assert stage.of(ChildHung) == []


async def test_a_child_hangs_if_it_goes_silent_after_having_been_idle(stage):
    async def wakes_up_to_hang(context):
        await context.sleep(3600)
        await anyio.sleep_forever()

    async with stage.playing(works(wakes_up_to_hang)):
        ready = anyio.current_time()
        await stage.until(ChildHung)
        silence = anyio.current_time() - ready - 3600

    assert 60 <= silence <= 75


async def test_heartbeats_keep_a_child_alive_through_long_work(stage):
    async def works_long(context):
        await beat_every(59, context, times=100)
        stage.journal.append("done")

    async with stage.playing(works(works_long)):
        await anyio.sleep(2 * 3600)

    assert stage.journal == ["done"]
    assert stage.of(ChildHung) == []


async def beat_every(seconds, context, *, times):
    for _ in range(times):
        await anyio.sleep(seconds)
        context.beat()


async def test_taking_messages_keeps_a_child_alive_though_it_never_waits(stage):
    mailbox = Mailbox("letters")

    async def takes_slowly(context):
        await take_every(59, context, times=3)

    async with stage.playing(works(takes_slowly, mailbox=mailbox)):
        await mailbox.send("one")
        await mailbox.send("two")
        await mailbox.send("three")
        await anyio.sleep(3600)

    assert mailbox.taken == 3
    assert stage.of(ChildHung) == []


async def take_every(seconds, context, *, times):
    for _ in range(times):
        await anyio.sleep(seconds)
        context.inbox.receive_nowait()


async def test_a_handler_that_hangs_is_told_and_the_next_message_is_read(stage):
    """The message that it hung in is lost and counted, as with a crash."""
    mailbox = Mailbox("letters")

    async def hangs_in_a_message(context):
        await context.inbox.receive()
        await anyio.sleep_forever()

    async with stage.playing(works(hangs_in_a_message, mailbox=mailbox)):
        await mailbox.send("poison")
        await mailbox.send("next")
        restarted = await stage.until(ChildRestarted)

    assert restarted.mailbox_carried == 1
    assert (mailbox.taken, mailbox.lost) == (1, 1)


async def test_a_child_is_watched_only_once_it_is_ready(stage):
    """Before that it has its `start_timeout`."""

    async def starts_slowly(context, *, task_status):
        await anyio.sleep(25)
        task_status.started()
        with context.idle():
            await anyio.sleep_forever()

    async with stage.playing(ChildSpec("a", starts_slowly, watchdog=1)):
        pass

    assert stage.of(ChildHung) == []


async def test_a_child_that_drains_is_not_watched(stage):
    """It has its `drain` for that."""

    async def drains(context, *, task_status):
        task_status.started()
        with context.idle():
            await context.stopping.wait()
        await anyio.sleep(30)
        stage.journal.append("drained")

    async with stage.playing(ChildSpec("a", drains, watchdog=1, drain=60)):
        pass

    assert stage.journal == ["drained"]
    assert stage.of(ChildHung) == []


async def test_a_child_without_a_watchdog_may_be_silent_for_ever(stage):
    async with stage.playing(stage.child("a", "busy")):
        await anyio.sleep(30 * 24 * 3600)

    assert stage.of(ChildExited, reason="watchdog") == []


async def test_a_hung_child_that_ignores_its_cancellation_is_named_and_never_doubled(stage):
    # given
    child = stage.child("a", "stubborn", "serve", watchdog=60, shutdown=2)
    async with stage.playing(child, stage.child("b")):
        # when
        hung = await stage.until(ChildHung)
        unstopped = await stage.until(ChildUnstopped)
        exits = [await stage.until(ChildExited), await stage.until(ChildExited, count=2)]
        assert stage.journal == ["a starts", "b starts"]
        stage.end("a")
        await stage.until(ChildStarted, child="a", incarnation=2)

        # then
        assert stage.journal == ["a starts", "b starts", "a ends", "a starts"]

    assert hung.silent_ms == 60_000
    assert unstopped.after_ms == 2000
    assert [type(event.error) for event in exits] == [Hung, StillRunning]


async def test_a_child_that_hangs_each_time_backs_off_however_long_its_watchdog_is(stage):
    """Its silence is no healthy period, though it is longer than the backoff's `reset_after`."""
    async with stage.playing(stage.child("a", "busy", watchdog=3600)):
        await stage.until(RestartScheduled, count=3)

    assert [event.attempt for event in stage.of(RestartScheduled)] == [1, 2, 3]


async def test_a_child_that_hangs_each_time_ends_its_supervisor_in_the_end(stage):
    error = await stage.escalation(stage.child("a", "busy", watchdog=3600, max_failures=3))

    assert error.limit == "more than 3 failures in a row"
    assert isinstance(error.__cause__, Hung)


async def test_a_child_that_worked_well_for_long_before_it_hung_starts_over_with_its_backoff(stage):
    async def crashes_then_works_well_then_hangs(context, *, task_status):
        task_status.started()
        if context.incarnation == 1:
            raise stage.Boom
        await beat_every(1, context, times=60)
        await anyio.sleep_forever()

    async with stage.playing(ChildSpec("a", crashes_then_works_well_then_hangs, watchdog=5)):
        await stage.until(RestartScheduled, count=2)

    assert [event.attempt for event in stage.of(RestartScheduled)] == [1, 1]
