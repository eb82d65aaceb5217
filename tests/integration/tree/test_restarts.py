"""Every actor of the real tree may be killed: it is restarted in plain sight, and no tick is missed for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.ledger import gaps, overlaps
from tests.support.tree import EVERY_SECOND, a_tree
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(40)]

ACTORS = [
    "history_writer", "token_service", "schedule_loader", "dispatcher", "publisher", "timeout_sweeper", "cleanup",
    "worker", "api",
]  # fmt: skip


def node(tree: dict[str, Any], actor: str) -> dict[str, Any]:
    found = [each for each in tree["children"] if each["id"] == actor]
    return found[0] if found else node(next(each for each in tree["children"] if each["id"] == "core"), actor)


async def successes_since(house: House, config: int, instant: datetime, at_least: int) -> list[Any]:
    """The successful executions of ticks since an instant, once there are so many."""

    async def enough() -> list[Any]:
        page = await house.get(f"/task-configs/{config}/executions", status="success", since=instant.isoformat())
        return page["items"] if page["total"] >= at_least else []

    return await eventually(enough, within=20)


def test_the_actors_killed_here_are_all_there_are() -> None:
    """Those that run to their end, and the servers, which only the embedded mode has, left out."""
    from horarium.tree import __doc__ as drawn  # noqa: PLC0415 - the drawing is the list

    assert drawn is not None
    assert [actor for actor in ACTORS if f"─ {actor} " not in drawn.replace("\n", " \n")] == []


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_is_killed_is_restarted_in_plain_sight_and_no_tick_is_missed(
    database_url: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with a_tree(database_url, redis_url, redis_prefix) as house:
        config = await house.config(
            scheduler_type="cron", schedule_config=EVERY_SECOND, catchup="all", overlap="allow_all"
        )
        await successes_since(house, config, datetime.now(UTC), 1)

        with capture_logs() as logs:
            killed_at = datetime.now(UTC)
            house.supervisor.kill(actor)

            async def is_back() -> bool:
                snapshot = house.supervisor.snapshot().find(actor)
                return snapshot is not None and snapshot.restarts == 1 and snapshot.state == "running"

            await eventually(is_back)
            shown = node(await house.get("/system/tree"), actor)
            await successes_since(house, config, killed_at, 2)

        events = [(line["event"], line["log_level"]) for line in logs if line.get("child") == actor]
        assert events == [
            ("child.exited", "error"),
            ("child.restart_scheduled", "warning"),
            ("child.started", "info"),
            ("child.restarted", "info"),
        ]
        (scheduled,) = [line for line in logs if line["event"] == "child.restart_scheduled"]
        assert (scheduled["child"], scheduled["attempt"], scheduled["restart_total"]) == (actor, 1, 1)
        assert (shown["state"], shown["restarts"], shown["incarnation"]) == ("running", 1, 2)
        assert shown["last_exit"]["reason"].startswith("error: ChildKilled(")
        assert shown["last_exit"]["decision"].startswith("restart in ")
        rows = (await house.get(f"/task-configs/{config}/executions", limit=200))["items"]
        assert (gaps(rows), overlaps(rows)) == ([], [])
        assert {row["status"] for row in rows} <= {"success", "running", "queued", "pending"}


async def test_readiness_names_the_actor_that_is_down(database_url: str, redis_url: str, redis_prefix: str) -> None:
    async with a_tree(database_url, redis_url, redis_prefix) as house:
        for _ in range(4):  # each restart is waited for twice as long
            house.supervisor.kill("cleanup")

            async def running() -> bool:
                snapshot = house.supervisor.snapshot().find("cleanup")
                return snapshot is not None and snapshot.state == "running"

            await eventually(running)
        house.supervisor.kill("cleanup")

        async def blocked() -> bool:
            answer = await house.call("GET", "/readyz", token=None)
            return answer.status == 503 and answer.body == {"status": "not_ready", "blocked_by": ["cleanup"]}

        await eventually(blocked)

        async def ready() -> bool:
            return (await house.call("GET", "/readyz", token=None)).status == 200

        await eventually(ready)
