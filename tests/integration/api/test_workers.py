"""Workers from outside: who lives, what each runs, what becomes of one that is told to pause, to go on, to drain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.beating import a_beating_worker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

WORKERS = "/api/v1/system/workers"
SLOW = {"task_type": "sleep", "parameters": {"seconds": 60}}


async def own_worker(house: House) -> dict[str, Any]:
    """The worker inside the house, as the API shows it."""

    async def shown() -> dict[str, Any]:
        items = (await house.get("/system/workers", limit=200))["items"]
        return next((item for item in items if item["inline"] and item["host"] != "host.example"), {})

    return await eventually(shown)


async def tell(house: House, worker_id: str, action: str) -> Any:
    """What an order that is obeyed is answered."""
    answer = await house.call("POST", f"{WORKERS}/{worker_id}/{action}")
    assert answer.status == 200, answer
    return answer.body


async def becomes(house: House, state: str) -> dict[str, Any]:
    """The worker inside the house, once it says itself that it is so."""

    async def so() -> dict[str, Any]:
        beats = await house.resources.workers.living()
        said = [beat for beat in beats if beat.process == house.resources.worker_id and beat.state == state]
        return await own_worker(house) if said else {}

    return await eventually(so)


async def says_again(house: House) -> None:
    """Wait for the next heartbeat of the worker inside the house."""
    before = (await own_worker(house))["last_beat_at"]

    async def another() -> bool:
        return bool((await own_worker(house))["last_beat_at"] != before)

    await eventually(another)


async def restarted(house: House) -> None:
    """Restart the worker's actor, and with it the API, which starts after it; wait until that is ready."""
    before = house.supervisor.snapshot().find("api")
    house.supervisor.restart("worker", because="a test asked for it")

    async def ready() -> bool:
        now = house.supervisor.snapshot().find("api")
        return bool(before and now and now.incarnation > before.incarnation and now.state == "running")

    await eventually(ready)


@pytest.fixture
async def worker(house: House) -> AsyncIterator[str]:
    """The id of the worker inside the house, which takes messages again when the test is over."""
    yield (await own_worker(house))["id"]
    current = await own_worker(house)
    if current["state"] != "running":
        await tell(house, current["id"], "resume")
    await becomes(house, "running")


async def started(house: House, **config: Any) -> str:
    """The id of a new execution by hand."""
    return str((await house.call("POST", f"/api/v1/task-configs/{await house.config(**config)}/run")).body["task_id"])


async def reaches(house: House, task_id: str, status: str) -> dict[str, Any]:
    """An execution, once it has this status."""

    async def so() -> dict[str, Any]:
        execution = dict(await house.get(f"/executions/{task_id}"))
        return execution if execution["status"] == status else {}

    return await eventually(so)


async def test_a_worker_says_where_it_is_what_it_reads_and_since_when(house: House, worker: str) -> None:
    shown = await own_worker(house)

    assert shown["id"] == worker
    assert worker.startswith(f"{shown['host']}:{shown['pid']}:")
    assert (shown["queues"], shown["concurrency"], shown["state"], shown["inline"]) == (
        ["default"],
        100,
        "running",
        True,
    )
    assert shown["started_at"] <= shown["last_beat_at"]
    assert shown["version"]
    assert (shown["told_by"], shown["told_at"]) == (None, None)


async def test_what_a_worker_runs_now_is_shown_with_it(house: House, worker: str) -> None:
    task_id = await started(house, **SLOW)
    await reaches(house, task_id, "running")

    shown = await house.get(f"/system/workers/{worker}")

    assert [each["task_id"] for each in shown["executions"]] == [task_id]
    await house.call("POST", f"/api/v1/executions/{task_id}/cancel")


async def test_workers_come_in_pages(house: House) -> None:
    ids = {await a_beating_worker(house) for _ in range(3)}

    first = await house.get("/system/workers", limit=2)
    rest = await house.get("/system/workers", limit=200, cursor=first["next_cursor"])

    seen = [each["id"] for each in [*first["items"], *rest["items"]]]
    assert seen == sorted(seen)
    assert ids <= set(seen)
    assert rest["next_cursor"] is None
    assert first["total"] == len(seen)


async def test_a_paused_worker_takes_nothing_until_it_is_resumed_and_goes_on_with_what_runs(
    house: House, worker: str
) -> None:
    running = await started(house, **SLOW)
    await reaches(house, running, "running")

    told = await tell(house, worker, "pause")
    await becomes(house, "pausing")
    waiting = await started(house)
    still = await house.get(f"/executions/{running}")
    await house.call("POST", f"/api/v1/executions/{running}/cancel")
    shown = await becomes(house, "paused")
    before = await reaches(house, waiting, "queued")
    (queue,) = [each for each in (await house.get("/system/queues"))["items"] if each["name"] == "default"]
    resumed = await tell(house, worker, "resume")

    assert (told["state"], resumed["state"]) == ("pausing", "running")
    assert still["status"] == "running"
    assert shown["told_by"].startswith("admin-")
    assert (queue["waiting"], queue["oldest_waiting_at"]) == (1, before["queued_at"])
    assert queue["depth"] >= 1
    assert (await reaches(house, waiting, "success"))["attempt"] == 1


async def test_a_paused_worker_stays_paused_when_redis_is_flushed_and_its_actor_restarted(
    house: House, worker: str
) -> None:
    await tell(house, worker, "pause")
    await becomes(house, "paused")
    async for name in house.resources.redis.scan_iter(f"{house.resources.keys.prefix}*"):
        await house.resources.redis.delete(name)
    await restarted(house)

    shown = await becomes(house, "paused")
    assert shown["id"] != worker
    waiting = await started(house)
    await reaches(house, waiting, "queued")
    await tell(house, shown["id"], "resume")

    assert (await reaches(house, waiting, "success"))["worker"] == shown["id"]


async def test_an_order_that_is_lost_resumes_nobody(house: House, worker: str) -> None:
    await tell(house, worker, "pause")
    await becomes(house, "paused")
    await house.sql("DELETE FROM worker_orders")

    waiting = await started(house)
    for _ in range(2):  # it asks more often than it says how it is
        await says_again(house)
    shown = await own_worker(house)

    assert (shown["state"], shown["told_by"]) == ("paused", None)
    assert (await house.get(f"/executions/{waiting}"))["status"] == "queued"


async def test_a_drained_worker_inside_the_house_hands_back_what_runs_and_stays_paused(
    house: House, worker: str
) -> None:
    """The house of the tests gives what runs no time at all."""
    running = await started(house, **SLOW)
    await reaches(house, running, "running")

    told = await tell(house, worker, "drain")
    shown = await becomes(house, "paused")
    row = await house.get(f"/executions/{running}")
    await tell(house, worker, "resume")
    again = await reaches(house, running, "running")
    await house.call("POST", f"/api/v1/executions/{running}/cancel")

    assert (told["state"], shown["id"], shown["state"]) == ("draining", worker, "paused")
    assert row["status"] in ("pending", "queued")
    assert [(each["status"], each["reason"]) for each in again["attempts"]][:1] == [("cancelled", "worker_stopped")]
    assert again["attempt"] == 2


@pytest.mark.parametrize(
    ("before", "action"),
    [((), "resume"), (("pause",), "pause"), (("drain",), "pause"), (("drain",), "drain"), (("drain",), "resume")],
)
async def test_an_order_that_changes_nothing_or_comes_too_late_is_a_conflict(
    house: House, before: tuple[str, ...], action: str
) -> None:
    worker_id = await a_beating_worker(house)
    for each in before:
        await tell(house, worker_id, each)

    answer = await house.call("POST", f"{WORKERS}/{worker_id}/{action}")

    assert (answer.status, answer.body["code"]) == (409, "state")


async def test_a_worker_of_a_release_that_takes_no_orders_is_seen_and_told_nothing(house: House) -> None:
    worker_id = await a_beating_worker(house, process="", version="0.1")

    shown = await house.get(f"/system/workers/{worker_id}")
    answer = await house.call("POST", f"{WORKERS}/{worker_id}/pause")

    assert shown["version"] == "0.1"
    assert (answer.status, answer.body["code"]) == (409, "release")


@pytest.mark.parametrize(
    "call", ["GET nobody", "POST nobody/pause", "POST nobody/resume", "POST nobody/drain", "GET %00"]
)
async def test_an_unknown_worker_is_404(house: House, call: str) -> None:
    method, path = call.split()

    assert (await house.call(method, f"{WORKERS}/{path}")).status == 404


async def test_an_operator_may_pause_and_resume_and_only_an_admin_may_drain(house: House) -> None:
    worker_id, token = await a_beating_worker(house), await house.token("operator")

    answers = [
        (await house.call("POST", f"{WORKERS}/{worker_id}/{action}", token=token)).status
        for action in ("pause", "resume", "drain")
    ]

    assert answers == [200, 200, 403]


async def test_who_told_a_worker_what_is_in_the_audit_log(house: House) -> None:
    worker_id = await a_beating_worker(house)
    for action in ("pause", "resume", "drain"):
        await tell(house, worker_id, action)

    entries = (await house.get("/audit", target_kind="worker", target_id=worker_id))["items"]

    assert [entry["action"] for entry in entries] == ["worker.drained", "worker.resumed", "worker.paused"]
