"""`max_failures`: the limit for a child that fails slowly, which the restart window would put up with for ever."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    Backoff,
    ChildExited,
    ChildRestarted,
    ChildStarted,
    Escalate,
    RestartScheduled,
    SupervisorEscalated,
    SupervisorSpec,
)

pytestmark = pytest.mark.anyio

HOURLY = Backoff(initial=3600, factor=1, maximum=3600, jitter=0)


async def test_failures_in_a_row_end_the_supervisor_where_its_window_never_would(stage):
    # when
    error = await stage.escalation(stage.child("a", "crash", backoff=HOURLY, max_failures=3), intensity=1, period=60)

    # then
    assert (error.supervisor, error.child, error.limit) == ("root", "a", "more than 3 failures in a row")
    assert isinstance(error.__cause__, stage.Boom)
    assert stage.pauses("a") == [3600, 3600, 3600]
    assert stage.of(SupervisorEscalated)[0].limit == "more than 3 failures in a row"


async def test_the_exit_that_is_one_too_many_says_which_limit_it_passed(stage):
    await stage.escalation(stage.child("a", "crash", backoff=HOURLY, max_failures=1))

    decision = stage.of(ChildExited)[-1].decision
    assert isinstance(decision, Escalate)
    assert str(decision).startswith("escalate: more than 1 failures in a row; permanent child, exit error")


async def test_a_healthy_period_resets_the_count(stage):
    """Two failures, ten seconds of health, two more: with a limit of two that is one too few."""
    child = stage.child("a", "crash", "serve", "crash", "serve", max_failures=2)

    async with stage.playing(child):
        await stage.until(ChildRestarted, count=1)
        await anyio.sleep(10)
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, count=3)

    assert [event.attempt for event in stage.of(RestartScheduled)] == [1, 1, 2]
    assert stage.of(SupervisorEscalated) == []


async def test_a_period_a_little_too_short_to_be_healthy_does_not_reset_the_count(stage):
    async with anyio.create_task_group() as group:
        group.start_soon(crash_after_nine_seconds, stage)
        error = await stage.escalation(stage.child("a", "crash", "serve", max_failures=1))

    assert error.limit == "more than 1 failures in a row"


async def crash_after_nine_seconds(stage):
    await stage.until(ChildStarted, child="a", incarnation=2)
    await anyio.sleep(9.9)
    stage.end("a", stage.Boom())


async def test_with_zero_the_first_failure_is_one_too_many(stage):
    error = await stage.escalation(stage.child("a", "crash", max_failures=0), stage.child("b"))

    assert error.limit == "more than 0 failures in a row"
    assert stage.journal.count("a starts") == 1


async def test_without_a_limit_only_the_window_counts(stage):
    async with stage.playing(stage.child("a", "crash", backoff=HOURLY, max_failures=None)):
        await stage.until(ChildExited, count=100)

    assert stage.of(SupervisorEscalated) == []


async def test_the_limit_is_twenty_unless_a_spec_says_otherwise(stage):
    error = await stage.escalation(stage.child("a", "crash", backoff=HOURLY))

    assert error.limit == "more than 20 failures in a row"
    assert stage.journal.count("a starts") == 21


async def test_failed_starts_count_as_failures(stage):
    error = await stage.escalation(stage.child("a", "fail", backoff=HOURLY, max_failures=2))

    assert error.limit == "more than 2 failures in a row"
    assert stage.journal.count("a starts") == 3


async def test_the_failures_of_two_children_are_counted_apart(stage):
    children = (
        stage.child("a", "crash", "crash", "serve", max_failures=2),
        stage.child("b", "crash", "crash", "serve", max_failures=2),
    )

    async with stage.playing(*children):
        await stage.until(ChildStarted, child="a", incarnation=3)
        await stage.until(ChildStarted, child="b", incarnation=3)

    assert stage.of(SupervisorEscalated) == []


async def test_a_transient_child_that_ends_well_is_no_failure(stage):
    async with stage.playing(stage.child("a", "finish", restart="transient", max_failures=0)):
        pass

    assert stage.of(SupervisorEscalated) == []


async def test_a_nested_supervisor_that_keeps_giving_up_is_a_failure_in_a_row_too(stage):
    inner = SupervisorSpec(
        "inner", (stage.child("a", "crash", max_failures=0),), backoff=HOURLY, max_failures=2, restart="transient"
    )

    error = await stage.escalation(inner, intensity=1, period=60)

    assert (error.supervisor, error.child, error.limit) == ("root", "inner", "more than 2 failures in a row")
    assert stage.pauses("a") == [3600, 3600]


async def test_a_supervisor_that_is_started_anew_counts_anew(stage):
    """Its children's failures of before its own restart are forgiven."""
    inner = SupervisorSpec("inner", (stage.child("a", "crash", "crash", "crash", "serve", max_failures=1),))

    async with stage.playing(inner):
        await stage.until(ChildStarted, child="inner", incarnation=2)

    assert [event.supervisor for event in stage.of(SupervisorEscalated)] == ["inner"]
    assert [event.attempt for event in stage.of(RestartScheduled, child="a")] == [1, 1]
