"""`horarium next`: when a schedule would fire, worked out here; it asks no server and reads no setting.

Exit code 2 for a schedule that makes no sense, with the flag at fault and what to write instead; 1 for one that has no
tick to come.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_jsonable_python

from horarium.clock import utc_now
from horarium.commands.console import complain, remark, show
from horarium.errors import InvalidInput
from horarium.exit_codes import EXIT_MISCONFIGURED
from horarium.schedule.zones import zone
from horarium.terminal import columns
from horarium.written import Written, foresee

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from horarium.preview import Preview

__all__ = ["app"]

EXIT_NEVER = 1
MOST_TICKS = 100

app = typer.Typer()


@app.command("next")
def next_ticks(  # noqa: PLR0913 - one parameter a flag
    expression: Annotated[str | None, typer.Argument(help="A cron expression, in quotes: 5 fields, or 6.")] = None,
    *,
    tz: Annotated[str, typer.Option(help="Whose clocks it goes by, and is shown in: an IANA name.")] = "UTC",
    every: Annotated[str | None, typer.Option(help="An interval instead: 90m, 1d12h.")] = None,
    anchor: Annotated[str | None, typer.Option(help="Where the interval begins; without it at --from, or now.")] = None,
    at: Annotated[str | None, typer.Option(help="A single date instead: 2030-01-31T09:00.")] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_TICKS, help="How many ticks.")] = 10,
    start: Annotated[
        str | None, typer.Option("--from", help="The first instant looked at; without it the present.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show when a schedule fires next, in its zone and in UTC. Needs no server."""
    if [expression, every, at].count(None) != 2:
        raise typer.BadParameter("give one of: a cron EXPRESSION, --every, --at")
    if anchor is not None and every is None:
        raise typer.BadParameter("goes with --every alone", param_hint="--anchor")
    try:
        seen = foresee(Written(tz, expression, every, at, anchor), count=count, now=utc_now(), start=start)
    except InvalidInput as error:
        complain("\n".join(f"{fault.loc[0]}: {fault.msg}" for fault in error.errors))
        raise typer.Exit(EXIT_MISCONFIGURED) from None
    _print_json(seen, zone(tz)) if as_json else _print(seen, zone(tz))
    if not seen.runs:
        raise typer.Exit(EXIT_NEVER)


def _print(seen: Preview, clocks: ZoneInfo) -> None:
    ticks = [run.tick_at for run in seen.runs]
    said = seen.notes(clocks)
    rows = [(_local(tick, clocks), _utc(tick), note) for tick, note in zip(ticks, said, strict=True)]
    if rows and seen.words is not None:
        remark(seen.words)
        show(columns([(clocks.key, "UTC", "NOTE" if any(said) else ""), *rows]))
    for warning in seen.warnings:
        remark(f"warning: {warning.message}")


def _local(tick: datetime, clocks: ZoneInfo) -> str:
    local = tick.astimezone(clocks)
    return f"{local:%a} {local.isoformat(' ')}"


def _utc(tick: datetime) -> str:
    return tick.isoformat(" ").replace("+00:00", "Z")


def _print_json(seen: Preview, clocks: ZoneInfo) -> None:
    ticks = [run.tick_at for run in seen.runs]
    items: list[dict[str, Any]] = [
        {"tick_at": tick, "local": tick.astimezone(clocks), "note": note or None}
        for tick, note in zip(ticks, seen.notes(clocks), strict=True)
    ]
    warnings = [asdict(each) for each in seen.warnings]
    document = {"timezone": clocks.key, "words": seen.words, "items": items, "warnings": warnings}
    typer.echo(json.dumps(to_jsonable_python(document)))
