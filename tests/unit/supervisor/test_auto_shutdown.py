"""Significant children: when one of them is done, or the last of them, their supervisor is done too, and ends well."""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    ChildExited,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    InvalidSpec,
    LetGo,
    ShutDown,
    SupervisorSpec,
    SupervisorStopped,
)

pytestmark = pytest.mark.anyio


def significant(stage, name, *acts, **options):
    return stage.child(name, *acts, **{"significant": True, "restart": "transient", **options})


async def idle(context, *, task_status):
    """A child that is never run."""


async def test_any_significant_child_that_is_done_ends_its_supervisor_in_order(stage):
    children = (stage.child("a"), significant(stage, "b"), significant(stage, "c"), stage.child("d"))

    async with stage.playing(*children, auto_shutdown="any_significant") as tree:
        stage.journal.clear()
        stage.end("b")
        await tree.wait_stopped()

    assert stage.journal == ["b ends", "d ends", "c ends", "a ends"]
    assert isinstance(stage.of(ChildExited, child="b")[0].decision, ShutDown)
    assert stage.of(ChildExited, child="c")[0].decision == LetGo("its supervisor is stopping")


async def test_the_last_of_all_significant_children_ends_its_supervisor(stage):
    children = (significant(stage, "a"), significant(stage, "b"), stage.child("c"))

    async with stage.playing(*children, auto_shutdown="all_significant") as tree:
        stage.end("a")
        await stage.until(ChildExited, child="a")
        await anyio.sleep(3600)
        assert stage.journal.count("c ends") == 0
        stage.end("b")
        await tree.wait_stopped()

    assert [type(event.decision) for event in stage.of(ChildExited)] == [LetGo, ShutDown, LetGo]


async def test_at_the_root_the_run_returns(stage):
    tree = stage.supervisor(stage.child("a"), significant(stage, "b", "finish"), auto_shutdown="any_significant")

    await tree.run()

    assert stage.of(SupervisorStopped)[0].unstopped == ()
    assert tree.snapshot().state == "stopped"


async def test_a_temporary_significant_child_ends_its_supervisor_however_it_ended(stage):
    children = (significant(stage, "a", restart="temporary"), stage.child("b"))

    async with stage.playing(*children, auto_shutdown="any_significant") as tree:
        tree.kill("a")
        await tree.wait_stopped()

    assert isinstance(stage.of(ChildExited, child="a")[0].decision, ShutDown)


async def test_a_transient_significant_child_that_crashes_is_restarted(stage):
    async with stage.playing(significant(stage, "a"), auto_shutdown="any_significant"):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted)


@pytest.mark.parametrize("auto_shutdown", ["never", "any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_a_child_that_is_not_significant_never_ends_its_supervisor(stage, auto_shutdown, restart):
    async with stage.playing(stage.child("a", restart=restart), stage.child("b"), auto_shutdown=auto_shutdown):
        stage.end("a")
        await stage.until(ChildExited, child="a")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends"]


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
async def test_a_significant_child_that_is_removed_does_not_end_its_supervisor(stage, auto_shutdown):
    async with stage.playing(significant(stage, "a"), stage.child("b"), auto_shutdown=auto_shutdown) as tree:
        await tree.remove("a")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends"]


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_a_significant_child_whose_restart_is_asked_for_does_not_end_its_supervisor(stage, restart):
    child = significant(stage, "a", restart=restart)

    async with stage.playing(child, stage.child("b"), auto_shutdown="any_significant") as tree:
        tree.restart("a")
        await stage.until(ChildRestarted, child="a")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends", "a starts"]


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
async def test_a_transient_significant_bystander_comes_back(stage, strategy, auto_shutdown):
    children = (stage.child("a"), significant(stage, "b"))

    async with stage.playing(*children, strategy=strategy, auto_shutdown=auto_shutdown):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="b")


async def test_a_temporary_significant_bystander_stays_down_and_does_not_end_its_supervisor(stage):
    children = (stage.child("a"), significant(stage, "b", restart="temporary"))

    async with stage.playing(*children, strategy="one_for_all", auto_shutdown="all_significant"):
        stage.end("a", stage.Boom())
        await stage.until(ChildRestarted, child="a")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends", "b ends", "a starts"]


async def test_a_significant_child_that_was_done_counts_again_when_a_group_restart_brings_it_back(stage):
    """Two are significant; one is done, but runs again when the other one is."""
    children = (significant(stage, "a"), significant(stage, "b"), stage.child("c"))

    async with stage.playing(*children, strategy="one_for_all", auto_shutdown="all_significant"):
        stage.end("a")
        await stage.until(ChildExited, child="a")
        stage.end("c", stage.Boom())
        await stage.until(ChildRestarted, child="c")
        stage.end("b")
        exit_event = await stage.until(ChildExited, child="b", count=2)

    assert isinstance(exit_event.decision, LetGo)


async def test_a_nested_supervisor_that_is_done_is_a_normal_exit_for_its_parent(stage):
    inner = SupervisorSpec("inner", (significant(stage, "a"),), auto_shutdown="any_significant", restart="transient")

    async with stage.playing(inner, stage.child("b")):
        stage.end("a")
        exit_event = await stage.until(ChildExited, child="inner")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends"]

    assert exit_event.reason == "normal"
    assert exit_event.decision == LetGo("a transient child that ended well is done")


async def test_a_permanent_nested_supervisor_that_is_done_is_started_again(stage):
    inner = SupervisorSpec("inner", (significant(stage, "a"),), auto_shutdown="any_significant")

    async with stage.playing(inner):
        stage.end("a")
        await stage.until(ChildStarted, child="a", incarnation=2)

    assert stage.of(ChildExited, child="inner")[0].reason == "normal"


async def test_significance_goes_up_the_tree(stage):
    """The worker ends the inner supervisor, which is significant itself, and so ends the outer one."""
    inner = SupervisorSpec(
        "inner", (significant(stage, "a"),), auto_shutdown="any_significant", restart="transient", significant=True
    )

    async with stage.playing(inner, stage.child("b"), auto_shutdown="any_significant") as tree:
        stage.end("a")
        await tree.wait_stopped()

    assert [event.supervisor for event in stage.of(SupervisorStopped)] == ["inner", "root"]
    assert isinstance(stage.of(ChildExited, child="inner")[0].decision, ShutDown)


async def test_a_significant_child_that_is_done_before_its_siblings_started_still_ends_its_supervisor_well(stage):
    children = (significant(stage, "a", "finish"), stage.child("b", "hang"))
    inner = SupervisorSpec("inner", children, auto_shutdown="any_significant", restart="transient")

    async with stage.playing(inner, stage.child("c")):
        pass

    assert [event.reason for event in stage.of(ChildExited, child="inner")] == ["normal"]
    assert stage.journal == ["a starts", "a ends", "c starts", "c ends"]


async def test_a_child_that_drains_while_its_supervisor_is_done_gets_its_time(stage):
    children = (significant(stage, "a"), stage.child("b", "drain", drain=10))

    async with stage.playing(*children, auto_shutdown="any_significant") as tree:
        stage.end("a")
        await tree.wait_stopped()

    assert stage.of(ChildStopped, child="b")[0].stop_ms == 7000


def test_significance_means_nothing_where_auto_shutdown_is_never():
    with pytest.raises(InvalidSpec, match="'a' is significant, which means nothing"):
        SupervisorSpec("root", (ChildSpec("a", idle, restart="transient", significant=True),))


def test_a_significant_supervisor_means_nothing_where_auto_shutdown_is_never():
    inner = SupervisorSpec("inner", (), restart="transient", significant=True)

    with pytest.raises(InvalidSpec, match="'inner' is significant, which means nothing"):
        SupervisorSpec("root", (inner,))


def test_a_permanent_child_cannot_be_significant():
    with pytest.raises(InvalidSpec, match="cannot be permanent"):
        ChildSpec("a", idle, significant=True)


def test_a_permanent_supervisor_cannot_be_significant():
    with pytest.raises(InvalidSpec, match="cannot be permanent"):
        SupervisorSpec("inner", (), significant=True)


async def test_a_significant_child_cannot_be_added_where_auto_shutdown_is_never(stage):
    async with stage.playing(stage.child("a")) as tree:
        with pytest.raises(InvalidSpec, match="which means nothing"):
            await tree.add(significant(stage, "b"), to="root")

    assert "b starts" not in stage.journal
