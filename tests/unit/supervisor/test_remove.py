"""Taking children out of a tree that runs."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildExited,
    ChildRestarted,
    ChildStarted,
    ChildUnstopped,
    LetGo,
    Mailbox,
    NoSuchChild,
    RestartScheduled,
    StillRunning,
    SupervisorEscalated,
    SupervisorSpec,
    TargetDown,
)

pytestmark = pytest.mark.anyio


async def test_a_child_that_is_removed_is_stopped_and_forgotten(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), stage.child("c")) as tree:
        await tree.remove("b")

        assert stage.journal[3:] == ["b ends"]
        assert tree.snapshot().find("b") is None
        assert [child.id for child in tree.spec.children] == ["a", "c"]

    assert stage.of(ChildExited, child="b")[0].reason == "shutdown"
    assert stage.of(ChildExited, child="b")[0].decision == LetGo("it is removed")


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
async def test_a_removal_touches_no_sibling_whatever_the_strategy(stage, strategy):
    async with stage.playing(stage.child("a"), stage.child("b"), stage.child("c"), strategy=strategy) as tree:
        await tree.remove("b")
        await anyio.sleep(60)

        assert stage.journal[3:] == ["b ends"]


async def test_remove_returns_when_the_child_has_drained(stage):
    async with stage.playing(stage.child("a", "drain", drain=10)) as tree:
        began = anyio.current_time()
        await tree.remove("a")

        assert anyio.current_time() - began == pytest.approx(7)
        assert stage.journal == ["a starts", "a ends"]


async def test_a_child_in_backoff_is_removed_at_once_and_never_comes_back(stage):
    async with stage.playing(stage.child("a", "crash"), stage.child("b")) as tree:
        await stage.until(RestartScheduled, count=5)
        began = anyio.current_time()
        await tree.remove("a")
        assert anyio.current_time() == began
        starts = stage.journal.count("a starts")
        await anyio.sleep(60)

        assert stage.journal.count("a starts") == starts


async def test_a_child_behind_the_removed_one_waits_for_it_no_longer(stage):
    """rest_for_one: `b` waits in its turn behind `a`, which does not come up."""
    async with stage.playing(stage.child("a", "serve", "fail"), stage.child("b"), strategy="rest_for_one") as tree:
        stage.end("a", stage.Boom())
        await stage.until(ChildExited, child="a", reason="start_failed")
        await tree.remove("a")
        await stage.until(ChildRestarted, child="b")


async def test_removing_the_child_that_holds_up_the_start_completes_it(stage):
    tree = stage.supervisor(stage.child("a", "hang"), stage.child("b"))

    async with anyio.create_task_group() as group:
        group.start_soon(tree.run)
        await anyio.sleep(1)
        await tree.remove("a")
        await stage.until(ChildStarted, child="b")
        tree.stop()

    assert stage.journal == ["a starts", "a ends", "b starts", "b ends"]


async def test_a_draining_child_can_be_removed_too(stage):
    """It drains because a sibling restarts; once removed it does not come back with it."""
    children = (stage.child("a"), stage.child("b", drain=5), stage.child("c"))

    async with stage.playing(*children, strategy="rest_for_one") as tree:
        stage.end("a", stage.Boom())
        await stage.until(ChildExited, child="c")
        assert tree.snapshot().find("b").state == "draining"
        await tree.remove("b")
        await stage.until(ChildRestarted, child="c")

        assert stage.journal.count("b starts") == 1


async def test_a_removal_goes_before_the_restart_of_a_sibling(stage):
    children = (stage.child("a"), stage.child("b", drain=5))

    async with stage.playing(*children, strategy="rest_for_one") as tree, anyio.create_task_group() as group:
        group.start_soon(tree.remove, "b")
        await anyio.sleep(1)
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="a")

    assert stage.of(ChildExited, child="b")[0].decision == LetGo("it is removed")


async def test_removing_a_child_twice_at_once_is_one_removal(stage):
    async with stage.playing(stage.child("a", drain=5), stage.child("b")) as tree:
        async with anyio.create_task_group() as group:
            group.start_soon(tree.remove, "a")
            group.start_soon(tree.remove, "a")

        assert [child.id for child in tree.spec.children] == ["b"]


async def test_a_temporary_child_that_is_done_stays_in_the_tree_until_it_is_removed(stage):
    """OTP forgets it by itself; here it can be seen, until somebody removes it."""
    async with stage.playing(stage.child("a", "finish", restart="temporary")) as tree:
        assert tree.snapshot().find("a").state == "stopped"
        await tree.remove("a")

        assert tree.snapshot().find("a") is None


async def test_a_nested_supervisor_is_removed_with_all_below_it(stage):
    mailbox = Mailbox("letters")
    inner = SupervisorSpec("inner", (stage.child("b", mailbox=mailbox), stage.child("c")))

    async with stage.playing(stage.child("a"), inner) as tree:
        await tree.remove("inner")

        assert stage.journal[3:] == ["c ends", "b ends"]
        assert mailbox.closed
        assert [spec.id for spec in tree.spec.walk()] == ["root", "a"]


async def test_a_child_of_a_nested_supervisor_can_be_removed(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"), stage.child("b"), stage.child("c")))) as tree:
        await tree.remove("b")
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="a")

        assert [node.id for node in tree.snapshot().find("inner").children] == ["a", "c"]


async def test_the_mailbox_of_a_removed_child_is_closed_with_it(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(stage.child("a", "crash", mailbox=mailbox)) as tree:
        await stage.until(RestartScheduled)
        mailbox.send_nowait("never read")
        await tree.remove("a")
        with pytest.raises(TargetDown):
            mailbox.send_nowait("anyone?")

    assert (mailbox.dropped, mailbox.dead_letters[0].why) == (1, "closed")


async def test_a_removed_id_and_its_mailbox_can_be_used_again(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(stage.child("a", mailbox=mailbox)) as tree:
        await tree.remove("a")
        await tree.add(stage.child("a", mailbox=mailbox), to="root")
        mailbox.send_nowait("hello again")

        assert tree.snapshot().find("a").mailbox.depth == 1
        assert tree.snapshot().find("a").incarnation == 1


async def test_a_child_that_ignores_its_cancellation_is_not_removed_and_stays_unstopped(stage):
    # given
    async with stage.playing(stage.child("a", "stubborn", shutdown=2), stage.child("b")) as tree:
        # when
        with pytest.raises(StillRunning, match="a ignores its cancellation"):
            await tree.remove("a")

        # then
        assert stage.of(ChildUnstopped)[0].after_ms == 2000
        assert tree.snapshot().find("a").state == "unstopped"
        stage.end("a")


async def test_nothing_tries_to_start_a_stubborn_child_that_was_to_be_removed(stage):
    """Else its failed starts would take the supervisor down, because somebody wanted less of it."""
    async with stage.playing(stage.child("a", "stubborn", shutdown=2), stage.child("b")) as tree:
        with pytest.raises(StillRunning):
            await tree.remove("a")
        await anyio.sleep(3600)
        assert stage.of(ChildExited) == []
        stage.end("a")
        exit_event = await stage.until(ChildExited)
        await tree.remove("a")

        assert exit_event.decision == LetGo("it is removed")
        assert tree.snapshot().find("a") is None

    assert stage.of(SupervisorEscalated) == []


async def test_not_even_the_restart_of_a_sibling_starts_a_stubborn_child_that_was_to_be_removed(stage):
    children = (stage.child("a"), stage.child("b", "stubborn", shutdown=2, restart="transient"))

    async with stage.playing(*children, strategy="one_for_all") as tree:
        with pytest.raises(StillRunning):
            await tree.remove("b")
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="a")
        await anyio.sleep(3600)
        assert stage.of(ChildExited, child="b") == []
        stage.end("b")


async def test_a_sibling_that_crashes_while_another_drains_comes_back_at_once(stage):
    """one_for_one: what becomes of one child holds up nobody, its removal neither."""
    async with stage.playing(stage.child("a"), stage.child("b", drain=60)) as tree, anyio.create_task_group() as group:
        group.start_soon(tree.remove, "b")
        await anyio.wait_all_tasks_blocked()
        stage.end("a", stage.Boom())
        restarted = await stage.until(ChildRestarted, child="a")

        assert restarted.downtime_ms == 100


async def test_there_must_be_such_a_child(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NoSuchChild, match="nobody"):
            await tree.remove("nobody")


async def test_the_root_is_no_child(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NoSuchChild, match="root"):
            await tree.remove("root")
