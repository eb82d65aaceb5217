"""Every figure moves when what it tells of does, and alerts and dashboard ask for none that is not there."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import yaml

from horarium.audit import AuditPass, Finding
from horarium.clock import utc_now
from tests.support.figures import Figures, figures
from tests.support.tree import EVERY_SECOND, a_tree
from tests.support.waiting import WAIT_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
CASES = DEPLOY / "prometheus" / "alerts.test.yml"
DASHBOARD = DEPLOY / "grafana" / "horarium.json"
OURS = re.compile(r"\bhorarium_\w+")


async def seen(house: House, probe: Callable[[Figures], bool]) -> Figures:
    """The first scrape of which this is true."""

    async def scrape() -> Figures | None:
        found = await figures(house)
        return found if probe(found) else None

    answer = await eventually(scrape)
    assert answer is not None
    return answer


async def ran(house: House, **config: Any) -> int:
    """A config that was run by hand."""
    made = await house.config(**config)
    assert (await house.call("POST", f"/api/v1/task-configs/{made}/run", {})).status == 202
    return made


async def test_a_tick_is_late_by_something_at_every_stage(house: House) -> None:
    before = await figures(house)
    config = await house.config(scheduler_type="cron", schedule_config=EVERY_SECOND)

    def moved(now: Figures) -> bool:
        stages = ("committed", "published", "started")
        counts = [("tick_lateness_seconds_count", {"stage": stage}) for stage in stages]
        grown = {now(name, **labels) - before(name, **labels) for name, labels in counts}
        return len(grown) == 1 and min(grown) > 0  # none that is on its way

    now = await seen(house, moved)
    await house.call("POST", f"/api/v1/task-configs/{config}/stop")

    sums = [now("tick_lateness_seconds_sum", stage=stage) for stage in ("committed", "published", "started")]
    assert 0 < sums[0] <= sums[1]
    assert now("scheduled_configs") >= 1


@pytest.mark.parametrize(
    ("status", "config"),
    [
        ("success", {"task_type": "echo", "parameters": {"message": "hello"}}),
        ("failed", {"task_type": "fail", "parameters": {"message": "no"}}),
        ("timeout", {"task_type": "sleep", "parameters": {"seconds": 60}, "timeout_seconds": 0.1}),
    ],
)
async def test_an_end_is_counted_by_what_it_came_to(house: House, status: str, config: dict[str, Any]) -> None:
    before = await figures(house)

    await ran(house, **config)

    now = await seen(
        house, lambda now: now("executions_total", status=status) > before("executions_total", status=status)
    )
    assert now("run_seconds_count", status=status) > before("run_seconds_count", status=status)


async def test_a_retry_is_counted(house: House) -> None:
    before = await figures(house)

    await ran(house, task_type="fail", parameters={"message": "no"}, max_retries=1, retry_backoff_seconds=0.1)

    await seen(house, lambda now: now("retries_total") == before("retries_total") + 1)


async def test_what_runs_is_in_flight_and_takes_a_slot_and_a_cancel_is_counted(house: House) -> None:
    before = await figures(house)
    config = await ran(house, task_type="sleep", parameters={"seconds": 60})

    now = await seen(
        house, lambda now: now("executions_in_flight", status="running") == 1 and now("worker_active") == 1
    )
    [execution] = (await house.get(f"/task-configs/{config}/executions"))["items"]
    await house.call("POST", f"/api/v1/executions/{execution['task_id']}/cancel")

    assert (now("workers"), now("worker_slots")) == (1, 100)
    assert now("queue_depth", queue="default") >= 1
    ended = {"status": "cancelled"}
    await seen(house, lambda now: now("executions_total", **ended) > before("executions_total", **ended))


async def test_skipped_ticks_are_counted_by_reason(house: House) -> None:
    long = {"task_type": "sleep", "parameters": {"seconds": 60}, "overlap": "skip"}
    config = await house.config(scheduler_type="cron", schedule_config=EVERY_SECOND, **long)

    await seen(house, lambda now: now("ticks_skipped_total", reason="overlap") >= 1)

    await house.call("DELETE", f"/api/v1/task-configs/{config}")


async def test_a_restarted_child_is_counted(house: House) -> None:
    before = await figures(house)

    await house.call("POST", "/api/v1/system/actors/cleanup/restart")

    now = await seen(
        house,
        lambda now: (
            now("child_restarts_total", child="cleanup") == before("child_restarts_total", child="cleanup") + 1
            and now("child_running", child="cleanup") == 1
        ),
    )
    assert now("mailbox_capacity", mailbox="history_writer") == 10_000
    assert now("mailbox_accepted_total", mailbox="history_writer") > 0


async def test_connections_in_use_are_seen(house: House) -> None:
    before = await figures(house)

    async with house.resources.database.connection(), house.resources.database.connection():
        held = await figures(house)

    assert held("pool_connections_in_use", pool="postgres") >= 2
    assert held("pool_connections", pool="postgres") <= held("pool_connections_limit", pool="postgres") == 16
    assert before("pool_connections_limit", pool="redis") == 32


async def test_a_blocked_loop_lags(house: House) -> None:
    before = await figures(house)

    time.sleep(0.6)  # noqa: ASYNC251 - which is the fault

    within = {"le": "0.25"}
    now = await seen(
        house, lambda now: now("event_loop_lag_seconds_count") > before("event_loop_lag_seconds_count") + 1
    )
    late = now("event_loop_lag_seconds_count") - now("event_loop_lag_seconds_bucket", **within)
    assert late >= 1 + before("event_loop_lag_seconds_count") - before("event_loop_lag_seconds_bucket", **within)


async def test_a_server_that_is_away_shows_and_costs_only_its_own_figures(
    database_url: str, redis_db: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_tree(database_url, redis_db, redis_prefix) as away:
        monkeypatch.setattr(away.resources.workers, "living", _never)
        with anyio.fail_after(WAIT_SECONDS):
            now = await figures(away)

    assert (now("server_up", server="redis"), now("server_up", server="postgres")) == (0, 1)
    assert "horarium_workers" not in now.names
    assert now("executions_in_flight", status="running") == 0


async def test_where_that_is_wanted_this_machine_shows_a_token_too(
    database_url: str, redis_db: str, redis_prefix: str
) -> None:
    """A proxy on this machine need not say that it is one."""
    async with a_tree(database_url, redis_db, redis_prefix, metrics_need_token="1") as guarded:
        refused = await guarded.call("GET", "/metrics", token=None)
        shown = await guarded.call("GET", "/metrics", token=await guarded.token("viewer"))

    assert (refused.status, shown.status) == (401, 200)


async def _never() -> None:
    await anyio.sleep_forever()


def found_in(house: House) -> None:
    """Pretend that the auditor has found one of everything."""
    now = utc_now()
    kinds: tuple[Any, ...] = ("missing", "extra", "late", "stuck")
    house.resources.audit.last = AuditPass(now, 0.5, 10, 150, 0)
    house.resources.audit.findings = tuple(Finding(kind, "config 7", 1, now, now, now) for kind in kinds)


async def test_alerts_and_dashboard_ask_for_figures_that_there_are(house: House) -> None:
    """A figure that was renamed would leave an alert silent for ever."""
    found_in(house)
    names = (await figures(house)).names
    house.resources.audit.forget()

    asked = {name for file in (RULES, CASES, DASHBOARD) for name in OURS.findall(file.read_text())}

    assert asked - names <= {"horarium_ticks_skipped_total"}  # which has a reason, and so is there once one was skipped
    assert len(asked) > 20


def test_every_panel_of_the_dashboard_has_a_place_of_its_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)


def test_an_alert_of_an_increase_tells_a_whole_number() -> None:
    """Prometheus extrapolates: one within an hour is 1.0169491525423728 of them."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

    counting = [rule for rule in rules if "increase(" in rule["expr"]]

    assert [rule["alert"] for rule in counting if "{{ $value }}" in rule["annotations"]["summary"]] == []
    assert len(counting) > 2


def test_every_alert_fires_at_what_it_is_for_and_is_silent_before() -> None:
    """By Prometheus' own arithmetic."""
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    cases = {case["name"] for case in yaml.safe_load(CASES.read_text())["tests"]}

    command = ["promtool", "test", "rules", CASES]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - no input of others

    assert cases == alerts
    assert told.returncode == 0, told.stdout + told.stderr
