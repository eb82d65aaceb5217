"""The contract describes itself: the document is valid, whole, and every answer is as it says."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from horarium.http.app import ROUTES
from horarium.http.openapi import describe
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
    "post /api/v1/auth/password": {"current_password": PASSWORD, "new_password": f"another: {PASSWORD}"},
    "post /api/v1/auth/revoke": {"refresh_token": "of nobody"},
    "post /api/v1/users": {"username": "described", "password": PASSWORD, "email": "d@example.org"},
    "patch /api/v1/users/{user_id}": {"full_name": "De Scribed", "role": "operator"},
    "post /api/v1/api-keys": {"name": "described", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"},
}  # fmt: skip
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
    filled = path.format(**await things(house, outcome))
    body = BODIES.get(f"{method} {path}")
    if path.endswith(("/auth/refresh", "/auth/revoke")):
        pair = await house.call("POST", "/api/v1/auth/login", BODIES["post /api/v1/auth/login"], token=None)
        body = {"refresh_token": pair.body["refresh_token"]}
    token = await house.new_token("admin")
    if path.endswith("/auth/password"):
        token = await house.logged_in()
    before = FIRST.get(path.rpartition("/")[2])
    if before is not None:
        await house.call("POST", f"{filled.rpartition('/')[0]}/{before}")
    query = (
        {"verify_scheduler_status": "true", "include_stats": "true"} if operation["operationId"] == "get_config" else {}
    )

    answer = await house.call(method.upper(), filled, body, token=token, **query)

    described = operation["responses"][str(answer.status)]
    assert answer.status < 300, answer
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


async def things(house: House, outcome: str) -> dict[str, object]:
    """A config that fires, or one whose task fails or goes on; an execution of it that has come to this; an actor."""
    config = await house.config(**TASKS[outcome])
    run = await house.call("POST", f"{BASE}/{config}/run")

    async def as_wanted() -> bool:
        shown = await house.get(f"/executions/{run.body['task_id']}")
        return bool(shown["status"] == outcome)

    await eventually(as_wanted)
    known = {"config_id": config, "task_id": run.body["task_id"], "actor_id": "cleanup"}
    return {**known, "user_id": await house.user(), "key_id": (await house.api_key())["id"]}


def check(schema: dict[str, Any], content: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(content)


async def test_a_problem_is_as_the_document_says(house: House) -> None:
    answer = await house.call("POST", BASE, {})

    operation = DOCUMENT["paths"][BASE]["post"]
    check(operation["responses"]["422"]["content"]["application/problem+json"]["schema"], answer.body)


def test_the_document_links_to_nothing_outside_itself() -> None:
    assert re.findall(r"https?://(?!json-schema\.org)[^\"']+", str(DOCUMENT)) == []
