"""APScheduler 3: the jobs of an SQLAlchemyJobStore on Postgres or SQLite, or of a RedisJobStore.

A job is a pickle, so it is read only where that is asked for, and by `pickles.py`, which never imports APScheduler.
What a trigger means is drawn from its state. The traps: Monday is 0, fields are all to match, and a step counts from
the lowest value of its field.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from horarium.importing.apscheduler_triggers import trigger_fields
from horarium.importing.carrying import CannotCarry, Draft, NotCarried, Outcome, Target, carry
from horarium.importing.pickles import unpickled
from horarium.importing.policies import LONGEST_WINDOW
from horarium.importing.stores import FOREIGN_QUERIES, open_redis, raw, rows_of, scheme_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JOBS_KEY", "StoredJob", "read", "translate"]

TAG = "from:apscheduler"
JOBS_KEY = "apscheduler.jobs"
UNSAFE = "is a pickle; --unsafe-pickle reads it"
NEEDED = frozenset({"id", "func", "trigger", "args", "kwargs"})


@dataclass(frozen=True, slots=True)
class StoredJob:
    """What a store holds of one job."""

    job_id: str
    state: bytes


async def read(url: str, jobs_key: str = JOBS_KEY) -> list[StoredJob]:
    """Every job, in the order of ids."""
    if scheme_of(url) in ("redis", "rediss", "unix"):
        async with open_redis(url) as redis:
            jobs = await redis.hgetall(jobs_key)
        return [StoredJob(raw(job_id).decode(), raw(state)) for job_id, state in sorted(jobs.items())]
    rows = await rows_of(url, FOREIGN_QUERIES.apscheduler_jobs)
    return [StoredJob(row["id"], bytes(row["job_state"])) for row in rows]


def translate(job: StoredJob, target: Target, *, unsafe_pickle: bool = False) -> Outcome:
    """What becomes of one job."""
    if not unsafe_pickle:
        return NotCarried(job.job_id, UNSAFE)
    return carry(job.job_id, partial(_draft, job), target)


def _draft(job: StoredJob) -> Draft:
    state = unpickled(job.state)
    if not isinstance(state, dict) or not state.keys() >= NEEDED:
        raise CannotCarry("is no job of APScheduler 3")
    fields = trigger_fields(state["trigger"]) | _policies(state) | {"tags": [TAG]}
    draft = Draft(job.job_id, str(state["func"]), fields, state["args"], state["kwargs"])
    name = state.get("name")
    if name and name != str(state["func"]).rpartition(":")[2]:
        draft.fields["description"] = str(name)
    if state.get("executor", "default") != "default":
        draft.notes.append(f"the executor {state['executor']!r} is left out; a queue may be what is wanted")
    if state.get("max_instances", 1) > 1:
        draft.notes.append(f"up to {state['max_instances']} runs were allowed at once; here there is no limit")
    return draft


def _policies(state: Mapping[str, Any]) -> dict[str, Any]:
    """What is done about runs that were missed or overlap, and whether the job is paused."""
    grace = state.get("misfire_grace_time")
    fields: dict[str, Any] = {
        "overlap": "skip" if state.get("max_instances", 1) == 1 else "allow_all",
        "catchup": "latest" if state.get("coalesce", True) else "all",
        "catchup_window_seconds": LONGEST_WINDOW if grace is None else min(int(grace), LONGEST_WINDOW),
    }
    if state.get("next_run_time") is None:
        fields["status"] = "inactive"
    return fields
