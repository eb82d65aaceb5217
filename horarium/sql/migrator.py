"""Brings a database to the schema this code was written for.

Migrations are numbered files, applied in order, each in a transaction of its own, and never edited once landed: the
text of each applied one is kept by its hash, and a difference stops the start. Any number of processes may start at
once; an advisory lock lets one migrate while the others wait, and they then find nothing left to do. A database
that is newer than the code is refused, since old code would not know what it breaks.

A supervisor that starts gives each statement as long as any other. One that takes longer, over a ledger that has grown
large, is what `horarium migrate` is for, which has the patience and is run before the new release.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from horarium.errors import ConfigurationError
from horarium.sql.database import COMMAND_SECONDS, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Migration", "migrate", "migrations", "pending"]

MIGRATION_DIR = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x686F7261  # "hora"
LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What an applied migration is recognised by."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = MIGRATION_DIR) -> tuple[Migration, ...]:
    """All migrations in order; raises ConfigurationError when a number is missing or doubled."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text()))
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise ConfigurationError(f"{folder}: migrations are not numbered 1, 2, 3, ...")
    return tuple(found)


async def migrate(
    database: Database,
    known: tuple[Migration, ...] | None = None,
    *,
    seconds: float = COMMAND_SECONDS,
    waits: Callable[[], None] = lambda: None,
    done: Callable[[Migration], None] = lambda _: None,
) -> list[Migration]:
    """Apply what is missing and return it; `done` hears of each as soon as it is committed.

    `seconds` is how long each may take, and how long another process is waited for that migrates just now, of which
    `waits` is told. Raises ConfigurationError when the database is newer than this code, or an applied migration was
    changed since.
    """
    known = migrations() if known is None else known
    async with database.connection() as connection:
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
                waits()
                await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK, timeout=seconds)
            await connection.execute(LEDGER)
            missing = _missing(known, await _applied(connection))
            for migration in missing:
                await _apply(connection, migration, seconds)
                done(migration)
        finally:
            # The session outlives this, and would keep the lock with it, also where the answer to having it was lost.
            with anyio.CancelScope(shield=True):
                await connection.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
    return missing


async def pending(database: Database) -> list[Migration]:
    """What `migrate` would apply, without applying it."""
    known = migrations()
    async with database.connection() as connection:
        made = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        return _missing(known, await _applied(connection) if made else {})


async def _applied(connection: Connection) -> dict[int, str]:
    rows = await connection.fetch("SELECT version, sha256 FROM schema_migrations")
    return {row["version"]: row["sha256"] for row in rows}


def _missing(known: tuple[Migration, ...], applied: dict[int, str]) -> list[Migration]:
    newer = max(applied, default=0)
    if newer > len(known):
        raise ConfigurationError(
            f"the database is at migration {newer}, this horarium knows {len(known)}; run the newer horarium"
        )
    for migration in known:
        if migration.version in applied and applied[migration.version] != migration.sha256:
            raise ConfigurationError(
                f"migration {migration.version:04} was applied with another text than this horarium has; "
                "restore the original file"
            )
    return [m for m in known if m.version not in applied]


async def _apply(connection: Connection, migration: Migration, seconds: float) -> None:
    async with transaction(connection):
        await connection.execute(migration.sql, timeout=seconds)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.sha256,
        )
