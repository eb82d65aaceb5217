"""What translations are tested with: a target whose clock stands still, and the ticks of the configs they make."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from horarium.importing import Carried, KnownTypes, NotCarried, Target
from horarium.model import TaskConfigCreate
from horarium.schedule import parse_schedule, ticks_between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from horarium.importing import Outcome

__all__ = ["FAR", "NOW", "carried", "reason", "target", "ticks"]

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
"""A Monday."""

FAR = datetime(2060, 1, 1, tzinfo=UTC)


def target(types: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> Target:
    """A target that knows these task types, and no others; without them it knows that it does not know."""
    known = KnownTypes(types or {}, complete=types is not None)
    return Target(known, NOW, **{"timeout_seconds": 60.0, "timezone": "UTC", **options})


def carried(outcome: Outcome) -> dict[str, Any]:
    """The config of an entry that was carried over."""
    assert isinstance(outcome, Carried), outcome
    return outcome.config


def reason(outcome: Outcome) -> str:
    """Why an entry was not."""
    assert isinstance(outcome, NotCarried), outcome
    return outcome.reason


def ticks(config: Mapping[str, Any], count: int = 20, *, after: datetime = NOW) -> list[datetime]:
    """The first ticks after an instant, as the API's own model and schedule have them."""
    wanted = TaskConfigCreate.model_validate(config)
    schedule = parse_schedule(wanted.scheduler_type, wanted.schedule_config, now=after)
    due = ticks_between(schedule, after, FAR, not_before=wanted.start_at, end_at=wanted.end_at)
    return list(islice(due, count))
