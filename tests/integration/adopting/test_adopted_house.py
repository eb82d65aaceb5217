"""A whole `horarium up` around an app of somebody else's: its task types, its labels, its events, its schedules."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from taskiq import TaskiqScheduler
from taskiq.scheduler.scheduled_task import CronSpec
from taskiq_redis import RedisStreamBroker

from horarium import ScheduleSource
from horarium.actors.label_schedules import LabelSchedules
from horarium.client import ApiError
from horarium.doctor.app_broker import ask_app, judge_app
from horarium.doctor.patient import admit
from horarium.doctor.told import ask_tasks, judge_tasks
from horarium.errors import InvalidInput
from tests.support.adopted_app import MADE, SPEC, App, app_over, wanted
from tests.support.shared_house import anyio_backend, shared_database
from tests.support.tree import House, a_tree
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["anyio_backend", "shared_database"]

pytestmark = pytest.mark.anyio

FAR = "0 0 1 1 *"
LABELS = [{"interval": 1, "kwargs": {"message": "by label"}}, {"cron": "nonsense"}, {"cron": FAR, "args": ["rarely"]}]


@pytest.fixture(scope="module")
async def house(shared_database: str, redis_url: str) -> AsyncIterator[House]:
    redis = f"{redis_url}?db=2"
    with wanted(redis, greet=LABELS):
        async with a_tree(shared_database, redis_url, f"test-{uuid.uuid4().hex}:", broker=SPEC) as made:
            yield made


@pytest.fixture
def app(house: House) -> App:  # noqa: ARG001 - it has made it
    return MADE[0]


@pytest.fixture
async def source(house: House) -> ScheduleSource:
    return ScheduleSource(house.url, await house.token("operator"))


@pytest.fixture
def client_app() -> App:
    """The app in a process of its own, as far as Horarium can tell: it never connects."""
    return app_over(RedisStreamBroker("redis://127.0.0.1:1"))


async def configs(house: House, **query: str) -> dict[str, Any]:
    """Configs by name."""
    return {each["name"]: each for each in (await house.get("/task-configs", **query))["items"]}


# Running


async def test_a_tick_of_the_apps_task_succeeds_with_its_labels_its_middleware_and_its_state(house: House) -> None:
    config = await eventually(lambda: _first(house))

    async def succeeded() -> Any:
        return (await house.get(f"/task-configs/{config}/executions", status="success"))["items"]

    execution = (await eventually(succeeded))[-1]

    result = execution["result"]
    assert (result["message"], result["started"]) == ("by label", True)
    labels = result["labels"]
    assert (labels["team"], labels["seen_by"], labels["config_id"]) == ("growth", "witness", config)
    assert (labels["attempt"], labels["task_type"]) == (1, "app.greet")


async def _first(house: House) -> Any:
    found = await configs(house, task_type="app.greet")
    return found["app.greet label-1"]["id"] if "app.greet label-1" in found else None


async def test_a_built_in_task_runs_through_the_apps_broker_too(house: House) -> None:
    config = await house.config()
    run = await house.call("POST", f"/api/v1/task-configs/{config}/run")

    async def ended() -> Any:
        execution = await house.get(f"/executions/{run.body['task_id']}")
        return execution if execution["completed_at"] else None

    execution = await eventually(ended)

    assert (execution["status"], execution["result"]) == ("success", {"message": "hello"})


async def test_each_start_event_ran_once_in_a_process_that_works_and_sends(app: App) -> None:
    assert app.events == ["worker started", "both", "client started"]


async def test_it_is_ready_and_its_queues_are_those_of_the_app(house: House) -> None:
    ready = await house.call("GET", "/readyz")
    status = await house.get("/system/status")

    assert ready.status == 200
    assert status["broker_connected"]
    assert list(status["queues"]) == ["default", "post"]
    assert [worker["queues"] for worker in status["worker"]["workers"]] == [["default", "post"]]


async def test_a_queue_that_the_app_does_not_read_is_warned_of(house: House) -> None:
    body = {"name": "elsewhere", "task_type": "app.greet", "parameters": {"message": "x"}, "scheduler_type": "manual"}

    made = await house.call("POST", "/api/v1/task-configs", {**body, "queue": "elsewhere"})

    assert [each["code"] for each in made.body["warnings"]] == ["queue_not_read"]


async def test_the_doctor_finds_it_well_and_has_started_nothing(house: House, app: App) -> None:
    own = house.resources.settings
    patient = admit({}, broker=SPEC, redis_url=own.redis_url, database_url=own.database_url)

    types = list(judge_tasks(await ask_tasks(patient)))
    broker = list(judge_app(await ask_app(patient)))

    assert [each.level for each in types + broker] == ["ok", "ok"]
    assert broker[0].summary == f"{SPEC} is RedisStreamBroker, which reads default, post"
    assert MADE[-1].events == [] != app.events


# Label schedules


def declaring(house: House, *entries: Any) -> LabelSchedules:
    """What another start would do whose task has these entries in its label."""
    r = house.resources
    tasks: Any = {"app.greet": SimpleNamespace(labels={"schedule": list(entries), "team": "growth"})}
    return LabelSchedules(tasks, r.task_types, r.applying, clock=r.clock)


async def test_labels_are_configs_of_their_own_source_and_in_the_audit_log(house: House) -> None:
    found = await eventually(lambda: configs(house, tag="taskiq"))

    assert {found[name]["source"] for name in ("app.greet label-1", "app.greet label-3")} == {"taskiq labels"}
    assert "app.greet label-2" not in found
    assert found["app.greet label-3"]["parameters"] == {"message": "rarely"}
    audited = (await house.get("/audit", action="task_config.created"))["items"]
    assert ("taskiq labels", "app.greet label-3") in [(each["actor_name"], each["target_name"]) for each in audited]


async def test_at_the_next_start_an_edit_is_set_back_a_pause_stays_and_a_label_that_is_gone_is_removed(
    house: House,
) -> None:
    entries = [{"cron": FAR, "args": ["x"], "schedule_id": f"next-{number}"} for number in (1, 2, 3)]
    known = [{**LABELS[0], "schedule_id": "label-1"}]
    await declaring(house, *known, *entries).step()
    made = await configs(house, q="next-")
    edited, paused, _ = (made[f"app.greet next-{number}"]["id"] for number in (1, 2, 3))
    await house.call("PATCH", f"/api/v1/task-configs/{edited}", {"schedule_config": {"cron_expression": "0 1 1 1 *"}})
    await house.call("POST", f"/api/v1/task-configs/{paused}/pause", {})

    done = await declaring(house, *known, *entries[:2]).step()

    now = await configs(house, q="next-")
    assert now.keys() == {"app.greet next-1", "app.greet next-2"}
    assert done.applied.deleted == ["app.greet next-3"]
    assert now["app.greet next-1"]["schedule_config"]["cron_expression"] == FAR
    assert now["app.greet next-2"]["status"] == "paused"


async def test_a_label_that_has_broken_removes_nothing(house: House) -> None:
    entry = {"cron": FAR, "args": ["x"], "schedule_id": "stays"}
    await declaring(house, entry).step()

    done = await declaring(house, {**entry, "kwargs": {"message": 5}, "args": []}).step()

    assert done.broken == {"app.greet stays": "parameters.message: Input should be a valid string"}
    assert "app.greet stays" in await configs(house, q="stays")


async def test_a_past_date_is_no_fault(house: House) -> None:
    past = {"time": datetime.now(UTC) - timedelta(days=1), "args": ["late"], "schedule_id": "past"}

    done = await declaring(house, past, {"cron": FAR, "args": ["x"], "schedule_id": "stays"}).step()

    assert (done.broken, done.passed) == ({}, ["app.greet past"])


# The schedule source


async def test_a_cron_schedule_is_a_config_until_it_is_unscheduled(
    house: House, source: ScheduleSource, client_app: App
) -> None:
    task = client_app.broker.find_task("app.greet")
    assert task is not None
    spec = CronSpec(minutes="30", hours=9, weekdays="1", offset="Europe/Vienna")

    created = await task.schedule_by_cron(source, spec, "at half past nine")

    name = f"app.greet {created.schedule_id}"
    config = (await configs(house, q=created.schedule_id))[name]
    assert config["schedule_config"] == {"cron_expression": "30 9 * * 1", "timezone": "Europe/Vienna"}
    assert (config["parameters"], config["status"]) == ({"message": "at half past nine"}, "active")
    assert created.schedule_id in [each.schedule_id for each in await source.get_schedules()]
    await created.unschedule()
    await created.unschedule()
    assert await configs(house, q=created.schedule_id) == {}
    assert created.schedule_id not in [each.schedule_id for each in await source.get_schedules()]


@pytest.mark.parametrize("offset", [timedelta(hours=2), "Etc/GMT-2"])
async def test_an_offset_is_a_zone(
    house: House, source: ScheduleSource, client_app: App, offset: str | timedelta
) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))

    created = await task.schedule_by_cron(source, CronSpec(hours=3, offset=offset), message="x")

    (config,) = (await configs(house, q=created.schedule_id)).values()
    assert config["schedule_config"]["timezone"] == "Etc/GMT-2"


@pytest.mark.parametrize("interval", [3600, timedelta(hours=1)])
async def test_an_interval_is_one(
    house: House, source: ScheduleSource, client_app: App, interval: int | timedelta
) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))

    created = await task.schedule_by_interval(source, interval, "every hour")

    (config,) = (await configs(house, q=created.schedule_id)).values()
    assert (config["scheduler_type"], config["schedule_config"]["seconds"]) == ("interval", 3600)


async def test_a_time_runs_once_and_is_no_schedule_any_more(
    house: House, source: ScheduleSource, client_app: App
) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))

    created = await task.schedule_by_time(source, datetime.now(UTC) + timedelta(seconds=1), "soon")

    (config,) = (await configs(house, q=created.schedule_id)).values()

    async def ran() -> Any:
        return (await house.get(f"/task-configs/{config['id']}/executions", status="success"))["items"]

    (execution,) = await eventually(ran)
    assert execution["result"]["message"] == "soon"

    async def is_over() -> bool:
        return created.schedule_id not in [each.schedule_id for each in await source.get_schedules()]

    await eventually(is_over)


async def test_the_same_id_twice_is_one_config_and_the_later_schedule(
    house: House, source: ScheduleSource, client_app: App
) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))
    await task.kicker().with_schedule_id("mine").schedule_by_cron(source, "0 1 1 1 *", "first")
    await task.kicker().with_schedule_id("mine").schedule_by_cron(source, "0 1 1 1 *", "first")
    before = (await configs(house, q="mine"))["app.greet mine"]

    await task.kicker().with_schedule_id("mine").schedule_by_cron(source, "0 2 1 1 *", "second")

    after = (await configs(house, q="mine"))["app.greet mine"]
    assert (before["id"], before["version"], after["version"]) == (after["id"], 1, 2)
    assert (after["parameters"], after["schedule_config"]["cron_expression"]) == ({"message": "second"}, "0 2 1 1 *")


async def test_labels_become_fields_or_are_the_tasks_own_or_are_refused_by_name(
    house: House, source: ScheduleSource, client_app: App
) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))
    fields = {"queue_name": "post", "priority": 7, "timeout": 12.5, "max_retries": 2}

    created = await task.kicker().with_labels(**fields).schedule_by_cron(source, FAR, "x")

    (config,) = (await configs(house, q=created.schedule_id)).values()
    assert (config["queue"], config["priority"]) == ("post", 7)
    assert (config["timeout_seconds"], config["max_retries"]) == (12.5, 2)
    with pytest.raises(InvalidInput, match=r"labels\.trace: cannot be honoured"):
        await task.kicker().with_labels(trace="abc").schedule_by_cron(source, FAR, "x")


async def test_what_the_api_refuses_is_raised_with_the_fields_name(source: ScheduleSource, client_app: App) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))

    with pytest.raises(InvalidInput, match=r"configs\.0\.parameters\.message: .*string"):
        await task.schedule_by_cron(source, FAR, 5)


async def test_a_viewer_schedules_nothing(house: House, client_app: App) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))
    source = ScheduleSource(house.url, await house.token("viewer"))

    with pytest.raises(ApiError, match="role"):
        await task.schedule_by_cron(source, FAR, "x")


async def test_a_taskiq_scheduler_that_is_left_running_sends_nothing(source: ScheduleSource, client_app: App) -> None:
    task = cast("Any", client_app.broker.find_task("app.greet"))
    created = await task.schedule_by_cron(source, "* * * * *", "x")
    scheduler = TaskiqScheduler(client_app.broker, [source])
    (schedule,) = [each for each in await source.get_schedules() if each.schedule_id == created.schedule_id]

    await scheduler.on_ready(source, schedule)

    assert client_app.witness.sending == []


async def test_a_clients_labels_are_declared_when_its_source_starts(house: House) -> None:
    app = app_over(
        RedisStreamBroker("redis://127.0.0.1:1"),
        greet=[{"cron": FAR, "args": ["x"], "schedule_id": "clients"}, {"cron": "nonsense"}],
    )
    source = ScheduleSource(house.url, await house.token("operator"), labels_of=app.broker)

    await source.startup()

    config = (await configs(house, q="clients"))["app.greet clients"]
    assert config["source"] == "taskiq labels of a client"
    assert "clients" in [each.schedule_id for each in await source.get_schedules()]


async def test_address_and_token_are_those_of_every_client_of_horarium(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORARIUM_API_URL", house.url)
    monkeypatch.setenv("HORARIUM_TOKEN", await house.token("operator"))

    assert isinstance(await ScheduleSource().get_schedules(), list)
