"""What tests of restarted actors share: schedules that fire every second meanwhile, and what is judged afterwards.

Each test prints how long the actor was down, and how much of that its backoff asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.actor_faults import HANGS
from tests.support.ledger import gaps, overlaps
from tests.support.tree import EVERY_SECOND
from tests.support.waiting import eventually, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.tree import House

__all__ = [
    "ACTORS",
    "BACK",
    "SCHEDULED",
    "assert_back_within_its_backoff",
    "assert_no_tick_was_lost",
    "back",
    "lines_of",
    "ticking",
    "told_of",
]

ACTORS = list(HANGS)
BEYOND_BACKOFF_SECONDS = 2.0
"""What a restart may take beyond its backoff on a machine as busy as this one; `bench/mailbox.py` has the figure."""

BACK = [("child.started", "info"), ("child.restarted", "info")]
SCHEDULED = ("child.restart_scheduled", "warning")


def told_of(actor: str, logs: Sequence[Any]) -> list[tuple[str, str]]:
    """What the supervisor says of an actor, and how loudly; what it asks, what an actor waits for, is told besides."""
    return [
        (line["event"], line["log_level"])
        for line in logs
        if line.get("child") == actor and line["event"] not in ("child.silent", "actor.waits", "actor.goes_on")
    ]


def lines_of(actor: str, event: str, logs: Sequence[Any]) -> list[Any]:
    """What the log says of it under this event."""
    return [line for line in logs if (line.get("child"), line["event"]) == (actor, event)]


async def ticking(house: House) -> int:
    """A config that fires every second and has done so once."""
    config = await house.config(scheduler_type="cron", schedule_config=EVERY_SECOND, catchup="all", overlap="allow_all")
    await successes_since(house, config, datetime.now(UTC), 1)
    return config


async def successes_since(house: House, config: int, instant: datetime, at_least: int) -> list[Any]:
    """The successful executions of ticks since an instant, once there are so many."""

    async def enough() -> list[Any]:
        page = await house.get(f"/task-configs/{config}/executions", status="success", since=instant.isoformat())
        return page["items"] if page["total"] >= at_least else []

    return await eventually(enough, within=20)


async def back(house: House, actor: str, *, restarts: int) -> None:
    """Wait until the actor has been restarted so often and is ready."""

    async def is_back() -> bool:
        snapshot = house.supervisor.snapshot().find(actor)
        return snapshot is not None and snapshot.restarts == restarts and snapshot.state == "running"

    await eventually(is_back)


def assert_back_within_its_backoff(actor: str, logs: Sequence[Any]) -> None:
    """Report and judge the last downtime."""
    asked = lines_of(actor, "child.restart_scheduled", logs)[-1]["delay_ms"]
    down = lines_of(actor, "child.restarted", logs)[-1]["downtime_ms"]
    report(f"{actor}: down {down:.0f} ms, of which the backoff asked for {asked:.0f} ms")
    assert down < asked + BEYOND_BACKOFF_SECONDS * 1000


async def assert_no_tick_was_lost(house: House, config: int, since: datetime) -> None:
    """Two ticks after the fault have succeeded, and every tick before, between and after has exactly one row."""
    await successes_since(house, config, since, 2)
    rows = (await house.get(f"/task-configs/{config}/executions", limit=200))["items"]
    assert (gaps(rows), overlaps(rows)) == ([], [])
    assert {row["status"] for row in rows} <= {"success", "running", "queued", "pending", "retrying"}
