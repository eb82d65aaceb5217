"""`horarium migrate`: bring the database to the schema of this release, or say what is missing.

It works on the database itself, no API is asked. An embedded Postgres is started for it, and so must not be in use by
an `up`; that one migrates by itself whenever it starts.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.console import complain, refusals, remark, say
from horarium.commands.postgres import asking, with_postgres
from horarium.commands.talk import talk
from horarium.embedded import DataDir, EmbeddedPostgres
from horarium.errors import ConfigurationError
from horarium.logs import configure_logging
from horarium.settings import load_settings
from horarium.sql.migrator import Migration, migrations, pending
from horarium.sql.migrator import migrate as bring_up

if TYPE_CHECKING:
    from horarium.settings import Settings
    from horarium.sql.database import Database

__all__ = ["app"]

EXIT_MISSING = 1
MIGRATION_SECONDS = 3600.0
"""How long one migration may take, and how long another process that migrates is waited for."""

app = typer.Typer()


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a migration is missing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where embedded servers keep their data.")] = None,
) -> None:
    """Bring the database to the schema of this release; waits while another process does so."""
    with refusals():
        settings = load_settings(data_dir=data_dir)
        configure_logging(settings.log_format, "warning")
        if check:
            missing = talk(partial(_missing, settings))
            _tell(missing, as_json=as_json, key="missing")
            raise typer.Exit(EXIT_MISSING if missing else 0)
        applied = talk(partial(with_postgres, settings, partial(_apply, quiet=as_json)))
        _tell([] if not as_json else applied, as_json=as_json, key="applied")


async def _missing(settings: Settings) -> list[Migration]:
    if settings.database_url is None:
        return await _missing_embedded(settings)
    return await with_postgres(settings, _pending)


async def _missing_embedded(settings: Settings) -> list[Migration]:
    """The same of the private Postgres: in a directory without one all are, and the one of an `up` can be asked."""
    if not (settings.data_dir / "postgres").exists():
        return list(migrations())
    try:
        with DataDir(settings.data_dir):
            pass
    except ConfigurationError:
        return await asking(_pending, EmbeddedPostgres(settings.data_dir).url, "the embedded Postgres")
    return await with_postgres(settings, _pending)


async def _pending(database: Database) -> list[Migration]:
    return await pending(database)


async def _apply(database: Database, *, quiet: bool) -> list[Migration]:
    return await bring_up(
        database,
        seconds=MIGRATION_SECONDS,
        waits=lambda: remark("Another process migrates this database; waiting for it."),
        done=lambda migration: None if quiet else say(f"Applied {_name(migration)}."),
    )


def _tell(migrations_: list[Migration], *, as_json: bool, key: str) -> None:
    if as_json:
        typer.echo(json.dumps({"known": len(migrations()), key: [_name(each) for each in migrations_]}))
        return
    for each in migrations_:
        say(f"Missing: {_name(each)}")
    if migrations_:
        complain("run `horarium migrate` with this release before it starts")
    else:
        say(f"The database is at migration {len(migrations())}, as this horarium wants it.")


def _name(migration: Migration) -> str:
    return f"{migration.version:04} {migration.name}"
