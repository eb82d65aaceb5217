"""The fields that several sources have in common. What a field cannot take is left out, with a note that says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from horarium.importing.zones import rfc3339
from horarium.model.fields import QueueName

if TYPE_CHECKING:
    from horarium.importing.carrying import Draft

__all__ = ["LONGEST_WINDOW", "set_expiry", "set_priority", "set_queue", "set_timeout"]

LONGEST_WINDOW = 31_536_000
"""Seconds for which a missed tick can still run."""

LONGEST_TIMEOUT = 604_800
QUEUE = TypeAdapter(QueueName)


def set_queue(draft: Draft, queue: object) -> None:
    """Take over the name of a queue, where it can be one here."""
    if queue is None:
        return
    try:
        draft.fields["queue"] = QUEUE.validate_python(queue)
    except ValidationError:
        draft.notes.append(f"the queue {queue!r:.60} is no name of a queue here, and is left out")


def set_priority(draft: Draft, priority: Any, *, redis_reversed: bool = False) -> None:
    """Take over a priority; `redis_reversed` where the other scheduler had 0 as the highest on Redis."""
    if priority is None:
        return
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 9:
        draft.notes.append(f"the priority {priority!r:.20} is left out; here they go from 0 to 9")
        return
    draft.fields["priority"] = priority
    if redis_reversed:
        draft.notes.append(f"priority {priority} is kept; 9 is the highest here, as on RabbitMQ, and on Redis it was 0")


def set_timeout(draft: Draft, seconds: Any) -> None:
    """Take over how long a run may take."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_TIMEOUT:
        draft.notes.append(f"the time limit {seconds!r:.20} is left out; it is no number of seconds within a week")
        return
    draft.fields["timeout_seconds"] = seconds


def set_expiry(draft: Draft, expires: object) -> None:
    """Take over when a message that nobody took was worth nothing any more: seconds after its tick, or an instant."""
    if expires is None:
        return
    if isinstance(expires, datetime):
        draft.fields["end_at"] = rfc3339(expires)
        return
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WINDOW:
        draft.notes.append(f"the expiry {expires!r:.40} is left out")
        return
    draft.fields["catchup_window_seconds"] = int(seconds)
    draft.notes.append(
        f"expires after {int(seconds)} s: a missed tick is not made up for later; one that was sent runs"
    )
