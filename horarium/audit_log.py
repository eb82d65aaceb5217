"""The audit log: who changed what, when, from where, and what it was before.

A row is written in the transaction of the change, so there is none without the other. What the log shows is what the
API shows, less what may be secret: of a config's parameters the names are kept and the values masked, and of a password
no more than that it was changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_jsonable_python

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import asyncpg

    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Row

__all__ = [
    "SYSTEM",
    "AuditFilter",
    "AuditLog",
    "Author",
    "Change",
    "Target",
    "note",
    "note_all",
    "shown",
    "what_changed",
]

MASK = "***"
MASKED_VALUES = ("parameters",)
"""Fields that hold values by name: the names are told, the values not."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, as what, and from where: an IP address, and the id of the request."""

    kind: Literal["user", "api_key", "system"]
    id: int | None
    name: str
    is_admin: bool = False
    address: str | None = None
    request_id: str | None = None

    @property
    def user_id(self) -> int | None:
        """The id of the user, where it is one."""
        return self.id if self.kind == "user" else None


SYSTEM = Author("system", None, "horarium")
"""Horarium itself, as when a pause has run out."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is changed."""

    kind: Literal[
        "user", "api_key", "task_config", "execution", "actor", "worker", "limit", "notification_rule", "notification"
    ]
    id: object
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One of many changes of an author. `before` and `after` are as `shown` makes them."""

    action: str
    target: Target
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def note(
    connection: Connection,
    author: Author,
    action: str,
    target: Target,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write a change down; in the transaction that makes it. `before` and `after` are as `shown` makes them."""
    await QUERIES.audit_log_insert.value(
        connection,
        actor_kind=author.kind,
        actor_id=author.id,
        actor_name=author.name,
        action=action,
        target_kind=target.kind,
        target_id=str(target.id),
        target_name=target.name,
        address=author.address,
        request_id=author.request_id,
        before=before,
        after=after,
    )


async def note_all(connection: Connection, author: Author, changes: Iterable[Change]) -> None:
    """Write many changes down, in their order; in the transaction that makes them."""
    rows = [
        {
            "action": each.action,
            "target_kind": each.target.kind,
            "target_id": str(each.target.id),
            "target_name": each.target.name,
            "before": each.before,
            "after": each.after,
        }
        for each in changes
    ]
    await QUERIES.audit_log_insert_many.rows(
        connection,
        actor_kind=author.kind,
        actor_id=author.id,
        actor_name=author.name,
        address=author.address,
        request_id=author.request_id,
        rows=rows,
    )


def shown(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """These fields of a row as the log keeps them."""
    kept = {name: row[name] for name in names}
    for name in MASKED_VALUES:
        if name in kept:
            kept[name] = dict.fromkeys(kept[name], MASK)
    return dict(to_jsonable_python(kept))


def what_changed(old: Row, new: Row, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, as they were and as they are."""
    changed = [name for name in names if old[name] != new[name]]
    return shown(old, changed), shown(new, changed)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What a list of entries is narrowed to; None leaves a filter out."""

    actor: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    """Reads the log; raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: AuditFilter, *, before_id: int | None, limit: int) -> tuple[list[asyncpg.Record], int]:
        """A page of entries, newest first, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.audit_log_list.rows(connection, **asdict(wanted), before_id=before_id, max_rows=limit)
            total = await QUERIES.audit_log_count.value(connection, **asdict(wanted))
        return rows, int(total)

    async def note(self, author: Author, action: str, target: Target) -> None:
        """Write down what no transaction of ours makes."""
        async with self._database.connection() as connection:
            await note(connection, author, action, target)
