"""The main job, end to end: schedules are kept, fire, run, and are written down. Over HTTP alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ledger import covered, gaps
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.processes import Client, Running

pytestmark = pytest.mark.timeout(300)


EVERY_TICK: dict[str, Any] = {"catchup": "all", "overlap": "allow_all"}
"""Of a config none of whose ticks is passed over, however late a machine lets them come."""
IN_A_ROW = 5
HEAL_SECONDS = 10.0


def successes(client: Client, config_id: int, at_least: int) -> list[Any]:
    """The config's executions, oldest first, once so many of them are successful."""

    def enough() -> list[Any]:
        done = client.executions(config_id, status="success")
        return done[::-1] if len(done) >= at_least else []

    return until(enough)


def up_to(client: Client, config_id: int, last: str) -> list[Any]:
    """The config's executions of ticks up to this one, oldest first, once all are final: not each ends in its turn."""

    def ended() -> list[Any]:
        rows = [row for row in client.executions(config_id)[::-1] if row["tick_at"] <= last]
        return rows if all(row["completed_at"] for row in rows) else []

    return until(ended)


# Schedules that fire


def test_every_second_becomes_one_successful_row_and_one_event_of_its_history(admin: Client) -> None:
    config = admin.config(**EVERY_TICK)

    done = successes(admin, config, 10)

    rows = up_to(admin, config, done[-1]["tick_at"])
    assert [row["status"] for row in rows] == ["success"] * len(rows)
    assert gaps(rows) == []
    assert set(covered(rows).values()) == {1}
    assert [row["attempt"] for row in rows] == [1] * len(rows)
    ids = {row["task_id"] for row in rows}
    until(lambda: ids <= told(admin, config))


def told(client: Client, config_id: int) -> set[str]:
    """The executions that the config's history calls successful."""
    events = client.get(f"/task-configs/{config_id}/history", limit=100)["items"]
    return {event["task_id"] for event in events if event["event"] == "success"}


def test_a_tick_starts_within_a_second(admin: Client) -> None:
    """Five in a row: not every time that a machine is away from its work, and not once by luck."""
    config = admin.config(**EVERY_TICK)

    def on_time() -> bool:
        newest = admin.executions(config, status="success")[:IN_A_ROW]
        return len(newest) == IN_A_ROW and max(row["lateness_seconds"] for row in newest) < 1

    assert until(on_time)


def test_an_interval_fires_from_its_anchor_on(admin: Client) -> None:
    anchor = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    schedule = {"seconds": 2, "anchor": anchor.isoformat()}
    config = admin.config(scheduler_type="interval", schedule_config=schedule, **EVERY_TICK)

    done = successes(admin, config, 3)

    ticks = [datetime.fromisoformat(row["tick_at"]) for row in done]
    assert [(tick - anchor).total_seconds() % 2 for tick in ticks] == [0] * len(ticks)


def test_a_date_fires_once_and_its_config_becomes_inactive(admin: Client) -> None:
    date = (datetime.now(UTC) + timedelta(seconds=5)).replace(microsecond=0)
    config = admin.config(scheduler_type="date", schedule_config={"run_date": date.isoformat()})

    (done,) = successes(admin, config, 1)

    assert datetime.fromisoformat(done["tick_at"]) == date
    until(lambda: admin.get(f"/task-configs/{config}")["status"] == "inactive")
    shown = admin.get(f"/task-configs/{config}", verify_scheduler_status=True)
    assert (shown["scheduler_status"], shown["next_run_at"]) == ("not_scheduled", None)


def test_a_paused_config_does_not_fire_and_its_pause_is_one_row(admin: Client) -> None:
    config = admin.config()
    successes(admin, config, 2)

    admin.post(f"/task-configs/{config}/pause", {"reason": "lunch"})
    paused = covered(admin.executions(config))
    last = max(paused)
    until(lambda: datetime.now(UTC) > last + timedelta(seconds=3.5))
    assert covered(admin.executions(config)) == paused
    admin.post(f"/task-configs/{config}/resume")

    successes(admin, config, 4)
    rows = admin.executions(config)
    assert gaps(rows) == []
    assert set(covered(rows).values()) == {1}
    assert [row["tick_count"] >= 3 for row in rows if row["reason"] == "paused"] == [True]


def test_a_stopped_config_owes_no_ticks(admin: Client) -> None:
    config = admin.config()
    successes(admin, config, 1)

    answer = admin.post(f"/task-configs/{config}/stop")

    assert (answer["success"], answer["status"]) == (True, "inactive")
    stopped_at = datetime.now(UTC)
    until(lambda: datetime.now(UTC) > stopped_at + timedelta(seconds=2.5))
    assert max(covered(admin.executions(config))) <= stopped_at


# Runs by hand and their ends


def test_a_run_by_hand_takes_its_own_parameters(admin: Client) -> None:
    config = admin.config(scheduler_type="manual", schedule_config={})

    task_id = admin.post(f"/task-configs/{config}/run", {"parameters": {"message": "by hand"}})["task_id"]

    done = admin.ended(task_id)
    assert (done["status"], done["trigger"], done["tick_at"]) == ("success", "manual", None)
    assert done["result"] == {"message": "by hand"}


def test_a_task_past_its_timeout_is_stopped(admin: Client) -> None:
    config = admin.config(
        task_type="sleep", parameters={"seconds": 60}, scheduler_type="manual", schedule_config={}, timeout_seconds=1
    )

    done = admin.ended(admin.post(f"/task-configs/{config}/run")["task_id"])

    assert done["status"] == "timeout"
    assert 1 <= done["duration_seconds"] < HEAL_SECONDS


def test_a_failing_task_is_tried_again_and_every_attempt_is_kept(admin: Client) -> None:
    config = admin.config(
        task_type="fail", parameters={"message": "no luck"}, scheduler_type="manual", schedule_config={},
        max_retries=2, retry_backoff_seconds=0.2,
    )  # fmt: skip

    done = admin.ended(admin.post(f"/task-configs/{config}/run")["task_id"])

    assert (done["status"], done["attempt"]) == ("failed", 3)
    assert [(each["attempt"], each["status"]) for each in done["attempts"]] == [(n, "failed") for n in (1, 2, 3)]
    assert all(each["error"].endswith("TaskFailed: no luck") for each in done["attempts"])


def test_the_stats_of_a_config_count_its_executions(admin: Client) -> None:
    config = admin.config(scheduler_type="manual", schedule_config={})
    admin.ended(admin.post(f"/task-configs/{config}/run")["task_id"])

    shown = admin.get(f"/task-configs/{config}", include_stats=True)

    assert (shown["stats"]["total"], shown["stats"]["success"], shown["stats"]["success_rate"]) == (1, 1, 1.0)
    assert shown["last_execution"]["status"] == "success"


# The system


def test_the_system_says_it_is_ready(house: Running, admin: Client) -> None:
    assert admin.get("/livez") == {"status": "alive"}
    assert admin.get("/readyz") == {"status": "ready", "blocked_by": []}
    status = admin.get("/system/status")
    assert (status["broker_connected"], status["scheduler_running"]) == (True, True)
    assert len(status["worker"]["workers"]) == 1
    assert str(house.process.pid) in str(status["worker"]["workers"])


def test_the_tree_shows_every_actor_running(admin: Client) -> None:
    tree = admin.get("/system/tree")

    assert [child["id"] for child in tree["children"]] == [
        "servers", "bootstrap", "core", "label_schedules", "worker", "api",
    ]  # fmt: skip
    running = [node["id"] for child in tree["children"] for node in child["children"] if node["state"] == "running"]
    assert running == [
        "postgres", "redis", "history_writer", "token_service", "schedule_loader", "leader", "dispatcher", "publisher",
        "timeout_sweeper", "cleanup", "auditor", "notifier", "event_reader",
    ]  # fmt: skip


def test_a_config_in_the_due_index_is_in_the_list_of_schedules(admin: Client) -> None:
    config = admin.config(scheduler_type="cron", schedule_config={"cron_expression": "0 6 * * *"})

    (entry,) = [e for e in admin.every("/schedules") if e["task_id"] == f"scheduled_task:{config}"]

    shown = admin.get(f"/task-configs/{config}", verify_scheduler_status=True)
    assert shown["scheduler_status"] == "scheduled"
    assert entry["next_run"] == shown["next_run_at"]
    assert entry["labels"]["config_id"] == config


# Identity


def test_a_logout_ends_the_token_in_use(admin: Client) -> None:
    assert admin.call("POST", "/auth/logout").status == 204

    assert admin.call("GET", "/auth/me").status == 401


def test_a_refresh_token_is_good_once(admin: Client) -> None:
    pair = admin.log_in()
    renewed = admin.call("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    replayed = admin.call("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    after = admin.call("POST", "/auth/refresh", {"refresh_token": renewed.body["refresh_token"]})

    assert [answer.status for answer in (renewed, replayed, after)] == [200, 401, 401]
