"""Telling of an execution's end, whoever ended it: one log line, and one event in the config's history.

The line is the one that every execution has at info, whatever the load: which tick it was, which worker had it, how it
ended, how long it took, and when it is tried again.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from horarium.keyspace.history import ERROR_CHARS, HistoryEvent, ending_details
from horarium.live_events import LiveEvent, Moved
from horarium.tasks.message import TaskMessage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from horarium.live_events import Told
    from horarium.outcome import Attempt, Ending
    from horarium.sql.executions import Finished
    from horarium.sql.queries import Row

__all__ = ["error_in_short", "error_kind", "tell_cancelled", "tell_ending", "tell_not_sendable"]

log = structlog.get_logger(__name__)

TRACEBACK = "Traceback (most recent call last):\n"
KIND = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
"""The first line of an exception, in its place behind the frames, which are indented."""
MARGIN = re.compile(r"^ *(?:\| ?|\+-.*$)", re.MULTILINE)
"""What stands before each line of a traceback inside a group, and the lines between two of them."""


def tell_ending(
    attempt: Attempt,
    ending: Ending,
    finished: Finished,
    record: Callable[[Told], None],
    *,
    worker: str,
    seconds: float | None = None,
) -> None:
    """Log how an attempt ended that `worker` had, and record it; `seconds` is how long it ran, where that is known.

    An attempt that was handed back is no event of its config's history: what is told is that the next one waits.
    """
    log.log(
        logging.INFO if ending.ended_as == "success" else logging.WARNING,
        "execution.ended",
        **_known(
            ended_as=ending.ended_as,
            status=finished.status,
            task_type=attempt.task_type,
            tick_at=attempt.tick_at.isoformat() if attempt.tick_at else None,
            attempt=attempt.attempt,
            config_id=attempt.config_id,
            task_id=str(attempt.task_id),
            worker=worker,
            duration_ms=None if seconds is None else round(seconds * 1000, 1),
            retry_in_seconds=None if finished.status != "retrying" else _rounded(ending.retry_delay),
            reason=finished.reason,
            error=error_kind(ending.error),
        ),
    )
    if finished.status == "pending":
        waits = replace(attempt, attempt=finished.attempt, lateness_seconds=None)
        record(Moved.now("pending", (waits,), reason=finished.reason))
    elif attempt.config_id is None:
        record(LiveEvent.of_kicked(finished.status, ending_details(attempt, ending, finished)))
    else:
        record(HistoryEvent.of_ending(attempt.config_id, attempt, ending, finished))


def tell_not_sendable(message: TaskMessage, error: str, completed_at: datetime, record: Callable[[Told], None]) -> None:
    """Log and record that an execution has failed because its message can never be sent."""
    log.error("execution.not_sendable", task_id=str(message.task_id), config_id=message.config_id)
    details = {
        "task_id": str(message.task_id),
        "tick_at": message.tick_at,
        "attempt": message.attempt,
        "completed_at": completed_at,
        "reason": "not_sendable",
        "error": error[-ERROR_CHARS:],
    }
    if message.config_id is None:
        record(LiveEvent.of_kicked("failed", details))
    else:
        record(HistoryEvent.now(message.config_id, "failed", **details))


def tell_cancelled(row: Row, record: Callable[[HistoryEvent | Moved], None]) -> None:
    """Log and record that an execution which no worker had was cancelled; `row` is the ledger's."""
    shown = row["id"] if row["config_id"] is not None else row["message_id"] or row["id"]
    log.info(
        "execution.cancelled",
        **_known(
            task_id=str(shown),
            config_id=row["config_id"],
            reason=row["reason"],
            attempt=row["attempt"],
        ),
    )
    if row["config_id"] is None:
        record(Moved.now("cancelled", (TaskMessage.of(row),), reason=row["reason"]))
    else:
        event = HistoryEvent.now(
            row["config_id"],
            "cancelled",
            task_id=str(row["id"]),
            tick_at=row["tick_at"],
            attempt=row["attempt"],
            completed_at=row["completed_at"],
            reason=row["reason"],
        )
        record(event)


def error_kind(error: str | None) -> str | None:
    """What went wrong in our own words, or an exception's type: its message is the task's, and may hold a secret.

    Whoever may read the execution finds all of it there.
    """
    if error is None:
        return None
    raised, last = _last(error)
    kind = KIND.search(last)
    return kind[1] if kind else None if raised else error


def error_in_short(error: str) -> str:
    """An exception and its message, without the frames that led to it; what is no traceback as it is.

    Of a group it is the last exception inside, for a group says no more than how many there are.
    """
    raised, last = _last(error)
    kind = KIND.search(last)
    return last[kind.start() :].strip() if raised and kind else error


def _last(error: str) -> tuple[bool, str]:
    """Whether it is a traceback, and what follows its last heading, without the margin that a group puts before it."""
    before, raised, last = error.rpartition(TRACEBACK)
    in_group = before.rpartition("\n")[2].strip()
    return bool(raised), MARGIN.sub("", last) if in_group else last


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _known(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
