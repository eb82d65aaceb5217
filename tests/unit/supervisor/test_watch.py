"""Watches: exactly one Down each, for the incarnation that ran when the watch was set."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildContext,
    ChildExited,
    ChildKilled,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    Down,
    Hung,
    NoSuchChild,
    SupervisorSpec,
    Watch,
)

pytestmark = pytest.mark.anyio


async def note_downs(stage, watch):
    down = await watch.down()
    stage.journal.append(f"{down.child} {down.incarnation} is down: {down.reason}")


async def test_a_watch_tells_how_the_incarnation_ended(stage):
    async with stage.playing(stage.child("a")) as tree:
        watch = tree.watch("a")
        error = stage.Boom("bad day")
        stage.end("a", error)

        assert await watch.down() == Down("a", 1, "error", error)


async def test_a_watch_tells_nothing_while_the_child_runs(stage):
    async with stage.playing(stage.child("a")) as tree:
        watch = tree.watch("a")
        with anyio.move_on_after(3600) as scope:
            await watch.down()

    assert scope.cancelled_caught


async def test_a_watch_gives_the_same_answer_however_many_incarnations_follow(stage):
    async with stage.playing(stage.child("a")) as tree:
        watch = tree.watch("a")
        tree.kill("a")
        await stage.until(ChildRestarted, incarnation=2)
        stage.end("a")
        await stage.until(ChildRestarted, incarnation=3)

        first = await watch.down()
        assert (first.incarnation, first.reason, type(first.error)) == (1, "error", ChildKilled)
        assert await watch.down() is first


async def test_each_watch_is_told_exactly_once(stage):
    async with stage.playing(stage.child("a")) as tree, anyio.create_task_group() as group:
        stage.journal.clear()
        group.start_soon(note_downs, stage, tree.watch("a"))
        group.start_soon(note_downs, stage, tree.watch("a"))
        tree.restart("a")
        await stage.until(ChildRestarted, incarnation=2)
        group.start_soon(note_downs, stage, tree.watch("a"))
        tree.kill("a")
        await stage.until(ChildRestarted, incarnation=3)

    assert sorted(entry for entry in stage.journal if "down" in entry) == [
        "a 1 is down: shutdown",
        "a 1 is down: shutdown",
        "a 2 is down: error",
    ]


async def test_only_the_first_end_that_a_watch_hears_of_counts():
    watch = Watch()

    watch.fire(Down("a", 1, "normal"))
    watch.fire(Down("a", 2, "error"))

    assert (await watch.down()).incarnation == 1


async def test_a_watch_that_was_told_is_kept_no_longer(stage):
    """A child that is watched again at every end must not collect its old watches."""
    async with stage.playing(stage.child("a")) as tree:
        watch = tree.watch("a")
        tree.kill("a")
        await watch.down()

        assert tree._find("a")[1].watches == []


async def test_a_watch_is_told_when_the_tree_stops(stage):
    async with stage.playing(stage.child("a"), SupervisorSpec("inner", (stage.child("b"),))) as tree:
        watches = [tree.watch("a"), tree.watch("inner"), tree.watch("b")]

    assert [await watch.down() for watch in watches] == [
        Down("a", 1, "shutdown"),
        Down("inner", 1, "shutdown"),
        Down("b", 1, "shutdown"),
    ]


async def test_a_watch_is_told_when_the_run_is_cancelled(stage):
    tree = stage.supervisor(stage.child("a"), SupervisorSpec("inner", (stage.child("b"),)))

    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: tree.run(task_status=task_status))
        watch = tree.watch("b")
        group.cancel_scope.cancel()

    assert await watch.down() == Down("b", 1, "shutdown")


async def test_a_watch_below_a_supervisor_that_gives_up_is_told(stage):
    inner = SupervisorSpec("inner", (stage.child("a"), stage.child("b")), intensity=0)

    async with stage.playing(inner) as tree:
        watch, bystander = tree.watch("inner"), tree.watch("b")
        stage.end("a", stage.Boom())

        assert (await watch.down()).reason == "error"
        assert (await bystander.down()).reason == "shutdown"


async def test_a_child_that_is_removed_is_down(stage):
    async with stage.playing(stage.child("a")) as tree:
        watch = tree.watch("a")
        await tree.remove("a")

        assert await watch.down() == Down("a", 1, "shutdown")


async def test_a_child_that_hangs_is_down_when_it_has_ended(stage):
    async with stage.playing(stage.child("a", "busy", "serve", watchdog=60)) as tree:
        down = await tree.watch("a").down()

    assert (down.reason, type(down.error)) == ("watchdog", Hung)


async def test_a_child_in_backoff_is_down_already(stage):
    async with stage.playing(stage.child("a")) as tree:
        stage.end("a", stage.Boom())
        await stage.until(ChildExited)

        assert await tree.watch("a").down() == Down("a", 1, "not_running")


async def test_a_child_that_ended_for_good_is_down_already(stage):
    async with stage.playing(stage.child("a", "finish", restart="temporary")) as tree:
        assert await tree.watch("a").down() == Down("a", 1, "not_running")


async def test_a_child_that_has_not_been_started_yet_is_down_already(stage):
    tree = stage.supervisor(stage.child("a"))

    assert await tree.watch("a").down() == Down("a", 0, "not_running")


async def test_a_failed_start_is_an_end_too(stage):
    tree = stage.supervisor(stage.child("a", "hang", start_timeout=7))

    async with anyio.create_task_group() as group:
        group.start_soon(tree.run)
        await anyio.sleep(1)
        down = await tree.watch("a").down()
        tree.stop()

    assert (down.incarnation, down.reason) == (1, "start_timeout")


async def test_a_child_can_watch_another_by_its_context(stage):
    async def follows_a(context, *, task_status):
        watch = context.watch("a")
        task_status.started()
        await note_downs(stage, watch)
        with context.idle():
            await anyio.sleep_forever()

    async with stage.playing(stage.child("a"), SupervisorSpec("inner", (ChildSpec("b", follows_a),))):
        stage.end("a")
        await stage.until(ChildStarted, child="a", incarnation=2)
        await anyio.wait_all_tasks_blocked()

    assert "a 1 is down: normal" in stage.journal


async def test_there_must_be_such_a_child(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NoSuchChild, match="nobody"):
            tree.watch("nobody")


async def test_outside_of_a_tree_there_is_nobody_to_watch():
    with pytest.raises(LookupError, match="cannot be watched from outside of a tree"):
        ChildContext("b", 1).watch("a")
