"""A house whose every URL has a secret in it says none of them: when it starts, refuses, waits, and crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.processes import Client, horarium, running
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Running

pytestmark = pytest.mark.timeout(300)

CANARY = "c4n4rysongbird"
NOBODY = "127.0.0.1:1"


@pytest.fixture
def guarded_redis(redis_url: str) -> Iterator[str]:
    """The URL of a user with a password, whom this test alone knows."""
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "bird", "on", f">{CANARY}", "~*", "&*", "+@all")
        yield redis_url.replace("unix://", f"unix://bird:{CANARY}@")
        client.execute_command("ACL", "DELUSER", "bird")


def says(process: Running, event: str) -> bool:
    return any(line["event"] == event for line in process.events)


def test_all_that_is_logged_is_an_event_and_no_secret_of_a_url_is_in_anything_that_is_written(
    database_url: str, guarded_redis: str, redis_prefix: str, tmp_path: Path
) -> None:
    """Postgres lets anybody in by its socket, so a password in its URL is one that nobody asks for."""
    # given
    settings = {
        "database_url": database_url.replace("postgres@", f"postgres:{CANARY}@"),
        "redis_url": guarded_redis,
        "secret_key": CANARY * 4,
        "key_prefix": redis_prefix,
        "task_modules": "tests.support.talkative",
        "log_level": "debug",
    }
    amqp = f"amqp://bird:{CANARY}@{NOBODY}/"
    with (
        running(tmp_path / "data", "worker", broker_url=amqp, **settings) as lonely,
        horarium(tmp_path / "data", **settings) as house,
    ):
        # when
        refused = Client(house.url).call("POST", "/auth/login", {"username": "admin", "password": CANARY})
        until(lambda: says(lonely, "actor.waits"))

    # then
    assert refused.status == 401
    assert all(says(each, "thread.crashed") and "connects to" in each.log for each in (house, lonely))
    assert [line for line in (house.log + lonely.log).splitlines() if not line.startswith('{"timestamp":')] == []
    written = "".join(each.log + each.out for each in (house, lonely))
    assert [line for line in written.splitlines() if CANARY in line] == []
