"""The contract describes itself: the document is valid, whole, and every answer is as it says."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from uuid_utils.compat import uuid7

from horarium.http.app import ROUTES
from horarium.http.openapi import describe
from tests.support.beating import a_beating_worker
from tests.support.browser_session import OWN_PAGE, cookie_of
from tests.support.tree import PASSWORD
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = describe(ROUTES)
BASE = "/api/v1/task-configs"
OPERATIONS = [(path, method, op) for path, methods in DOCUMENT["paths"].items() for method, op in methods.items()]
BODIES: dict[str, Any] = {
    f"post {BASE}": {
        "name": "described", "task_type": "echo", "parameters": {"message": "m"}, "scheduler_type": "cron",
        "schedule_config": {"cron_expression": "* * * * *"}, "tags": ["a"],
    },
    f"post {BASE}/apply": {
        "configs": [
            {"name": "declared", "task_type": "echo", "parameters": {"message": "m"}, "scheduler_type": "manual"},
        ],
        "source": "described",
    },
    f"patch {BASE}/{{config_id}}": {"description": "edited", "end_at": None},
    f"post {BASE}/{{config_id}}/pause": {"reason": "lunch", "until": "2099-01-01T00:00:00Z"},
    f"post {BASE}/{{config_id}}/run": {"parameters": {"message": "by hand"}},
    f"post {BASE}/{{config_id}}/backfill": {"start": "2024-01-01T00:00:00Z", "end": "2024-01-02T00:00:00Z"},
    "post /api/v1/schedules/preview": {"scheduler_type": "interval", "schedule_config": {"hours": 1}},
    "post /api/v1/auth/login": {"username": "admin", "password": PASSWORD},
    "post /api/v1/auth/browser/login": {"username": "admin", "password": PASSWORD},
    "post /api/v1/auth/password": {"current_password": PASSWORD, "new_password": f"another: {PASSWORD}"},
    "post /api/v1/auth/revoke": {"refresh_token": "of nobody"},
    "post /api/v1/users": {"username": "described", "password": PASSWORD, "email": "d@example.org"},
    "patch /api/v1/users/{user_id}": {"full_name": "De Scribed", "role": "operator"},
    "put /api/v1/system/limits/{kind}/{name}": {"max_running": 3, "rate": 10, "period_seconds": 60},
    "post /api/v1/notification-rules": {"name": "d", "events": ["failed"], "webhook": {"url": "http://127.0.0.1:9"}},
    "patch /api/v1/notification-rules/{rule_id}": {"tags": ["described"]},
    "post /api/v1/api-keys": {"name": "described", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"},
}  # fmt: skip
GIVEN = ("ETag", "Location", "Retry-After", "WWW-Authenticate")
"""Fields of a head that mean something to whoever called."""
FIRST: dict[str, str] = {"start": "stop", "resume": "pause"}
"""Actions that need another one before them."""


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_route_is_described_once_and_by_a_name_of_its_own() -> None:
    described = {(method.upper(), path) for path, method, _ in OPERATIONS}
    served = {(route.method, re.sub(r":[^}]*}}?", "}", route.path)) for route in ROUTES}
    names = Counter(operation["operationId"] for *_, operation in OPERATIONS)

    assert described == served
    assert [name for name, times in names.items() if times > 1] == []


async def test_the_document_is_served(house: House) -> None:
    answer = await house.call("GET", "/openapi.json", token=None)

    assert answer.body == DOCUMENT


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
async def test_an_answer_is_as_the_document_says(
    house: House, path: str, method: str, operation: dict[str, Any]
) -> None:
    outcome = {"cancel": "running", "retry": "failed"}.get(path.rpartition("/")[2], "success")
    known = await told(house) if "notification" in path else await things(house, outcome)
    filled = path.format(**known)
    body = BODIES.get(f"{method} {path}")
    if path.endswith(("/auth/refresh", "/auth/revoke")):
        pair = await house.call("POST", "/api/v1/auth/login", BODIES["post /api/v1/auth/login"], token=None)
        body = {"refresh_token": pair.body["refresh_token"]}
    token = await house.new_token("admin")
    if path.endswith(("/executions/outcomes", "/task-configs/names")):
        filled = f"{filled}?config_ids=1,2"
    if path.endswith("/auth/password"):
        token = await house.logged_in()
    before = FIRST.get(path.rpartition("/")[2])
    if before is not None:
        await house.call("POST", f"{filled.rpartition('/')[0]}/{before}")
    query = (
        {"verify_scheduler_status": "true", "include_stats": "true"} if operation["operationId"] == "get_config" else {}
    )

    headers = OWN_PAGE | await cookie_of(house) if "/auth/browser/" in path else {}

    answer = await house.call(method.upper(), filled, body, token=token, headers=headers, **query)

    described = operation["responses"][str(answer.status)]
    assert answer.status < 300, answer
    assert [name for name in described["headers"] if name not in answer.headers] == []
    assert [name for name in GIVEN if name in answer.headers and name not in described["headers"]] == []
    (texts,) = [kind for kind in described.get("content", {}) if kind.startswith("text/")] or [None]
    if texts is not None:
        assert answer.headers["Content-Type"].startswith(texts)
    elif "content" in described:
        check(described["content"][answer.headers["Content-Type"].partition(";")[0]]["schema"], answer.body)
    else:
        assert answer.body is None


TASKS: dict[str, dict[str, Any]] = {
    "success": {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 6 * * *"}},
    "failed": {"task_type": "fail", "parameters": {}},
    "running": {"task_type": "sleep", "parameters": {"seconds": 60}},
}


async def told(house: House) -> dict[str, object]:
    """A rule, and a message of it that waits."""
    body = BODIES["post /api/v1/notification-rules"]
    rule_id = (await house.call("POST", "/api/v1/notification-rules", {**body, "name": str(uuid7())})).body["id"]
    message_id = await house.sql(
        "INSERT INTO notifications (id, rule_id, subject, event, config_id, config_name, content, status, created_at,"
        " next_try_at, give_up_at) VALUES ($1, $2, $1, 'failed', 1, 'a', '{}', 'pending', now(), now(), now())"
        " RETURNING id",
        uuid7(),
        rule_id,
    )
    return {"rule_id": rule_id, "notification_id": message_id}


async def things(house: House, outcome: str) -> dict[str, object]:
    """A config that fires, or one whose task fails or goes on; an execution of it that has come to this; an actor.

    And a worker that does no more than live.
    """
    config = await house.config(**TASKS[outcome])
    run = await house.call("POST", f"{BASE}/{config}/run")

    async def as_wanted() -> bool:
        shown = await house.get(f"/executions/{run.body['task_id']}")
        return bool(shown["status"] == outcome)

    await eventually(as_wanted)
    await house.call("PUT", "/api/v1/system/limits/queue/described", {"max_running": 1})
    known = {"config_id": config, "task_id": run.body["task_id"], "actor_id": "cleanup"}
    known["worker_id"] = await a_beating_worker(house)
    known |= {"kind": "queue", "name": "described"}
    return {**known, "user_id": await house.user(), "key_id": (await house.api_key())["id"]}


def check(schema: dict[str, Any], content: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(content)


async def test_a_problem_is_as_the_document_says(house: House) -> None:
    answer = await house.call("POST", BASE, {})

    described = resolved(DOCUMENT["paths"][BASE]["post"]["responses"]["422"])
    check(described["content"]["application/problem+json"]["schema"], answer.body)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the document stands for."""
    found: dict[str, Any] = DOCUMENT
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def schema_of(model: str) -> dict[str, Any]:
    schema: dict[str, Any] = DOCUMENT["components"]["schemas"][model]
    return schema


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_every_call_says_what_it_does_and_every_refusal_is_a_problem(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    refusals = {status: resolved(each) for status, each in operation["responses"].items() if int(status) >= 400}

    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert {"400", "422", "431", "503"} <= set(refusals)
    assert ("401" in refusals) >= bool(operation["security"])
    assert ("404" in refusals) == ("{" in path)
    assert ("409" in refusals) <= (method != "get")
    assert all("application/problem+json" in refusal["content"] for refusal in refusals.values())
    assert all("X-Request-Id" in refusal["headers"] for refusal in refusals.values())


@pytest.mark.parametrize("status", ["429", "503"])
def test_whoever_is_to_come_back_is_told_when(status: str) -> None:
    described = resolved(DOCUMENT["paths"]["/api/v1/auth/login"]["post"]["responses"][status])

    assert "Retry-After" in described["headers"]


@pytest.mark.parametrize(
    ("path", "method", "header"),
    [
        (f"{BASE}/{{config_id}}", "patch", "If-Match"),
        (f"{BASE}/{{config_id}}", "delete", "If-Match"),
        (f"{BASE}/{{config_id}}/run", "post", "Idempotency-Key"),
    ],
)
def test_a_header_field_that_a_call_reads_is_described(path: str, method: str, header: str) -> None:
    parameters = DOCUMENT["paths"][path][method]["parameters"]

    assert [p["name"] for p in parameters if p["in"] == "header"] == [header]


def test_null_is_described_where_it_is_taken_and_nowhere_else() -> None:
    edit, user = schema_of("TaskConfigPatch")["properties"], schema_of("UserPatch")["properties"]
    queries = [p["schema"] for *_, operation in OPERATIONS for p in operation["parameters"] if p["in"] == "query"]

    assert {name for name, field in edit.items() if "null" in str(field)} == {"start_at", "end_at"}
    assert {name for name, field in user.items() if "null" in str(field)} == {"email", "full_name"}
    assert [schema for schema in queries if "null" in str(schema)] == []


def test_an_answer_always_has_all_of_its_fields() -> None:
    execution = schema_of("Execution")

    assert set(execution["required"]) == set(execution["properties"])


def test_words_that_many_models_share_are_one_schema() -> None:
    assert schema_of("Execution")["properties"]["status"] == {"$ref": "#/components/schemas/ExecutionStatus"}
    assert "skipped" in schema_of("ExecutionStatus")["enum"]


@pytest.mark.parametrize("model", ["TaskConfigCreate", "TaskConfigPatch", "Login", "UserCreate", "SchedulePreview"])
def test_the_examples_of_a_body_are_good_ones(model: str) -> None:
    examples = schema_of(model)["examples"]

    assert examples
    for example in examples:
        check(schema_of(model), example)


def test_the_document_links_to_nothing_outside_itself() -> None:
    assert re.findall(r"https?://(?!json-schema\.org|[a-z.]*\.example/)[^\"']+", str(DOCUMENT)) == []
