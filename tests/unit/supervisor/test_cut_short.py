"""Ends without ceremony: `shutdown="brutal"` for one child, `Supervisor.cancel` for all of them."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildExited,
    ChildSpec,
    ChildStopped,
    ChildUnstopped,
    InvalidSpec,
    LetGo,
    SupervisorSpec,
    SupervisorStopped,
)

pytestmark = pytest.mark.anyio


def cleans_up(name, seconds, **options):
    """A child that needs so many seconds after its cancellation, and would drain for ever."""

    async def run(context, *, task_status):  # noqa: ARG001 - it does not look whether it should stop
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(seconds)

    return ChildSpec(name, run, **options)


async def test_a_child_that_is_stopped_brutally_is_cancelled_at_once(stage):
    async with stage.playing(stage.child("a", shutdown="brutal")) as tree:
        tree.stop()
        await tree.wait_stopped()

    assert stage.of(ChildStopped)[0].stop_ms == 0
    assert stage.of(ChildExited)[0].reason == "shutdown"


async def test_nobody_waits_for_a_child_that_is_stopped_brutally(stage):
    """Python cannot kill a task: it is named as unstopped after a tenth of a second, and its siblings go on."""
    async with stage.playing(stage.child("a"), cleans_up("b", 30, shutdown="brutal")) as tree:
        began = anyio.current_time()
        tree.stop()
        unstopped = await tree.wait_stopped()

        assert unstopped == ("b",)
        assert anyio.current_time() - began == pytest.approx(0.1)
        assert stage.journal[-1] == "a ends"

    assert stage.of(ChildUnstopped)[0].after_ms == 100


def test_a_brutal_stop_and_a_drain_contradict_each_other():
    with pytest.raises(InvalidSpec, match="drain must be 0 where shutdown is 'brutal'"):
        cleans_up("a", 0, shutdown="brutal", drain=1)


async def test_a_shutdown_of_infinity_waits_as_long_as_it_takes(stage):
    async with stage.playing(stage.child("a"), cleans_up("b", 24 * 3600, shutdown=float("inf"))) as tree:
        tree.stop()
        unstopped = await tree.wait_stopped()

    assert unstopped == ()
    assert stage.of(ChildStopped, child="b")[0].stop_ms == 24 * 3600 * 1000


async def test_cancel_ends_every_child_at_once_and_lets_none_drain(stage):
    children = (stage.child("a", drain=60), SupervisorSpec("inner", (stage.child("b", drain=60),)), stage.child("c"))

    async with stage.playing(*children) as tree:
        began = anyio.current_time()
        tree.cancel()
        unstopped = await tree.wait_stopped()

        assert anyio.current_time() == began
        assert unstopped == ()

    exits = {event.child: (event.reason, event.decision) for event in stage.of(ChildExited)}
    assert exits == dict.fromkeys(["a", "b", "inner", "c"], ("shutdown", LetGo("its supervisor is stopping")))


async def test_cancel_gives_all_children_their_time_side_by_side(stage):
    """An ordered stop of these takes six seconds, the cancellation three."""
    children = [cleans_up(name, 3, shutdown=5) for name in "ab"]

    async with stage.playing(*children) as tree:
        began = anyio.current_time()
        tree.cancel()
        unstopped = await tree.wait_stopped()

        assert anyio.current_time() - began == pytest.approx(3)
        assert unstopped == ()


async def test_cancel_names_who_is_past_its_time(stage):
    inner = SupervisorSpec("inner", (cleans_up("b", 30, shutdown=2),))

    async with stage.playing(cleans_up("a", 30, shutdown=1), inner) as tree:
        tree.cancel()
        unstopped = await tree.wait_stopped()

    assert unstopped == ("a", "inner")
    assert stage.of(SupervisorStopped, supervisor="inner")[0].unstopped == ("b",)


async def test_cancel_cuts_an_ordered_stop_short(stage):
    async with stage.playing(stage.child("a", drain=60), stage.child("b", drain=60)) as tree:
        began = anyio.current_time()
        tree.stop()
        await anyio.sleep(5)
        tree.cancel()
        await tree.wait_stopped()

        assert anyio.current_time() - began == pytest.approx(5)


async def test_cancel_during_the_start_starts_nothing_more(stage):
    tree = stage.supervisor(stage.child("a"), stage.child("b", "hang"), stage.child("c"))

    async with anyio.create_task_group() as group:
        group.start_soon(tree.run)
        await anyio.sleep(1)
        tree.cancel()

    assert sorted(stage.journal) == ["a ends", "a starts", "b ends", "b starts"]


async def test_cancel_during_a_backoff_does_not_wait_for_the_restart(stage):
    async with stage.playing(stage.child("a", "crash")) as tree:
        await stage.until(ChildExited, count=5)
        began = anyio.current_time()
        tree.cancel()
        await tree.wait_stopped()

        assert anyio.current_time() == began


async def test_a_tree_that_was_cancelled_before_it_ran_starts_nothing(stage):
    tree = stage.supervisor(stage.child("a"))

    tree.cancel()
    await tree.run()

    assert stage.journal == []
