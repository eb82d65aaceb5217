"""Workers: who lives, what each is doing, and telling one to pause, to go on, or to drain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Empty, Reply, Route
from horarium.model.workers import WorkerDetail, WorkerTold, WorkerView

if TYPE_CHECKING:
    from horarium.http.routing import Call
    from horarium.worker_control import Action, SeenWorker

__all__ = ["ROUTES"]

BASE = "/api/v1/system/workers"
ONE = BASE + "/{worker_id}"
SHOWN = 200
"""So many of what a worker runs are shown with it; the list of executions has all."""

WORDS: dict[Action, str] = {
    "pause": "takes no more messages, and goes on with what runs",
    "resume": "takes messages again",
    "drain": "takes no more messages, and ends when nothing runs, or its deadline is over",
}


async def list_workers(call: Call) -> Reply:
    """The workers whose heartbeat has not run out, by id."""
    query: PageQuery = call.query
    parts = read_cursor(query.cursor, str)
    workers = await call.services.worker_control.all()
    rest = [each for each in workers if parts is None or each.beat.id > parts[0]]
    shown, last = cut(rest, query.limit)
    cursor = None if last is None else write_cursor(last.beat.id)
    items = [WorkerView(**_fields(each)) for each in shown]
    return Reply(Page[WorkerView](items=items, next_cursor=cursor, total=len(workers)))


async def get_worker(call: Call) -> Reply:
    """One worker, and what it runs now, newest first."""
    seen = await call.services.worker_control.one(_worker_id(call))
    executions = await call.services.views.running_at(seen.beat.id, limit=SHOWN)
    return Reply(WorkerDetail(**_fields(seen), executions=executions))


async def pause_worker(call: Call) -> Reply:
    """No new messages from now on; what runs goes on, and what has not begun goes to other workers."""
    return await _tell(call, "pause")


async def resume_worker(call: Call) -> Reply:
    """Take messages again."""
    return await _tell(call, "resume")


async def drain_worker(call: Call) -> Reply:
    """Pause, and end the process with code 0 when nothing runs any more.

    What still runs when the deadline is over is handed back. A worker inside `horarium up` stays, paused.
    """
    return await _tell(call, "drain")


async def _tell(call: Call, action: Action) -> Reply:
    seen = await call.services.worker_control.tell(_worker_id(call), action, by=call.author)
    message = f"{seen.beat.id} {WORDS[action]}"
    return Reply(WorkerTold(message=message, action=action, worker_id=seen.beat.id, state=seen.state))


def _worker_id(call: Call) -> str:
    return str(call.request.match_info["worker_id"])


def _fields(seen: SeenWorker) -> dict[str, Any]:
    beat = seen.beat
    own = {name: getattr(beat, name) for name in WorkerView.model_fields if hasattr(beat, name)}
    return own | {
        "queues": list(beat.queues),
        "state": seen.state,
        "last_beat_at": beat.beaten_at,
        "told_by": seen.told_by,
        "told_at": seen.told_at,
    }


STANDS_AGAINST = "The worker is so already, or on its way out"
ROUTES = (
    Route("GET", BASE, list_workers, "A page of workers", "viewer", Page[WorkerView], query=PageQuery),
    Route("GET", ONE, get_worker, "One worker, and what it runs", "viewer", WorkerDetail),
    Route(
        "POST", f"{ONE}/pause", pause_worker, "Have a worker take no more messages", "operator", WorkerTold,
        body=Empty, body_required=False, conflict=STANDS_AGAINST,
    ),
    Route(
        "POST", f"{ONE}/resume", resume_worker, "Have a worker take messages again", "operator", WorkerTold,
        body=Empty, body_required=False, conflict=STANDS_AGAINST,
    ),
    Route(
        "POST", f"{ONE}/drain", drain_worker, "Have a worker end when nothing runs", "admin", WorkerTold,
        body=Empty, body_required=False, conflict=STANDS_AGAINST,
    ),
)  # fmt: skip
