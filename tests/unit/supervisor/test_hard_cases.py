"""What the state machine of `test_state_machine` has found, each as a small story."""

# ruff: noqa: ARG001 - a child's entry point has one signature, whatever of it a test uses

from __future__ import annotations

import asyncio

import anyio
import pytest

from horarium.supervisor import (
    Bystander,
    ChildExited,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    ChildUnstopped,
    Mailbox,
    MailboxFull,
    RestartScheduled,
    StartFailed,
    StillRunning,
    SupervisorSpec,
)

pytestmark = pytest.mark.anyio


async def test_a_bystander_that_ignores_its_cancellation_still_has_an_exit_of_its_own(stage):
    """The starts that are refused beside it are failures, but not its end."""
    # given
    children = (stage.child("a"), stage.child("b", "stubborn", "serve", shutdown=1))
    async with stage.playing(*children, strategy="rest_for_one") as supervisor:
        watch = supervisor.watch("b")
        stage.end("a", stage.Boom())
        refused = await stage.until(ChildExited, child="b")

        # when
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="b")

        # then
        assert isinstance(refused.error, StillRunning)
        assert stage.of(ChildExited, child="b")[-1].decision == Bystander("a")
        assert (await watch.down()).reason == "error"


async def test_a_child_that_could_not_be_removed_is_not_started_again(stage):
    async with stage.playing(stage.child("a", "stubborn", shutdown=1)) as supervisor:
        with pytest.raises(StillRunning):
            await supervisor.remove("a")
        await anyio.sleep(60)
        stage.end("a")
        await stage.until(ChildExited)
        await supervisor.remove("a")

    assert stage.journal == ["a starts", "a ends"]
    assert len(stage.of(ChildExited)) == 1


async def test_refused_starts_of_a_supervisor_that_was_healthy_are_failures_in_a_row(stage):
    """It ran for a minute, but what is refused now is no new life that was healthy."""
    children = (stage.child("a", "stubborn", "serve", shutdown=1), stage.child("b"))

    async with stage.playing(SupervisorSpec("inner", children, intensity=0)):
        await anyio.sleep(60)
        stage.end("b", stage.Boom())
        await stage.until(RestartScheduled, child="inner", count=3)
        stage.end("a")

    assert [event.attempt for event in stage.of(RestartScheduled, child="inner")][:3] == [1, 2, 3]


async def test_a_child_that_was_given_up_takes_no_more_letters(stage):
    """They wait for its successor, and what it held is lost, once."""
    # given
    mailbox = Mailbox("letters")

    async def deaf(context, *, task_status):
        task_status.started()
        with anyio.CancelScope(shield=context.incarnation == 1):
            async for letter in context.inbox:
                stage.journal.append(f"{context.incarnation} reads {letter}")

    # when
    async with stage.playing(ChildSpec("a", deaf, mailbox=mailbox, shutdown=1)) as supervisor:
        supervisor.kill("a")
        await stage.until(ChildUnstopped)
        mailbox.send_nowait("letter")
        await stage.until(ChildStarted, count=2)
        await anyio.wait_all_tasks_blocked()

    # then
    assert stage.journal == ["2 reads letter"]


def holder(stage, mailbox):
    """A child that takes one letter, and never lets go of it."""

    async def run(context, *, task_status):
        task_status.started()
        await context.inbox.receive()
        await anyio.sleep_forever()

    return ChildSpec("holder", run, mailbox=mailbox)


async def test_what_a_child_holds_is_lost_when_its_whole_supervisor_is_cut_short(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(SupervisorSpec("inner", (holder(stage, mailbox),))) as supervisor:
        mailbox.send_nowait("held")
        await anyio.wait_all_tasks_blocked()
        supervisor.kill("inner")
        await stage.until(ChildExited, child="holder")

    assert (mailbox.taken, mailbox.lost) == (1, 1)


async def test_adding_below_a_supervisor_whose_turn_never_comes_fails_with_the_tree(stage):
    supervisor = stage.supervisor(stage.child("a", "hang"), SupervisorSpec("inner", ()))

    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(_expect_start_failed, supervisor, stage.child("b"), "inner")
        await anyio.wait_all_tasks_blocked()
        supervisor.stop()

    assert "b starts" not in stage.journal


async def test_whoever_waits_for_an_added_child_learns_that_it_was_removed(stage):
    async with stage.playing() as supervisor, anyio.create_task_group() as group:
        group.start_soon(_expect_start_failed, supervisor, stage.child("a", "fail"), "root")
        await stage.until(RestartScheduled)
        await supervisor.remove("a")


async def _expect_start_failed(supervisor, child, to):
    with pytest.raises(StartFailed):
        await supervisor.add(child, to=to)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_letter_survives_a_stray_cancellation_in_the_moment_of_its_arrival(stage):
    # given
    mailbox = Mailbox("letters")
    tasks = []

    async def reads(context, *, task_status):
        tasks.append(asyncio.current_task())
        task_status.started()
        async for letter in context.inbox:
            stage.journal.append(letter)

    async with stage.playing(ChildSpec("a", reads, mailbox=mailbox)):
        await anyio.wait_all_tasks_blocked()

        # when
        mailbox.send_nowait("letter")
        tasks[0].cancel()
        await stage.until(ChildRestarted)
        await anyio.wait_all_tasks_blocked()

    # then
    assert stage.of(ChildExited)[0].reason == "stray_cancellation"
    assert stage.journal == ["letter"]


async def test_a_child_with_no_time_to_end_is_not_unstopped_before_it_had_a_turn(stage):
    async with stage.playing(stage.child("a", shutdown=0)) as supervisor:
        supervisor.kill("a")
        await stage.until(ChildRestarted)

    assert stage.of(ChildUnstopped) == []


async def test_a_sender_for_whom_there_is_room_at_its_deadline_is_not_told_that_it_is_full():
    """Whatever it is told is true: accepted and in the queue, or refused and not."""
    # given
    mailbox = Mailbox("letters", capacity=1)
    mailbox.send_nowait("first")
    told = []

    async def send():
        try:
            await mailbox.send("second", timeout=1)
        except MailboxFull:
            told.append("refused")
        else:
            told.append("accepted")

    # when
    with mailbox.bind() as inbox:
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await anyio.sleep(1)
            inbox.receive_nowait()
        depth = mailbox.depth

    # then
    assert (told, depth) in ((["accepted"], 1), (["refused"], 0))
