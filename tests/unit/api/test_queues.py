"""Queues as the API shows them: everything that anybody knows of, whoever knows it."""

from __future__ import annotations

from datetime import UTC, datetime

from horarium.http.queues import queue_views
from horarium.keyspace.workers import WorkerBeat
from horarium.worker_control import SeenWorker

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)


def a_worker(*queues: str, state: str = "running") -> SeenWorker:
    return SeenWorker(WorkerBeat("w", queues, 10, 0, NOON.isoformat(), state=state))


def test_a_queue_is_known_by_its_messages_its_workers_or_what_waits_for_it() -> None:
    waiting = {"nobodys": {"waiting": 3, "oldest": NOON}}

    views = queue_views({"default": 2}, waiting, [a_worker("default"), a_worker("default", "slow")])

    assert [(each.name, each.depth, each.consumers, each.waiting, each.oldest_waiting_at) for each in views] == [
        ("default", 2, 2, 0, None),
        ("nobodys", None, 0, 3, NOON),
        ("slow", None, 1, 0, None),
    ]


def test_a_worker_that_is_paused_takes_from_no_queue() -> None:
    (view,) = queue_views({}, {}, [a_worker("default", state="paused")])

    assert (view.name, view.consumers) == ("default", 0)
