"""A broken spec fails where it is written, and names everything that is wrong with it at once."""

from __future__ import annotations

import math

import pytest

from horarium.supervisor import Backoff, ChildSpec, InvalidSpec, Mailbox, SupervisorSpec


async def idle(context, *, task_status):
    """A child that is never run."""


def faults_of(build, *args, **options):
    with pytest.raises(InvalidSpec) as raised:
        build(*args, **options)
    return raised.value.faults


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"start": "run"}, "start must be a function"),
        ({"restart": "always"}, "restart must be one of permanent, transient, temporary"),
        ({"shutdown": -1}, "shutdown must be 0 or more, or 'brutal'"),
        ({"shutdown": "gentle"}, "shutdown must be 0 or more, or 'brutal'"),
        ({"shutdown": math.nan}, "shutdown must be 0 or more, or 'brutal'"),
        ({"drain": -0.1}, "drain must be 0 or more"),
        ({"drain": 1, "shutdown": "brutal"}, "drain must be 0 where shutdown is 'brutal'"),
        ({"start_timeout": 0}, "start_timeout must be above 0"),
        ({"watchdog": 0}, "watchdog must be above 0, or None"),
        ({"max_failures": -1}, "max_failures must be 0 or more, or None"),
        ({"significant": True}, "a significant child cannot be permanent: it is never done"),
        ({"backoff": Backoff(initial=-1)}, "backoff.initial must be 0 or more"),
        ({"backoff": Backoff(factor=0.9)}, "backoff.factor must be 1 or more"),
        ({"backoff": Backoff(initial=2, maximum=1)}, "backoff.maximum must not be below backoff.initial"),
        ({"backoff": Backoff(jitter=1.1)}, "backoff.jitter must be between 0 and 1"),
        ({"backoff": Backoff(reset_after=-1)}, "backoff.reset_after must be 0 or more"),
    ],
)
def test_each_rule_of_a_child_is_named_when_it_is_broken(options, fault):
    assert faults_of(ChildSpec, "a", **{"start": idle, **options}) == [fault]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"strategy": "none_for_one"}, "strategy must be one of one_for_one, rest_for_one, one_for_all"),
        ({"auto_shutdown": "some"}, "auto_shutdown must be one of never, any_significant, all_significant"),
        ({"intensity": -1}, "intensity must be 0 or more"),
        ({"period": 0}, "period must be above 0"),
        ({"shutdown": -1}, "shutdown must be 0 or more"),
        ({"shutdown": "brutal"}, "shutdown must be 0 or more"),
        ({"restart": "always"}, "restart must be one of permanent, transient, temporary"),
        ({"max_failures": -1}, "max_failures must be 0 or more, or None"),
        ({"significant": True}, "a significant child cannot be permanent: it is never done"),
        ({"backoff": Backoff(jitter=-0.1)}, "backoff.jitter must be between 0 and 1"),
    ],
)
def test_each_rule_of_a_supervisor_is_named_when_it_is_broken(options, fault):
    assert faults_of(SupervisorSpec, "root", (), **options) == [fault]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"capacity": 0}, "a mailbox's capacity must be 1 or more"),
        (
            {"overflow": "explode"},
            "a mailbox's overflow must be one of block, reject, drop_oldest, drop_newest",
        ),
    ],
)
def test_each_rule_of_a_mailbox_is_named_when_it_is_broken(options, fault):
    assert faults_of(Mailbox, "letters", **options) == [fault]


@pytest.mark.parametrize(
    "options",
    [
        {"shutdown": 0},
        {"shutdown": math.inf},
        {"shutdown": "brutal"},
        {"drain": math.inf},
        {"watchdog": None},
        {"watchdog": 0.001},
        {"max_failures": 0},
        {"max_failures": None},
        {"restart": "temporary", "significant": True},
        {"backoff": Backoff(initial=0, factor=1, maximum=0, jitter=1, reset_after=0)},
    ],
)
def test_what_lies_at_the_edge_of_the_rules_is_allowed(options):
    assert ChildSpec("a", idle, **options)


def test_a_child_names_all_its_faults_at_once():
    faults = faults_of(ChildSpec, "", None, restart="always", shutdown=-1, drain=-1, start_timeout=0, watchdog=0)

    assert faults == [
        "start must be a function",
        "shutdown must be 0 or more, or 'brutal'",
        "drain must be 0 or more",
        "start_timeout must be above 0",
        "watchdog must be above 0, or None",
        "id must not be empty",
        "restart must be one of permanent, transient, temporary",
    ]


def test_a_supervisor_names_its_own_faults_and_those_of_the_whole_below_it_at_once():
    shared = Mailbox("shared")
    children = (
        ChildSpec("a", idle, mailbox=shared),
        ChildSpec("a", idle, mailbox=shared, restart="transient", significant=True),
    )

    assert faults_of(SupervisorSpec, "root", children, intensity=-1, period=0) == [
        "intensity must be 0 or more",
        "period must be above 0",
        "a mailbox must have one owner",
        "id 'a' is used 2 times",
        "'a' is significant, which means nothing where auto_shutdown is never",
    ]


def test_the_error_says_whose_faults_these_are():
    with pytest.raises(InvalidSpec) as raised:
        ChildSpec("a", idle, drain=-1, start_timeout=0)

    assert raised.value.spec_id == "a"
    assert str(raised.value) == "spec 'a': drain must be 0 or more; start_timeout must be above 0"


def test_a_supervisor_may_not_bear_the_id_of_a_child_of_its_own():
    assert faults_of(SupervisorSpec, "a", (ChildSpec("a", idle),)) == ["id 'a' is used 2 times"]


def test_ids_far_apart_in_the_tree_clash_too():
    left = SupervisorSpec("left", (SupervisorSpec("deep", (ChildSpec("a", idle),)),))
    right = SupervisorSpec("right", (ChildSpec("a", idle),))

    assert faults_of(SupervisorSpec, "root", (left, right)) == ["id 'a' is used 2 times"]


def test_a_mailbox_far_apart_in_the_tree_has_one_owner_too():
    shared = Mailbox("shared")
    inner = SupervisorSpec("inner", (ChildSpec("a", idle, mailbox=shared),))

    assert faults_of(SupervisorSpec, "root", (inner, ChildSpec("b", idle, mailbox=shared))) == [
        "a mailbox must have one owner"
    ]


def test_the_defaults_are_erlangs_or_stated():
    spec = ChildSpec("a", idle)

    assert (spec.restart, spec.shutdown, spec.drain, spec.start_timeout) == ("permanent", 2.0, 0.0, 30.0)
    assert (spec.watchdog, spec.significant, spec.max_failures) == (None, False, 20)
