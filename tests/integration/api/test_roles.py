"""Who may call what: one table, and every route of the API in it."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest

from horarium.clock import utc_now
from horarium.http.app import ROUTES

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

ROLES = ("viewer", "operator", "admin")
BASE = "/api/v1/task-configs"
LOWEST: dict[str, str | None] = {
    "GET /livez": None,
    "GET /readyz": None,
    "GET /openapi.json": None,
    "GET /horarium.schema.json": None,
    "GET /metrics": None,
    "POST /api/v1/auth/login": None,
    "POST /api/v1/auth/refresh": None,
    "POST /api/v1/auth/revoke": None,
    "POST /api/v1/auth/logout": "viewer",
    "GET /api/v1/auth/me": "viewer",
    "POST /api/v1/auth/password": "viewer",
    "POST /api/v1/auth/browser/login": "own page",
    "POST /api/v1/auth/browser/refresh": "own page",
    "POST /api/v1/auth/browser/logout": "viewer",
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
    f"GET {BASE}/names": "viewer",
    f"POST {BASE}/apply": "viewer",
    f"GET {BASE}/{{config_id}}": "viewer",
    f"PATCH {BASE}/{{config_id}}": "operator",
    f"DELETE {BASE}/{{config_id}}": "operator",
    f"POST {BASE}/{{config_id}}/start": "operator",
    f"POST {BASE}/{{config_id}}/stop": "operator",
    f"POST {BASE}/{{config_id}}/pause": "operator",
    f"POST {BASE}/{{config_id}}/resume": "operator",
    f"POST {BASE}/{{config_id}}/reload": "operator",
    f"POST {BASE}/{{config_id}}/run": "operator",
    f"POST {BASE}/{{config_id}}/backfill": "viewer",
    f"GET {BASE}/{{config_id}}/next-runs": "viewer",
    f"GET {BASE}/{{config_id}}/history": "viewer",
    f"GET {BASE}/{{config_id}}/calendar": "viewer",
    f"GET {BASE}/{{config_id}}/durations": "viewer",
    f"GET {BASE}/{{config_id}}/executions": "viewer",
    "GET /api/v1/executions": "viewer",
    "GET /api/v1/executions/active": "viewer",
    "GET /api/v1/executions/outcomes": "viewer",
    "GET /api/v1/overview": "viewer",
    "GET /api/v1/executions/{task_id}": "viewer",
    "GET /api/v1/executions/{task_id}/logs": "viewer",
    "GET /api/v1/executions/{task_id}/related": "viewer",
    "POST /api/v1/executions/{task_id}/cancel": "operator",
    "POST /api/v1/executions/{task_id}/retry": "operator",
    "GET /api/v1/events": "viewer",
    "GET /api/v1/schedules": "viewer",
    "POST /api/v1/schedules/preview": "viewer",
    "GET /api/v1/system/status": "viewer",
    "GET /api/v1/system/audit": "viewer",
    "GET /api/v1/system/queues": "viewer",
    "GET /api/v1/system/limits": "viewer",
    "GET /api/v1/notification-rules": "viewer",
    "POST /api/v1/notification-rules": "admin",
    "GET /api/v1/notification-rules/{rule_id}": "viewer",
    "PATCH /api/v1/notification-rules/{rule_id}": "admin",
    "DELETE /api/v1/notification-rules/{rule_id}": "admin",
    "POST /api/v1/notification-rules/{rule_id}/rotate-secret": "admin",
    "POST /api/v1/notification-rules/{rule_id}/test": "admin",
    "GET /api/v1/notifications": "viewer",
    "POST /api/v1/notifications/{notification_id}/retry": "operator",
    "PUT /api/v1/system/limits/{kind}/{name}": "operator",
    "DELETE /api/v1/system/limits/{kind}/{name}": "operator",
    "GET /api/v1/system/tree": "viewer",
    "GET /api/v1/system/events": "viewer",
    "GET /api/v1/system/actors/{actor_id}": "viewer",
    "POST /api/v1/system/actors/{actor_id}/restart": "admin",
    "GET /api/v1/system/workers": "viewer",
    "GET /api/v1/system/workers/{worker_id}": "viewer",
    "POST /api/v1/system/workers/{worker_id}/pause": "operator",
    "POST /api/v1/system/workers/{worker_id}/resume": "operator",
    "POST /api/v1/system/workers/{worker_id}/drain": "admin",
}
OF_PEOPLE = ("GET /api/v1/auth/me", "POST /api/v1/auth/logout", "POST /api/v1/auth/browser/logout")
"""Calls about the caller's own account, which a machine has none of; that of a new password reads its body first."""
KEYS = tuple(f"{role}'s API key" for role in ROLES)
NOBODY = ("nobody", "an expired token", "another's signature", "a dead API key")


def served() -> set[str]:
    return {f"{route.method} {re.sub(r':[^}]*}}?', '}', route.path)}" for route in ROUTES}


def filled(call: str) -> tuple[str, str]:
    """Method and path, about things that are not there."""
    method, _, path = call.partition(" ")
    return method, path.format(
        config_id=999_999_999,
        user_id=999_999_999,
        key_id=999_999_999,
        task_id=uuid.uuid4(),
        actor_id="nobody",
        worker_id="nobody",
        rule_id=999_999_999,
        notification_id=uuid.uuid4(),
        kind="queue",
        name="nobodys",
    )


def test_the_table_names_every_route() -> None:
    assert served() == set(LOWEST)


@pytest.fixture(scope="module")
async def known(house: House) -> dict[str, str]:
    """API keys by their role, and the credentials that nobody is to be let in with."""
    keys = {f"{role}'s API key": (await house.api_key(role=role))["key"] for role in ROLES}
    dead = await house.api_key(role="admin")
    assert (await house.call("DELETE", f"/api/v1/api-keys/{dead['id']}")).status == 204
    admin, _, signature = (await house.new_token("admin")).rpartition(".")
    claims = jwt.decode(f"{admin}.{signature}", options={"verify_signature": False})
    header = jwt.get_unverified_header(f"{admin}.{signature}")
    user, version = int(claims["sub"]), claims["sv"]
    expired, _ = house.resources.access_tokens.issue(user, version, now=utc_now() - timedelta(days=1))
    stolen = jwt.encode(claims, "the key of another house, long enough", headers=header)
    return keys | {"an expired token": expired, "another's signature": stolen, "a dead API key": dead["key"]}


@pytest.mark.parametrize("who", [*ROLES, *KEYS, *NOBODY])
@pytest.mark.parametrize("call", LOWEST)
async def test_every_call_answers_everybody_as_the_table_says(
    house: House, known: dict[str, str], call: str, who: str
) -> None:
    method, path = filled(call)
    token = await house.new_token(who) if who in ROLES else known.get(who)

    answer = await house.call(method, path, token=token)

    assert verdict(answer) == due(call, who), answer
    assert answer.status != 500


def due(call: str, who: str) -> str:
    """What the table says."""
    lowest = LOWEST[call]
    if lowest is None:
        return "let in"
    if lowest == "own page":  # whoever asks without being one is told so, whatever else they bear
        return "forbidden"
    if who in NOBODY:
        return "refused"
    role = who.partition("'")[0]
    too_low = ROLES.index(role) < ROLES.index(lowest)
    return "forbidden" if too_low or (who in KEYS and call in OF_PEOPLE) else "let in"


def verdict(answer: Answer) -> str:
    """What became of the caller; whoever is let in may still hear that there is no such thing."""
    if answer.status == 401:
        assert answer.body["code"] == "unauthorized"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        return "refused"
    return "forbidden" if answer.status == 403 else "let in"


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


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{BASE}/apply", {"configs": []}),
        (f"{BASE}/999999999/backfill", {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}),
    ],
    ids=["apply", "backfill"],
)
async def test_a_viewer_may_ask_what_would_change_and_change_nothing(
    house: House, path: str, body: dict[str, object], dry_run: bool
) -> None:
    answer = await house.call("POST", path, body | {"dry_run": dry_run}, token=await house.token("viewer"))

    assert verdict(answer) == ("let in" if dry_run else "forbidden"), answer


async def test_a_role_does_not_see_that_a_thing_is_missing_before_it_may_touch_it(house: House) -> None:
    answer = await house.call("DELETE", f"{BASE}/999999999", token=await house.token("viewer"))

    assert answer.status == 403
