"""What schemathesis loads: who it is to the API, what it may not end, and bodies that keep the rules no schema says.

It is an admin whose token lasts longer than the run. Four things would end the run instead of testing anything, so
they are done to somebody or something else: a logout and a change of the own password are those of a new admin; an
edit or removal of the own account meets an account that is not there; and so does the restart of an actor that the
API itself rests on. Its logins come from addresses of their own, since it also guesses passwords, as it should.
"""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any
from zlib import crc32

import httpx
import schemathesis

if TYPE_CHECKING:
    from collections.abc import Mapping

API = httpx.Client(base_url=f"{os.environ['FUZZED_URL']}/api/v1", timeout=60)
PASSWORD = os.environ["FUZZED_PASSWORD"]
ADDRESSES = count(int(ip_address("198.18.0.1")))
ENDS_ITS_SESSION = ("log_out", "close_browser_session", "change_password")
CARRIES_THE_API = ("horarium", "servers", "postgres", "redis", "core", "api")
NOBODY = 10**15

TASKS: tuple[dict[str, Any], ...] = (
    {"task_type": "echo", "parameters": {"message": "fuzzed"}},
    {"task_type": "sleep", "parameters": {"seconds": 0.01}},
    {"task_type": "fail", "parameters": {"message": "fuzzed"}},
)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"scheduler_type": "manual", "schedule_config": {}},
    {"scheduler_type": "interval", "schedule_config": {"seconds": 1}},
    {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *", "timezone": "Europe/Paris"}},
    {"scheduler_type": "date", "schedule_config": {"run_date": f"{datetime.now(UTC) + timedelta(days=1):%FT%TZ}"}},
)


def log_in(username: str) -> str:
    """The token of a login from an address that has guessed nothing."""
    answer = API.post(
        "/auth/login",
        json={"username": username, "password": PASSWORD},
        headers={"X-Forwarded-For": str(ip_address(next(ADDRESSES)))},
    )
    return str(answer.raise_for_status().json()["access_token"])


@cache
def admin() -> tuple[str, int]:
    """The admin that the run is: its token and its id."""
    token = log_in("admin")
    return token, API.get("/auth/me", headers=bearer(token)).raise_for_status().json()["id"]


def another_admin() -> str:
    """The token of a new admin."""
    body = {"username": f"passing {uuid.uuid4().hex}", "password": PASSWORD, "role": "admin"}
    API.post("/users", json=body, headers=bearer(admin()[0])).raise_for_status()
    return log_in(body["username"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@schemathesis.auth(refresh_interval=None)
class Login:
    """How schemathesis authenticates a case."""

    def get(self, case: schemathesis.Case, _context: schemathesis.AuthContext) -> str:
        """The token that the case is to have."""
        ends = case.operation.definition.raw["operationId"] in ENDS_ITS_SESSION
        return another_admin() if ends else admin()[0]

    def set(self, case: schemathesis.Case, data: str, _context: schemathesis.AuthContext) -> None:
        """Let the case have it."""
        case.headers.update(bearer(data))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Keep the case from ending the run."""
    path = case.path_parameters or {}
    if str(path.get("user_id")) == str(admin()[1]) and case.method.upper() != "GET":
        path["user_id"] = NOBODY
    if path.get("actor_id") in CARRIES_THE_API:
        path["actor_id"] = "nobody"


@schemathesis.hook
def map_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Make every other good case one that keeps the rules no schema says; leave bad ones as they are."""
    number = crc32(repr((case.body, case.query)).encode())
    if case.meta is None or not case.meta.generation.mode.is_positive or number % 2:
        return case
    if case.query:
        case.query.pop("cursor", None)
    if isinstance(case.body, dict):
        case.body |= _kept(case.body, number // 2)
    return case


def _kept(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The fields of the body that have to go together, so that they do."""
    kept: dict[str, Any] = dict.fromkeys({"start_at", "end_at"} & body.keys())
    kept |= dict.fromkeys({"password", "current_password", "new_password"} & body.keys(), PASSWORD)
    if "scheduler_type" in body:
        kept |= SCHEDULES[number % len(SCHEDULES)]
    if "task_type" in body:
        kept |= TASKS[number % len(TASKS)]
    return kept
