"""Everything that goes wrong leaves as one shape, with the status the contract gives it."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from horarium.errors import Unavailable
from horarium.http.app import make_app
from horarium.http.liveness import Liveness
from horarium.model.problems import Problem
from horarium.resources import Resources
from horarium.tree import _services
from tests.support.tree import House
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Answer

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
GOOD = {"name": "x", "task_type": "echo", "parameters": {"message": "m"}, "scheduler_type": "manual"}
NOWHERE = "127.0.0.1:1"
PROBLEMS = {
    "no JSON": ("POST", BASE, {"body": b"{"}, 400, "malformed"),
    "no such path": ("GET", "/api/v1/nope", {}, 404, "not_found"),
    "no such config": ("GET", f"{BASE}/999999999", {}, 404, "not_found"),
    "a config's id that is too large": ("GET", f"{BASE}/{'9' * 30}", {}, 404, "not_found"),
    "a config's id that is no number": ("GET", f"{BASE}/first", {}, 404, "not_found"),
    "no such execution": ("GET", "/api/v1/executions/00000000-0000-7000-8000-000000000000", {}, 404, "not_found"),
    "an execution's id that is none": ("GET", "/api/v1/executions/7", {}, 404, "not_found"),
    "a config's id in another script": ("GET", f"{BASE}/\u0661", {}, 404, "not_found"),
    "a body that is not what its encoding says": (
        "POST",
        BASE,
        {"body": b"no gzip", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
        400,
        "malformed",
    ),
    "a version in another script": (
        "DELETE",
        f"{BASE}/999999999",
        {"headers": {"If-Match": "\u0663"}},
        422,
        "invalid_input",
    ),
    "a version with half its quotes": (
        "DELETE",
        f"{BASE}/999999999",
        {"headers": {"If-Match": '"3'}},
        422,
        "invalid_input",
    ),
    "a method not taken": ("PUT", BASE, {}, 405, "method_not_allowed"),
    "a body too large": ("POST", BASE, {"body": b"x" * 2_000_000}, 413, "too_large"),
    "a form": (
        "POST",
        BASE,
        {"body": b"a=1", "headers": {"Content-Type": "text/plain"}},
        415,
        "unsupported_media_type",
    ),
    "a field at fault": ("POST", BASE, {"body": GOOD | {"name": ""}}, 422, "invalid_input"),
    "an unknown query parameter": ("GET", BASE, {"colour": "red"}, 422, "invalid_input"),
}


def is_problem(answer: Answer, status: int, code: str) -> bool:
    """Whether the answer is a problem document of this kind, whole; anything less fails here."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.headers["X-Request-Id"]) == 32
    problem = Problem.model_validate(answer.body, strict=True, extra="forbid")
    assert (problem.status, problem.code, problem.type) == (status, code, f"urn:horarium:problem:{code}")
    assert problem.title
    assert problem.detail
    return True


@pytest.mark.parametrize(("method", "path", "options", "status", "code"), PROBLEMS.values(), ids=PROBLEMS.keys())
async def test_what_goes_wrong_is_a_problem_document(
    house: House, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = await house.call(method, path, **options)

    assert is_problem(answer, status, code)


async def test_a_method_not_taken_says_which_are(house: House) -> None:
    answer = await house.call("PUT", BASE)

    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


UNKNOWN = {
    "a misspelt field": ("POST", BASE, {"body": GOOD | {"descripton": ""}}, "descripton", "did you mean description?"),
    "a field like no other": (
        "POST",
        "/api/v1/auth/login",
        {"body": {"xyz": 1}},
        "xyz",
        "known are username, password",
    ),
    "a misspelt parameter": ("GET", BASE, {"limt": 1}, "limt", "did you mean limit?"),
    "a parameter where there is none": ("GET", "/livez", {"xyz": 1}, "xyz", "nothing can be given here"),
    "a misspelt parameter of a task": (
        "POST",
        BASE,
        {"body": GOOD | {"parameters": {"mesage": "m"}}},
        "parameters.mesage",
        "did you mean message?",
    ),
    "a status that is not for an edit": (
        "PATCH",
        f"{BASE}/1",
        {"body": {"status": "inactive"}},
        "status",
        "is changed by start, stop, pause and resume",
    ),
}


@pytest.mark.parametrize(("method", "path", "options", "field", "remedy"), UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_a_field_that_nobody_knows_is_named_with_what_to_do(
    house: House, method: str, path: str, options: dict[str, Any], field: str, remedy: str
) -> None:
    answer = await house.call(method, path, **options)

    said = {".".join(map(str, error["loc"])): error["msg"] for error in answer.body["errors"]}
    assert answer.status == 422
    assert remedy in said[field]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/auth/login", {f"x{number}": 1 for number in range(1000)}),
        (BASE, GOOD | {"parameters": {f"x{number}": 1 for number in range(1000)}}),
    ],
)
async def test_of_many_faults_the_first_fifty_are_told(house: House, path: str, body: dict[str, Any]) -> None:
    answer = await house.call("POST", path, body)

    assert (answer.status, len(answer.body["errors"])) == (422, 50)


FLOOD = {f"x{number}": [number] for number in range(1000)}


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/api/v1/auth/login", FLOOD, ()),
        (f"{BASE}/apply", {"configs": [GOOD, FLOOD]}, ("configs", 1)),
        ("/api/v1/notification-rules", {"webhook": FLOOD}, ("webhook",)),
        (BASE, GOOD | {"parameters": FLOOD}, ("parameters",)),
    ],
    ids=["a body", "one of many in it", "a part of it", "parameters of a task"],
)
async def test_of_a_flood_of_unknown_fields_nothing_but_the_first_fifty_is_looked_at(
    house: House, path: str, body: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    """An error of each of a million fields would take the event loop away for long enough to be taken for dead."""
    answer = await house.call("POST", path, body)

    told = [tuple(error["loc"]) for error in answer.body["errors"]]
    assert (answer.status, told) == (422, [(*place, f"x{number}") for number in range(50)])


async def test_a_list_nested_deeper_than_the_stack_in_the_place_of_objects_is_refused(house: House) -> None:
    body = b'{"configs": ' + b"[" * 1000 + b"]" * 1000 + b"}"

    assert (await house.call("POST", f"{BASE}/apply", body)).status == 400


async def test_a_state_that_stands_against_it_is_a_conflict(house: House) -> None:
    config = await house.config()

    assert is_problem(await house.call("POST", f"{BASE}/{config}/resume"), 409, "state")


async def test_a_name_that_is_taken_is_a_conflict(house: House) -> None:
    await house.config(name="only once")

    assert is_problem(await house.call("POST", BASE, GOOD | {"name": "only once"}), 409, "duplicate_name")


async def test_every_answer_has_an_id_of_its_own(house: House) -> None:
    answers = [await house.call("GET", path, token=None) for path in ("/livez", "/livez", "/nope", BASE)]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 4


async def test_a_bug_is_a_500_that_tells_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(house.resources.views, "config", broken)

    answer = await house.call("GET", f"{BASE}/1")

    assert is_problem(answer, 500, "internal")
    assert "secret" not in str(answer.body)


# Servers that are away


@asynccontextmanager
async def another_api(house: House, resources: Resources) -> AsyncIterator[House]:
    """A second API over the same tree, with other resources, and without the mailboxes' readers."""
    async with (
        TestServer(make_app(_services(resources, lambda: house.supervisor, Liveness(lambda: 0.0)))) as server,
        aiohttp.ClientSession() as session,
    ):
        yield House(resources, house.supervisor, str(server.make_url("")).rstrip("/"), session, house.tokens)


class NoBroker:
    """A broker that is away."""

    async def publish(self, _messages: object) -> None:
        raise Unavailable("broker")

    async def depths(self) -> dict[str, int]:
        raise Unavailable("broker")


@pytest.fixture(params=["postgres", "redis", "broker"])
async def without(request: pytest.FixtureRequest, house: House) -> AsyncIterator[tuple[str, House]]:
    """An API one of whose servers is away, and which one."""
    from horarium.keyspace.pool import connect  # noqa: PLC0415
    from horarium.sql.database import Database  # noqa: PLC0415

    await house.token("admin")
    r = house.resources
    plain = {f.name: getattr(r, f.name) for f in dataclasses.fields(Resources)}
    redis = connect(f"redis://{NOWHERE}")
    async with Database(f"postgresql://{NOWHERE}/none") as database:
        away: dict[str, Any] = {
            "postgres": {"database": database},
            "redis": {"redis": redis},
            "broker": {"sender": NoBroker()},
        }
        async with another_api(house, Resources(**(plain | away[request.param]))) as api:
            yield request.param, api
    await redis.aclose()


READS = [BASE, f"{BASE}/1", f"{BASE}/1/executions", "/api/v1/executions", "/api/v1/executions/active"]


@pytest.mark.parametrize("path", READS)
async def test_a_server_that_is_away_is_a_503_that_says_when_to_come_back(
    house: House, without: tuple[str, House], path: str
) -> None:
    which, api = without
    assert (await house.call("GET", "/api/v1/auth/me")).status == 200, "the caller is in the cache"

    answer = await api.call("GET", path)

    assert which == "broker" or is_problem(answer, 503, "unavailable")
    assert which == "broker" or int(answer.headers["Retry-After"]) >= 1
    assert which != "broker" or answer.status in (200, 404)


async def test_a_crowd_that_asks_for_readiness_is_told_of_a_few_looks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask: a hundred at once would have the servers too busy to answer any of them in time."""
    looks: list[str] = []
    answers: list[Answer] = []
    looked = anyio.Event()

    async def depths() -> dict[str, int]:
        looks.append("at the broker")
        await looked.wait()
        return {}

    async def a_crowd() -> None:
        answers.extend(await house.at_once(20, "GET", "/readyz"))

    async def somebody_looks() -> bool:
        return bool(looks)

    monkeypatch.setattr(house.resources.sender, "depths", depths)
    async with anyio.create_task_group() as group:
        group.start_soon(a_crowd)
        await eventually(somebody_looks)
        looked.set()

    assert [answer.status for answer in answers] == [200] * 20
    assert len(looks) < 20


async def test_readiness_names_what_is_away_and_liveness_does_not_care(without: tuple[str, House]) -> None:
    which, api = without

    ready, alive = await api.call("GET", "/readyz", token=None), await api.call("GET", "/livez", token=None)

    assert (ready.status, alive.status) == (503, 200)
    assert which in ready.body["blocked_by"]


class BrokenBroker(NoBroker):
    """A broker whose client has a bug."""

    async def depths(self) -> dict[str, int]:
        raise RuntimeError("not one of ours")


async def test_a_probe_that_fails_unexpectedly_blocks_readiness_and_is_logged_with_its_traceback(house: House) -> None:
    plain = {f.name: getattr(house.resources, f.name) for f in dataclasses.fields(Resources)}
    async with another_api(house, Resources(**(plain | {"sender": BrokenBroker()}))) as api:
        with capture_logs() as logs:
            ready = await api.call("GET", "/readyz", token=None)

    assert (ready.status, ready.body["blocked_by"]) == (503, ["broker"])
    (entry,) = [each for each in logs if each["event"] == "probe.failed"]
    assert (entry["server"], entry["exc_info"]) == ("broker", True)


async def test_the_tree_is_served_though_a_server_is_away(without: tuple[str, House]) -> None:
    which, api = without

    answer = await api.call("GET", "/api/v1/system/tree")

    assert answer.status == (503 if which == "redis" else 200)


async def test_the_status_says_that_the_broker_is_away(without: tuple[str, House]) -> None:
    which, api = without

    answer = await api.call("GET", "/api/v1/system/status")

    assert answer.status == (200 if which == "broker" else 503)
    assert which != "broker" or answer.body["broker_connected"] is False


async def test_a_write_while_the_broker_is_away_is_committed_and_sent_later(house: House) -> None:
    config = await house.config()
    plain = {f.name: getattr(house.resources, f.name) for f in dataclasses.fields(Resources)}
    async with another_api(house, Resources(**(plain | {"sender": NoBroker()}))) as api:
        answer = await api.call("POST", f"{BASE}/{config}/run")

    assert answer.status == 202
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 1
