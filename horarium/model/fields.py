"""What the models are made of: their two bases, and the fields that more than one of them has."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)

__all__ = [
    "Answer",
    "Instant",
    "JitterSeconds",
    "Name",
    "Parameters",
    "QueueName",
    "Request",
    "Tag",
    "Text",
    "TimeoutSeconds",
]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control and no invisible characters")
    return text


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_printable)]
Parameters = dict[str, Any]
JitterSeconds = Annotated[int, Field(ge=0, le=86_400)]
TimeoutSeconds = Annotated[float, Field(gt=0, le=604_800)]
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _rfc3339(given: Any) -> Any:
    """Pydantic would take a number for Unix seconds; an instant is text, or a datetime that is one already."""
    if isinstance(given, str):
        if RFC3339.fullmatch(given.upper()) is None:
            raise ValueError("must be RFC 3339 with an offset, such as 2030-01-31T09:00:00Z")
        return datetime.fromisoformat(given.upper())
    return given


def _within_reach(instant: datetime) -> datetime:
    if not 1970 <= instant.year <= 9997:
        raise ValueError("must lie in the years 1970 to 9997")
    return instant


# As in a schedule: at the ends of the calendar zones lead out of it, and asyncpg takes the very ends for infinity.
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_within_reach), Strict()]


class Request(BaseModel):
    """Base of everything that comes in."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of everything that goes out."""

    model_config = ConfigDict(frozen=True)
