"""`horarium doctor` over real servers: a house that is well, and the same with one thing wrong at a time."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from horarium.embedded import DataDir
from tests.support.commands import Run, run
from tests.support.identity import KEY
from tests.support.processes import horarium
from tests.support.servers import temporary_data_dir

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.rabbitmq import RabbitMQ
    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


async def doctor(house: House, tmp_path: Path, *arguments: str, **settings: object) -> Run:
    """The doctor of a house, as an admin; settings of None are unset."""
    own = house.resources.settings
    assert own.database_url is not None
    assert own.redis_url is not None
    known: dict[str, object] = {
        "database_url": own.database_url.get_secret_value(),
        "redis_url": own.redis_url.get_secret_value(),
        "key_prefix": own.key_prefix,
        "secret_key": KEY,
        "api_url": house.url,
        "token": await house.token("admin"),
        "config_dir": tmp_path / "config",
        "data_dir": tmp_path / "data",
    }
    return await run("doctor", *arguments, **(known | settings))


async def found(house: House, tmp_path: Path, **settings: object) -> dict[str, dict[str, Any]]:
    """What it found, by check."""
    ran = await doctor(house, tmp_path, "--json", **settings)
    document = json.loads(ran.out)
    assert (ran.code == 0) is document["ok"], ran
    return {each["check"]: each for each in document["checks"]}


async def test_a_house_that_is_well_has_nothing_failed_and_nothing_to_do(house: House, tmp_path: Path) -> None:
    await house.config(scheduler_type="cron", schedule_config={"cron_expression": "0 0 1 1 *"})

    checks = await found(house, tmp_path)

    assert [each for each in checks.values() if each["level"] != "ok"] == []
    assert {"postgres version", "postgres rights", "postgres notifications", "redis memory"} <= checks.keys()
    assert {"migrations", "leader", "workers", "due index", "api", "login"} <= checks.keys()


async def test_people_get_a_line_each_and_a_sum(house: House, tmp_path: Path) -> None:
    ran = await doctor(house, tmp_path)

    assert ran.code == 0
    assert ran.out.splitlines()[0] == "ok       settings                all can be read"
    assert ran.out.splitlines()[-1].endswith(" ok, 0 warnings, 0 failed")


async def test_a_queue_that_no_worker_reads_is_named(house: House, tmp_path: Path) -> None:
    await house.config(queue="nobodys")

    checks = await found(house, tmp_path)

    assert (checks["queue nobodys"]["level"], checks["workers"]["level"]) == ("failed", "ok")
    assert "horarium worker --queues nobodys" in checks["queue nobodys"]["remedy"]


async def test_a_message_that_was_given_up_is_told_with_its_rule_and_why(house: House, tmp_path: Path) -> None:
    made = await house.call(
        "POST",
        "/api/v1/notification-rules",
        {"name": "ops", "events": ["failed"], "webhook": {"url": "http://127.0.0.1:9/hooks"}},
    )
    await house.sql(
        "INSERT INTO notifications (id, rule_id, subject, event, config_id, config_name, content, status, last_error,"
        " created_at, give_up_at, ended_at) SELECT gen_random_uuid(), id, gen_random_uuid(), 'failed', 1, 'nightly',"
        " '{}', 'failed', 'answered 410', now(), now(), clock_timestamp() FROM notification_rules"
    )

    checks = await found(house, tmp_path)
    await house.call("DELETE", made.headers["Location"])

    assert checks["notifications"]["level"] == "warning"
    assert checks["notifications"]["summary"] == "the newest message of ops was given up: answered 410"


async def test_one_server_away_hides_nothing_of_the_others(house: House, tmp_path: Path) -> None:
    checks = await found(house, tmp_path, redis_url="redis://:hunter2@127.0.0.1:1/0")

    assert checks["redis"]["level"] == "failed"
    assert "connecting to 127.0.0.1:1" in checks["redis"]["summary"]
    assert (checks["postgres version"]["level"], checks["leader"]["level"]) == ("ok", "ok")
    assert "hunter2" not in json.dumps(checks)


async def test_wrong_settings_are_all_told_and_none_of_their_values(house: House, tmp_path: Path) -> None:
    ran = await doctor(house, tmp_path, secret_key="too short", redis_uri="x", allow_shell="1")

    assert ran.code == 1
    assert "HORARIUM_SECRET_KEY: " in ran.out
    assert "HORARIUM_REDIS_URI: unknown setting; did you mean HORARIUM_REDIS_URL?" in ran.out
    assert "warning  shell " in ran.out
    assert "too short" not in ran.out


async def test_a_task_module_that_cannot_be_imported_is_told_with_why(house: House, tmp_path: Path) -> None:
    checks = await found(house, tmp_path, task_modules="no.such.module")

    assert checks["task types"]["level"] == "failed"
    assert "ModuleNotFoundError" in checks["task types"]["summary"]


async def test_a_wrong_password_and_a_database_that_is_not_there_are_told_apart(house: House, tmp_path: Path) -> None:
    known = house.resources.settings.database_url
    assert known is not None

    checks = await found(house, tmp_path, database_url=known.get_secret_value().replace("/test_", "/no_such_"))

    assert checks["postgres"]["summary"].endswith("does not exist")


async def test_a_user_without_rights_is_told_which(house: House, tmp_path: Path) -> None:
    await house.sql("CREATE ROLE guest LOGIN")
    known = house.resources.settings.database_url
    assert known is not None

    checks = await found(house, tmp_path, database_url=known.get_secret_value().replace("postgres@", "guest@"))
    await house.sql("DROP ROLE guest")

    assert checks["postgres rights"]["level"] == "failed"
    assert "api_keys, audit_log, " in checks["postgres rights"]["summary"]
    assert "notification_notices" in checks["postgres rights"]["summary"]


async def test_a_login_that_is_not_taken_is_a_warning(house: House, tmp_path: Path) -> None:
    checks = await found(house, tmp_path, token="hk_none")

    assert (checks["api"]["level"], checks["login"]["level"]) == ("ok", "warning")


async def test_a_rabbitmq_is_asked_for_its_version_and_for_a_queue(
    house: House, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    checks = await found(house, tmp_path, broker_url=rabbitmq.url)

    assert (checks["broker rights"]["level"], checks["broker version"]["level"]) == ("ok", "ok")


async def test_a_rabbitmq_that_is_away_is_told_without_its_password(house: House, tmp_path: Path) -> None:
    checks = await found(house, tmp_path, broker_url="amqp://guest:hunter2@127.0.0.1:1/")

    assert checks["broker"]["level"] == "failed"
    assert "hunter2" not in json.dumps(checks)


async def test_an_embedded_house_is_asked_at_its_sockets_while_it_runs() -> None:
    look = partial(run, "doctor", "--json", port=0)
    with temporary_data_dir() as data_dir:
        with horarium(data_dir) as up:
            running = await look(data_dir=data_dir, api_url=up.url)
        with DataDir(data_dir):
            stopped = await look(data_dir=data_dir)

    now, then = [{each["check"]: each for each in json.loads(ran.out)["checks"]} for ran in (running, stopped)]
    assert [each for each in now.values() if each["level"] != "ok" and each["check"] != "login"] == []
    assert now["embedded postgres"]["summary"] == "runs"
    assert "does not run" in then["embedded postgres"]["summary"]
    assert "postgres version" not in then
