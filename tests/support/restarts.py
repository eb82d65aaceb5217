"""What tests of restarted actors share: schedules that fire every second meanwhile, and what is judged afterwards.

Each test prints how long the actor was down, and how much of that its backoff asked for.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from tests.support.actor_faults import HANGS
from tests.support.ledger import gaps, overlaps
from tests.support.tree import EVERY_SECOND
from tests.support.waiting import eventually, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.tree import House

__all__ = ["ACTORS", "BACK", "SCHEDULED", "Log", "back", "comes_back"]

ACTORS = list(HANGS)
HEAL_SECONDS = 10.0
"""What a restart may take, its backoff included: the promise. `bench/mailbox.py` has the figure."""

BACK = [("child.started", "info"), ("child.restarted", "info")]
SCHEDULED = ("child.restart_scheduled", "warning")


@dataclass(frozen=True)
class Log:
    """What the log says of an actor."""

    actor: str
    lines: Sequence[Any]

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the supervisor says, and how loudly; what it asks, what the actor waits for, is told besides."""
        return [
            (line["event"], line["log_level"])
            for line in self.lines
            if line.get("child") == self.actor and line["event"] not in ("child.silent", "actor.waits", "actor.goes_on")
        ]

    def of(self, event: str) -> list[Any]:
        """The lines of this event."""
        return [line for line in self.lines if (line.get("child"), line["event"]) == (self.actor, event)]


@asynccontextmanager
async def comes_back(house: House, actor: str, *, restarts: int = 1) -> AsyncIterator[Log]:
    """An actor that befalls something in the block is back after so many restarts, soon, and no tick was lost."""
    config = await _ticking(house)
    with capture_logs() as lines:
        began = datetime.now(UTC)
        yield (log := Log(actor, lines))
        await back(house, actor, restarts=restarts)
    await _assert_no_tick_was_lost(house, config, began)
    _assert_was_soon(log)


async def back(house: House, actor: str, *, restarts: int) -> None:
    """Wait until the actor has been restarted so often and is ready, and the API, which starts after it, too."""

    async def is_back() -> bool:
        tree = house.supervisor.snapshot()
        found, api = tree.find(actor), tree.find("api")
        assert found is not None
        assert api is not None
        return found.restarts == restarts and found.state == api.state == "running"

    await eventually(is_back)


async def _ticking(house: House) -> int:
    """A config that fires every second and has done so once."""
    config = await house.config(scheduler_type="cron", schedule_config=EVERY_SECOND, catchup="all", overlap="allow_all")
    await _successes_since(house, config, datetime.now(UTC), 1)
    return config


async def _successes_since(house: House, config: int, instant: datetime, at_least: int) -> None:
    """Wait until so many executions of ticks since an instant are successful."""

    async def enough() -> bool:
        page = await house.get(f"/task-configs/{config}/executions", status="success", since=instant.isoformat())
        return bool(page["total"] >= at_least)

    await eventually(enough)


async def _assert_no_tick_was_lost(house: House, config: int, since: datetime) -> None:
    """Two ticks after the fault have succeeded, and every tick before, between and after has exactly one row."""
    await _successes_since(house, config, since, 2)
    rows = (await house.get(f"/task-configs/{config}/executions", limit=200))["items"]
    assert (gaps(rows), overlaps(rows)) == ([], [])
    assert {row["status"] for row in rows} <= {"success", "running", "queued", "pending", "retrying"}


def _assert_was_soon(log: Log) -> None:
    """Report and judge the last downtime."""
    asked = log.of("child.restart_scheduled")[-1]["delay_ms"]
    down = log.of("child.restarted")[-1]["downtime_ms"]
    report(f"{log.actor}: down {down:.0f} ms, of which the backoff asked for {asked:.0f} ms")
    assert down < HEAL_SECONDS * 1000
