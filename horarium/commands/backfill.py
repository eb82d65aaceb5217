"""A backfill in pieces: each is one short request, so that it can be watched, and a break of it costs one piece.

How many ticks there are is computed here, by the arithmetic that the dispatcher uses; it is the most there can be,
since those that have an execution get no second one. For the same reason a backfill that broke off is simply given
again. Pieces are parted halfway between two ticks, so no tick belongs to two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import Progress

from horarium.client import ApiAway, ApiError, find_config, open_client
from horarium.clock import utc_now
from horarium.commands.console import complaints, remark
from horarium.commands.prompts import agreed
from horarium.commands.talk import talk
from horarium.schedule import ScheduleError, parse_schedule, ticks_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from horarium.settings import Settings

__all__ = ["Backfill", "backfilled", "pieces", "ticks_of"]

MANY = 100
"""More runs than this are not made without a yes."""

PIECE = 500
MOST = 100_000
LIMITS = (("not_before", "start_at"), ("end_at", "end_at"))


@dataclass(frozen=True)
class Backfill:
    """Of which config, the instants from when to when (RFC 3339), and what else is asked for."""

    config: str
    start: str
    end: str
    more: Mapping[str, str | bool]

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be made."""
        return bool(self.more.get("dry_run"))


def backfilled(settings: Settings, wanted: Backfill, *, yes: bool) -> dict[str, int]:
    """Make the executions; how many were created, and how many ticks had theirs."""
    config = talk(partial(_found, settings, wanted.config))
    ticks = ticks_of(config, wanted)
    if len(ticks) > MOST:
        raise typer.BadParameter(f"there are more than {MOST} ticks from start to end: take a shorter time")
    many = len(ticks) > MANY and not wanted.dry_run
    if many and not yes and not agreed(f"Make up to {len(ticks)} executions of {config['name']}?"):
        remark("Nothing was created.")
        raise typer.Exit(1)
    try:
        return talk(partial(_send, settings, config["id"], wanted, pieces(wanted.start, wanted.end, ticks)))
    except (typer.Exit, ApiAway):
        remark("It broke off." if wanted.dry_run else "It broke off; give the command again for the rest.")
        raise


def pieces(start: str, end: str, ticks: Sequence[datetime], size: int = PIECE) -> list[tuple[str, str, int]]:
    """From when to when each piece goes, and how many ticks it has."""
    firsts = range(size, len(ticks), size)
    parted = [(ticks[at - 1] + (ticks[at] - ticks[at - 1]) / 2).isoformat() for at in firsts]
    counts = [len(ticks[at : at + size]) for at in range(0, max(1, len(ticks)), size)]
    return list(zip([start, *parted], [*parted, end], counts, strict=True))


def ticks_of(config: Mapping[str, Any], wanted: Backfill) -> list[datetime]:
    """The ticks that may be made, up to one more than MOST. Raises ApiError for a schedule that nobody can read."""
    try:
        schedule = parse_schedule(config["scheduler_type"], config["schedule_config"], now=utc_now())
    except ScheduleError as error:
        raise ApiError(f"the schedule of {config['name']} makes no sense, mend it first: {error}") from error
    limits = {name: datetime.fromisoformat(config[key]) for name, key in LIMITS if config[key]}
    start = datetime.fromisoformat(wanted.start) - timedelta(microseconds=1)
    found: Iterator[datetime] = ticks_between(schedule, start, datetime.fromisoformat(wanted.end), **limits)
    return list(islice(found, MOST + 1))


async def _found(settings: Settings, word: str) -> dict[str, Any]:
    async with open_client(settings) as client:
        return await find_config(client, word)


async def _send(
    settings: Settings, config_id: int, wanted: Backfill, parts: Sequence[tuple[str, str, int]]
) -> dict[str, int]:
    """Send piece after piece, with a bar on stderr where there are several and somebody sees it."""
    done = {"created": 0, "skipped": 0}
    async with open_client(settings) as client:
        with Progress(console=complaints, disable=len(parts) < 2 or not complaints.is_terminal) as progress:
            what = "Counting" if wanted.dry_run else "Backfilling"
            bar = progress.add_task(what, total=sum(count for _, _, count in parts))
            for start, end, count in parts:
                body = {"start": start, "end": end, **wanted.more}
                answer = await client.call("POST", f"/task-configs/{config_id}/backfill", body=body)
                done = {name: done[name] + answer[name] for name in done}
                progress.advance(bar, count)
    return done
