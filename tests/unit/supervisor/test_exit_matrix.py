"""Every exit, under every restart type and every strategy: what is decided, and what it means for the neighbours.

This is the case matrix of OTP's own supervisor suite, widened by the ends that Python adds: exception groups, stray
cancellations, hangs. Three children, `before`, `child` and `after`, are started in that order; `child` has the fault
once. The table is the specification: it says in words what the supervisor makes of `child`, and how its neighbours
fare. Nothing in it is computed.

    restart     a RestartAfter: it comes back after its backoff
    let go      a LetGo: it is not started again
    untouched   the neighbour never notices
    restarted   it is stopped as a bystander, and comes back in its turn
    waited      it had not been started yet, and is started once the child is ready, or is let go
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import pytest

from horarium.supervisor import ChildExited, LetGo, RestartAfter

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.supervisor import Supervisor

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


class Fault(NamedTuple):
    """How a child's first incarnation ends: what it plays, what makes it end, and the reason of the exit."""

    act: str
    cause: Callable[[Any, Supervisor], None]
    reason: str


def nothing(stage, tree):
    """The act itself is the fault."""


FAULTS = {
    "returns": Fault("serve", lambda stage, _: stage.end("child"), "normal"),
    "raises": Fault("serve", lambda stage, _: stage.end("child", stage.Boom()), "error"),
    "raises a group": Fault("serve", lambda s, _: s.end("child", ExceptionGroup("two", [s.Boom(), s.Boom()])), "error"),
    "is killed": Fault("serve", lambda _, tree: tree.kill("child"), "error"),
    "hangs": Fault("busy", nothing, "watchdog"),
    "fails to start": Fault("fail", nothing, "start_failed"),
    "starts too slowly": Fault("hang", nothing, "start_timeout"),
    "is cancelled astray": Fault("serve", lambda s, _: s.end("child", asyncio.CancelledError()), "stray_cancellation"),
}
DECISIONS = {"restart": (RestartAfter, "started twice"), "let go": (LetGo, "started once")}


def rows(table):
    """The rows of a table in words; two blanks or more divide its columns."""
    lines = (line for line in table.splitlines() if line.strip())
    return [tuple(re.split(r"\s{2,}", line.strip())) for line in lines]


MATRIX = """
    returns            permanent  one_for_one   restart  untouched  untouched
    returns            permanent  rest_for_one  restart  untouched  restarted
    returns            permanent  one_for_all   restart  restarted  restarted
    returns            transient  one_for_one   let go   untouched  untouched
    returns            transient  rest_for_one  let go   untouched  untouched
    returns            transient  one_for_all   let go   untouched  untouched
    returns            temporary  one_for_one   let go   untouched  untouched
    returns            temporary  rest_for_one  let go   untouched  untouched
    returns            temporary  one_for_all   let go   untouched  untouched

    raises             permanent  one_for_one   restart  untouched  untouched
    raises             permanent  rest_for_one  restart  untouched  restarted
    raises             permanent  one_for_all   restart  restarted  restarted
    raises             transient  one_for_one   restart  untouched  untouched
    raises             transient  rest_for_one  restart  untouched  restarted
    raises             transient  one_for_all   restart  restarted  restarted
    raises             temporary  one_for_one   let go   untouched  untouched
    raises             temporary  rest_for_one  let go   untouched  untouched
    raises             temporary  one_for_all   let go   untouched  untouched

    raises a group     permanent  one_for_one   restart  untouched  untouched
    raises a group     permanent  rest_for_one  restart  untouched  restarted
    raises a group     permanent  one_for_all   restart  restarted  restarted
    raises a group     transient  one_for_one   restart  untouched  untouched
    raises a group     transient  rest_for_one  restart  untouched  restarted
    raises a group     transient  one_for_all   restart  restarted  restarted
    raises a group     temporary  one_for_one   let go   untouched  untouched
    raises a group     temporary  rest_for_one  let go   untouched  untouched
    raises a group     temporary  one_for_all   let go   untouched  untouched

    is killed          permanent  one_for_one   restart  untouched  untouched
    is killed          permanent  rest_for_one  restart  untouched  restarted
    is killed          permanent  one_for_all   restart  restarted  restarted
    is killed          transient  one_for_one   restart  untouched  untouched
    is killed          transient  rest_for_one  restart  untouched  restarted
    is killed          transient  one_for_all   restart  restarted  restarted
    is killed          temporary  one_for_one   let go   untouched  untouched
    is killed          temporary  rest_for_one  let go   untouched  untouched
    is killed          temporary  one_for_all   let go   untouched  untouched

    hangs              permanent  one_for_one   restart  untouched  untouched
    hangs              permanent  rest_for_one  restart  untouched  restarted
    hangs              permanent  one_for_all   restart  restarted  restarted
    hangs              transient  one_for_one   restart  untouched  untouched
    hangs              transient  rest_for_one  restart  untouched  restarted
    hangs              transient  one_for_all   restart  restarted  restarted
    hangs              temporary  one_for_one   let go   untouched  untouched
    hangs              temporary  rest_for_one  let go   untouched  untouched
    hangs              temporary  one_for_all   let go   untouched  untouched

    fails to start     permanent  one_for_one   restart  untouched  waited
    fails to start     permanent  rest_for_one  restart  untouched  waited
    fails to start     permanent  one_for_all   restart  restarted  waited
    fails to start     transient  one_for_one   restart  untouched  waited
    fails to start     transient  rest_for_one  restart  untouched  waited
    fails to start     transient  one_for_all   restart  restarted  waited
    fails to start     temporary  one_for_one   let go   untouched  waited
    fails to start     temporary  rest_for_one  let go   untouched  waited
    fails to start     temporary  one_for_all   let go   untouched  waited

    starts too slowly  permanent  one_for_one   restart  untouched  waited
    starts too slowly  permanent  rest_for_one  restart  untouched  waited
    starts too slowly  permanent  one_for_all   restart  restarted  waited
    starts too slowly  transient  one_for_one   restart  untouched  waited
    starts too slowly  transient  rest_for_one  restart  untouched  waited
    starts too slowly  transient  one_for_all   restart  restarted  waited
    starts too slowly  temporary  one_for_one   let go   untouched  waited
    starts too slowly  temporary  rest_for_one  let go   untouched  waited
    starts too slowly  temporary  one_for_all   let go   untouched  waited
"""

STRAYS = """
    is cancelled astray  permanent  one_for_one   restart  untouched  untouched
    is cancelled astray  permanent  rest_for_one  restart  untouched  restarted
    is cancelled astray  permanent  one_for_all   restart  restarted  restarted
    is cancelled astray  transient  one_for_one   restart  untouched  untouched
    is cancelled astray  transient  rest_for_one  restart  untouched  restarted
    is cancelled astray  transient  one_for_all   restart  restarted  restarted
    is cancelled astray  temporary  one_for_one   let go   untouched  untouched
    is cancelled astray  temporary  rest_for_one  let go   untouched  untouched
    is cancelled astray  temporary  one_for_all   let go   untouched  untouched
"""


@pytest.mark.parametrize(("fault", "restart", "strategy", "decision", "before", "after"), rows(MATRIX))
async def test_an_exit_yields_one_decision_and_its_neighbours_fare_as_the_table_says(
    stage, fault, restart, strategy, decision, before, after
):
    outcome = await play(stage, FAULTS[fault], restart, strategy)

    assert outcome == (FAULTS[fault].reason, *DECISIONS[decision], before, after)


@on_asyncio
@pytest.mark.parametrize(("fault", "restart", "strategy", "decision", "before", "after"), rows(STRAYS))
async def test_a_stray_cancellation_is_an_exit_like_any_other(stage, fault, restart, strategy, decision, before, after):
    """Only asyncio knows it: on trio nobody can cancel what is awaited."""
    outcome = await play(stage, FAULTS[fault], restart, strategy)

    assert outcome == (FAULTS[fault].reason, *DECISIONS[decision], before, after)


@pytest.mark.parametrize("fault", ["returns", "raises", "raises a group", "is killed"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_no_exit_is_restarted_once_its_supervisor_stops(stage, fault, restart):
    """The child ends of itself while a younger neighbour still drains."""
    child = stage.child("child", "serve", restart=restart)

    async with stage.playing(child, stage.child("after", drain=60)) as tree:
        tree.stop()
        await anyio.sleep(1)
        FAULTS[fault].cause(stage, tree)
        await tree.wait_stopped()

    assert [event.decision for event in stage.of(ChildExited, child="child")] == [LetGo("its supervisor is stopping")]
    assert stage.journal.count("child starts") == 1


async def play(stage, fault, restart, strategy):
    """Let the child have its fault once, wait until all is quiet, and say what came of it."""
    child = stage.child("child", fault.act, "serve", restart=restart, watchdog=5, start_timeout=3)
    async with stage.playing(stage.child("before"), child, stage.child("after"), strategy=strategy) as tree:
        fault.cause(stage, tree)
        exit_event = await stage.until(ChildExited, child="child")
        await anyio.sleep(60)
        fates = stage.fate("before", exit_event), stage.fate("after", exit_event)
    starts = {1: "started once", 2: "started twice"}[stage.journal.count("child starts")]
    return exit_event.reason, type(exit_event.decision), starts, *fates
