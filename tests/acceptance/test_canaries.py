"""A secret is put into every input of a running Horarium, and then looked for everywhere that a secret must not be.

What a user stores is shown to whoever may read it: the parameters of a config, what a task says. It is nowhere else:
not in the log at its most talkative, not in figures, events or errors. A field's name is no secret; errors repeat it.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from horarium.embedded.redis import PROGRAMS
from tests.support.processes import horarium, servers_of
from tests.support.servers import temporary_data_dir
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Answer, Client, Running

pytestmark = pytest.mark.timeout(300)

CANARY = "c4n4ry"
NUMBERS = count(1)
PROSE = f"{CANARY}prose"
"""What people write about a config; the audit log is there to show it, and nothing else is."""
CONFIGS = "/task-configs"
GOOD = {"task_type": "echo", "parameters": {"message": "m"}, "scheduler_type": "manual"}


def secret() -> str:
    """A secret like no other, and nothing that a pattern would know for one."""
    return f"{CANARY}{next(NUMBERS)}songbird"


@dataclass
class Spoken:
    """What a Horarium that was told everything has said, by where it said it; `kept` is what it is meant to show."""

    errors: list[Any] = field(default_factory=list)
    shown_once: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    kept: str = ""


@pytest.fixture(scope="module")
def spoken() -> Iterator[Spoken]:
    with temporary_data_dir() as data_dir:
        said = Spoken()
        password = secret()
        with horarium(
            data_dir, admin_password=password, secret_key=secret() * 4, log_level="debug", task_log_level="debug"
        ) as house:
            admin = house.client(password)
            said.errors += [[one.status, one.body, str(one.headers)] for one in refusals(admin)]
            said.errors += [exchange(house.url, head) for head in NO_REQUESTS]
            said.errors += [[one.status, one.body] for one in accounts(admin, said)]
            config = stored_and_run(admin, said)
            said.errors += [[one.status, one.body] for one in without_redis(house, admin)]
            admin.log_in(password)
            listen(house, admin, config, said)
        said.told |= {"log": house.log, "out": house.out}
        yield said


def refusals(admin: Client) -> Iterator[Answer]:
    """Every kind of input, each with a secret in it, and each refused."""
    anonymous = type(admin)(admin.url)
    for credentials in ({"username": "admin", "password": secret()}, {"username": secret(), "password": secret()}):
        yield anonymous.call("POST", "/auth/login", credentials)
    yield anonymous.call("POST", "/auth/login", {"username": [secret()], "password": {"a": secret()}})
    yield anonymous.call("POST", "/auth/refresh", {"refresh_token": secret()})
    for scheme in ("Bearer ", "Bearer hk_", "Basic ", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.", ""):
        yield anonymous.call("GET", "/auth/me", headers={"Authorization": f"{scheme}{secret()}"})
    for name in FIELDS:
        yield admin.call("POST", CONFIGS, {"name": "refused", **GOOD, name: secret()})
    for name in ("cron_expression", "timezone", "minute"):
        schedule = {"cron_expression": "* * * * *"} if name != "minute" else {}
        body = {"scheduler_type": "cron", "schedule_config": schedule | {name: secret()}}
        yield admin.call("POST", CONFIGS, {"name": "refused", **GOOD} | body)
        yield admin.call("POST", "/schedules/preview", body)
    yield admin.call("POST", CONFIGS, {"name": "refused", **GOOD, "parameters": {"message": [secret()]}})
    yield admin.call("POST", CONFIGS, f'{{"name": "{secret()}'.encode())
    for path in PATHS:
        yield admin.call("GET", path.format(secret()))
    yield admin.call("POST", f"/system/actors/{secret()}/restart")
    for name in ("cursor", "limit", "status", "token", "sort"):
        yield admin.call("GET", CONFIGS, **{name: secret()})
    for name in HEADERS:
        yield admin.call("PATCH", f"{CONFIGS}/999999999", {}, headers={name: secret()})
    yield admin.call("POST", f"{CONFIGS}/999999999/run", {"parameters": {"message": secret()}})


FIELDS = (
    "task_type", "parameters", "scheduler_type", "schedule_config", "status", "priority", "timeout_seconds",
    "max_retries", "overlap", "catchup", "start_at", "end_at", "tags",
)  # fmt: skip
PATHS = ("/{}", "/task-configs/{}", "/executions/{}", "/system/actors/{}", "/task-configs/{}/history")
HEADERS = (
    "User-Agent", "Cookie", "Referer", "If-Match", "Content-Type", "Content-Encoding", "Accept", "Origin", "X-Api-Key",
    "X-Forwarded-For", "Idempotency-Key", "Expect",
)  # fmt: skip
NO_REQUESTS = (
    f"{secret()}\r\n\r\n",
    f"GET /{secret()} {secret()}\r\n\r\n",
    f"GET /livez HTTP/1.1\r\nAuthorization: Bearer {secret()}\x00\r\n\r\n",
    f"GET /livez HTTP/1.1\r\n{secret()}\r\n\r\n",
    f"GET /livez HTTP/1.1\r\nContent-Length: {secret()}\r\n\r\n",
    f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: {secret()} {secret()}\r\nConnection: close\r\n\r\n",
    f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{secret()}\r\n\r\n",
)


def accounts(admin: Client, said: Spoken) -> Iterator[Answer]:
    """Users and keys, made and refused; what is shown once is looked for as well."""
    password, changed = secret(), secret()
    user = admin.post("/users", {"username": "bird", "password": password})
    yield admin.call("POST", "/users", {"username": "bird", "password": secret()})
    yield admin.call("POST", "/users", {"username": "other", "password": secret(), "role": secret()})
    assert admin.call("PATCH", f"/users/{user['id']}", {"password": changed}).status == 200
    pair = type(admin)(admin.url).post("/auth/login", {"username": "bird", "password": changed})
    bird = type(admin)(admin.url, pair["access_token"])
    yield bird.call("POST", "/auth/password", {"current_password": secret(), "new_password": secret()})
    yield bird.call("POST", "/auth/refresh", {"refresh_token": f"{pair['refresh_token']}{secret()}"})
    renewed = bird.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
    key = admin.post("/api-keys", {"name": "for birds", "role": "viewer"})["key"]
    assert type(admin)(admin.url, key).call("GET", CONFIGS).status == 200
    said.shown_once += [key, *(each[name] for each in (pair, renewed) for name in ("access_token", "refresh_token"))]


def stored_and_run(admin: Client, said: Spoken) -> int:
    """A config with secrets wherever it has room, and what becomes of its runs; its id."""
    config = admin.config(
        description=PROSE,
        tags=[PROSE],
        parameters={"message": secret()},
        scheduler_type="manual",
        schedule_config={},
    )
    failing = admin.config(task_type="fail", parameters={"message": secret()}, **MANUAL)
    sending = admin.config(task_type="http_request", parameters=A_REQUEST, max_retries=0, **MANUAL)
    every_second = admin.config(parameters={"message": secret()})
    admin.post(f"{CONFIGS}/{every_second}/pause", {"reason": PROSE})
    admin.post(f"{CONFIGS}/{every_second}/resume")
    runs = [admin.post(f"{CONFIGS}/{one}/run") for one in (config, failing, sending)]
    runs += [
        admin.post(f"{CONFIGS}/{config}/run", {"parameters": {"message": secret()}}, **{"Idempotency-Key": secret()})
    ]
    ended = [admin.ended(run["task_id"]) for run in runs]
    until(lambda: admin.executions(every_second, status="success"))
    said.kept = json.dumps([admin.get(f"{CONFIGS}/{config}"), *ended])
    said.told["task logs"] = json.dumps([admin.get(f"/executions/{run['task_id']}/logs") for run in runs])
    return config


MANUAL: dict[str, Any] = {"scheduler_type": "manual", "schedule_config": {}}
A_REQUEST = {
    "method": "POST",
    "url": f"http://{secret()}:{secret()}@127.0.0.1:9/{secret()}?token={secret()}",
    "headers": {"Authorization": f"Bearer {secret()}", "X-Other": secret()},
    "body": {"password": secret()},
    "timeout_seconds": 2,
}


def without_redis(house: Running, admin: Client) -> Iterator[Answer]:
    """What is said of inputs while a server is away, and how actors take it."""
    (redis,) = (one for one in servers_of(house.folder.parent / "data") if one.name() in PROGRAMS)
    redis.kill()
    yield admin.call("POST", "/auth/login", {"username": "admin", "password": secret()})
    yield admin.call("POST", "/auth/refresh", {"refresh_token": secret()})
    yield admin.call("POST", CONFIGS, {"name": "refused", **GOOD, "priority": secret()})
    until(lambda: admin.call("GET", "/readyz").status == 200)


def listen(house: Running, admin: Client, config: int, said: Spoken) -> None:
    """Everything that the system says of itself, and of the config but for what it is told to keep."""
    admin.post("/system/actors/token_service/restart")
    until(lambda: admin.call("GET", "/readyz").status == 200)
    for path in ("status", "tree", "events", "audit", "actors/token_service", "actors/api", "actors/redis"):
        said.told[path] = json.dumps(admin.get(f"/system/{path}"))
    said.told["history"] = json.dumps(admin.get(f"{CONFIGS}/{config}/history"))
    said.told["audit log"] = json.dumps(admin.every("/audit")).replace(PROSE, "")
    said.told["schedules"] = json.dumps(admin.get("/schedules"))
    said.told["metrics"] = exchange(house.url, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def exchange(url: str, request: str) -> str:
    """What is answered to these bytes, until the server hangs up."""
    address = urlsplit(url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=60) as client,
        client.makefile("rb") as file,
    ):
        client.sendall(request.encode())
        return file.read().decode()


SAYS = (
    "log", "out", "task logs", "audit log", "metrics", "history", "schedules", "status", "tree", "events", "audit",
    "actors/token_service", "actors/api", "actors/redis",
)  # fmt: skip


def test_the_canaries_are_really_in_there(spoken: Spoken) -> None:
    report(f"{next(NUMBERS) - 1} canaries; {len(spoken.errors)} refusals; {len(spoken.told['log'])} characters of log")

    assert spoken.kept.count(CANARY) >= 7
    assert '"level": "debug"' in spoken.told["log"].replace('":"', '": "')
    assert "horarium_leader" in spoken.told["metrics"]
    assert "success" in spoken.told["history"]
    assert "password" in spoken.told["audit log"]
    assert len(spoken.shown_once) == 5


@pytest.mark.parametrize("where", SAYS)
def test_no_canary_is_in_what_the_system_says_of_itself(spoken: Spoken, where: str) -> None:
    looked_for = [CANARY, *spoken.shown_once]
    assert [line for line in spoken.told[where].splitlines() if any(each in line for each in looked_for)] == []


def test_no_canary_is_in_an_error(spoken: Spoken) -> None:
    assert {error[0] for error in spoken.errors if isinstance(error, list)} >= {400, 401, 404, 415, 422}
    assert [error for error in spoken.errors if CANARY in str(error)] == []
