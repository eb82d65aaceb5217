"""Who may call what: one table, and every route of the API in it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

from horarium.http.app import ROUTES

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

ROLES = ("viewer", "operator", "admin")
BASE = "/api/v1/task-configs"
LOWEST: dict[str, str | None] = {
    "GET /livez": None,
    "GET /readyz": None,
    "GET /openapi.json": None,
    "GET /metrics": None,
    "POST /api/v1/auth/login": None,
    "POST /api/v1/auth/refresh": None,
    "POST /api/v1/auth/logout": "viewer",
    "GET /api/v1/auth/me": "viewer",
    "POST /api/v1/auth/password": "viewer",
    "GET /api/v1/users": "admin",
    "POST /api/v1/users": "admin",
    "GET /api/v1/users/{user_id}": "admin",
    "PATCH /api/v1/users/{user_id}": "admin",
    "DELETE /api/v1/users/{user_id}": "admin",
    "GET /api/v1/api-keys": "admin",
    "POST /api/v1/api-keys": "admin",
    "DELETE /api/v1/api-keys/{key_id}": "admin",
    "GET /api/v1/audit": "admin",
    "GET /api/v1/task-types": "viewer",
    f"GET {BASE}": "viewer",
    f"POST {BASE}": "operator",
    f"GET {BASE}/{{config_id}}": "viewer",
    f"PATCH {BASE}/{{config_id}}": "operator",
    f"DELETE {BASE}/{{config_id}}": "operator",
    f"POST {BASE}/{{config_id}}/start": "operator",
    f"POST {BASE}/{{config_id}}/stop": "operator",
    f"POST {BASE}/{{config_id}}/pause": "operator",
    f"POST {BASE}/{{config_id}}/resume": "operator",
    f"POST {BASE}/{{config_id}}/reload": "operator",
    f"POST {BASE}/{{config_id}}/run": "operator",
    f"GET {BASE}/{{config_id}}/next-runs": "viewer",
    f"GET {BASE}/{{config_id}}/history": "viewer",
    f"GET {BASE}/{{config_id}}/executions": "viewer",
    "GET /api/v1/executions": "viewer",
    "GET /api/v1/executions/active": "viewer",
    "GET /api/v1/executions/{task_id}": "viewer",
    "POST /api/v1/executions/{task_id}/cancel": "operator",
    "GET /api/v1/schedules": "viewer",
    "POST /api/v1/schedules/preview": "viewer",
    "GET /api/v1/system/status": "viewer",
    "GET /api/v1/system/audit": "viewer",
    "GET /api/v1/system/tree": "viewer",
    "GET /api/v1/system/events": "viewer",
    "GET /api/v1/system/actors/{actor_id}": "viewer",
    "POST /api/v1/system/actors/{actor_id}/restart": "admin",
}
GUARDED = {call: role for call, role in LOWEST.items() if role is not None}


def served() -> set[str]:
    return {f"{route.method} {re.sub(r':[^}]*}}?', '}', route.path)}" for route in ROUTES}


def filled(call: str) -> tuple[str, str]:
    """Method and path, about things that are not there."""
    method, _, path = call.partition(" ")
    return method, path.format(
        config_id=999_999_999, user_id=999_999_999, key_id=999_999_999, task_id=uuid.uuid4(), actor_id="nobody"
    )


def test_the_table_names_every_route() -> None:
    assert served() == set(LOWEST)


@pytest.mark.parametrize("call", GUARDED)
async def test_without_a_token_nothing_is_told(house: House, call: str) -> None:
    method, path = filled(call)

    answer = await house.call(method, path, token=None)

    assert (answer.status, answer.body["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", GUARDED)
async def test_a_role_may_call_what_the_table_says(house: House, call: str, role: str) -> None:
    method, path = filled(call)

    answer = await house.call(method, path, token=await house.new_token(role))

    forbidden = ROLES.index(role) < ROLES.index(GUARDED[call])
    assert (answer.status == 403) is forbidden, answer
    assert answer.status not in (401, 500)


@pytest.mark.parametrize("call", sorted(LOWEST.keys() - GUARDED.keys()))
async def test_what_is_open_asks_for_no_token(house: House, call: str) -> None:
    method, path = filled(call)

    answer = await house.call(method, path, token=None)

    assert answer.status in (200, 415)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer \u00e9", "bearer x y"]
)
async def test_a_token_that_is_none_is_refused(house: House, header: str) -> None:
    answer = await house.call("GET", "/api/v1/auth/me", token=None, headers={"Authorization": header})

    assert answer.status == 401


async def test_a_disabled_user_is_refused_at_once(house: House) -> None:
    token = await house.new_token("viewer")
    user = (await house.call("GET", "/api/v1/auth/me", token=token)).body["id"]

    await house.resources.users.forget(user)
    await house.sql("UPDATE users SET is_active = false WHERE id = $1", user)

    assert (await house.call("GET", "/api/v1/auth/me", token=token)).status == 401


async def test_a_role_does_not_see_that_a_thing_is_missing_before_it_may_touch_it(house: House) -> None:
    answer = await house.call("DELETE", f"{BASE}/999999999", token=await house.token("viewer"))

    assert answer.status == 403
