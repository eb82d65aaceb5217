"""What the models are made of: their two bases, and the fields that more than one of them has."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

__all__ = [
    "Answer",
    "Instant",
    "JitterSeconds",
    "Name",
    "Parameters",
    "Patch",
    "QueueName",
    "Request",
    "ScheduleConfig",
    "Tag",
    "Text",
    "TimeoutSeconds",
    "without_null",
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
Parameters = Annotated[dict[str, Any], Field(description="The task type's keyword arguments, as its schema has them")]
ScheduleConfig = Annotated[
    dict[str, Any],
    Field(
        description="cron: `cron_expression` (5 fields, or 6 with seconds), or `minute`, `hour`, `day`, `month`,"
        " `day_of_week`; with `timezone` (IANA). interval: `days`, `hours`, `minutes`, `seconds`, `anchor`."
        " date: `run_date`, `timezone`. manual: nothing."
    ),
]
JitterSeconds = Annotated[int, Field(ge=0, le=86_400)]
TimeoutSeconds = Annotated[float, Field(gt=0, le=604_800)]
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def _rfc3339(given: Any) -> Any:
    """Pydantic would take a number for Unix seconds; an instant is text, or a datetime that is one already."""
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or RFC3339.fullmatch(given.upper()) is None:
        raise ValueError("must be RFC 3339 with an offset, such as 2030-01-31T09:00:00Z")
    return datetime.fromisoformat(given.upper())


def _within_reach(instant: datetime) -> datetime:
    if not 1970 <= instant.year <= 9997:
        raise ValueError("must lie in the years 1970 to 9997")
    return instant


# As in a schedule: at the ends of the calendar zones lead out of it, and asyncpg takes the very ends for infinity.
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_within_reach), Strict()]


def without_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a field that can be left out, but is never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**rest, **kinds[0]}


class Request(BaseModel):
    """Base of everything that comes in."""

    model_config = ConfigDict(extra="forbid")


class Patch(Request):
    """Base of edits: a field that is left out stays as it is, and only those of `emptied` can be made null.

    So every field is optional to Python, while null is a fault of all others, and the schema says so. What is shown but
    changed in another way is in `elsewhere`, with what to say to whoever tries.
    """

    emptied: ClassVar[frozenset[str]] = frozenset()
    elsewhere: ClassVar[dict[str, str]] = {}

    @field_validator("*", mode="before")
    @classmethod
    def _null_empties(cls, given: Any, info: ValidationInfo) -> Any:
        if given is None and info.field_name not in cls.emptied:
            raise ValueError("cannot be null; leave the field out to keep it")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema, without null where that is a fault, and without defaults, which an edit has none of."""
        made = handler.resolve_ref_schema(handler(schema))
        for name, field in made["properties"].items():
            field.pop("default", None)
            made["properties"][name] = field if name in cls.emptied else without_null(field)
        return made


class Answer(BaseModel):
    """Base of everything that goes out; nothing of it is ever left out, so the schema requires it all."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)
