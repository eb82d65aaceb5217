"""API keys: shown once, stored hashed, with a role and an end of their own, and refused once they are taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.clock import utc_now

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/api-keys"
CONFIGS = "/api/v1/task-configs"
MANUAL = {"task_type": "fail", "scheduler_type": "manual"}


async def status(house: House, key: str, method: str = "GET", path: str = CONFIGS, body: object = None) -> int:
    return (await house.call(method, path, body, token=key)).status


async def test_a_key_is_shown_once_and_kept_nowhere(house: House) -> None:
    made = await house.api_key(name="deploys", role="operator")
    text = made.pop("key")

    listed = (await house.get("/api-keys", limit=200))["items"]

    assert made in listed
    assert text.startswith(made["prefix"])
    assert made["prefix"].startswith("hk_")
    assert all(text not in str(entry) for entry in [listed, await house.get("/audit", limit=200)])
    stored = await house.sql("SELECT to_jsonb(k)::text FROM api_keys AS k WHERE id = $1", made["id"])
    assert text not in stored
    assert text[len(made["prefix"]) :] not in stored


@pytest.mark.parametrize(
    ("role", "reads", "writes", "administers"), [("viewer", 200, 403, 403), ("operator", 200, 201, 403)]
)
async def test_a_key_may_do_what_its_role_may(
    house: House, role: str, reads: int, writes: int, administers: int
) -> None:
    key = (await house.api_key(role=role))["key"]

    written = await status(house, key, "POST", CONFIGS, {"name": f"by a key, {role}", **MANUAL})

    assert await status(house, key) == reads
    assert written == writes
    assert await status(house, key, "GET", "/api/v1/users") == administers


async def test_a_key_that_is_taken_back_is_refused_at_once(house: House) -> None:
    made = await house.api_key()
    before = await status(house, made["key"])

    answer = await house.call("DELETE", f"{BASE}/{made['id']}")

    assert (before, answer.status) == (200, 204)
    assert await status(house, made["key"]) == 401
    assert (await house.call("DELETE", f"{BASE}/{made['id']}")).status == 404


async def test_a_key_is_refused_from_its_end_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await house.api_key(expires_at=(utc_now() + timedelta(hours=1)).isoformat())
    before = await status(house, made["key"])

    monkeypatch.setattr(house.resources.api_keys, "_clock", lambda: utc_now() + timedelta(hours=1))

    assert (before, await status(house, made["key"])) == (200, 401)


@pytest.mark.parametrize("text", ["hk_", "hk_short", f"hk_{'A' * 43}", f"hk_{'A' * 44}", f"hk_{'é' * 43}"])
async def test_a_text_that_is_no_key_of_ours_is_refused(house: House, text: str) -> None:
    answer = await house.call("GET", CONFIGS, token=None, headers={"Authorization": f"Bearer {text}"})

    assert (answer.status, answer.body["detail"]) == (401, "a valid access token is needed")


async def test_a_key_has_no_session_and_no_password(house: House) -> None:
    key = (await house.api_key(role="admin"))["key"]
    body = {"current_password": "none of it", "new_password": "none of it"}

    assert await status(house, key, "GET", "/api/v1/auth/me") == 403
    assert await status(house, key, "POST", "/api/v1/auth/logout") == 403
    assert await status(house, key, "POST", "/api/v1/auth/password", body) == 403


async def test_when_a_key_was_last_used_is_noted(house: House) -> None:
    made = await house.api_key()
    await status(house, made["key"])

    (shown,) = [key for key in (await house.get("/api-keys", limit=200))["items"] if key["id"] == made["id"]]
    assert made["last_used_at"] is None
    assert shown["last_used_at"] is not None


async def test_an_end_in_the_past_and_a_name_that_is_taken_are_refused(house: House) -> None:
    await house.api_key(name="Taken")

    past = await house.call("POST", BASE, {"name": "late", "expires_at": "2001-01-01T00:00:00Z"})
    taken = await house.call("POST", BASE, {"name": "tAKEN"})

    assert (past.status, past.faults) == (422, {"expires_at"})
    assert (taken.status, taken.body["code"]) == (409, "name")


async def test_keys_are_listed_page_by_page(house: House) -> None:
    made = [(await house.api_key())["id"] for _ in range(3)]
    seen, cursor = [], None
    while True:
        page = await house.get("/api-keys", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [key["id"] for key in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [key for key in seen if key in made] == made
    assert len(seen) == len(set(seen)) == page["total"]
