"""`horarium up --demo`: what a newcomer watches in the first minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import Client, horarium
from tests.support.servers import temporary_data_dir
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

FIRST_SECONDS = 90.0
"""How long an outcome is waited for; the last of them comes by itself half a minute after the start."""
HEAL_SECONDS = 10.0


@pytest.fixture(scope="module")
def demo() -> Iterator[Client]:
    with temporary_data_dir() as path, horarium(path, "--demo") as house:
        yield house.client()


def config_named(client: Client, name: str) -> int:
    (config,) = [each for each in client.every("/task-configs", tag="demo") if each["name"] == f"demo: {name}"]
    return int(config["id"])


def first(client: Client, name: str, status: str) -> Any:
    """The config's oldest execution of a status, once there is one."""

    def look() -> Any:
        found = client.executions(config_named(client, name), status=status)
        return found[-1] if found else None

    return until(look, within=FIRST_SECONDS)


def test_the_demo_has_its_six_configs(demo: Client) -> None:
    configs = demo.every("/task-configs", tag="demo")

    assert len(configs) == 6
    assert {each["scheduler_type"] for each in configs} == {"cron", "interval", "date"}


@pytest.mark.parametrize("name", ["every second", "every ten seconds"])
def test_its_steady_configs_succeed(demo: Client, name: str) -> None:
    assert first(demo, name, "success")["attempt"] == 1


def test_its_request_to_its_own_health_is_answered(demo: Client) -> None:
    done = first(demo, "own health", "success")

    assert done["result"]["status"] == 200
    assert done["result"]["body"] == '{"status":"alive"}'


def test_its_date_fires_once_and_becomes_inactive(demo: Client) -> None:
    first(demo, "once, soon", "success")

    config = config_named(demo, "once, soon")
    until(lambda: demo.get(f"/task-configs/{config}")["status"] == "inactive")
    assert len(demo.executions(config)) == 1


def test_its_failing_config_fails_after_two_retries(demo: Client) -> None:
    done = first(demo, "fails and retries", "failed")

    assert [each["status"] for each in done["attempts"]] == ["failed"] * 3


def test_its_slow_config_is_timed_out(demo: Client) -> None:
    done = first(demo, "runs past its timeout", "timeout")

    assert 3 <= done["duration_seconds"] < HEAL_SECONDS
