"""Restarts that somebody asks for: at once, with those that the strategy restarts too, and counted against no limit."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    Backoff,
    Bystander,
    ChildExited,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    ChildUnstopped,
    NoSuchChild,
    NotRunning,
    Requested,
    RestartScheduled,
    StillRunning,
    SupervisorEscalated,
    SupervisorSpec,
)

pytestmark = pytest.mark.anyio

HOURLY = Backoff(initial=3600, factor=1, maximum=3600, jitter=0)


async def test_a_restart_that_was_asked_for_comes_at_once_and_says_why(stage):
    async with stage.playing(stage.child("a")) as tree:
        tree.restart("a", because="new settings")
        restarted = await stage.until(ChildRestarted)

    exit_event = stage.of(ChildExited)[0]
    assert (exit_event.reason, exit_event.decision) == ("shutdown", Requested("new settings"))
    assert str(exit_event.decision) == "restart at once: new settings"
    assert (restarted.incarnation, restarted.downtime_ms) == (2, 0)


@pytest.mark.parametrize(
    ("strategy", "journal"),
    [
        ("one_for_one", ["b ends", "b starts"]),
        ("rest_for_one", ["b ends", "c ends", "b starts", "c starts"]),
        ("one_for_all", ["b ends", "c ends", "a ends", "a starts", "b starts", "c starts"]),
    ],
)
async def test_a_restart_that_was_asked_for_follows_the_strategy(stage, strategy, journal):
    """OTP restarts the one alone; here its siblings depend on it as after a crash."""
    async with stage.playing(stage.child("a"), stage.child("b"), stage.child("c"), strategy=strategy) as tree:
        stage.journal.clear()
        tree.restart("b")
        await anyio.sleep(60)
        assert stage.journal == journal


async def test_siblings_of_a_requested_restart_are_bystanders(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), strategy="rest_for_one") as tree:
        tree.restart("a")
        await stage.until(ChildRestarted, child="b")

    assert stage.of(ChildExited, child="b")[0].decision == Bystander("a")


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_whatever_its_restart_type_a_running_child_is_restarted(stage, restart):
    async with stage.playing(stage.child("a", restart=restart)) as tree:
        tree.restart("a")
        await stage.until(ChildRestarted)


async def test_requested_restarts_count_against_no_limit(stage):
    async with stage.playing(stage.child("a", max_failures=0), intensity=0) as tree:
        tree.restart("a")
        await stage.until(ChildStarted, incarnation=2)
        tree.restart("a")
        await stage.until(ChildStarted, incarnation=3)
        tree.restart("a")
        await stage.until(ChildStarted, incarnation=4)

    assert stage.of(SupervisorEscalated) == []
    assert [(event.attempt, event.delay_ms) for event in stage.of(RestartScheduled)] == [(0, 0), (0, 0), (0, 0)]
    assert stage.of(RestartScheduled)[-1].restart_total == 3


async def test_a_child_that_waits_for_its_restart_is_started_now(stage):
    async with stage.playing(stage.child("a", "crash", "serve", backoff=HOURLY)) as tree:
        await stage.until(RestartScheduled)
        await anyio.sleep(5)
        tree.restart("a")
        restarted = await stage.until(ChildRestarted)

    assert restarted.downtime_ms == 5000
    assert len(stage.of(RestartScheduled)) == 1


async def test_a_child_that_fails_its_first_start_is_tried_again_now(stage):
    tree = stage.supervisor(stage.child("a", "fail", "serve", backoff=HOURLY))

    async with anyio.create_task_group() as group:
        group.start_soon(tree.run)
        await stage.until(RestartScheduled)
        tree.restart("a")
        await stage.until(ChildStarted)
        tree.stop()

    assert stage.pauses("a") == [0]


async def test_a_requested_restart_lets_the_child_drain(stage):
    async with stage.playing(stage.child("a", "drain", drain=10)) as tree:
        began = anyio.current_time()
        tree.restart("a")
        await stage.until(ChildRestarted)

        assert anyio.current_time() - began == pytest.approx(7)


async def test_a_child_that_dies_badly_of_a_requested_restart_is_restarted_all_the_same(stage):
    """What it was stopped for goes before how it ended."""

    async def dies_badly(context, *, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            if context.incarnation == 1:
                raise stage.Boom

    async with stage.playing(ChildSpec("a", dies_badly, max_failures=0), intensity=0) as tree:
        tree.restart("a")
        await stage.until(ChildRestarted)

    exit_event = stage.of(ChildExited)[0]
    assert (exit_event.reason, type(exit_event.decision)) == ("error", Requested)


async def test_a_nested_supervisor_is_restarted_with_all_below_it(stage):
    inner = SupervisorSpec("inner", (stage.child("a"), stage.child("b")))

    async with stage.playing(inner, stage.child("c")) as tree:
        stage.journal.clear()
        tree.restart("inner")
        await stage.until(ChildStarted, child="inner", incarnation=2)
        assert stage.journal == ["b ends", "a ends", "a starts", "b starts"]

    assert isinstance(stage.of(ChildExited, child="inner")[0].decision, Requested)


async def test_asking_twice_is_one_restart(stage):
    async with stage.playing(stage.child("a", drain=5)) as tree:
        tree.restart("a")
        tree.restart("a")
        await anyio.sleep(1)
        tree.restart("a")
        await anyio.sleep(60)

        assert stage.journal == ["a starts", "a ends", "a starts"]


async def test_a_stop_goes_before_a_requested_restart(stage):
    async with stage.playing(stage.child("a", drain=5)) as tree:
        tree.restart("a")
        await anyio.sleep(1)
        tree.stop()

    assert stage.journal == ["a starts", "a ends"]


async def test_a_stubborn_child_never_runs_beside_the_successor_that_was_asked_for(stage):
    async with stage.playing(stage.child("a", "stubborn", "serve", shutdown=2)) as tree:
        tree.restart("a")
        await stage.until(ChildUnstopped)
        with pytest.raises(StillRunning, match="a ignores its cancellation"):
            tree.restart("a")
        assert stage.journal == ["a starts"]
        stage.end("a")
        await stage.until(ChildRestarted)

    assert stage.journal[:3] == ["a starts", "a ends", "a starts"]
    assert isinstance(stage.of(ChildExited)[0].error, StillRunning)


async def test_there_must_be_such_a_child(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NoSuchChild, match="nobody"):
            tree.restart("nobody")


async def test_the_root_is_only_restarted_with_its_process(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(NotRunning, match="root"):
            tree.restart("root")


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_a_child_that_ended_for_good_is_not_restarted(stage, restart):
    async with stage.playing(stage.child("a", "finish", restart=restart)) as tree:
        with pytest.raises(NotRunning, match="nothing would start it"):
            tree.restart("a")


async def test_a_child_that_has_not_been_started_yet_is_not_restarted(stage):
    tree = stage.supervisor(stage.child("a", "hang"), stage.child("b"))

    async with anyio.create_task_group() as group:
        group.start_soon(tree.run)
        await anyio.sleep(1)
        with pytest.raises(NotRunning, match="b"):
            tree.restart("b")
        tree.stop()


async def test_nothing_is_restarted_while_the_tree_stops(stage):
    async with stage.playing(stage.child("a"), stage.child("b", drain=5)) as tree:
        tree.stop()
        await anyio.sleep(1)
        with pytest.raises(NotRunning):
            tree.restart("a")


async def test_a_child_whose_supervisor_waits_for_its_own_restart_is_not_restarted(stage):
    inner = SupervisorSpec("inner", (stage.child("a"), stage.child("b")), intensity=0)

    async with stage.playing(inner) as tree:
        stage.end("a", stage.Boom())
        await stage.until(ChildExited, child="inner")
        with pytest.raises(NotRunning):
            tree.restart("b")


async def test_under_one_for_one_a_restart_does_not_wait_for_the_drain_of_another(stage):
    async with stage.playing(stage.child("a"), stage.child("b", "drain", "serve", drain=10)) as supervisor:
        supervisor.restart("b")
        supervisor.restart("a")
        began = anyio.current_time()
        await stage.until(ChildRestarted, child="a")

        assert anyio.current_time() == began


async def test_a_child_that_is_being_removed_cannot_be_restarted(stage):
    async with stage.playing(stage.child("a", "drain", drain=10)) as supervisor, anyio.create_task_group() as group:
        group.start_soon(supervisor.remove, "a")
        await anyio.wait_all_tasks_blocked()

        with pytest.raises(NotRunning):
            supervisor.restart("a")
