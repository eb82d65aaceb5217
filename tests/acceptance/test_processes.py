"""`horarium up` as a process: it starts and stops in order, says why when it cannot, and keeps its secrets."""

from __future__ import annotations

import re
import signal
import socket
import time
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.support.processes import PASSWORD, Client, horarium, running, servers_of
from tests.support.servers import temporary_data_dir
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Running

pytestmark = pytest.mark.timeout(300)

STOP_SECONDS = 10.0
DRAIN_SECONDS = 60.0
TAKEN = re.compile(r"horarium: cannot listen on 127\.0\.0\.1:(\d+): Address already in use; choose another with --port")


@pytest.fixture(scope="module")
def used_dir() -> Iterator[Path]:
    """A data directory that outlives each start: making one costs seconds."""
    with temporary_data_dir() as path:
        yield path


def a_running_task(client: Client) -> str:
    """The id of an execution that runs for a minute, once it does."""
    config = client.config(task_type="sleep", parameters={"seconds": 60}, scheduler_type="manual", schedule_config={})
    task_id = str(client.post(f"/task-configs/{config}/run")["task_id"])
    until(lambda: client.get(f"/executions/{task_id}")["status"] == "running")
    return task_id


# Stopping


def test_an_idle_house_stops_at_once(used_dir: Path) -> None:
    """It does not use the time that it has for what runs."""
    with horarium(used_dir, drain_seconds=DRAIN_SECONDS) as house:
        asked_at = time.monotonic()
        assert house.stop() == 0
        took = time.monotonic() - asked_at

    report(f"stopped in {took:.1f} s, idle")
    stopped = [event["child"] for event in house.events if event["event"] == "child.stopped"]
    assert stopped[:2] == ["api", "worker"]
    assert stopped.index("dispatcher") < stopped.index("history_writer") < stopped.index("redis")
    assert took < DRAIN_SECONDS / 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_in_order_within_ten_seconds_though_a_task_runs(
    used_dir: Path, number: signal.Signals
) -> None:
    with horarium(used_dir) as house:
        a_running_task(house.client())
        below = house.tree()

        asked_at = time.monotonic()
        code = house.stop(number)
        took = time.monotonic() - asked_at

        assert code == 0
        assert took < STOP_SECONDS
        assert len(below) > 2
        assert [process for process in below if process.is_running()] == []
        assert servers_of(used_dir) == []
        report(f"{number.name}: stopped in {took:.1f} s, a task was running")


# Starting again


def test_what_was_stored_survives_a_restart_and_what_ran_goes_on(used_dir: Path) -> None:
    with horarium(used_dir) as house:
        client = house.client()
        pair = client.log_in()
        config = client.config()
        task_id = a_running_task(client)
        until(lambda: len(client.executions(config, status="success")) >= 2)
        before = {row["task_id"] for row in client.executions(config, status="success")}
        house.stop()

    with horarium(used_dir) as house:
        client = Client(house.url, client.token)
        assert client.get("/auth/me")["username"] == "admin"
        assert before <= {row["task_id"] for row in client.executions(config, status="success")}
        events = client.get(f"/task-configs/{config}/history", limit=100)["items"]
        assert before <= {event["task_id"] for event in events if event["event"] == "success"}

        def goes_on() -> bool:
            run = client.get(f"/executions/{task_id}")
            return bool(run["status"] == "running" and run["attempt"] == 2)

        until(goes_on)
        (first, second) = client.get(f"/executions/{task_id}")["attempts"]
        assert (first["status"], first["reason"], second["status"]) == ("cancelled", "worker_stopped", "running")
        renewed = client.call("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
        assert renewed.status == 200


# Refusing to start


def test_a_second_house_on_the_same_data_is_refused_by_the_holder_of_the_first(house: Running) -> None:
    data_dir = house.folder.parent / "data"

    with running(data_dir, "up", data_dir=data_dir, port=0) as second:
        assert second.ended() == 2

    assert f"the data directory {data_dir} is in use by process {house.process.pid}" in second.log
    assert "Traceback" not in second.log
    assert house.client().get("/readyz")["status"] == "ready"


def test_a_taken_port_is_refused_before_anything_is_started(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(data_dir, "up", "--port", str(port), data_dir=data_dir) as refused:
            assert refused.ended() == 2

    said = TAKEN.search(refused.log)
    assert said, refused.log
    assert said[1] == str(port)
    assert not data_dir.exists()


def test_every_wrong_setting_is_named_at_once_without_its_value(data_dir: Path) -> None:
    wrong = {"data_dri": "/srv/private", "port": "many", "secret_key": "tiny-key", "queues": "default"}

    with running(data_dir, "up", **wrong) as refused:
        assert refused.ended() == 2

    assert "HORARIUM_DATA_DRI: unknown setting; did you mean HORARIUM_DATA_DIR?" in refused.log
    assert "HORARIUM_PORT: " in refused.log
    assert "HORARIUM_SECRET_KEY: " in refused.log
    assert "HORARIUM_QUEUES" not in refused.log
    assert [value for value in ("/srv/private", "many", "tiny-key") if value in refused.log] == []
    assert "Traceback" not in refused.log


def test_a_worker_without_servers_says_which_settings_it_needs(data_dir: Path) -> None:
    with running(data_dir, "worker", data_dir=data_dir) as refused:
        assert refused.ended() == 2

    assert "a worker needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL" in refused.log


def test_a_task_module_that_cannot_be_imported_is_named(data_dir: Path) -> None:
    with running(data_dir, "up", data_dir=data_dir, port=0, task_modules="no.such.module") as refused:
        assert refused.ended() == 2

    assert "HORARIUM_TASK_MODULES: cannot import no.such.module" in refused.log


# Secrets


def test_the_first_password_is_printed_once_and_no_secret_ever_reaches_the_log(data_dir: Path) -> None:
    with horarium(data_dir, admin_password=None, log_level="debug") as house:
        password = house.printed(r"admin, password (\S+) \(shown only now\)")
        client = Client(house.url)
        pair = client.log_in(password)
        client.config()
        client.call("POST", "/auth/login", {"username": "admin", "password": f"wrong {PASSWORD}"})
        renewed = client.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
        client.token = renewed["access_token"]
        until(lambda: client.get("/executions", status="success")["total"] > 0)
    with horarium(data_dir, admin_password=None, log_level="debug") as again:
        Client(again.url).log_in(password)

    key = (data_dir / "secret.key").read_text()
    secrets = [
        password,
        PASSWORD,
        key,
        *(p[name] for p in (pair, renewed) for name in ("access_token", "refresh_token")),
    ]
    assert house.out.count(password) == 1
    assert "password" not in again.out
    assert [secret for secret in secrets if secret in house.log + again.log] == []
    assert (data_dir / "secret.key").stat().st_mode & 0o777 == 0o600


def test_servers_of_its_own_listen_on_no_network(house: Running) -> None:
    listening = [
        connection
        for process in [psutil.Process(house.process.pid), *house.tree()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert [connection.laddr.ip for connection in listening] == ["127.0.0.1"]
