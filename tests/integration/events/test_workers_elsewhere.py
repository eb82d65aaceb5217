"""What a worker in another process does is heard at the API, and so is what its supervisor sees."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.resources import open_resources
from horarium.settings import load_settings
from horarium.supervisor import Supervisor, log_event
from horarium.tree import worker_tree
from tests.support.identity import KEY
from tests.support.listening import listening
from tests.support.tree import a_tree, log
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from horarium.resources import Resources

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def a_worker(
    emptied_ledger: str, redis_url: str, prefix: str, **settings: str
) -> AsyncIterator[tuple[Resources, Supervisor]]:
    """The tree of `horarium worker`, up."""
    known = {"database_url": emptied_ledger, "redis_url": redis_url, "key_prefix": prefix, "secret_key": KEY}
    known |= {"drain_seconds": "0", **settings}
    environ = {f"HORARIUM_{name.upper()}": value for name, value in known.items()}
    async with open_resources(load_settings(environ)) as resources, anyio.create_task_group() as group:
        spec = worker_tree(resources, supervisor=lambda: supervisor)
        supervisor = Supervisor(spec, on_event=partial(log_event, log))
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        yield resources, supervisor
        supervisor.stop()
        assert await supervisor.wait_stopped() == ()
        group.cancel_scope.cancel()


async def test_starts_and_ends_at_a_worker_elsewhere_are_heard(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    async with (
        a_tree(emptied_ledger, redis_url, redis_prefix, inline_worker="0") as house,
        listening(house) as heard,
        a_worker(emptied_ledger, redis_url, redis_prefix) as (worker, supervisor),
    ):
        config = await house.config()
        run = await house.call("POST", f"/api/v1/task-configs/{config}/run")
        running = await heard.hears("execution", task_id=run.body["task_id"], status="running")
        await heard.hears("execution", task_id=run.body["task_id"], status="success")
        supervisor.kill("worker")
        restarted = await heard.hears("supervision", child="worker", event="child.restarted")

    assert running.data["worker"].startswith(worker.worker_id)
    assert restarted.data["process"] == worker.worker_id


async def test_what_a_worker_gives_back_when_it_stops_is_heard(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    async with a_tree(emptied_ledger, redis_url, redis_prefix, inline_worker="0") as house, listening(house) as heard:
        config = await house.config(task_type="sleep", parameters={"seconds": 60})
        async with a_worker(emptied_ledger, redis_url, redis_prefix):
            run = await house.call("POST", f"/api/v1/task-configs/{config}/run")
            await heard.hears("execution", task_id=run.body["task_id"], status="running")
        given_back = await heard.hears("execution", task_id=run.body["task_id"], reason="worker_stopped")

    assert (given_back.data["status"], given_back.data["attempt"]) == ("pending", 2)


async def test_a_worker_that_drains_is_heard_of_until_what_it_ran_is_over(
    emptied_ledger: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    """What takes its time to stop runs here still: a worker taken for gone would have it run elsewhere, too."""
    own, mark, path = {"task_modules": "tests.support.tasks"}, tmp_path / "mark", tmp_path / "path"

    async def last_line(line: str) -> bool:
        return mark.exists() and mark.read_text().endswith(f"{line}\n")

    async with (
        a_tree(emptied_ledger, redis_url, redis_prefix, inline_worker="0", **own) as house,
        a_worker(emptied_ledger, redis_url, redis_prefix, **own) as (worker, supervisor),
        AsyncExitStack() as over,
    ):
        over.callback(path.touch)
        slow = {"task_type": "test.takes_its_time_to_stop", "parameters": {"mark": str(mark), "path": str(path)}}
        await house.call("POST", f"/api/v1/task-configs/{await house.config(**slow)}/run")
        await eventually(partial(last_line, "started"))
        (beat,) = await worker.workers.living()
        await house.call("POST", f"/api/v1/system/workers/{beat.id}/drain")
        await eventually(partial(last_line, "stopping"))
        (stopping,) = await worker.workers.living()

        async def heard_again() -> bool:
            return [each.beaten_at for each in await worker.workers.living()] > [stopping.beaten_at]

        await eventually(heard_again)
        path.touch()
        assert await supervisor.wait_stopped() == ()
