"""Limits of queues and task types: what an operator can say of them, and what there is to see.

A limit is a row, and holds for all workers of all processes from the commit on: every claim looks for it. One that is
lowered stops nothing that runs. One that is raised or taken away lets those go that wait, at once where this process
leads, within a second where another does.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from horarium.admission import Key, Line
from horarium.audit_log import Target, note, shown, what_changed
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound
from horarium.messages import Publish
from horarium.model import Limit
from horarium.sql.limits import RESERVED_SECONDS
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from horarium.audit_log import Author
    from horarium.messages import Mailboxes
    from horarium.model import LimitPut
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Limits"]

LIMITED = ("max_running", "rate", "period_seconds")
MOST_PER_SECOND = 1000
QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
TYPE_NAME_CHARS = 200


class Limits:
    """Actions on limits; raises NotFound, Conflict, InvalidInput and Unavailable."""

    def __init__(self, database: Database, mailboxes: Mailboxes) -> None:
        self._database = database
        self._mailboxes = mailboxes

    async def page(self, *, after: Key | None, limit: int) -> tuple[list[Limit], int]:
        """A page of limits, by kind and name, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.limit_list.rows(
                connection,
                after_kind=after.kind if after else None,
                after_name=after.name if after else None,
                max_rows=limit,
            )
            total = int(await QUERIES.limit_count.value(connection))
            return await _shown(connection, rows), total

    async def put(self, key: Key, body: LimitPut, *, version: int | None, by: Author) -> Limit:
        """Make a limit, or make it another; `version` is the one the caller has seen, None for any."""
        _check_name(key)
        _check(body)
        async with self._database.transaction() as connection:
            old = await _locked(connection, key, version)
            row = await QUERIES.limit_put.row(
                connection, kind=key.kind, name=key.name, **body.model_dump(), updated_by=by.name
            )
            assert row is not None, "an insert that updates instead answers a row"  # noqa: S101 - by its RETURNING
            await QUERIES.limit_admit_running.rows(connection)
            before, after = (None, shown(row, LIMITED)) if old is None else what_changed(old, row, LIMITED)
            await note(connection, by, "limit.set", _target(key), before=before, after=after)
            (answer,) = await _shown(connection, [row])
        self._mailboxes.publisher.send_nowait(Publish(()))
        return answer

    async def delete(self, key: Key, *, version: int | None, by: Author) -> None:
        """Take a limit away; what waits for its room may go."""
        _check_name(key)
        async with self._database.transaction() as connection:
            old = await _locked(connection, key, version)
            if old is None:
                raise NotFound("limit", f"{key.kind} {key.name}")
            await QUERIES.limit_delete.rows(connection, kind=key.kind, name=key.name)
            await note(connection, by, "limit.removed", _target(key), before=shown(old, LIMITED))
        self._mailboxes.publisher.send_nowait(Publish(()))


async def _locked(connection: Connection, key: Key, version: int | None) -> asyncpg.Record | None:
    """The limit as it is, held until the transaction ends; None where there is none."""
    row = await QUERIES.limit_lock.row(connection, kinds=[key.kind], names=[key.name])
    if version is not None and (row is None or row["version"] != version):
        stands = "there is no such limit" if row is None else f"the limit is at version {row['version']}"
        raise Conflict("version", f"{stands}, not at version {version}; read it again")
    return row


async def _shown(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Limit]:
    """Limits with what runs and what waits under each."""
    usage = await QUERIES.limit_usage.rows(
        connection,
        kinds=[row["kind"] for row in rows],
        names=[row["name"] for row in rows],
        besides=[],
        reserved_seconds=RESERVED_SECONDS,
    )
    running = {Key(row["kind"], row["name"]): row["running"] for row in usage}
    waiting: Counter[Key] = Counter()
    for line in await QUERIES.limit_waiting.rows(connection):
        waiting.update(dict.fromkeys(Line(line["task_type"], line["queue"]).keys, line["waiting"]))
    return [_answer(row, running, waiting) for row in rows]


def _answer(row: asyncpg.Record, running: dict[Key, int], waiting: Counter[Key]) -> Limit:
    key = Key(row["kind"], row["name"])
    kept: dict[str, Any] = {name: row[name] for name in (*LIMITED, "version", "updated_by", "updated_at")}
    return Limit(kind=key.kind, name=key.name, running=running[key], waiting=waiting[key], **kept)


def _check_name(key: Key) -> None:
    """Raise InvalidInput for what no queue and no task type can be called."""
    if key.kind == "queue" and QUEUE_NAME.fullmatch(key.name) is None:
        raise InvalidInput(FieldError(("name",), "is no queue's name: letters, digits, dots, hyphens, underscores"))
    if not key.name.isprintable() or len(key.name) > TYPE_NAME_CHARS:
        raise InvalidInput(FieldError(("name",), f"must have {TYPE_NAME_CHARS} printable characters at most"))


def _check(body: LimitPut) -> None:
    """Raise InvalidInput for a limit that limits nothing, or whose rate says too little or too much."""
    if body.max_running is None and body.rate is None:
        raise InvalidInput(FieldError(("max_running",), "give max_running, or rate with period_seconds, or all three"))
    if (body.rate is None) != (body.period_seconds is None):
        missing = "rate" if body.rate is None else "period_seconds"
        raise InvalidInput(FieldError((missing,), "goes with the other: so many starts in so many seconds"))
    if body.rate is not None and body.period_seconds is not None and body.rate > MOST_PER_SECOND * body.period_seconds:
        raise InvalidInput(FieldError(("rate",), f"must be {MOST_PER_SECOND} a second at most"))


def _target(key: Key) -> Target:
    return Target("limit", f"{key.kind}:{key.name}", key.name)
