"""rest_for_one, one_for_all, and supervisors below supervisors."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    Bystander,
    ChildExited,
    ChildRestarted,
    ChildStarted,
    LetGo,
    Mailbox,
    RestartIntensityExceeded,
    SupervisorEscalated,
    SupervisorSpec,
)

pytestmark = pytest.mark.anyio


async def test_rest_for_one_restarts_the_later_children_in_order_after_stopping_them_in_reverse(stage):
    children = [stage.child(name) for name in "abcd"]

    async with stage.playing(*children, strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="d")
        assert stage.journal == ["b ends", "d ends", "c ends", "b starts", "c starts", "d starts"]

    assert stage.of(ChildExited, child="c")[0].decision == Bystander("b")


async def test_the_crashed_child_comes_back_only_when_all_after_it_are_down(stage):
    """Its backoff is long over while a sibling still drains."""
    async with stage.playing(stage.child("a"), stage.child("b", drain=5), strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        restarted = await stage.until(ChildRestarted, child="a")
        assert stage.journal[:3] == ["a ends", "b ends", "a starts"]

    assert restarted.downtime_ms == 5000


async def test_one_for_all_restarts_everybody(stage):
    async with stage.playing(*[stage.child(name) for name in "abc"], strategy="one_for_all"):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="c")
        assert stage.journal == ["b ends", "c ends", "a ends", "a starts", "b starts", "c starts"]


async def test_the_last_child_of_rest_for_one_restarts_alone(stage):
    async with stage.playing(stage.child("a"), stage.child("b"), strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildRestarted, child="b")
        assert stage.journal == ["b ends", "b starts"]


async def test_bystanders_of_a_group_restart_do_not_count_against_the_intensity(stage):
    children = [stage.child(name) for name in "abcd"]

    async with stage.playing(*children, strategy="rest_for_one", intensity=1):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="d")

    assert stage.of(SupervisorEscalated) == []


async def test_a_temporary_bystander_is_stopped_and_stays_down(stage):
    children = (stage.child("a"), stage.child("b", restart="temporary"), stage.child("c"))

    async with stage.playing(*children, strategy="rest_for_one"):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="c")

    assert stage.journal.count("b starts") == 1
    assert isinstance(stage.of(ChildExited, child="b")[0].decision, LetGo)


async def test_a_transient_child_that_was_done_runs_again_when_an_earlier_one_restarts(stage):
    children = (stage.child("a"), stage.child("migrate", "finish", restart="transient"), stage.child("c"))

    async with stage.playing(*children, strategy="rest_for_one"):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="c")

    assert stage.journal.count("migrate starts") == 2


async def test_a_sibling_that_fails_to_come_back_is_retried_before_those_after_it(stage):
    children = (stage.child("a"), stage.child("b", "serve", "fail", "serve"), stage.child("c"))

    async with stage.playing(*children, strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="c")
        assert stage.journal[3:] == ["a starts", "b starts", "b ends", "b starts", "c starts"]


async def test_an_earlier_crash_in_the_middle_of_a_group_restart_widens_it(stage):
    async with stage.playing(*[stage.child(name) for name in "abc"], strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildExited, child="c")
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="c")
        assert stage.journal == ["b ends", "c ends", "a ends", "a starts", "b starts", "c starts"]


async def test_a_group_restart_is_interrupted_by_a_stop(stage):
    async with stage.playing(*[stage.child(name) for name in "abc"], strategy="rest_for_one") as supervisor:
        stage.journal.clear()
        stage.end("b", stage.Boom())
        await stage.until(ChildExited, child="b")
        supervisor.stop()

    assert stage.journal == ["b ends", "c ends", "a ends"]


async def test_a_nested_supervisor_that_gives_up_is_restarted_by_its_parent(stage):
    inner = SupervisorSpec("inner", (stage.child("a"), stage.child("b", "crash", "crash", "serve")), intensity=1)

    async with stage.playing(inner, stage.child("c")):
        await stage.until(ChildStarted, child="b", count=3)
        await stage.until(ChildStarted, child="inner", incarnation=2)

    exit_event = stage.of(ChildExited, child="inner")[0]
    assert exit_event.reason == "error"
    assert isinstance(exit_event.error, RestartIntensityExceeded)
    assert [event.incarnation for event in stage.of(ChildStarted, child="b")] == [1, 2, 3]
    assert stage.journal.count("c starts") == 1


async def test_an_escalation_that_nobody_absorbs_reaches_the_root(stage):
    inner = SupervisorSpec("inner", (stage.child("a", "crash"),), intensity=1)

    error = await stage.escalation(stage.child("b"), inner, intensity=1)

    assert [event.supervisor for event in stage.of(SupervisorEscalated)] == ["inner", "inner", "root"]
    assert error.child == "inner"
    assert stage.journal[-1] == "b ends"


async def test_a_nested_supervisor_that_gives_up_on_a_stubborn_child_tells_its_parent_at_once(stage):
    """It cannot end before that child does, but its parent must not take it for alive."""
    children = (stage.child("a", "stubborn"), stage.child("b", "crash"))

    async with anyio.create_task_group() as group:
        group.start_soon(_release_when_root_gives_up, stage)
        error = await stage.escalation(SupervisorSpec("inner", children, intensity=0), intensity=1)

    assert error.child == "inner"
    assert stage.journal.count("a starts") == 1


async def _release_when_root_gives_up(stage):
    await stage.until(SupervisorEscalated, supervisor="root")
    stage.end("a")


async def test_a_mailbox_below_a_restarted_supervisor_keeps_its_messages(stage):
    mailbox = Mailbox("letters")
    inner = SupervisorSpec("inner", (stage.child("a", mailbox=mailbox), stage.child("b")), intensity=0)

    async with stage.playing(inner):
        mailbox.send_nowait("kept")
        stage.end("b", stage.Boom())
        restarted = await stage.until(ChildRestarted, child="a")

    assert restarted.mailbox_carried == 1
