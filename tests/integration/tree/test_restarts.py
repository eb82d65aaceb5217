"""Every actor of the real tree may be killed, hang or fail to start: it is back in plain sight, and no tick is missed.

Schedules fire every second meanwhile. Each test prints how long the actor was down, and how much of that its backoff
asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from horarium import tree as tree_module
from tests.support.actor_faults import HANGS, failing_to_start, watched_closely
from tests.support.ledger import gaps, overlaps
from tests.support.tree import EVERY_SECOND, a_tree
from tests.support.waiting import eventually, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(40)]

ACTORS = list(HANGS)
BEYOND_BACKOFF_SECONDS = 2.0
"""What a restart may take beyond its backoff on a machine as busy as this one; `bench/mailbox.py` has the figure."""

BACK = [("child.started", "info"), ("child.restarted", "info")]
SCHEDULED = ("child.restart_scheduled", "warning")


def node(tree: dict[str, Any], actor: str) -> dict[str, Any]:
    found = [each for each in tree["children"] if each["id"] == actor]
    return found[0] if found else node(next(each for each in tree["children"] if each["id"] == "core"), actor)


def told_of(actor: str, logs: Sequence[Any]) -> list[tuple[str, str]]:
    """What the supervisor says of an actor, and how loudly; what else there is to say of it is told besides."""
    return [
        (line["event"], line["log_level"])
        for line in logs
        if line.get("child") == actor and line["event"] not in ("child.silent", "actor.waits", "actor.goes_on")
    ]


def lines_of(actor: str, event: str, logs: Sequence[Any]) -> list[Any]:
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


def test_the_actors_of_these_tests_are_all_there_are() -> None:
    """Those that run to their end, and the servers, which only the embedded mode has, left out."""
    drawn = tree_module.__doc__

    assert drawn is not None
    assert [actor for actor in ACTORS if f"─ {actor} " not in drawn.replace("\n", " \n")] == []


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_is_killed_is_restarted_in_plain_sight_and_no_tick_is_missed(
    database_url: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with a_tree(database_url, redis_url, redis_prefix) as house:
        # given
        config = await ticking(house)

        # when
        with capture_logs() as logs:
            killed_at = datetime.now(UTC)
            house.supervisor.kill(actor)
            await back(house, actor, restarts=1)
            shown = node(await house.get("/system/tree"), actor)

        # then
        await assert_no_tick_was_lost(house, config, killed_at)
        assert told_of(actor, logs) == [("child.exited", "error"), SCHEDULED, *BACK]
        assert_back_within_its_backoff(actor, logs)
        (scheduled,) = lines_of(actor, "child.restart_scheduled", logs)
        assert (scheduled["attempt"], scheduled["restart_total"]) == (1, 1)
        assert (shown["state"], shown["restarts"], shown["incarnation"]) == ("running", 1, 2)
        assert shown["last_exit"]["reason"].startswith("error: ChildKilled(")
        assert shown["last_exit"]["decision"].startswith("restart in ")


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_hangs_is_cancelled_with_its_stack_in_the_log_and_no_tick_is_missed(
    database_url: str, redis_url: str, redis_prefix: str, actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = HANGS[actor](monkeypatch)
    async with a_tree(database_url, redis_url, redis_prefix, change=watched_closely(actor)) as house:
        # given
        config = await ticking(house)

        # when
        with capture_logs() as logs:
            hung_at = datetime.now(UTC)
            hang.strike(house)
            await hang.struck.wait()
            await back(house, actor, restarts=1)

        # then
        await assert_no_tick_was_lost(house, config, hung_at)
        assert told_of(actor, logs) == [("child.hung", "error"), ("child.exited", "error"), SCHEDULED, *BACK]
        assert_back_within_its_backoff(actor, logs)
        (hung,) = lines_of(actor, "child.hung", logs)
        assert hung["silent_ms"] >= 1000
        assert f"actors/{actor}.py" in hung["stack"]
        (exited,) = lines_of(actor, "child.exited", logs)
        assert exited["reason"] == "watchdog"


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_fails_to_start_is_tried_again_and_no_tick_is_missed(
    database_url: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with a_tree(database_url, redis_url, redis_prefix, change=failing_to_start(actor)) as house:
        # given
        config = await ticking(house)

        # when
        with capture_logs() as logs:
            killed_at = datetime.now(UTC)
            house.supervisor.kill(actor)
            await back(house, actor, restarts=2)

        # then
        await assert_no_tick_was_lost(house, config, killed_at)
        assert told_of(actor, logs) == [
            ("child.exited", "error"),
            SCHEDULED,
            ("child.exited", "error"),
            SCHEDULED,
            *BACK,
        ]
        assert_back_within_its_backoff(actor, logs)
        reasons = [line["reason"] for line in lines_of(actor, "child.exited", logs)]
        assert reasons == ["error", "start_failed"]


async def test_readiness_names_the_actor_that_is_down(database_url: str, redis_url: str, redis_prefix: str) -> None:
    async with a_tree(database_url, redis_url, redis_prefix) as house:
        for restarts in range(1, 5):  # each restart is waited for twice as long
            house.supervisor.kill("cleanup")
            await back(house, "cleanup", restarts=restarts)
        house.supervisor.kill("cleanup")

        async def blocked() -> bool:
            answer = await house.call("GET", "/readyz", token=None)
            return answer.status == 503 and answer.body == {"status": "not_ready", "blocked_by": ["cleanup"]}

        await eventually(blocked)

        async def ready() -> bool:
            return (await house.call("GET", "/readyz", token=None)).status == 200

        await eventually(ready)
