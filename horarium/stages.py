"""Telling of an execution on its way, in the log: created, committed, sent, started. Of its end `endings.py` tells.

Whoever follows one execution looks for its `task_id`. A line for each stage of ten thousand ticks a second would cost
more than the ticks do, so what happens to many at once is told of many at once: at info, of the first `NAMED`; at
debug, of all, `NAMED_IN_A_LINE` in each line. What happens to one is told of one: at info where somebody asked for it,
and at debug that it has started, since its end follows (docs/decisions/0056).

From `bind_ids` on every line carries the ids of the attempt, whoever writes it: the task itself above all.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import structlog
from structlog.contextvars import bind_contextvars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from horarium.outcome import Attempt

__all__ = [
    "BOUND",
    "NAMED",
    "bind_ids",
    "ids_of",
    "named",
    "tell_committed",
    "tell_created",
    "tell_published",
    "tell_started",
    "tell_stop_asked",
]

log = structlog.get_logger(__name__)
own_level = logging.getLogger(__name__)

NAMED = 20
"""Executions that a line at info names of a batch."""

NAMED_IN_A_LINE = 100

BOUND = frozenset({"task_id", "config_id", "attempt"})
"""What `bind_ids` binds."""


class _Execution(Protocol):
    """Whatever knows which execution it is about, by the id that is shown."""

    @property
    def task_id(self) -> UUID: ...


def ids_of(attempt: Attempt) -> dict[str, object]:
    """What lines on behalf of an attempt carry; what an app has kicked by itself has no config."""
    ids: dict[str, object] = {"task_id": str(attempt.task_id), "attempt": attempt.attempt}
    return ids if attempt.config_id is None else ids | {"config_id": attempt.config_id}


def bind_ids(attempt: Attempt) -> None:
    """Have every line from here on carry the ids of the attempt, in this task and in what it starts."""
    bind_contextvars(**ids_of(attempt))


def named(executions: Iterable[_Execution], most: int = NAMED) -> list[str]:
    """The ids of the first of them."""
    return [str(each.task_id) for each in islice(executions, most)]


def tell_created(task_id: UUID, config_id: int | None, trigger: str, *, retry_of: UUID | None = None) -> None:
    """Log that somebody's request has made an execution; the line carries the request's id."""
    repeated = None if retry_of is None else str(retry_of)
    log.info("execution.created", task_id=str(task_id), config_id=config_id, trigger=trigger, retry_of=repeated)


def tell_stop_asked(task_id: UUID, config_id: int | None, attempt: int) -> None:
    """Log that somebody has cancelled what runs: its worker stops it, and says so."""
    log.info("execution.stop_asked", task_id=str(task_id), config_id=config_id, attempt=attempt)


def tell_committed(executions: Iterable[_Execution]) -> None:
    """Log that the ticks of these have their rows; nothing is looked at where nobody listens."""
    if own_level.isEnabledFor(logging.DEBUG):
        for ids in _in_lines(executions):
            log.debug("ticks.committed", executions=len(ids), task_ids=ids)


def tell_published(executions: Iterable[_Execution]) -> None:
    """Log that the broker holds the messages of these."""
    if own_level.isEnabledFor(logging.DEBUG):
        for ids in _in_lines(executions):
            log.debug("messages.published", executions=len(ids), task_ids=ids)


def tell_started(attempt: Attempt, worker: str) -> None:
    """Log that a worker has claimed an attempt and starts it."""
    if own_level.isEnabledFor(logging.DEBUG):
        tick_at = attempt.tick_at.isoformat() if attempt.tick_at else None
        log.debug(
            "execution.started",
            task_id=str(attempt.task_id),
            config_id=attempt.config_id,
            attempt=attempt.attempt,
            task_type=attempt.task_type,
            tick_at=tick_at,
            worker=worker,
        )


def _in_lines(executions: Iterable[_Execution]) -> Iterator[list[str]]:
    left = iter(executions)
    while ids := named(left, NAMED_IN_A_LINE):
        yield ids
