"""What may surprise about configs that are being saved: warnings, which refuse nothing.

Beside what their schedules have in store (`schedule/surprises.py`) it is held against what is known here and now: which
queues the living workers read, how long runs of the config have lately taken, and how long the broker waits for an
acknowledgement. It is looked for once the change is committed. So a server that is away by then costs what it would
have told, and not the answer; and of a declaration of thousands as many are looked at as half a second allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from anyio.lowlevel import checkpoint

from horarium.errors import Unavailable
from horarium.model import ConfigWarning
from horarium.schedule import ScheduleError, Surprise, Terms, parse_schedule, surprises
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from horarium.keyspace.workers import Workers
    from horarium.model import WarningCode
    from horarium.schedule import Schedule, SurpriseCode
    from horarium.sql.database import Database
    from horarium.sql.queries import Row

__all__ = ["PLACES", "Advisor", "Facts", "Saved", "warnings_of"]

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
"""For how long schedules are looked at; each takes a few milliseconds, equal ones are looked at once."""

FACTS_OF = 200
"""Configs whose runs are asked for at once, each by its newest rows only."""

PLACES: dict[SurpriseCode, str] = {
    "never_fires": "schedule_config",
    "more_often_than_timeout": "timeout_seconds",
    "slower_than_interval": "schedule_config",
    "jitter_wider_than_interval": "jitter_seconds",
    "daylight_saving_gap": "schedule_config",
    "daylight_saving_repeat": "schedule_config",
}
"""The field to look at, for each surprise."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A config to look at: its fields, and its id where it has been there before."""

    fields: Row
    config_id: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known: the queues that are read (None: nobody can say), seconds of recent runs, the broker's patience."""

    queues: Collection[str] | None = None
    run_seconds: Mapping[int, float] = field(default_factory=dict)
    redelivers_after: float | None = None


class Advisor:
    """Finds the facts and warns; `redelivers_after` is the broker's, in seconds."""

    def __init__(
        self,
        database: Database,
        workers: Workers,
        *,
        redelivers_after: Callable[[], float | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._workers = workers
        self._redelivers_after = redelivers_after
        self._clock = clock

    async def of(self, *configs: Saved) -> list[list[ConfigWarning]]:
        """The warnings of each config, in order; shorter than `configs` where there were too many to look at."""
        found: list[list[ConfigWarning]] = []
        known: dict[tuple[Schedule, Terms], list[Surprise]] = {}
        until = monotonic() + LOOK_SECONDS
        now, queues = self._clock(), await self._queues() if configs else None
        for first in range(0, len(configs), FACTS_OF):
            page = configs[first : first + FACTS_OF]
            facts = Facts(queues, await self.run_seconds(page), self._redelivers_after())
            for config in page:
                found.append(list(warnings_of(config, facts, now, known)))
                await checkpoint()
                if monotonic() > until:
                    return found
        return found

    async def run_seconds(self, configs: Iterable[Saved]) -> dict[int, float]:
        """How long the runs of these configs have lately taken, of those that run one at a time."""
        ids = [each.config_id for each in configs if each.config_id is not None and each.fields["overlap"] == "skip"]
        if not ids:
            return {}
        try:
            async with self._database.connection() as connection:
                rows = await QUERIES.execution_recent_seconds.rows(connection, config_ids=ids)
        except Unavailable as error:
            _incomplete(error)
            return {}
        return {row["config_id"]: row["seconds"] for row in rows}

    async def _queues(self) -> set[str] | None:
        try:
            return {queue for worker in await self._workers.living() for queue in worker.queues}
        except Unavailable as error:
            _incomplete(error)
            return None


def _incomplete(error: Unavailable) -> None:
    log.warning("advice.incomplete", error=str(error))


def warnings_of(
    config: Saved, facts: Facts, now: datetime, known: dict[tuple[Schedule, Terms], list[Surprise]]
) -> Iterator[ConfigWarning]:
    """What may surprise about a config; `known` is what has been found of schedules before."""
    fields = config.fields
    if facts.queues is not None and fields["queue"] not in facts.queues:
        yield _warning("queue", "queue_not_read", f"no living worker reads the queue {fields['queue']!r}")
    patience, timeout = facts.redelivers_after, fields["timeout_seconds"]
    if patience is not None and timeout > patience:
        message = f"this RabbitMQ takes a message back that is not acknowledged within {patience:g} s, unless its"
        message += " consumer_timeout says otherwise; have that exceed the timeout, or have consumers ask for more"
        message += " (x-consumer-timeout), which RabbitMQ heeds from 3.11.15 on and Horarium's own do"
        yield _warning("timeout_seconds", "timeout_beyond_broker", message)
    for each in _surprises(config, facts, now, known):
        yield _warning(PLACES[each.code], each.code, each.message)


def _surprises(
    config: Saved, facts: Facts, now: datetime, known: dict[tuple[Schedule, Terms], list[Surprise]]
) -> Sequence[Surprise]:
    fields: Any = config.fields
    terms = Terms(
        fields["start_at"],
        fields["end_at"],
        fields["jitter_seconds"],
        fields["timeout_seconds"],
        None if config.config_id is None else facts.run_seconds.get(config.config_id),
    )
    try:
        schedule = parse_schedule(fields["scheduler_type"], fields["schedule_config"], now=now)
    except ScheduleError:  # written by hand; what was edited is something else, and the status says it
        return ()
    if (schedule, terms) not in known:
        known[schedule, terms] = surprises(schedule, terms, now)
    return known[schedule, terms]


def _warning(place: str, code: WarningCode, message: str) -> ConfigWarning:
    return ConfigWarning(loc=[place], msg=message, code=code)
