"""Lists: a limit, an opaque cursor, and an answer that says where the next page begins."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from horarium.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ConfigIds", "Page", "PageQuery", "cut", "read_cursor", "write_cursor"]

LARGEST = 2**62  # a list's limit is added to it, and the sum still fits 64 bits
CURSOR = re.compile("[A-Za-z0-9_-]+")
"""What a cursor is written in; a decoder of Base64 would pass over everything else."""
Item = TypeVar("Item")


class PageQuery(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1000, json_schema_extra={"pattern": f"^{CURSOR.pattern}$"})] | None = None


ConfigIds = Annotated[str, Field(pattern=r"^[0-9]{1,18}(,[0-9]{1,18}){0,199}$", max_length=4000)]
"""Ids of configs, separated by commas."""


class Page(BaseModel, Generic[Item]):
    """A page of a list. `total` counts all pages; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None
    total: int

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`ExecutionPage`: the name of the schema, and of a generated client's type."""
        return f"{params[0].__name__}Page"


def cut(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], Item | None]:
    """The page of what was found, which is one more where others follow; and the last of it, null where none do."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def write_cursor(*parts: object) -> str:
    """An opaque cursor that holds `parts`, which are JSON values."""
    return base64.urlsafe_b64encode(orjson.dumps(parts, default=str)).rstrip(b"=").decode()


def read_cursor(cursor: str | None, *kinds: type) -> list[Any] | None:
    """The parts of a cursor; None for the first page. Raises InvalidInput for one that was not made here."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4) if CURSOR.fullmatch(cursor) else ""
        parts = orjson.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds) or not all(map(_fits, parts)):
        raise InvalidInput(FieldError(("cursor",), "is not the next_cursor of a list's answer"))
    return parts


def _fits(part: str | int) -> bool:
    """Whether Postgres and Redis take the part of a cursor: a cursor made by hand may hold anything."""
    return "\0" not in part if isinstance(part, str) else 0 <= part <= LARGEST
