"""examples/taskiq_service as its README has it: first on plain taskiq, then adopted with one environment variable."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.support.processes import END_SECONDS, horarium, running
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

SERVICE = Path(__file__).parents[2] / "examples" / "taskiq_service"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, redis_db: str) -> str:
    """The service's folder is the current one, its Redis is empty; gives that one's URL."""
    monkeypatch.chdir(SERVICE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("NEWSLETTER_REDIS_URL", redis_db)
    return redis_db


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the service's, ended with the block."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            finally:
                process.kill()


def test_it_is_a_service_that_needs_no_horarium(service: str) -> None:  # noqa: ARG001 - its surroundings
    with started("-m", "taskiq", "worker", "newsletter:broker", "--workers", "1"):
        answer = kicked_by_the_app()

    assert "'sent': 'By hand from news@example.org to EU'" in answer
    assert "'arrived_in': None" not in answer


def test_one_variable_adopts_it_and_its_schedule_runs_on_workers_of_their_own(
    data_dir: Path, database_url: str, redis_prefix: str, redis_url: str, service: str
) -> None:
    servers = {"database_url": database_url, "redis_url": redis_url, "key_prefix": redis_prefix}
    adopted = {**servers, "broker": "newsletter:broker"}
    with ExitStack() as stack:
        house = stack.enter_context(horarium(data_dir, **adopted))
        worker = stack.enter_context(running(data_dir, "worker", **adopted))
        assert worker.printed(r"reads (.+)") == "default"
        client = house.client()

        config = until(lambda: client.get("/task-configs", task_type="newsletter.send_digest")["items"])[0]
        execution = until(lambda: client.executions(config["id"], status="success"))[-1]

        assert (config["name"], config["source"]) == ("newsletter.send_digest label-1", "taskiq labels")
        assert execution["trigger"] == "schedule"
        assert execution["result"]["sent"] == "The digest from news@example.org to EU"
        assert len(execution["result"]["trail"]) == 32  # the middleware's mark, made where it was sent
        assert str(worker.process.pid) in execution["worker"]
        assert client.ended(run_of(client, "newsletter.count_words", text="three short words"))["result"] == 3
        assert client.ended(run_of(client, "echo", message="built in"))["status"] == "success"
        assert execution["result"]["arrived_in"] == worker.process.pid  # the middleware's other mark
        assert "'sent': 'By hand from news@example.org to EU'" in kicked_by_the_app()
        [external] = client.get("/executions", trigger="external")["items"]
        assert (external["task_type"], external["status"]) == ("newsletter.send_digest", "success")

        with redis.Redis.from_url(service) as server:
            server.flushdb()
        flushed_at = time.time()
        until(lambda: ran_since(client, config["id"], flushed_at))
        report(f"runs go on {time.time() - flushed_at:.1f} s after the app's Redis was flushed")
        assert client.get("/readyz")["status"] == "ready"
        assert worker.stop() == 0


def kicked_by_the_app() -> str:
    """What the app's own client prints of the task that it has kicked and waited for."""
    command = [sys.executable, "client.py", "EU"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603 - ours


def ran_since(client: Any, config_id: int, moment: float) -> bool:
    """Whether a tick after this moment has succeeded."""
    since = datetime.fromtimestamp(moment, UTC).isoformat()
    return bool(client.executions(config_id, status="success", since=since))


def run_of(client: Any, task_type: str, **parameters: object) -> str:
    """A run by hand."""
    config = client.config(task_type=task_type, parameters=parameters, scheduler_type="manual", schedule_config={})
    return str(client.post(f"/task-configs/{config}/run")["task_id"])
