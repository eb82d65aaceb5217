"""Postgres: there, new enough, writable by us, and not behind a pooler that breaks LISTEN.

A pooler gives a connection a number of its own, which is not that of the backend behind it. In transaction mode it also
changes the backend from one transaction to the next. A notification may arrive all the same while nobody else is
connected, so that is no proof: whether a second connection can take the backend of the first is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - a field's type
from typing import TYPE_CHECKING

import anyio
import asyncpg

from horarium.clock import utc_now
from horarium.doctor.clocks import clock, offset
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["PostgresFacts", "ask_postgres", "judge_postgres"]

OLDEST = 14
CONNECT_SECONDS = 4.0
HEARD_SECONDS = 2.0
ROOM_WANTED = 20
"""Connections that one more `up` takes: its pool, and those beside it."""


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """As the server says of itself; `pooled` where its backend is not who the connection was made with."""

    version_number: int = OLDEST * 10_000
    version: str = "14"
    offset_seconds: float = 0.0
    read_only: bool = False
    encoding: str = "UTF8"
    user: str = "horarium"
    schema: str | None = "public"
    may_create: bool = True
    unwritable: tuple[str, ...] = ()
    foreign: tuple[str, ...] = field(default=())
    room: int = 97
    in_use: int = 1
    pooled: bool = False
    shared: bool = False
    """Whether the pooler gives its backend to others between transactions."""
    hears: bool = True


async def ask_postgres(patient: Patient) -> PostgresFacts:
    """The facts, over a connection of its own."""
    connection = await _connect(patient)
    try:
        before = utc_now()
        row = await QUERIES.doctor_server.row(connection)
        after = utc_now()
        assert row is not None, "a SELECT without FROM always answers a row"  # noqa: S101 - SQL's own promise
        tables = await QUERIES.doctor_forbidden_tables.rows(connection)
        pooled = row["pid"] != connection.get_server_pid()
        shared = pooled and await _loses_its_backend(patient, connection, row["pid"])
        hears = row["read_only"] or await _hears(connection)
    finally:
        connection.terminate()
    now: datetime = row["now"]
    return PostgresFacts(
        **{name: row[name] for name in ("version_number", "version", "read_only", "encoding", "user", "schema")},
        **{name: row[name] for name in ("may_create", "room", "in_use")},
        offset_seconds=offset(now, before, after),
        unwritable=tuple(each["name"] for each in tables if each["unwritable"]),
        foreign=tuple(each["name"] for each in tables if not each["unwritable"]),
        pooled=pooled,
        shared=shared,
        hears=hears,
    )


async def _connect(patient: Patient) -> asyncpg.Connection[asyncpg.Record]:
    # Through a pooler a prepared statement may be looked for where it was never made: none is kept.
    return await asyncpg.connect(patient.postgres.url, timeout=CONNECT_SECONDS, statement_cache_size=0)


async def _loses_its_backend(patient: Patient, connection: asyncpg.Connection[asyncpg.Record], pid: int) -> bool:
    """Whether the backend behind a connection is another's between its transactions."""
    other = await _connect(patient)
    try:
        async with other.transaction():  # which keeps its backend for as long as it lasts
            if await QUERIES.doctor_backend.value(other) == pid:
                return True
            return bool(await QUERIES.doctor_backend.value(connection) != pid)
    finally:
        other.terminate()


async def _hears(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Whether a notification reaches who listens for it."""
    heard = anyio.Event()
    channel = f"horarium_doctor_{secrets.token_hex(4)}"
    await connection.add_listener(channel, lambda *_: heard.set())
    await QUERIES.doctor_notify.value(connection, channel=channel, payload="")
    with anyio.move_on_after(HEARD_SECONDS):
        await heard.wait()
    return heard.is_set()


def judge_postgres(facts: PostgresFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    yield _version(facts)
    yield clock("postgres clock", facts.offset_seconds)
    yield _rights(facts)
    yield _notifications(facts)
    yield _room(facts)
    if facts.encoding != "UTF8":
        remedy = "make a database with ENCODING 'UTF8' and migrate that"
        yield failed("postgres encoding", f"{facts.encoding}: texts of tasks would be refused", remedy)


def _version(facts: PostgresFacts) -> Diagnosis:
    if facts.version_number < OLDEST * 10_000:
        return failed("postgres version", facts.version, f"upgrade it to {OLDEST} or newer")
    return ok("postgres version", facts.version)


def _rights(facts: PostgresFacts) -> Diagnosis:
    check = "postgres rights"
    if facts.read_only:
        return failed(check, "it takes no writes: a standby, or read-only", "give the address of the primary")
    if facts.schema is None:
        return failed(
            check, "no schema of the search_path exists", f'CREATE SCHEMA, or set search_path of "{facts.user}"'
        )
    if facts.unwritable:
        tables = ", ".join(facts.unwritable)
        remedy = f'GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO "{facts.user}"'
        return failed(check, f"{facts.user} may not read and write {tables}", remedy)
    if not facts.may_create:
        remedy = f'GRANT CREATE ON SCHEMA "{facts.schema}" TO "{facts.user}", or migrate as another user'
        return warning(check, f"{facts.user} may write, but make no tables in schema {facts.schema}", remedy)
    if facts.foreign:
        remedy = "run `horarium migrate` as their owner when a release brings migrations"
        return warning(check, f"{', '.join(facts.foreign)} belong to somebody else than {facts.user}", remedy)
    return ok(check, f"{facts.user} may create and write in schema {facts.schema}")


def _notifications(facts: PostgresFacts) -> Diagnosis:
    check = "postgres notifications"
    if facts.shared or not facts.hears:
        between = "a pooler in transaction mode stands between" if facts.shared else "none arrived"
        remedy = "connect to Postgres itself, or set the pooler's pool_mode to session"
        return failed(check, f"LISTEN does not work: {between}", remedy)
    if facts.pooled:
        remedy = "keep its pool_mode at session, and its pool larger than ours; better, connect to Postgres itself"
        return warning(check, "LISTEN works, through a pooler", remedy)
    return ok(check, "LISTEN and NOTIFY work")


def _room(facts: PostgresFacts) -> Diagnosis:
    check, free = "postgres connections", facts.room - facts.in_use
    if free < ROOM_WANTED:
        remedy = f"raise max_connections; each `up` and each worker takes up to {ROOM_WANTED}"
        return warning(check, f"{free} of {facts.room} are free", remedy)
    return ok(check, f"{free} of {facts.room} are free")
