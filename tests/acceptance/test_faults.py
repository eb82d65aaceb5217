"""What is killed, flushed or cut off in the middle of the main job: every tick still ends as exactly one row."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
import redis

from horarium.embedded import EmbeddedRedis
from tests.support.ledger import covered, gaps, overlaps
from tests.support.processes import PASSWORD, START_SECONDS, Client, Running, horarium, running, servers_of
from tests.support.waiting import report, until

pytestmark = pytest.mark.timeout(300)

HEAL_SECONDS = 10.0
DOWN = timedelta(seconds=8)
"""Longer than a tick may be late before it counts as missed."""


def success_after(client: Client, config_id: int, instant: datetime) -> float:
    """Seconds from `instant` to the end of the config's first success whose tick is later; within the promise."""
    done = until(lambda: client.executions(config_id, status="success", since=instant.isoformat()))
    took = (min(datetime.fromisoformat(row["completed_at"]) for row in done) - instant).total_seconds()
    assert took < HEAL_SECONDS
    return took


def all_final(client: Client, config_id: int, before: datetime) -> list[Any]:
    """The config's rows of ticks before an instant, once each of them is final."""

    def look() -> list[Any]:
        rows = client.executions(config_id, until=before.isoformat())
        return rows if all(row["completed_at"] for row in rows) else []

    return until(look)


def test_process_killed_in_the_middle_leaves_every_tick_with_one_row(data_dir: Path) -> None:
    """The servers outlive it: whoever starts next finds them, stops them, and starts its own on the same data."""
    with horarium(data_dir) as house:
        client = house.client()
        latest = client.config(catchup="latest")
        every = client.config(catchup="all", overlap="allow_all")
        until(lambda: len(client.executions(every, status="success")) >= 3)

        house.kill()
        killed_at = datetime.now(UTC)
        survivors = len(servers_of(data_dir))
        until(lambda: datetime.now(UTC) > killed_at + DOWN)

    with horarium(data_dir) as house:
        up_at = datetime.now(UTC)
        client = Client(house.url, client.token)
        success_after(client, latest, up_at)
        success_after(client, every, up_at)
        of_latest, of_every = all_final(client, latest, up_at), all_final(client, every, up_at)

    while_down = {tick for tick in covered(of_every) if killed_at < tick < killed_at + DOWN}
    superseded = [row for row in of_latest if row["reason"] == "superseded"]
    passed_over = [row for row in superseded if while_down & {*covered([row])}]
    report(f"down {(up_at - killed_at).total_seconds():.1f} s, {survivors} server processes left behind")
    report(
        f"{len(while_down)} ticks while down; of `latest` {sum(row['tick_count'] for row in passed_over)} passed over"
    )
    assert (gaps(of_latest), overlaps(of_latest)) == ([], [])
    assert (gaps(of_every), overlaps(of_every)) == ([], [])
    assert len(while_down) >= 7
    assert while_down <= set(covered(row for row in of_every if row["status"] == "success"))
    assert len(passed_over) == 1
    assert passed_over[0]["tick_count"] >= 2
    lost = [row for row in of_latest if row["status"] == "lost"]
    assert [row for row in lost if datetime.fromisoformat(row["started_at"]) > killed_at] == []
    assert {row["status"] for row in of_latest} - {"lost"} == {"success", "skipped"}


def test_redis_flushed_in_the_middle_stops_no_tick_for_more_than_ten_seconds(data_dir: Path) -> None:
    with horarium(data_dir) as house:
        client = house.client()
        config = client.config(catchup="all", overlap="allow_all")
        until(lambda: len(client.executions(config, status="success")) >= 3)

        with redis.Redis.from_url(EmbeddedRedis(data_dir).url) as connection:
            assert connection.dbsize() > 0
            connection.flushall()
        report(f"fires again {success_after(client, config, datetime.now(UTC)):.1f} s after FLUSHALL")
        later = datetime.now(UTC)
        success_after(client, config, later)
        rows = all_final(client, config, later)

    assert (gaps(rows), overlaps(rows)) == ([], [])
    assert {row["status"] for row in rows} == {"success"}


def client_of(house: Running) -> Client | None:
    """A client for what listens in this process, once that is ready: where is not to be read anywhere."""
    listening = [
        c.laddr.port
        for c in psutil.Process(house.process.pid).net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    client = Client(f"http://127.0.0.1:{listening[0]}") if listening else None
    return client if client and client.call("GET", "/readyz").status == 200 else None


def test_a_full_disk_of_the_log_keeps_nothing_from_starting_firing_or_ending(data_dir: Path) -> None:
    """Whatever it says is for those who look; the work does not depend on it."""
    full = Path("/dev/full")
    settings = {"data_dir": data_dir, "admin_password": PASSWORD, "log_level": "debug", "port": 0}

    with running(data_dir, "up", output=full, **settings) as house:
        client = until(lambda: client_of(house), within=START_SECONDS)
        client.log_in()
        config = client.config()
        until(lambda: len(client.executions(config, status="success")) >= 3)

        assert house.stop(signal.SIGTERM) == 0


# Workers of their own


@pytest.fixture
def servers(database_url: str, redis_url: str, redis_prefix: str, data_dir: Path) -> dict[str, object]:
    """The settings with which a house and its workers share servers that somebody else runs."""
    return {
        "database_url": database_url,
        "redis_url": redis_url,
        "key_prefix": redis_prefix,
        "data_dir": data_dir,
        "admin_password": PASSWORD,
        "drain_seconds": 0,
    }


def a_long_run(client: Client, **policies: object) -> str:
    config = client.config(
        task_type="sleep", parameters={"seconds": 60}, scheduler_type="manual", schedule_config={}, **policies
    )
    return str(client.post(f"/task-configs/{config}/run")["task_id"])


def test_a_worker_process_runs_what_a_house_without_one_schedules(data_dir: Path, servers: dict[str, object]) -> None:
    with horarium(data_dir, inline_worker=0, **servers) as house, running(data_dir, "worker", **servers) as worker:
        client = house.client()
        config = client.config()

        until(lambda: len(client.executions(config, status="success")) >= 3, within=START_SECONDS)

        assert "worker" not in [child["id"] for child in client.get("/system/tree")["children"]]
        (row, *_) = client.executions(config, status="success")
        assert f":{worker.process.pid}:" in row["worker"]
        assert worker.stop() == 0


def test_a_worker_killed_while_it_works_loses_its_run_or_hands_it_to_another(
    data_dir: Path, servers: dict[str, object]
) -> None:
    with horarium(data_dir, inline_worker=0, **servers) as house, running(data_dir, "worker", **servers) as worker:
        client = house.client()
        once, again = a_long_run(client), a_long_run(client, max_retries=1, retry_backoff_seconds=0)
        until(lambda: client.get("/executions", status="running")["total"] == 2, within=START_SECONDS)

        worker.kill()
        killed_at = time.monotonic()
        lost = client.ended(once)
        report(f"lost {time.monotonic() - killed_at:.1f} s after kill -9 of its worker, 2 tasks were running")
        with running(data_dir, "worker", **servers) as another:
            until(lambda: client.get(f"/executions/{again}")["status"] == "running", within=START_SECONDS)
            taken_over = client.get(f"/executions/{again}")
            assert another.stop() == 0

    assert (lost["status"], lost["reason"]) == ("lost", "worker_gone")
    assert (taken_over["attempt"], taken_over["attempts"][0]["status"]) == (2, "lost")
    assert f":{another.process.pid}:" in taken_over["worker"]


def test_what_runs_in_another_process_stops_when_it_is_cancelled(data_dir: Path, servers: dict[str, object]) -> None:
    with horarium(data_dir, inline_worker=0, **servers) as house, running(data_dir, "worker", **servers):
        client = house.client()
        run = a_long_run(client, max_retries=3)
        until(lambda: client.get(f"/executions/{run}")["status"] == "running", within=START_SECONDS)

        asked = client.post(f"/executions/{run}/cancel")
        asked_at = time.monotonic()
        cancelled = client.ended(run)
        report(f"stopped {time.monotonic() - asked_at:.1f} s after the cancel")
        again = client.call("POST", f"/executions/{run}/cancel")

    assert (asked["status"], asked["completed_at"]) == ("running", None)
    assert (cancelled["status"], cancelled["reason"], cancelled["attempt"]) == ("cancelled", "requested", 1)
    assert again.status == 409
