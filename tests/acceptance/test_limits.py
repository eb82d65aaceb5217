"""Limits as their users have them: workers in processes of their own, one of which is killed."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.journal import read_journal
from tests.support.processes import PASSWORD, START_SECONDS, Client, Running, horarium, running
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.journal import Run

pytestmark = pytest.mark.timeout(300)

MOST = 2
RUNS = 16
BY_HAND = {"scheduler_type": "manual", "schedule_config": {}, "overlap": "allow_all"}
JOURNALS = "tests.support.journal"
SLOT_SECONDS = 60.0
"""How long a run is waited for that may need the slot of the worker that was killed."""


@dataclass
class Crew:
    """A supervisor's API, and the workers beside it."""

    client: Client
    workers: list[Running]

    def limit(self, task_type: str, **limit: float) -> None:
        answer = self.client.call("PUT", f"/system/limits/task_type/{task_type}", limit)
        assert answer.status == 200, answer

    def run(self, times: int, **config: Any) -> list[str]:
        """The ids of so many runs of a new config."""
        made = self.client.config(**BY_HAND, **config)
        return [self.client.post(f"/task-configs/{made}/run")["task_id"] for _ in range(times)]


@pytest.fixture
def crew(data_dir: Path, database_url: str, redis_url: str, redis_prefix: str) -> Iterator[Crew]:
    """A supervisor with a worker in it, and two beside."""
    shared = {"database_url": database_url, "redis_url": redis_url, "key_prefix": redis_prefix}
    shared |= {"admin_password": PASSWORD, "task_modules": JOURNALS, "drain_seconds": "0"}
    with ExitStack() as stack:
        house = stack.enter_context(horarium(data_dir, inline_worker=1, **shared))
        workers = [stack.enter_context(running(data_dir, "worker", data_dir=data_dir, **shared)) for _ in range(2)]
        client = house.client()
        until(lambda: len(client.get("/system/status")["worker"]["workers"]) == 3, within=START_SECONDS)
        yield Crew(client, workers)


def test_three_workers_keep_limit_and_rate_and_kill_9_of_one_costs_a_slot_until_it_is_given_up(
    crew: Crew, tmp_path: Path
) -> None:
    """By the tasks' journal no more than the limit are at work; by the ledger starts are a rate's spacing apart."""
    journal = tmp_path / "journal"
    crew.limit("journal.works", max_running=MOST)
    crew.limit("echo", rate=5, period_seconds=1)
    works = {"journal": str(journal), "seconds": 0.4}

    runs = crew.run(RUNS, task_type="journal.works", parameters=works, max_retries=1, retry_backoff_seconds=0)
    victim = until(lambda: caught_at_work(crew, journal))
    victim.kill()
    paced = crew.run(8, task_type="echo", parameters={"message": "now"})
    starts = sorted(datetime.fromisoformat(crew.client.ended(run, within=SLOT_SECONDS)["started_at"]) for run in paced)
    done = [crew.client.ended(run, within=SLOT_SECONDS) for run in runs]

    assert [row["status"] for row in done] == ["success"] * RUNS
    cut_off = [run for run in read_journal(journal) if run.ended is None]
    assert [run.pid for run in cut_off] == [victim.process.pid] * len(cut_off)
    most = most_at_once(read_journal(journal), done)
    report(f"{RUNS} runs of three workers, {len(cut_off)} cut off by kill -9; {most} at once at most")
    assert cut_off
    assert most == MOST
    assert min(later - earlier for earlier, later in pairwise(starts)) >= timedelta(seconds=0.2)


def caught_at_work(crew: Crew, journal: Path) -> Running | None:
    """A worker that has been frozen in the middle of a run, if one could be."""
    worker = at_work(crew, journal)
    if worker is None:
        return None
    worker.process.send_signal(signal.SIGSTOP)
    if any(run.pid == worker.process.pid and run.ended is None for run in read_journal(journal)):
        return worker
    worker.process.send_signal(signal.SIGCONT)
    return None


def at_work(crew: Crew, journal: Path) -> Running | None:
    """A worker that is at a run, once some have ended."""
    runs = read_journal(journal)
    busy = {run.pid for run in runs if run.ended is None}
    some_ended = len(runs) - len(busy) >= MOST
    return next((w for w in crew.workers if some_ended and w.process.pid in busy), None)


def most_at_once(runs: list[Run], done: list[dict[str, Any]]) -> int:
    """How many ran at once at most; one that was cut off has its slot until the ledger has given it up."""
    given_up = {(row["task_id"], a["attempt"]): a["completed_at"] for row in done for a in row["attempts"]}
    ends = [run.ended or datetime.fromisoformat(given_up[run.execution, run.attempt]) for run in runs]
    moments = [(run.began, 1) for run in runs] + [(end, -1) for end in ends]
    return max(accumulate(change for _, change in sorted(moments)))
