"""The cases of OTP's own suite (lib/stdlib/test/supervisor_SUITE.erl), where each of them lives here, and the rest.

Some of its cases are covered by files of their own, some below; the exit kinds are in `test_exit_matrix.py`.

    case in OTP                                       here
    sup_start_normal                                  test_start_and_stop, and below
    sup_start_map, *_faulty_specs, child_specs(_map),
      sup_flags                                       test_spec_rules
    sup_start_(restart_)child_returns_error           test_add, test_restart; different, see (1)
    sup_stop_infinity, sup_stop_brutal_kill           test_cut_short
    sup_stop_timeout                                  test_start_and_stop: ignores its cancellation
    sup_stop_race                                     test_exit_matrix: no exit is restarted once it stops
    child_adm                                         test_add, test_remove, test_requested_restart; (2), (4), (5)
    permanent_, transient_, temporary_ x normal,
      abnormal                                        test_exit_matrix
    permanent_, transient_, temporary_shutdown        test_exit_matrix: returns; different, see (6)
    multiple_restarts                                 test_restart: spread wider than the period
    one_for_one, one_for_all, rest_for_one            test_exit_matrix, test_strategies; the limit below
    *_escalation                                      below
    one_for_all_, rest_for_one_other_child_
      fails_restart                                   below
    temporary_bystander                               test_strategies, and below
    nonsignificant_*, significant_temporary,
      _transient, _bystander, _escalation             test_auto_shutdown
    tree                                              below, test_add; different, see (3)
    simple_global_supervisor: kill_supervisor         below
    hanging_restart_loop, *_rest_for_one              below, test_remove, test_requested_restart
    order_of_children, count_(restarting_)children    test_in_plain_sight, and below
    do_not_save_child_specs_for_temporary_children    test_remove; different, see (7)
    format_log_1, format_log_2                        test_in_plain_sight: one line for each event

What does not apply: simple_one_for_one_*, *_simple, *_dynamic, significant_simple, count_children_supervisor, *_scale_*
(no such strategy: whoever wants many alike adds them by name); code_change*, significant_upgrade_* and
get_callback_module (no code is changed while it runs); sup_start_ignore_*, sup_start_error_return, sup_start_fail
(no init callback: a tree is data, and a child that is not wanted is not in it); extra_return (a start returns nothing);
child_unlink (there are no links to cut); the registered names of simple_global_supervisor; faulty_application_shutdown
(no applications: what leaves `run` is tested below); do_not_save_start_parameters (a spec is kept whole).

Where Horarium differs on purpose:

(1) a first start that fails is retried with backoff, within the limits, instead of failing the supervisor;
(2) `remove` is terminate and delete in one, there is no child that is stopped and kept;
(3) a child that was added survives the restart of its supervisor;
(4) a restart that is asked for follows the strategy, where OTP restarts the one alone;
(5) a child that has ended for good cannot be restarted: it is removed and added;
(6) no exit of a child's own is a shutdown: one that returns has ended normally, whoever it did it for;
(7) a temporary child that is done stays in sight until somebody removes it;
(8) a restart waits for its backoff; and a child that ignores its cancellation is named, since it cannot be killed.
"""

from __future__ import annotations

import anyio
import pytest

from horarium.supervisor import (
    Bystander,
    ChildExited,
    ChildRestarted,
    ChildStarted,
    ChildStopped,
    LetGo,
    RestartIntensityExceeded,
    SupervisorEscalated,
    SupervisorSpec,
    SupervisorStarted,
    SupervisorStopped,
)

pytestmark = pytest.mark.anyio

STRATEGIES = ["one_for_one", "rest_for_one", "one_for_all"]


async def end_once_started(stage, name, error):
    await stage.until(SupervisorStarted, supervisor="root")
    stage.end(name, error)


async def test_a_supervisor_without_children_starts_and_stops(stage):
    async with stage.playing() as tree:
        assert tree.snapshot().state == "running"

    assert [type(event) for event in stage.events] == [SupervisorStarted, SupervisorStopped]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_two_restarts_are_allowed_and_the_third_is_one_too_many(stage, strategy):
    """The restart frequency half of OTP's base cases: two within the hour."""
    children = (stage.child("a"), stage.child("b", "crash"))

    error = await stage.escalation(*children, strategy=strategy, intensity=2, period=3600)

    assert error.limit == "more than 2 restarts in 3600 s"
    assert stage.journal.count("b starts") == 3
    assert stage.journal[-1] == "a ends"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_child_that_cannot_be_restarted_ends_its_supervisor(stage, strategy):
    children = (stage.child("a", "serve", "fail"), stage.child("b"))

    async with anyio.create_task_group() as group:
        group.start_soon(end_once_started, stage, "a", stage.Boom())
        error = await stage.escalation(*children, strategy=strategy, intensity=4, period=3600)

    assert (error.supervisor, error.child) == ("root", "a")
    assert [event.reason for event in stage.of(ChildExited, child="a")] == ["error", *["start_failed"] * 4]
    assert stage.journal.count("b starts") == stage.journal.count("b ends")


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
async def test_a_sibling_that_cannot_be_restarted_ends_the_supervisor_too(stage, strategy):
    """`a` crashes, and it is `b` that does not come back."""
    children = (stage.child("a"), stage.child("b", "serve", "fail"))

    async with anyio.create_task_group() as group:
        group.start_soon(end_once_started, stage, "a", stage.Boom())
        error = await stage.escalation(*children, strategy=strategy, intensity=4, period=3600)

    assert error.child == "b"
    assert stage.journal[-1] == "a ends"


async def test_one_for_all_starts_over_when_a_sibling_fails_to_come_back(stage):
    """What had come back already is stopped again."""
    children = (stage.child("a"), stage.child("b", "serve", "fail", "serve"))

    async with stage.playing(*children, strategy="one_for_all"):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildStarted, child="b", incarnation=3)
        assert stage.journal == [
            *["a ends", "b ends", "a starts", "b starts", "b ends"],
            *["a ends", "a starts", "b starts"],
        ]

    assert stage.of(ChildExited, child="a")[1].decision == Bystander("b")


async def test_rest_for_one_does_not_touch_the_one_before_when_a_sibling_fails_to_come_back(stage):
    children = (stage.child("a"), stage.child("b", "serve", "fail", "serve"))

    async with stage.playing(*children, strategy="rest_for_one"):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildStarted, child="b", incarnation=3)
        assert stage.journal == ["a ends", "b ends", "a starts", "b starts", "b ends", "b starts"]


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
async def test_a_temporary_bystander_stays_down_and_costs_its_supervisor_nothing(stage, strategy):
    children = (stage.child("a"), stage.child("b", restart="temporary"))

    async with stage.playing(*children, strategy=strategy, intensity=1):
        stage.end("a")
        await stage.until(ChildRestarted, child="a")
        await anyio.sleep(3600)
        assert stage.journal == ["a starts", "b starts", "a ends", "b ends", "a starts"]

    assert stage.of(ChildExited, child="b")[0].decision == LetGo("temporary children are never restarted")
    assert stage.of(SupervisorEscalated) == []


async def test_what_leaves_the_run_names_the_supervisor_and_carries_the_last_error(stage):
    inner = SupervisorSpec("inner", (stage.child("a", "crash"),), intensity=0)

    error = await stage.escalation(inner, intensity=0)

    assert (error.supervisor, error.child) == ("root", "inner")
    assert isinstance(error.__cause__, RestartIntensityExceeded)
    assert isinstance(error.__cause__.__cause__, stage.Boom)


async def test_in_a_tree_only_the_branch_that_failed_is_restarted(stage):
    """one_for_one at the top: the neighbour branch does not notice."""
    left = SupervisorSpec("left", (stage.child("a"), stage.child("b")), intensity=0)
    right = SupervisorSpec("right", (stage.child("c"),))

    async with stage.playing(left, right):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildStarted, child="left", incarnation=2)
        assert stage.journal == ["a ends", "b ends", "a starts", "b starts"]


async def test_in_a_tree_of_one_for_all_every_branch_is_restarted(stage):
    left = SupervisorSpec("left", (stage.child("a"), stage.child("b")), intensity=0)
    right = SupervisorSpec("right", (stage.child("c"),))

    async with stage.playing(left, right, strategy="one_for_all"):
        stage.journal.clear()
        stage.end("a", stage.Boom())
        await stage.until(ChildStarted, child="right", incarnation=2)
        assert stage.journal == ["a ends", "b ends", "c ends", "a starts", "b starts", "c starts"]

    assert stage.of(ChildExited, child="right")[0].decision == Bystander("left")


async def test_a_supervisor_that_is_killed_takes_its_children_along_and_is_started_anew(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"), stage.child("b"))), stage.child("c")) as tree:
        tree.kill("inner")
        await stage.until(ChildStarted, child="inner", incarnation=2)

        assert stage.journal[3:5] in (["a ends", "b ends"], ["b ends", "a ends"])
        assert stage.journal[5:] == ["a starts", "b starts"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_child_whose_restart_hangs_can_be_removed(stage, strategy):
    children = (stage.child("a"), stage.child("b", "serve", "hang"), stage.child("c"))

    async with stage.playing(*children, strategy=strategy) as tree:
        stage.end("b", stage.Boom())
        await anyio.sleep(5)
        assert tree.snapshot().find("b").state == "starting"
        await tree.remove("b")
        await anyio.sleep(5)

        assert [node.state for node in tree.snapshot().children] == ["running", "running"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_tree_can_be_stopped_while_a_restart_hangs(stage, strategy):
    children = (stage.child("a"), stage.child("b", "serve", "hang"), stage.child("c"))

    async with stage.playing(*children, strategy=strategy) as tree:
        stage.end("b", stage.Boom())
        await anyio.sleep(5)
        began = anyio.current_time()
        tree.stop()
        await tree.wait_stopped()

        assert anyio.current_time() == began


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_tree_can_be_stopped_in_the_middle_of_a_restart_loop(stage, strategy):
    children = (stage.child("a"), stage.child("b", "serve", "fail"), stage.child("c"))

    async with stage.playing(*children, strategy=strategy) as tree:
        stage.end("b", stage.Boom())
        await stage.until(ChildExited, child="b", count=5)
        tree.stop()
        await tree.wait_stopped()

    assert stage.of(SupervisorEscalated) == []


async def test_a_deep_tree_stops_strictly_from_the_last_leaf_to_the_first(stage):
    deep = SupervisorSpec("deep", (stage.child("c"), stage.child("d")))
    middle = SupervisorSpec("middle", (stage.child("b"), deep, stage.child("e")))

    async with stage.playing(stage.child("a"), middle, stage.child("f")):
        stage.journal.clear()

    assert stage.journal == ["f ends", "e ends", "d ends", "c ends", "b ends", "a ends"]
    assert [event.supervisor for event in stage.of(SupervisorStopped)] == ["deep", "middle", "root"]


async def test_a_nested_supervisor_has_the_time_that_its_children_may_take_one_after_the_other(stage):
    inner = SupervisorSpec("inner", tuple(stage.child(name, "drain", drain=10) for name in "abc"))

    async with stage.playing(inner):
        pass

    assert stage.journal[3:] == ["c ends", "b ends", "a ends"]
    assert [event.stop_ms for event in stage.of(ChildStopped)] == [7000, 7000, 7000, 21_000]


async def test_a_nested_supervisor_that_takes_too_long_to_stop_is_cut_short(stage):
    inner = SupervisorSpec("inner", (stage.child("a", drain=60), stage.child("b", drain=60)), shutdown=5)

    async with stage.playing(inner) as tree:
        began = anyio.current_time()
        tree.stop()
        unstopped = await tree.wait_stopped()

        assert anyio.current_time() - began == pytest.approx(5)
        assert unstopped == ()

    assert {event.child for event in stage.of(ChildExited, reason="shutdown")} == {"a", "b", "inner"}


async def test_the_tree_keeps_its_order_through_restarts(stage):
    inner = SupervisorSpec("inner", (stage.child("b"), stage.child("c")))

    async with stage.playing(stage.child("a"), inner, stage.child("d")) as tree:
        tree.kill("a")
        tree.kill("b")
        await stage.until(ChildRestarted, child="a")
        await stage.until(ChildRestarted, child="b")
        await tree.add(stage.child("e"), to="root")

        assert [node.id for node in tree.snapshot().children] == ["a", "inner", "d", "e"]
        assert [node.id for node in tree.snapshot().find("inner").children] == ["b", "c"]
