"""What `horarium migrate --from-legacy` does and prints: a line for each row that is not as it was.

Exit code 1 where a row could not be carried over; once what kept it out is mended, the command can be run again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import typer

from horarium.adopting.imported import task_types_of
from horarium.client.errors import ApiAway, ApiError
from horarium.clock import utc_now
from horarium.commands.console import remark, say
from horarium.commands.postgres import with_postgres
from horarium.commands.prompts import agreed
from horarium.commands.talk import talk
from horarium.errors import ConfigurationError
from horarium.legacy import Here, Taken, drop_leftovers, make_plan, read_legacy, take_over, what_is_here
from horarium.sql.migrator import migrate, pending
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from horarium.legacy import Legacy, Plan
    from horarium.settings import Settings
    from horarium.sql.database import Database

__all__ = ["LegacyOptions", "migrate_from_legacy"]

EXIT_LEFT_OUT = 1
QUESTION = "Drop refresh_tokens and schedule_events of the older system once its users and configs are here?"
MIGRATION_SECONDS = 3600.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class LegacyOptions:
    """The older system's database, and what is to be done with it."""

    url: str = field(repr=False)
    schema: str | None = None
    drop: bool = False
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False


def migrate_from_legacy(settings: Settings, options: LegacyOptions) -> int:
    """Take over, tell, drop; the exit code. Raises ApiError and ConfigurationError."""
    if options.drop and not options.dry_run and not options.yes and not agreed(QUESTION):
        remark("Nothing was done.")
        raise typer.Exit(1)
    legacy = talk(partial(_over_there, partial(read_legacy, options.url, options.schema)))
    plan, taken = talk(
        partial(with_postgres, settings, partial(_work, settings=settings, options=options, legacy=legacy))
    )
    dropped = legacy.leftovers if options.drop else ()
    if dropped and not options.dry_run:
        talk(partial(_over_there, partial(drop_leftovers, options.url, options.schema)))
    _tell_json(plan, taken, dropped, options) if options.as_json else _tell(plan, taken, dropped, options)
    return EXIT_LEFT_OUT if plan.left_out else 0


async def _over_there(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What the older system's database answers."""
    try:
        return await ask()
    except (OSError, TimeoutError) as error:
        raise ApiAway(f"--from-legacy: Postgres is away: {reason(error)}") from error
    except asyncpg.PostgresError as error:
        raise ApiError(f"--from-legacy: Postgres refuses: {reason(error)}") from error
    except (asyncpg.InterfaceError, ValueError) as error:
        raise ConfigurationError(f"--from-legacy: {reason(error)}") from error


async def _work(
    database: Database, *, settings: Settings, options: LegacyOptions, legacy: Legacy
) -> tuple[Plan, list[Taken]]:
    task_types = task_types_of(settings)
    if not options.dry_run:
        await migrate(database, seconds=MIGRATION_SECONDS)
    here = Here() if await pending(database) else await what_is_here(database)
    now = utc_now()
    plan = make_plan(legacy, here, task_types, now)
    return plan, [] if options.dry_run else await take_over(database, plan, now)


def _tell(plan: Plan, taken: list[Taken], dropped: tuple[str, ...], options: LegacyOptions) -> None:
    planned = [("user", user.name, user.legacy_id) for user in plan.users]
    planned += [("task config", config.name, config.legacy_id) for config in plan.configs]
    for kind, name, legacy_id in planned if options.dry_run else ():
        say(f"Would take over: {kind} {name} (id {legacy_id} there)")
    for each in taken:
        say(f"Taken over: {each.kind} {each.name} (id {each.legacy_id} there, {each.id} here)")
    for name in plan.there:
        say(f"Here already: {name}")
    for note in plan.altered:
        say(f"Not as it was: {note.subject}: {note.why}")
    for note in plan.left_out:
        say(f"Not carried over: {note.subject}: {note.why}")
    for table in dropped:
        say(f"{'Would drop' if options.dry_run else 'Dropped'}: {table}")
    count = len(planned) if options.dry_run else len(taken)
    verb = "to take over" if options.dry_run else "taken over"
    say(f"{count} {verb}, {len(plan.there)} here already, {len(plan.left_out)} not carried over.")
    if taken:
        remark("Stop the older system now, if it still runs: both fire what was taken over.")


def _tell_json(plan: Plan, taken: list[Taken], dropped: tuple[str, ...], options: LegacyOptions) -> None:
    document = {
        "dry_run": options.dry_run,
        "taken_over": [asdict(each) for each in taken],
        "to_take_over": [
            *({"kind": "user", "name": user.name, "legacy_id": user.legacy_id} for user in plan.users),
            *({"kind": "task config", "name": each.name, "legacy_id": each.legacy_id} for each in plan.configs),
        ]
        if options.dry_run
        else [],
        "here_already": plan.there,
        "altered": [asdict(each) for each in plan.altered],
        "left_out": [asdict(each) for each in plan.left_out],
        "dropped": list(dropped),
    }
    typer.echo(json.dumps(document))
