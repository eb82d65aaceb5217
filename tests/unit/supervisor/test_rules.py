"""The plain functions and the data: backoff, intensity, decisions, specs, and what the package shows."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import horarium.supervisor
from horarium.supervisor import (
    Backoff,
    Bystander,
    ChildSpec,
    Escalate,
    Exit,
    InvalidSpec,
    LetGo,
    Mailbox,
    RestartAfter,
    SupervisorSpec,
)
from horarium.supervisor.decision import decide
from horarium.supervisor.intensity import Intensity


async def idle(context, *, task_status):
    """A child that is never run."""


def test_backoff_doubles_from_initial_to_maximum():
    backoff = Backoff(initial=0.5, factor=2, maximum=3, jitter=0)

    assert [backoff.delay(attempt, lambda: 0.9) for attempt in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 3, 3]


def test_jitter_comes_after_the_cap():
    backoff = Backoff(initial=1, factor=2, maximum=8, jitter=0.5)

    assert backoff.delay(99, lambda: 0.5) == 6


@given(
    attempt=st.integers(1, 10**9),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_no_delay_leaves_its_bounds_however_long_the_night(attempt, factor, jitter, chance):
    backoff = Backoff(initial=0.1, factor=factor, maximum=5, jitter=jitter)

    assert 0.1 * (1 - jitter) * 0.999 <= backoff.delay(attempt, lambda: chance) <= 5


def test_intensity_admits_as_many_as_its_limit_within_the_period():
    intensity = Intensity(2, period=10)

    assert [intensity.admit(now) for now in (0, 1, 9.9)] == [True, True, False]


def test_a_restart_as_old_as_the_period_has_left_the_window():
    intensity = Intensity(1, period=10)

    assert [intensity.admit(now) for now in (0, 10, 20)] == [True, True, True]


def test_intensity_zero_admits_nothing():
    assert not Intensity(0, period=10).admit(0)


RESTART = RestartAfter("because", 1.0, 1)
CRASH = Exit("error", ValueError())


@pytest.mark.parametrize(
    ("restart", "exit_", "expected"),
    [
        ("permanent", Exit("normal"), RestartAfter),
        ("permanent", CRASH, RestartAfter),
        ("permanent", Exit("start_timeout", TimeoutError()), RestartAfter),
        ("transient", Exit("normal"), LetGo),
        ("transient", CRASH, RestartAfter),
        ("transient", Exit("stray_cancellation", ValueError()), RestartAfter),
        ("temporary", Exit("normal"), LetGo),
        ("temporary", CRASH, LetGo),
    ],
)
def test_the_restart_type_decides_about_an_exit(restart, exit_, expected):
    decision = decide(exit_, restart, supervisor_ends=False, fate=None, closes=False, schedule=lambda _: RESTART)

    assert isinstance(decision, expected)


def test_nothing_is_restarted_while_its_supervisor_stops():
    decision = decide(
        CRASH, "permanent", supervisor_ends=True, fate=Bystander("b"), closes=True, schedule=lambda _: RESTART
    )

    assert isinstance(decision, LetGo)


def test_a_child_stopped_for_another_comes_back_in_turn():
    decision = decide(
        Exit("shutdown"),
        "transient",
        supervisor_ends=False,
        fate=Bystander("b"),
        closes=False,
        schedule=lambda _: RESTART,
    )

    assert decision == Bystander("b")


def test_a_decision_prints_its_reason():
    assert str(RestartAfter("permanent child, exit normal", 0.25, 2)) == (
        "restart in 0.25 s, attempt 2: permanent child, exit normal"
    )
    assert str(Escalate("too often", "exit normal")) == "escalate: too often; exit normal"
    assert str(Bystander("db")) == "restart in turn: stopped because db restarts"


def test_a_spec_names_every_fault_at_once():
    with pytest.raises(InvalidSpec) as raised:
        ChildSpec("", idle, shutdown=-1, start_timeout=0, backoff=Backoff(factor=0.5))

    assert len(raised.value.faults) == 4


def test_ids_are_unique_in_the_whole_tree():
    inner = SupervisorSpec("inner", (ChildSpec("a", idle),))

    with pytest.raises(InvalidSpec, match="'a' is used 2 times"):
        SupervisorSpec("root", (ChildSpec("a", idle), inner))


def test_a_mailbox_has_one_owner():
    shared = Mailbox("shared")

    with pytest.raises(InvalidSpec, match="one owner"):
        SupervisorSpec("root", (ChildSpec("a", idle, mailbox=shared), ChildSpec("b", idle, mailbox=shared)))


def test_specs_are_frozen():
    spec = ChildSpec("a", idle)

    with pytest.raises(FrozenInstanceError):
        spec.id = "b"


def test_a_nested_supervisor_may_take_as_long_as_its_children_one_after_the_other():
    inner = SupervisorSpec("inner", (ChildSpec("a", idle, shutdown=3), ChildSpec("b", idle, drain=4, shutdown=5)))

    assert inner.drain >= 12


def test_what_is_public_is_sorted_and_there():
    names = horarium.supervisor.__all__

    assert names == sorted(names)
    assert all(hasattr(horarium.supervisor, name) for name in names)


def test_the_package_knows_nothing_of_scheduling():
    """It imports neither the rest of Horarium nor an event loop of its own."""
    imported = {
        name
        for path in Path(horarium.supervisor.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported_by(node)
    }

    assert {name for name in imported if name.startswith("horarium")} <= {
        name for name in imported if name.startswith("horarium.supervisor")
    }
    assert not imported & {"asyncio", "trio", "time", "signal"}


def _imported_by(node):
    if isinstance(node, ast.ImportFrom):
        return [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
