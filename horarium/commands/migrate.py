"""`horarium migrate`: bring the database to the schema of this release, or say what is missing.

It works on the database itself, no API is asked. An embedded Postgres is started for it, and so must not be in use by
an `up`; that one migrates by itself whenever it starts.

With `--from-legacy` it then takes over what an older system has (`legacy.py`).
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.console import complain, refusals, remark, say
from horarium.commands.legacy import LegacyOptions, migrate_from_legacy
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
def migrate(  # noqa: PLR0913 - one parameter a flag
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a migration is missing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where embedded servers keep their data.")] = None,
    from_legacy: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Take users and task configs over from an older system's database."),
    ] = None,
    legacy_schema: Annotated[
        str | None, typer.Option(help="The schema of its tables; without it the first of its search_path.")
    ] = None,
    drop_legacy: Annotated[
        bool, typer.Option("--drop-legacy", help="Then drop its refresh_tokens and schedule_events.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken over, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Drop without asking.")] = False,
) -> None:
    """Bring the database to the schema of this release; waits while another process does so."""
    if from_legacy is None and (legacy_schema or drop_legacy or dry_run or yes):
        raise typer.BadParameter("--legacy-schema, --drop-legacy, --dry-run and --yes go with --from-legacy alone")
    if from_legacy is not None and check:
        raise typer.BadParameter("--check takes nothing over; give --dry-run", param_hint="--check")
    with refusals():
        settings = load_settings(data_dir=data_dir)
        configure_logging(settings.log_format, "warning")
        if from_legacy is not None:
            options = LegacyOptions(from_legacy, legacy_schema, drop_legacy, dry_run, yes, as_json)
            raise typer.Exit(migrate_from_legacy(settings, options))
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
