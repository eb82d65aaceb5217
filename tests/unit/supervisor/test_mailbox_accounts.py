"""Nothing is lost uncounted: accepted = taken + waiting + dead letters, and of those taken some went down in hand.

And no answer is ever late: whoever asked hears the answer, an error, or nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from horarium.supervisor import (
    AskTimeout,
    ChildExited,
    ChildRestarted,
    ChildSpec,
    DeadLetter,
    Mailbox,
    MailboxFull,
    Reply,
    TargetDown,
)

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Question:
    reply: Reply[Any]


def reader(mailbox, handle, **options):
    """A child that gives each message of its mailbox to `handle`, and serves in silence once it is restarted."""

    async def run(context, *, task_status):
        task_status.started()
        async for message in context.inbox if context.incarnation == 1 else silence():
            await handle(context, message)

    return ChildSpec("a", run, mailbox=mailbox, **options)


async def silence():
    await anyio.sleep_forever()
    yield


def counters(mailbox):
    return {name: getattr(mailbox, name) for name in ("accepted", "taken", "depth", "dropped", "lost")}


async def test_what_was_accepted_was_taken_or_waits_or_is_a_dead_letter():
    mailbox = Mailbox("letters", capacity=3, overflow="drop_oldest")

    with mailbox.bind() as inbox:
        mailbox.send_nowait("a")
        await inbox.receive()
        mailbox.send_nowait("b")
        mailbox.send_nowait("c")
        mailbox.send_nowait("d")
        mailbox.send_nowait("pushes b out")

    assert counters(mailbox) == {"accepted": 5, "taken": 1, "depth": 3, "dropped": 1, "lost": 0}


async def test_what_is_refused_was_never_accepted():
    mailbox = Mailbox("letters", capacity=1, overflow="reject")
    mailbox.send_nowait("first")

    with pytest.raises(MailboxFull):
        mailbox.send_nowait("second")

    assert counters(mailbox) == {"accepted": 1, "taken": 0, "depth": 1, "dropped": 0, "lost": 0}


async def test_a_sender_that_gives_up_waiting_for_room_leaves_no_trace():
    mailbox = Mailbox("letters", capacity=1)
    mailbox.send_nowait("first")

    with pytest.raises(MailboxFull):
        await mailbox.send("second", timeout=60)

    assert counters(mailbox) == {"accepted": 1, "taken": 0, "depth": 1, "dropped": 0, "lost": 0}


async def test_a_message_that_crashed_its_reader_is_lost_and_counted(stage):
    mailbox = Mailbox("letters")

    async def crash(context, message):  # noqa: ARG001 - any message does it
        raise stage.Boom

    async with stage.playing(reader(mailbox, crash)):
        mailbox.send_nowait("poison")
        mailbox.send_nowait("next")
        await stage.until(ChildRestarted)
        assert counters(mailbox) == {"accepted": 2, "taken": 1, "depth": 1, "dropped": 0, "lost": 1}


async def test_a_whole_batch_in_hand_is_lost_with_its_reader(stage):
    mailbox = Mailbox("letters")

    async def crash_with_three(context, message):  # noqa: ARG001 - the first of the batch
        context.inbox.receive_nowait()
        context.inbox.receive_nowait()
        raise stage.Boom

    async with stage.playing(reader(mailbox, crash_with_three)):
        mailbox.send_nowait("one")
        mailbox.send_nowait("two")
        mailbox.send_nowait("three")
        mailbox.send_nowait("four")
        await stage.until(ChildRestarted)
        assert counters(mailbox) == {"accepted": 4, "taken": 3, "depth": 1, "dropped": 0, "lost": 3}


async def test_what_was_handled_before_the_crash_is_not_lost(stage):
    mailbox = Mailbox("letters")

    async def crash_at_the_third(context, message):  # noqa: ARG001 - what it is does not matter
        stage.journal.append(message)
        if len(stage.journal) == 3:
            raise stage.Boom

    async with stage.playing(reader(mailbox, crash_at_the_third)):
        mailbox.send_nowait("one")
        mailbox.send_nowait("two")
        mailbox.send_nowait("three")
        await stage.until(ChildRestarted)

    assert (mailbox.taken, mailbox.lost) == (3, 1)


async def test_a_reader_that_is_killed_while_it_waits_loses_nothing(stage):
    mailbox = Mailbox("letters")

    async def handle(context, message):  # noqa: ARG001 - what it is does not matter
        stage.journal.append(message)

    async with stage.playing(reader(mailbox, handle)) as tree:
        mailbox.send_nowait("handled")
        await anyio.wait_all_tasks_blocked()
        tree.kill("a")
        await stage.until(ChildRestarted)

    assert (mailbox.taken, mailbox.lost, stage.journal) == (1, 0, ["handled"])


async def test_a_message_handed_over_in_the_moment_of_a_kill_is_not_lost_uncounted(stage):
    """It is either in the queue still, or was taken and went down with its reader."""
    mailbox = Mailbox("letters")

    async def handle(context, message):  # noqa: ARG001 - it takes long
        await anyio.sleep_forever()

    async with stage.playing(reader(mailbox, handle)) as tree:
        await anyio.wait_all_tasks_blocked()
        mailbox.send_nowait("in between")
        tree.kill("a")
        await stage.until(ChildRestarted)
        assert mailbox.accepted == 1
        assert mailbox.depth + mailbox.lost == 1


async def test_a_cancelled_reader_loses_what_it_had_in_hand(stage):
    mailbox = Mailbox("letters")

    async def take_long(context, message):  # noqa: ARG001 - it takes long
        await anyio.sleep_forever()

    async with stage.playing(reader(mailbox, take_long)):
        mailbox.send_nowait("unfinished")
        await anyio.wait_all_tasks_blocked()

    assert (mailbox.taken, mailbox.lost) == (1, 1)


async def test_a_reader_that_drains_before_it_ends_has_lost_nothing(stage):
    mailbox = Mailbox("letters")

    async def run(context, *, task_status):
        task_status.started()
        await context.inbox.receive()
        await context.stopping.wait()
        await anyio.sleep(2)

    async with stage.playing(ChildSpec("a", run, mailbox=mailbox, drain=5)):
        mailbox.send_nowait("finished in time")
        await anyio.wait_all_tasks_blocked()

    assert (mailbox.taken, mailbox.lost) == (1, 0)


async def test_a_dead_letter_says_what_it_was_and_why_it_died():
    mailbox = Mailbox("letters", capacity=1, overflow="drop_newest")

    mailbox.send_nowait("stays behind")
    mailbox.send_nowait("too many")
    mailbox.close()

    assert [(letter.why, letter.message) for letter in mailbox.dead_letters] == [
        ("overflow", "too many"),
        ("closed", "stays behind"),
    ]
    assert mailbox.dead_letters[0].at.utcoffset().total_seconds() == 0


async def test_only_the_newest_hundred_dead_letters_are_kept_but_all_are_counted():
    mailbox = Mailbox("letters", capacity=150)

    fill(mailbox, 150)
    mailbox.close()

    assert mailbox.dropped == 150
    assert [letter.message for letter in mailbox.dead_letters] == list(range(50, 150))


def fill(mailbox, count):
    for number in range(count):
        mailbox.send_nowait(number)


async def test_no_print_of_a_dead_letter_shows_the_message(stage):
    """Neither by itself nor in the snapshot of a tree."""
    mailbox = Mailbox("letters", capacity=1, overflow="drop_newest")

    async with stage.playing(stage.child("a", mailbox=mailbox)) as tree:
        mailbox.send_nowait("s3cret")
        mailbox.send_nowait("s3cret")
        status = tree.snapshot().find("a").mailbox

    assert isinstance(status.dead_letters[0], DeadLetter)
    assert status.dead_letters[0].message == "s3cret"
    assert "s3cret" not in repr(status.dead_letters[0]) + repr(status) + repr(mailbox)


async def test_the_snapshot_shows_the_counters_as_they_stand(stage):
    mailbox = Mailbox("letters", capacity=2, overflow="drop_newest")

    async def take_long(context, message):  # noqa: ARG001 - it takes long
        await anyio.sleep_forever()

    async with stage.playing(reader(mailbox, take_long)) as tree:
        mailbox.send_nowait("in hand")
        await anyio.wait_all_tasks_blocked()
        fill(mailbox, 3)
        status = tree.snapshot().find("a").mailbox

    assert (status.accepted, status.taken, status.depth, status.dropped, status.lost) == (4, 1, 2, 1, 0)


async def test_the_counters_go_on_when_a_closed_mailbox_is_opened_anew():
    mailbox = Mailbox("letters")
    mailbox.send_nowait("never read")
    mailbox.close()

    with mailbox.bind() as inbox:
        mailbox.send_nowait("read")
        inbox.receive_nowait()

    assert counters(mailbox) == {"accepted": 2, "taken": 1, "depth": 0, "dropped": 1, "lost": 0}


async def test_an_answer_after_the_asker_gave_up_goes_nowhere(stage):
    mailbox = Mailbox("letters")

    async def answer_late(context, question):  # noqa: ARG001 - it answers the question alone
        await anyio.sleep(61)
        stage.journal.append(question.reply.settled)
        question.reply.set("late")

    async with stage.playing(reader(mailbox, answer_late)):
        with pytest.raises(AskTimeout, match="no answer within 60 s"):
            await mailbox.ask(Question, timeout=60)
        await anyio.sleep(5)

    assert stage.journal == [True]
    assert stage.of(ChildExited, reason="error") == []


async def test_an_answer_does_not_reach_an_asker_that_was_cancelled(stage):
    mailbox = Mailbox("letters")

    async def answer_late(context, question):  # noqa: ARG001 - it answers the question alone
        await anyio.sleep(10)
        stage.journal.append(question.reply.settled)

    async with stage.playing(reader(mailbox, answer_late)):
        with anyio.move_on_after(5):
            await mailbox.ask(Question, timeout=60)
        await anyio.sleep(10)

    assert stage.journal == [True]


async def test_the_timeout_of_a_question_covers_the_wait_for_room_too():
    mailbox: Mailbox[Any] = Mailbox("letters", capacity=1)
    mailbox.send_nowait("in the way")
    began = anyio.current_time()

    with pytest.raises(AskTimeout):
        await mailbox.ask(Question, timeout=60)

    assert anyio.current_time() - began == pytest.approx(60)
    assert mailbox.depth == 1


async def test_an_asker_does_not_wait_for_a_reader_that_hangs_and_is_cancelled(stage):
    mailbox = Mailbox("letters")

    async def hang(context, question):  # noqa: ARG001 - it never answers
        await anyio.sleep_forever()

    async with stage.playing(reader(mailbox, hang, watchdog=10)):
        began = anyio.current_time()
        with pytest.raises(TargetDown, match="went down with the question"):
            await mailbox.ask(Question, timeout=3600)

        assert 10 <= anyio.current_time() - began <= 12.5
