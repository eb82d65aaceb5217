"""`horarium import`: what another scheduler has, as task configs. A dry run, unless it is told to apply.

A Horarium that can be reached is asked for its task types, and in a dry run for what it would do; without one the dry
run goes by what is known here. Exit code 7 says that something could not be carried over, 0 that all was; whatever is
sent is sent in one call, which does all of it or nothing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.adopting.imported import task_types_of
from horarium.client import ApiAway, ApiError, NotLoggedIn, open_client
from horarium.clock import utc_now
from horarium.commands.console import refusals, remark
from horarium.commands.import_options import Wanted, importer
from horarium.commands.import_report import EXIT_NOT_ALL, Answered, report
from horarium.commands.talk import talk
from horarium.commands.working import working
from horarium.given_text import given_text
from horarium.importing import Carried, KnownTypes, Target, apscheduler3, celery_beat, crontab, django_celery_beat
from horarium.importing import taskiq_redis as taskiq
from horarium.importing.yaml_file import as_yaml, write_new
from horarium.importing.zones import local_zone
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from horarium.client import ApiClient
    from horarium.importing import Outcome
    from horarium.settings import Settings

    Reader = Callable[[Target], Awaitable[Sequence[Outcome]]]

__all__ = ["EXIT_NOT_ALL", "app"]

app = typer.Typer(help="Carry over what another scheduler has. Shows what it would make, unless told to --apply.")

SYSTEM_CRONTABS = (Path("/etc/crontab"), Path("/etc/cron.d"))
PICKLE_WARNING = (
    "Reading pickles: whoever can write to that store decides what is in them, and loading one can run code. "
    "Here only plain values and APScheduler's triggers are; anything else is refused."
)

UnsafePickle = Annotated[bool, typer.Option("--unsafe-pickle", help="Read entries that are pickles.")]


@app.command("crontab")
@importer
def from_crontab(
    file: Annotated[
        Path, typer.Argument(help="The crontab, or - for stdin, as in `crontab -l | horarium import crontab -`.")
    ],
    user_column: Annotated[
        bool | None,
        typer.Option(
            "--user-column/--no-user-column",
            help="Whether each line names a user, as in /etc/crontab and cron.d, where it is the default.",
        ),
    ] = None,
    *,
    wanted: Wanted,
) -> None:
    """Lines of a crontab, as configs of shell_command."""
    with refusals():
        text = given_text(str(file))
    system = any(file.absolute().is_relative_to(place) for place in SYSTEM_CRONTABS)
    lines = crontab.read_lines(text, user_column=system if user_column is None else user_column)

    async def read(target: Target) -> Sequence[Outcome]:
        return crontab.translate(lines, target)

    remark("Commands run as shell_command, which is off unless HORARIUM_ALLOW_SHELL=1, and which only admins may use.")
    _carry_over(f"crontab {file}", read, wanted, timezone=wanted.timezone or local_zone())


@app.command("taskiq-redis")
@importer
def from_taskiq_redis(
    source: Annotated[str, typer.Argument(metavar="URL", help="The Redis, as in redis://host:6379/0.")],
    prefix: Annotated[str, typer.Option(help="The prefix of the schedule source.")] = "schedule",
    unsafe_pickle: UnsafePickle = False,
    *,
    wanted: Wanted,
) -> None:
    """Schedules of taskiq's RedisScheduleSource or ListRedisScheduleSource."""

    async def read(target: Target) -> Sequence[Outcome]:
        stored = await taskiq.read(source, prefix)
        return [taskiq.translate(each, target, unsafe_pickle=unsafe_pickle) for each in stored]

    _warn_of_pickles(unsafe_pickle)
    _carry_over("taskiq-redis", read, wanted)


@app.command("celery")
@importer
def from_celery(
    source: Annotated[
        str, typer.Argument(metavar="MODULE:APP|FILE", help="The app, as `celery -A` has it, or its file.")
    ],
    *,
    wanted: Wanted,
) -> None:
    """Periodic tasks of a Celery app; the app is imported, with whatever that does."""

    async def read(target: Target) -> Sequence[Outcome]:
        return [celery_beat.translate(each, target) for each in celery_beat.read(source)]

    _carry_over(f"celery {source}", read, wanted)


@app.command("django-celery-beat")
@importer
def from_django_celery_beat(
    source: Annotated[str, typer.Argument(metavar="URL", help="postgresql://... or sqlite:///FILE.")],
    *,
    wanted: Wanted,
) -> None:
    """Periodic tasks of django-celery-beat's tables."""

    async def read(target: Target) -> Sequence[Outcome]:
        return [django_celery_beat.translate(each, target) for each in await django_celery_beat.read(source)]

    _carry_over("django-celery-beat", read, wanted)


@app.command("apscheduler")
@importer
def from_apscheduler(
    source: Annotated[str, typer.Argument(metavar="URL", help="postgresql://..., sqlite:///FILE or redis://...")],
    jobs_key: Annotated[str, typer.Option(help="The key of a RedisJobStore's jobs.")] = apscheduler3.JOBS_KEY,
    unsafe_pickle: UnsafePickle = False,
    *,
    wanted: Wanted,
) -> None:
    """Jobs of APScheduler 3, from an SQLAlchemyJobStore or a RedisJobStore."""

    async def read(target: Target) -> Sequence[Outcome]:
        stored = await apscheduler3.read(source, jobs_key)
        return [apscheduler3.translate(each, target, unsafe_pickle=unsafe_pickle) for each in stored]

    _warn_of_pickles(unsafe_pickle)
    _carry_over("apscheduler", read, wanted)


def _warn_of_pickles(unsafe_pickle: bool) -> None:
    if unsafe_pickle:
        remark(PICKLE_WARNING)


def _carry_over(source: str, read: Reader, wanted: Wanted, *, timezone: str | None = None) -> None:
    """Read, translate, send or ask, and tell of it."""
    with refusals():
        settings = load_settings(api_url=wanted.url, token=wanted.token)
        with working(f"Importing {source}"):
            outcomes, answered = talk(partial(_converse, settings, source, read, wanted, timezone or wanted.timezone))
    code = report(source, outcomes, answered, as_json=wanted.as_json, output=wanted.output)
    raise typer.Exit(code)


async def _converse(
    settings: Settings, source: str, read: Reader, wanted: Wanted, timezone: str | None
) -> tuple[Sequence[Outcome], Answered]:
    async with open_client(settings) as client:
        known = await _known_types(client, settings, wanted)
        outcomes = await read(Target(known, utc_now(), wanted.timeout, timezone, wanted.renames))
        if wanted.output is not None:  # before anything is sent: what was made could not be taken back
            write_new(wanted.output, as_yaml(source, outcomes))
        configs = [each.config for each in outcomes if isinstance(each, Carried)]
        if not known.complete:
            needed = {str(config["task_type"]) for config in configs}
            return outcomes, Answered(applied=False, unasked=tuple(sorted(needed - known.schemas.keys())))
        if not configs:
            return outcomes, Answered(applied=wanted.apply)
        body = {"configs": configs, "prune": False, "dry_run": not wanted.apply}
        try:
            return outcomes, Answered(wanted.apply, await client.apply(body))
        except ApiError as error:  # what was found is worth telling of, and the refusal is the end of it
            return outcomes, Answered(applied=False, refusal=error)


async def _known_types(client: ApiClient, settings: Settings, wanted: Wanted) -> KnownTypes:
    """The task types of the Horarium that is asked, or those of this process where a dry run reaches none."""
    if not wanted.offline or wanted.apply:
        try:
            return KnownTypes.of(await client.get("/task-types"))
        except (ApiAway, NotLoggedIn) as error:
            if wanted.apply:
                raise
            remark(f"Only the task types of this process are known: {error}")
    local = task_types_of(settings).all()
    return KnownTypes({each.name: each.parameters_schema for each in local}, complete=False)
