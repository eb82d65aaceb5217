"""Snapshot, ring of events and log lines: what an operator gets to see."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
import structlog
from structlog.testing import CapturingLogger

from horarium.supervisor import (
    ChildExited,
    ChildRestarted,
    ChildSpec,
    ChildStarted,
    Escalate,
    EventRing,
    LetGo,
    Mailbox,
    RestartScheduled,
    SupervisorEscalated,
    SupervisorSpec,
    SupervisorStarted,
    events,
    log_event,
)
from horarium.supervisor.vocabulary import vocabulary

pytestmark = pytest.mark.anyio


async def test_the_snapshot_shows_the_tree_as_it_stands(stage):
    # given
    mailbox = Mailbox("letters", capacity=3, overflow="drop_newest")
    inner = SupervisorSpec("inner", (stage.child("b", mailbox=mailbox),))

    async with stage.playing(stage.child("a"), inner) as supervisor:
        # when
        mailbox.send_nowait("one")
        await anyio.sleep(42)
        tree = supervisor.snapshot()

    # then
    assert [node.id for node in tree.children] == ["a", "inner"]
    assert (tree.state, tree.kind) == ("running", "supervisor")
    b = tree.find("b")
    assert (b.state, b.kind, b.incarnation, b.restarts, b.uptime) == ("running", "worker", 1, 0, 42)
    assert (b.mailbox.depth, b.mailbox.capacity, b.mailbox.dropped) == (1, 3, 0)


async def test_the_snapshot_of_a_child_in_backoff_says_why_and_for_how_long(stage):
    async with stage.playing(stage.child("a")) as supervisor:
        stage.end("a", stage.Boom("bad day"))
        await stage.until(RestartScheduled)
        a = supervisor.snapshot().find("a")

    assert a.state == "backoff"
    assert a.restarts == 1
    assert a.uptime is None
    assert a.restart_in == pytest.approx(0.1)
    assert a.last_exit.reason == "error: Boom('bad day')"
    assert a.last_exit.decision.startswith("restart in 0.1 s, attempt 1")
    assert a.last_exit.at.utcoffset().total_seconds() == 0


async def test_the_snapshot_shows_what_a_hanging_child_is_handling(stage):
    async def hangs(context, *, task_status):
        task_status.started()
        context.working_on("invoice 7")
        await anyio.sleep_forever()

    async with stage.playing(ChildSpec("a", hangs)) as supervisor:
        await anyio.wait_all_tasks_blocked()
        assert supervisor.snapshot().find("a").handling == "invoice 7"

    assert supervisor.snapshot().find("a").handling is None


async def test_the_snapshot_tells_a_waiting_child_from_a_starting_and_a_stopped_one(stage):
    children = (stage.child("a", "finish", restart="transient"), stage.child("b", "hang"), stage.child("c"))
    supervisor = stage.supervisor(*children)
    before = supervisor.snapshot()

    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        await anyio.wait_all_tasks_blocked()
        during = supervisor.snapshot()
        supervisor.stop()

    assert (before.state, during.state, supervisor.snapshot().state) == ("waiting", "starting", "stopped")
    assert [node.state for node in before.children] == ["waiting", "waiting", "waiting"]
    assert [node.state for node in during.children] == ["stopped", "starting", "waiting"]


async def test_events_are_numbered_without_gaps_and_can_be_resumed(stage):
    async with stage.playing(SupervisorSpec("inner", (stage.child("a"),))) as supervisor:
        first = supervisor.events.recent()
        supervisor.kill("a")
        await stage.until(ChildRestarted)
        later = supervisor.events.recent(after=first[-1].sequence)

    assert [recorded.sequence for recorded in first] == list(range(1, len(first) + 1))
    assert later[0].sequence == len(first) + 1
    assert [type(recorded.event) for recorded in later] == [
        ChildExited,
        RestartScheduled,
        ChildStarted,
        ChildRestarted,
    ]


def test_the_ring_forgets_the_oldest():
    ring = EventRing(capacity=2)

    ring.record(SupervisorStarted("one", 0))
    ring.record(SupervisorStarted("two", 0))
    ring.record(SupervisorStarted("three", 0))

    assert [recorded.sequence for recorded in ring.recent()] == [2, 3]


def logged(event):
    """The one line that an event becomes: its level, and its fields."""
    output = CapturingLogger()
    logger = structlog.wrap_logger(output, processors=[], wrapper_class=structlog.BoundLogger)
    log_event(logger, event)
    [call] = output.calls
    return call.method_name, call.kwargs


def test_a_scheduled_restart_is_one_line_with_its_numbers():
    level, fields = logged(RestartScheduled("root", "a", 3, delay_ms=400.0, attempt=2, restart_total=5))

    assert level == "warning"
    assert fields == {
        "event": "child.restart_scheduled",
        "supervisor": "root",
        "child": "a",
        "incarnation": 3,
        "delay_ms": 400.0,
        "attempt": 2,
        "restart_total": 5,
    }


def test_an_orderly_exit_is_no_error():
    level, fields = logged(ChildExited("root", "a", 1, "shutdown", LetGo("its supervisor is stopping"), 10.0))

    assert level == "info"
    assert fields["decision"] == "not restarted: its supervisor is stopping"
    assert "error" not in fields


def test_an_unexpected_error_is_logged_with_its_traceback():
    error = ValueError("odd")

    level, fields = logged(ChildExited("root", "a", 1, "error", Escalate("too often", "exit error"), 10.0, error))

    assert level == "critical"
    assert fields["error"] == "ValueError('odd')"
    assert fields["exc_info"] is error


async def test_a_fault_that_the_supervisor_describes_itself_has_no_traceback(stage):
    async with stage.playing(stage.child("a")) as supervisor:
        supervisor.kill("a")
        exit_event = await stage.until(ChildExited)

    level, fields = logged(exit_event)
    assert (level, fields["error"]) == ("error", "ChildKilled('a was killed')")
    assert "exc_info" not in fields


def test_an_escalation_is_critical():
    level, fields = logged(SupervisorEscalated("root", "a", "more than 10 restarts in 60 s"))

    assert (level, fields["event"]) == ("critical", "supervisor.escalated")


def test_the_page_of_the_vocabulary_is_what_the_event_types_say():
    """`make docs` writes it."""
    page = Path(__file__).parents[3] / "docs/supervision-events.md"

    assert page.read_text(encoding="utf-8") == vocabulary()


def test_the_vocabulary_names_every_event_type_once():
    told = [kind for kind in vars(events).values() if isinstance(kind, type) and hasattr(kind, "name")]

    assert [vocabulary().count(f"| `{kind.name}` |") for kind in told] == [1] * len(told)
