"""Adding children to a tree that runs."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildExited,
    ChildRestarted,
    ChildStarted,
    InvalidSpec,
    LetGo,
    Mailbox,
    NoSuchChild,
    NotRunning,
    StartFailed,
    SupervisorSpec,
    SupervisorStarted,
)

pytestmark = pytest.mark.anyio


async def test_a_child_that_is_added_is_the_last_to_start_and_the_first_to_stop(stage):
    async with stage.playing(stage.child("a"), stage.child("b")) as tree:
        await tree.add(stage.child("c"), to="root")
        assert stage.journal == ["a starts", "b starts", "c starts"]

    assert stage.journal[3:] == ["c ends", "b ends", "a ends"]
    assert [child.id for child in tree.spec.children] == ["a", "b", "c"]


async def test_add_returns_once_the_child_is_ready(stage):
    async with stage.playing(stage.child("a")) as tree:
        began = anyio.current_time()
        await tree.add(stage.child("b", "fail", "fail", "serve"), to="root")

        assert anyio.current_time() - began == pytest.approx(0.3)
        assert tree.snapshot().find("b").state == "running"


async def test_a_child_that_is_added_is_supervised_like_any_other(stage):
    async with stage.playing(stage.child("a"), strategy="one_for_all") as tree:
        await tree.add(stage.child("b"), to="root")
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="a")
        await stage.until(ChildRestarted, child="b")


async def test_a_child_can_be_added_to_a_nested_supervisor(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"),)), stage.child("z")) as tree:
        await tree.add(stage.child("b"), to="inner")

        assert [node.id for node in tree.snapshot().find("inner").children] == ["a", "b"]

    assert stage.journal[3:] == ["z ends", "b ends", "a ends"]


async def test_a_child_that_was_added_survives_the_restart_of_its_supervisor(stage):
    """In OTP it would be gone; here the tree is data, and what was added is part of it."""
    inner = SupervisorSpec("inner", (stage.child("a"),), intensity=0)

    async with stage.playing(inner) as tree:
        await tree.add(stage.child("b"), to="inner")
        stage.end("a", stage.Boom())
        await stage.until(ChildStarted, child="inner", incarnation=2)

        assert tree.snapshot().find("b").state == "running"

    assert stage.journal.count("b starts") == 2


async def test_a_whole_supervisor_can_be_added(stage):
    async with stage.playing(stage.child("a")) as tree:
        await tree.add(SupervisorSpec("inner", (stage.child("b"), stage.child("c"))), to="root")
        await tree.add(stage.child("d"), to="inner")

        assert [node.id for node in tree.snapshot().find("inner").children] == ["b", "c", "d"]

    assert [event.supervisor for event in stage.of(SupervisorStarted)] == ["root", "inner"]


async def test_a_child_can_be_added_to_a_supervisor_without_children(stage):
    async with stage.playing() as tree:
        await tree.add(stage.child("a"), to="root")

    assert stage.journal == ["a starts", "a ends"]


async def test_a_child_that_is_added_keeps_its_messages_over_a_crash(stage):
    mailbox = Mailbox("letters")

    async with stage.playing() as tree:
        await tree.add(stage.child("a", mailbox=mailbox), to="root")
        mailbox.send_nowait("kept")
        tree.kill("a")
        restarted = await stage.until(ChildRestarted)

    assert restarted.mailbox_carried == 1
    assert mailbox.closed


async def test_an_added_temporary_child_that_fails_to_start_is_told_with_its_error(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(StartFailed, match="b ended before it was ready") as raised:
            await tree.add(stage.child("b", "fail", restart="temporary"), to="root")

    assert isinstance(raised.value.__cause__, stage.Boom)


async def test_an_added_child_that_keeps_failing_to_start_takes_its_supervisor_down_like_any_other(stage):
    inner = SupervisorSpec("inner", (stage.child("a"),), restart="temporary")

    async with stage.playing(inner) as tree:
        with pytest.raises(StartFailed):
            await tree.add(stage.child("b", "fail", max_failures=3), to="inner")

    assert stage.journal.count("b starts") == 4


async def test_an_added_child_that_is_removed_before_it_is_ready_has_failed_to_start(stage):
    async with stage.playing(stage.child("a")) as tree, anyio.create_task_group() as group:
        group.start_soon(expect_start_failed, tree, stage.child("b", "hang"))
        await anyio.wait_all_tasks_blocked()
        await tree.remove("b")

    assert stage.journal[:3] == ["a starts", "b starts", "b ends"]


async def test_an_added_child_that_is_removed_during_its_backoff_has_failed_to_start(stage):
    async with stage.playing(stage.child("a")) as tree, anyio.create_task_group() as group:
        group.start_soon(expect_start_failed, tree, stage.child("b", "fail"))
        await stage.until(ChildExited, child="b")
        await anyio.sleep(0.05)
        assert tree.snapshot().find("b").state == "backoff"
        await tree.remove("b")


async def expect_start_failed(tree, spec):
    with pytest.raises(StartFailed):
        await tree.add(spec, to="root")


async def test_a_stop_while_a_child_that_was_added_starts_is_a_failed_start(stage):
    async with stage.playing(stage.child("a")) as tree, anyio.create_task_group() as group:
        group.start_soon(expect_start_failed, tree, stage.child("b", "hang"))
        await anyio.wait_all_tasks_blocked()
        tree.stop()

    assert stage.of(ChildExited, child="b")[0].decision == LetGo("its supervisor is stopping")


async def test_nothing_can_be_added_while_the_tree_stops(stage):
    async with stage.playing(stage.child("a", drain=5)) as tree:
        tree.stop()
        await anyio.sleep(1)
        with pytest.raises(NotRunning, match="root"):
            await tree.add(stage.child("b"), to="root")

    assert "b starts" not in stage.journal


async def test_nothing_can_be_added_before_the_tree_runs_or_after_it(stage):
    tree = stage.supervisor(stage.child("a", "finish", restart="temporary"))

    with pytest.raises(NotRunning):
        await tree.add(stage.child("b"), to="root")
    tree.cancel()
    await tree.run()
    with pytest.raises(NotRunning):
        await tree.add(stage.child("b"), to="root")


async def test_nothing_can_be_added_to_a_supervisor_that_waits_for_its_restart(stage):
    inner = SupervisorSpec("inner", (stage.child("a"),), intensity=0)

    async with stage.playing(inner) as tree:
        stage.end("a", stage.Boom())
        await stage.until(ChildExited, child="inner")
        with pytest.raises(NotRunning, match="inner"):
            await tree.add(stage.child("b"), to="inner")


async def test_there_must_be_such_a_supervisor(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NoSuchChild, match="nobody"):
            await tree.add(stage.child("b"), to="nobody")


async def test_a_worker_cannot_have_children(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(InvalidSpec, match="it is no supervisor"):
            await tree.add(stage.child("b"), to="a")


async def test_an_id_that_is_taken_anywhere_in_the_tree_is_refused(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"),))) as tree:
        with pytest.raises(InvalidSpec, match="'a' is used 2 times"):
            await tree.add(stage.child("a"), to="root")

        assert [child.id for child in tree.spec.children] == ["inner"]


async def test_a_mailbox_that_has_an_owner_is_refused(stage):
    mailbox = Mailbox("letters")

    async with stage.playing(stage.child("a", mailbox=mailbox)) as tree:
        with pytest.raises(InvalidSpec, match="one owner"):
            await tree.add(stage.child("b", mailbox=mailbox), to="root")


async def test_a_child_that_is_added_during_a_group_restart_starts_after_it(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), strategy="one_for_all") as tree:
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildExited, child="a")
        await tree.add(stage.child("c"), to="root")

        assert stage.journal == ["a ends", "b ends", "a starts", "b starts", "c starts"]
