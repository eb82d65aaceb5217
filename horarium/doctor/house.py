"""The house: is the schema the one this code knows, and who leads."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from horarium.actors.leader import NAME
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.errors import ConfigurationError
from horarium.sql.database import Database
from horarium.sql.migrator import migrations, pending
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = [
    "LeaderFacts",
    "SchemaFacts",
    "ask_leader",
    "ask_schema",
    "judge_leader",
    "judge_schema",
    "lease",
    "ready",
]


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """Names of the migrations that are missing; why the schema is refused."""

    missing: tuple[str, ...] = ()
    refused: str | None = None


async def ask_schema(patient: Patient) -> SchemaFacts:
    """The facts."""
    async with Database(patient.postgres.url) as database:
        try:
            missing = await pending(database)
        except ConfigurationError as error:
            return SchemaFacts(refused=str(error))
    return SchemaFacts(tuple(f"{each.version:04} {each.name}" for each in missing))


def judge_schema(facts: SchemaFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    known = len(migrations())
    if facts.refused is not None:
        yield failed("migrations", facts.refused, "run the horarium that this database belongs to")
    elif facts.missing:
        listed = ", ".join(facts.missing)
        remedy = "run `horarium migrate`; the next `horarium up` does it too"
        yield warning("migrations", f"missing: {listed}", remedy)
    else:
        yield ok("migrations", f"all {known} are applied")


@dataclass(frozen=True, slots=True)
class LeaderFacts:
    """Who holds the lease, and for how many seconds yet: below zero once it has run out."""

    holder: str | None = None
    epoch: int = 0
    seconds: float = 0.0


async def ask_leader(patient: Patient) -> LeaderFacts | None:
    """The facts; None before there are tables."""
    async with ready(patient) as database:
        return None if database is None else await lease(database)


async def lease(database: Database) -> LeaderFacts:
    """Who holds it, by Postgres' clock."""
    async with database.connection() as connection:
        row = await QUERIES.doctor_lease.row(connection, name=NAME)
    return LeaderFacts() if row is None else LeaderFacts(row["holder"], row["epoch"], row["seconds"])


def judge_leader(facts: LeaderFacts | None) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts is None:
        return
    if facts.holder is None:
        yield warning("leader", "nobody has ever led here", "start `horarium up`: nothing is scheduled without it")
    elif facts.seconds <= 0:
        summary = f"nobody leads; {facts.holder} did until {-facts.seconds:.0f} s ago"
        yield warning("leader", summary, "start `horarium up`: nothing is scheduled without it")
    else:
        yield ok("leader", f"{facts.holder}, take-over {facts.epoch}, lease good for {facts.seconds:.1f} s")


@asynccontextmanager
async def ready(patient: Patient) -> AsyncIterator[Database | None]:
    """The database, or None while its tables are not those of this code: `migrations` says so."""
    async with Database(patient.postgres.url) as database:
        try:
            missing = await pending(database)
        except ConfigurationError:
            missing = list(migrations())
        yield None if missing else database
