"""Restarts: backoff, reset, intensity, restart types, starts that fail."""

# ruff: noqa: ARG001 - a child's entry point has one signature, whatever of it a test uses

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    Backoff,
    ChildExited,
    ChildKilled,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    ChildUnstopped,
    LetGo,
    NeverReady,
    NoSuchChild,
    RestartScheduled,
    StartTimeout,
    StillRunning,
    SupervisorEscalated,
    SupervisorSpec,
)

pytestmark = pytest.mark.anyio


async def test_a_crashed_child_is_restarted_and_its_siblings_do_not_notice(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), stage.child("c")):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        restarted = await stage.until(ChildRestarted, child="b")
        assert stage.journal == ["b ends", "b starts"]

    assert restarted.incarnation == 2
    assert restarted.downtime_ms == 100


async def test_the_pause_before_a_restart_grows_to_its_maximum(stage):
    backoff = Backoff(initial=1, factor=3, maximum=20, jitter=0)

    async with stage.playing(stage.child("a", "crash", backoff=backoff)):
        await stage.until(ChildExited, count=6)

    assert stage.pauses("a") == [1, 3, 9, 20, 20]
    assert [event.attempt for event in stage.of(RestartScheduled)] == [1, 2, 3, 4, 5, 6]


async def test_hours_of_backoff_pass_in_virtual_time(stage):
    backoff = Backoff(initial=3600, factor=1, maximum=3600, jitter=0)

    async with stage.playing(stage.child("a", "crash", backoff=backoff, max_failures=None)):
        await stage.until(ChildExited, count=25)

    assert sum(stage.pauses("a")) == 24 * 3600


async def test_the_backoff_starts_over_after_a_healthy_period_since_ready(stage):
    async with stage.playing(stage.child("a", "crash", "crash", "serve")):
        await stage.until(ChildStarted, count=3)
        await anyio.sleep(10)
        stage.end("a", stage.Boom())
        scheduled = await stage.until(RestartScheduled, count=3)

    assert scheduled.attempt == 1
    assert scheduled.restart_total == 3


async def test_a_long_start_is_no_healthy_period(stage):
    async def slow_to_fail(context, *, task_status):
        await anyio.sleep(20)
        raise stage.Boom

    supervisor = stage.supervisor(ChildSpec("a", slow_to_fail))

    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        scheduled = await stage.until(RestartScheduled, count=2)
        supervisor.stop()

    assert scheduled.attempt == 2


async def test_health_is_measured_from_ready_not_from_the_start(stage):
    async def slow_and_frail(context, *, task_status):
        await anyio.sleep(20)
        task_status.started()
        raise stage.Boom

    async with stage.playing(ChildSpec("a", slow_and_frail)):
        scheduled = await stage.until(RestartScheduled, count=2)

    assert scheduled.attempt == 2


async def test_one_restart_too_many_stops_the_siblings_in_order_and_escalates(stage):
    # when
    error = await stage.escalation(stage.child("a"), stage.child("b"), stage.child("c", "crash"), intensity=3)

    # then
    assert (error.supervisor, error.child, error.limit) == ("root", "c", "more than 3 restarts in 60 s")
    assert isinstance(error.__cause__, stage.Boom)
    assert len(stage.of(RestartScheduled)) == 3
    assert stage.journal[-2:] == ["b ends", "a ends"]
    assert stage.of(SupervisorEscalated)[0].child == "c"
    assert str(stage.of(ChildExited)[3].decision).startswith("escalate: more than 3 restarts in 60 s")


async def test_restarts_spread_wider_than_the_period_never_exhaust_it(stage):
    backoff = Backoff(initial=61, factor=1, maximum=61, jitter=0)
    child = stage.child("a", "crash", backoff=backoff, max_failures=None)

    async with stage.playing(child, intensity=1, period=60):
        await stage.until(ChildExited, count=100)

    assert stage.of(SupervisorEscalated) == []


async def test_intensity_counts_the_restarts_of_all_children_together(stage):
    children = (stage.child("a", "crash", "serve"), stage.child("b", "crash", "serve"))

    error = await stage.escalation(*children, intensity=1)

    assert error.child == "b"


async def test_a_permanent_child_that_returns_is_restarted(stage):
    async with stage.playing(stage.child("a", "finish", "serve")):
        await stage.until(ChildRestarted)

    assert stage.of(ChildExited)[0].reason == "normal"


async def test_a_transient_child_that_returns_is_done(stage):
    async with stage.playing(stage.child("a", "finish", restart="transient"), stage.child("b")):
        pass

    assert stage.of(ChildExited)[0].decision == LetGo("a transient child that ended well is done")
    assert stage.journal.count("a starts") == 1


async def test_a_transient_child_that_crashes_is_restarted(stage):
    async with stage.playing(stage.child("a", "crash", "serve", restart="transient")):
        await stage.until(ChildRestarted)


async def test_a_temporary_child_is_never_restarted_and_never_counts(stage):
    async with stage.playing(stage.child("a", "crash", restart="temporary"), stage.child("b"), intensity=0):
        await stage.until(ChildExited)

    assert stage.of(ChildExited)[0].decision == LetGo("temporary children are never restarted")
    assert stage.journal == ["a starts", "a ends", "b starts", "b ends"]


async def test_a_first_start_that_fails_is_retried_before_the_next_child_starts(stage):
    async with stage.playing(stage.child("a", "fail", "fail", "serve"), stage.child("b")):
        pass

    assert stage.journal[:7] == ["a starts", "a ends", "a starts", "a ends", "a starts", "b starts", "b ends"]
    assert [event.reason for event in stage.of(ChildExited)][:2] == ["start_failed", "start_failed"]


async def test_a_start_that_keeps_failing_escalates(stage):
    error = await stage.escalation(stage.child("a", "fail"), stage.child("b"), intensity=2)

    assert error.child == "a"
    assert "b starts" not in stage.journal


async def test_a_child_that_is_not_ready_in_time_is_cancelled_and_retried(stage):
    async with stage.playing(stage.child("a", "hang", "serve", start_timeout=7)):
        pass

    exit_event = stage.of(ChildExited)[0]
    assert exit_event.reason == "start_timeout"
    assert isinstance(exit_event.error, StartTimeout)
    assert stage.pauses("a") == [7.1]


async def test_a_child_that_returns_before_it_is_ready_has_failed_to_start(stage):
    async def forgets(context, *, task_status):
        return

    await stage.escalation(ChildSpec("a", forgets), intensity=0)

    exit_event = stage.of(ChildExited)[0]
    assert exit_event.reason == "start_failed"
    assert isinstance(exit_event.error, NeverReady)


async def test_a_killed_child_ends_as_if_it_had_crashed(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"),))) as supervisor:
        supervisor.kill("a")
        await stage.until(ChildRestarted, child="a")

    exit_event = stage.of(ChildExited)[0]
    assert exit_event.reason == "error"
    assert isinstance(exit_event.error, ChildKilled)


async def test_killing_a_child_that_does_not_run_says_so(stage):
    async with stage.playing(stage.child("a")) as supervisor:
        with pytest.raises(NoSuchChild):
            supervisor.kill("nobody")


async def test_a_killed_child_that_will_not_end_never_runs_beside_its_successor(stage):
    """Each try to start it again is a failed start, until it has ended or the supervisor gives up."""
    # given
    async with stage.playing(stage.child("a", "stubborn", "serve", shutdown=1)) as supervisor:
        # when
        supervisor.kill("a")
        await stage.until(ChildUnstopped)
        killed = await stage.until(ChildExited)
        refused = await stage.until(ChildExited, count=2)
        assert stage.journal == ["a starts"]
        stage.end("a")
        await stage.until(ChildRestarted)

        # then
        assert stage.journal == ["a starts", "a ends", "a starts"]
        assert isinstance(killed.error, ChildKilled)
        assert isinstance(refused.error, StillRunning)
