"""Mailboxes: they outlive their actors, have a bound, and answer questions at most once."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from horarium.supervisor import (
    AskTimeout,
    ChildExited,
    ChildRestarted,
    ChildSpec,
    InvalidSpec,
    Mailbox,
    MailboxFull,
    Reply,
    TargetDown,
)

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Question:
    reply: Reply[Any]


def echo_actor(stage, mailbox):
    """A child that crashes on "crash", keeps silent on "hang", and notes every other message."""

    async def run(context, *, task_status):
        task_status.started()
        async for message in context.inbox:
            match message:
                case "crash":
                    raise stage.Boom
                case Question():
                    message.reply.set("answer")
                case _:
                    stage.journal.append(message)

    return ChildSpec("echo", run, mailbox=mailbox)


async def test_messages_behind_the_one_that_crashed_the_actor_are_carried_over(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(echo_actor(stage, mailbox)):
        for message in ("a", "crash", "b", "c"):
            mailbox.send_nowait(message)
        restarted = await stage.until(ChildRestarted)
        await anyio.wait_all_tasks_blocked()

    assert stage.journal == ["a", "b", "c"]
    assert restarted.mailbox_carried == 2


async def test_messages_sent_while_the_actor_is_down_wait_for_it(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(echo_actor(stage, mailbox)):
        mailbox.send_nowait("crash")
        await stage.until(ChildExited)
        await mailbox.send("meanwhile")
        await stage.until(ChildRestarted)
        await anyio.wait_all_tasks_blocked()

    assert stage.journal == ["meanwhile"]


async def test_block_waits_for_room():
    mailbox = Mailbox("m", capacity=1)
    mailbox.send_nowait("first")

    with mailbox.bind() as inbox:
        async with anyio.create_task_group() as group:
            group.start_soon(mailbox.send, "second")
            await anyio.wait_all_tasks_blocked()
            received = [await inbox.receive(), await inbox.receive()]

    assert received == ["first", "second"]


async def test_block_gives_up_at_its_deadline_and_the_message_is_not_in_the_queue():
    mailbox = Mailbox("m", capacity=1)
    mailbox.send_nowait("first")
    began = anyio.current_time()

    with pytest.raises(MailboxFull):
        await mailbox.send("second", timeout=30)

    assert anyio.current_time() - began == pytest.approx(30)
    assert mailbox.depth == 1


async def test_block_without_waiting_raises_at_the_bound():
    mailbox = Mailbox("m", capacity=1)
    mailbox.send_nowait("first")

    with pytest.raises(MailboxFull):
        mailbox.send_nowait("second")


async def test_reject_raises_at_the_bound_without_waiting():
    mailbox = Mailbox("m", capacity=1, overflow="reject")
    await mailbox.send("first")

    with pytest.raises(MailboxFull):
        await mailbox.send("second")

    assert (mailbox.depth, mailbox.dropped) == (1, 0)


async def test_drop_oldest_makes_room_for_the_newest():
    mailbox = Mailbox("m", capacity=2, overflow="drop_oldest")

    with mailbox.bind() as inbox:
        mailbox.send_nowait("a")
        mailbox.send_nowait("b")
        await mailbox.send("c")
        received = [inbox.receive_nowait(), inbox.receive_nowait()]

    assert received == ["b", "c"]
    assert mailbox.dropped == 1


async def test_drop_newest_keeps_what_is_there():
    mailbox = Mailbox("m", capacity=1, overflow="drop_newest")

    with mailbox.bind() as inbox:
        mailbox.send_nowait("a")
        await mailbox.send("b")
        received = inbox.receive_nowait()

    assert received == "a"
    assert (mailbox.depth, mailbox.dropped) == (0, 1)


async def test_a_question_is_answered(stage):
    mailbox = Mailbox("m")

    async with stage.playing(echo_actor(stage, mailbox)):
        answer = await mailbox.ask(Question)

    assert answer == "answer"


async def test_an_error_given_as_answer_is_raised_where_the_question_was_asked():
    mailbox: Mailbox[Question] = Mailbox("m")

    async def refuse():
        with mailbox.bind() as inbox:
            question = await inbox.receive()
            question.reply.fail(LookupError("no such thing"))

    async with anyio.create_task_group() as group:
        group.start_soon(refuse)
        with pytest.raises(LookupError, match="no such thing"):
            await mailbox.ask(Question)


async def test_an_unanswered_question_times_out_and_a_late_answer_is_dropped():
    # given
    mailbox: Mailbox[Question] = Mailbox("m")
    began = anyio.current_time()

    # when
    with pytest.raises(AskTimeout):
        await mailbox.ask(Question, timeout=60)

    # then
    assert anyio.current_time() - began == pytest.approx(60)
    with mailbox.bind() as inbox:
        late = inbox.receive_nowait().reply
    assert late.settled
    late.set("too late")


async def test_only_the_first_answer_counts():
    reply: Reply[str] = Reply()

    reply.set("first")
    reply.set("second")
    reply.fail(ValueError())

    assert await reply.wait() == "first"


async def test_an_actor_that_goes_down_with_a_question_fails_it_at_once(stage):
    mailbox = Mailbox("m")

    async def dies_of_it(context, *, task_status):
        task_status.started()
        await context.inbox.receive()
        raise stage.Boom

    began = anyio.current_time()
    async with stage.playing(ChildSpec("a", dies_of_it, mailbox=mailbox)):
        with pytest.raises(TargetDown) as raised:
            await mailbox.ask(Question, timeout=60)
        assert anyio.current_time() == began

    assert isinstance(raised.value.__cause__, stage.Boom)


async def test_a_question_still_in_the_queue_is_answered_by_the_next_incarnation(stage):
    mailbox = Mailbox("m")

    async with stage.playing(echo_actor(stage, mailbox)):
        mailbox.send_nowait("crash")
        answer = await mailbox.ask(Question)

    assert answer == "answer"
    assert len(stage.of(ChildExited)) >= 1


async def test_a_question_to_an_actor_that_is_gone_for_good_fails_at_once(stage):
    mailbox = Mailbox("m")

    async with stage.playing(stage.child("a", "finish", restart="temporary", mailbox=mailbox)):
        await stage.until(ChildExited)
        with pytest.raises(TargetDown):
            await mailbox.ask(Question)
        with pytest.raises(TargetDown):
            mailbox.send_nowait("anyone?")


async def test_a_sender_that_waits_for_room_learns_that_the_owner_is_gone():
    mailbox = Mailbox("m", capacity=1)
    mailbox.send_nowait("first")

    async with anyio.create_task_group() as group:
        group.start_soon(_expect_target_down, mailbox)
        await anyio.wait_all_tasks_blocked()
        mailbox.close()

    assert mailbox.dropped == 1


async def _expect_target_down(mailbox):
    with pytest.raises(TargetDown):
        await mailbox.send("second")


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_a_question_that_is_dropped_fails_at_once(overflow):
    mailbox: Mailbox[Any] = Mailbox("m", capacity=1, overflow=overflow)
    mailbox.send_nowait("in the way of drop_newest")

    async with anyio.create_task_group() as group:
        group.start_soon(_expect_dropped, mailbox)
        await anyio.wait_all_tasks_blocked()
        mailbox.send_nowait("in the way of drop_oldest")


async def _expect_dropped(mailbox):
    with pytest.raises(MailboxFull, match="dropped"):
        await mailbox.ask(Question)


async def test_the_tree_closes_its_mailboxes_at_the_end(stage):
    mailbox = Mailbox("m")

    async with stage.playing(stage.child("a", mailbox=mailbox)):
        mailbox.send_nowait("never read")

    assert mailbox.closed
    assert mailbox.dropped == 1


def test_a_mailbox_that_no_tree_ever_ran_leaves_no_warning():
    Mailbox("m").send_nowait("x")

    gc.collect()


def test_a_mailbox_without_room_is_refused():
    with pytest.raises(InvalidSpec, match="capacity"):
        Mailbox("m", capacity=0)
