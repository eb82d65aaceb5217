"""Users: what changes who may do what ends the sessions from before it, and one admin there is always."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support.tree import PASSWORD, credentials
from tests.support.waiting import WAITING_FOR_A_LOCK, eventually

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/users"
ANOTHER = f"another: {PASSWORD}"


async def whoami(house: House, token: str) -> Answer:
    return await house.call("GET", "/api/v1/auth/me", token=token)


async def edited(house: House, user: int, **fields: Any) -> Answer:
    return await house.call("PATCH", f"{BASE}/{user}", fields)


async def log_in(house: House, user: int, password: str = PASSWORD) -> Answer:
    username = (await house.get(f"/users/{user}"))["username"]
    return await house.call("POST", "/api/v1/auth/login", credentials(username, password), token=None)


async def pair_of(house: House, user: int) -> tuple[str, str]:
    """An access and a refresh token of the user."""
    answer = await log_in(house, user)
    assert answer.status == 200, answer
    return answer.body["access_token"], answer.body["refresh_token"]


# Making, reading, listing


async def test_a_new_user_is_shown_as_it_was_given_and_can_log_in(house: House) -> None:
    body = {"username": "Grace Hopper", "password": PASSWORD, "email": "grace@example.org", "full_name": "Grace H."}

    answer = await house.call("POST", BASE, {**body, "role": "operator"})

    shown = {"username": "Grace Hopper", "email": "grace@example.org", "full_name": "Grace H."}
    assert answer.status == 201
    assert answer.headers["Location"] == f"{BASE}/{answer.body['id']}"
    assert answer.body.items() >= {**shown, "role": "operator", "is_active": True}.items()
    assert (await house.call("GET", answer.headers["Location"])).body == answer.body
    assert (await log_in(house, answer.body["id"])).status == 200


async def test_nothing_that_is_shown_of_a_user_is_secret(house: House) -> None:
    shown = await house.get(f"/users/{await house.user()}")

    assert set(shown) == {
        "id", "username", "email", "full_name", "role", "is_active", "created_at", "updated_at",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"username": ""}, "username"),
        ({"username": "a\tb"}, "username"),
        ({"password": "short"}, "password"),
        ({"role": "root"}, "role"),
        ({"email": "nowhere"}, "email"),
        ({"is_active": "yes"}, "is_active"),
        ({"surname": "X"}, "surname"),
    ],
)
async def test_what_is_wrong_with_a_user_is_named(house: House, fields: dict[str, Any], fault: str) -> None:
    user = await house.user()

    made = await house.call("POST", BASE, {"username": "nobody", "password": PASSWORD, **fields})
    changed = await house.call("PATCH", f"{BASE}/{user}", fields)

    assert (made.status, made.faults) == (422, {fault})
    assert (changed.status, changed.faults) == (422, {fault})


@pytest.mark.parametrize("field", ["username", "role", "is_active", "password"])
async def test_what_every_user_has_cannot_be_emptied(house: House, field: str) -> None:
    answer = await edited(house, await house.user(), **{field: None})

    assert (answer.status, answer.faults) == (422, {field})


async def test_a_name_is_taken_however_it_is_spelt(house: House) -> None:
    await house.user(username="Ada")
    other = await house.user()

    made = await house.call("POST", BASE, {"username": "aDA", "password": PASSWORD})
    renamed = await edited(house, other, username="ADA")

    assert (made.status, made.body["code"]) == (409, "name")
    assert (renamed.status, renamed.body["code"]) == (409, "name")


async def test_users_are_listed_page_by_page_and_narrowed_down(house: House) -> None:
    mine = [await house.user(full_name="Needle", role=role) for role in ("viewer", "operator", "viewer")]
    await edited(house, mine[2], is_active=False)

    first = await house.get("/users", q="needle", limit=2)
    second = await house.get("/users", q="needle", limit=2, cursor=first["next_cursor"])
    active = await house.get("/users", q="NEEDLE", is_active="true", role="viewer")

    assert [user["id"] for user in [*first["items"], *second["items"]]] == mine
    assert (first["total"], second["next_cursor"]) == (3, None)
    assert [user["id"] for user in active["items"]] == mine[:1]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_user_that_is_not_there_is_not_found(house: House, method: str) -> None:
    answer = await house.call(method, f"{BASE}/999999999", {} if method == "PATCH" else None)

    assert answer.status == 404


# Sessions


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "operator"}, {"password": ANOTHER}])
async def test_what_changes_who_may_do_what_ends_every_session_at_once(house: House, change: dict[str, Any]) -> None:
    user = await house.user()
    access, refresh = await pair_of(house, user)
    before = await whoami(house, access)

    answer = await edited(house, user, **change)

    renewed = await house.call("POST", "/api/v1/auth/refresh", {"refresh_token": refresh}, token=None)
    assert (before.status, answer.status) == (200, 200)
    assert ((await whoami(house, access)).status, renewed.status) == (401, 401)
    assert await house.resources.redis.exists(house.resources.keys.user_tokens(user)) == 0


@pytest.mark.parametrize("change", [{"full_name": "New"}, {"email": None}, {"role": "viewer"}, {"is_active": True}])
async def test_any_other_edit_is_seen_at_once_and_ends_nothing(house: House, change: dict[str, Any]) -> None:
    user = await house.user(email="old@example.org")
    access, _ = await pair_of(house, user)
    await whoami(house, access)

    await edited(house, user, **change)

    seen = await whoami(house, access)
    assert seen.status == 200
    assert seen.body.items() >= change.items()


async def test_a_disabled_user_cannot_log_in_until_it_is_enabled(house: House) -> None:
    user = await house.user()
    await edited(house, user, is_active=False)
    refused = await log_in(house, user)

    await edited(house, user, is_active=True)

    assert refused.status == 401
    assert (await log_in(house, user)).status == 200


async def test_a_deleted_user_is_refused_at_once_and_what_it_made_stays(house: House) -> None:
    user = await house.user(role="operator")
    access, _ = await pair_of(house, user)
    body = {"name": "left behind", "task_type": "fail", "scheduler_type": "manual"}
    made = await house.call("POST", "/api/v1/task-configs", body, token=access)

    answer = await house.call("DELETE", f"{BASE}/{user}")

    assert (made.body["created_by"], answer.status) == (user, 204)
    assert (await whoami(house, access)).status == 401
    assert (await house.get(f"/task-configs/{made.body['id']}"))["created_by"] is None


# One's own password


async def test_ones_own_password_is_changed_by_whoever_knows_it(house: House) -> None:
    user = await house.user()
    access, _ = await pair_of(house, user)
    body = {"current_password": PASSWORD, "new_password": ANOTHER}

    answer = await house.call("POST", "/api/v1/auth/password", body, token=access)

    assert answer.status == 204
    assert (await whoami(house, access)).status == 401
    assert ((await log_in(house, user)).status, (await log_in(house, user, ANOTHER)).status) == (401, 200)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"current_password": "a guess", "new_password": ANOTHER}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
    ],
)
async def test_a_password_that_is_not_changed_ends_nothing(house: House, body: dict[str, str], fault: str) -> None:
    access = await house.logged_in()

    answer = await house.call("POST", "/api/v1/auth/password", body, token=access)

    assert (answer.status, answer.faults) == (422, {fault})
    assert (await whoami(house, access)).status == 200


async def test_ones_own_password_is_guessed_no_more_often_than_at_a_login(house: House) -> None:
    """Whoever has stolen a token has it for minutes, and would have the password for years."""
    user = await house.user()
    access, _ = await pair_of(house, user)
    guess = {"current_password": "a guess", "new_password": ANOTHER}
    right = {"current_password": PASSWORD, "new_password": ANOTHER}

    guesses = [await house.call("POST", "/api/v1/auth/password", guess, token=access) for _ in range(11)]
    answer = await house.call("POST", "/api/v1/auth/password", right, token=access)

    assert [each.status for each in guesses] == [422] * 10 + [429]
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (await log_in(house, user)).status == 429


async def test_a_password_that_an_admin_has_set_meanwhile_stays(house: House) -> None:
    """Whoever had the old one may be whom the new one is to keep out."""
    user = await house.user()
    access, _ = await pair_of(house, user)
    answers: list[Answer] = []

    async def change() -> None:
        body = {"current_password": PASSWORD, "new_password": ANOTHER}
        answers.append(await house.call("POST", "/api/v1/auth/password", body, token=access))

    async with anyio.create_task_group() as changing, house.resources.database.transaction() as reset:
        await reset.execute("UPDATE users SET password_hash = 'set by an admin' WHERE id = $1", user)
        changing.start_soon(change)
        await eventually(partial(house.sql, WAITING_FOR_A_LOCK))

    (answer,) = answers
    assert (answer.status, answer.faults) == (422, {"current_password"})
    assert await house.sql("SELECT password_hash FROM users WHERE id = $1", user) == "set by an admin"


# The last admin


async def only_admin(house: House) -> int:
    """The id of a new admin, with all others disabled."""
    await house.sql("UPDATE users SET is_active = false WHERE role = 'admin'")
    made = await house.sql(
        "INSERT INTO users (username, role, password_hash) VALUES ($1, 'admin', 'none') RETURNING id",
        f"last {anyio.current_time()}",
    )
    house.tokens.clear()
    return int(made)


@pytest.fixture
async def last(house: House) -> Any:
    """The last admin; afterwards there are others again."""
    yield await only_admin(house)
    await house.sql("UPDATE users SET is_active = true WHERE role = 'admin'")
    house.tokens.clear()


def issued(house: House, user: int) -> str:
    token, _ = house.resources.access_tokens.issue(user, 1, now=house.resources.clock())
    return token


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}])
async def test_the_last_admin_cannot_be_taken_away(house: House, last: int, change: dict[str, Any]) -> None:
    token = issued(house, last)

    demoted = await house.call("PATCH", f"{BASE}/{last}", change, token=token)
    deleted = await house.call("DELETE", f"{BASE}/{last}", token=token)

    assert [(a.status, a.body["code"]) for a in (demoted, deleted)] == [(409, "last_admin")] * 2
    assert (await whoami(house, token)).body["role"] == "admin"


async def test_of_two_admins_who_remove_each_other_at_once_one_stays(house: House, last: int) -> None:
    for attempt in range(10):
        name = f"rival {attempt} {anyio.current_time()}"
        other = await house.sql(
            "INSERT INTO users (username, role, password_hash) VALUES ($1, 'admin', 'none') RETURNING id", name
        )
        first, second = issued(house, last), issued(house, int(other))
        answers: list[int] = []

        async def remove(target: int, token: str, answers: list[int] = answers) -> None:
            answers.append((await house.call("PATCH", f"{BASE}/{target}", {"role": "viewer"}, token=token)).status)

        async with anyio.create_task_group() as group:
            group.start_soon(remove, other, first)
            group.start_soon(remove, last, second)

        admins = "SELECT id FROM users WHERE role = 'admin' AND is_active"
        assert await house.sql(f"SELECT count(*) FROM ({admins}) AS a") == 1, answers  # noqa: S608 - of this test
        await house.sql("UPDATE users SET role = 'admin', session_version = 1 WHERE id = $1", last)
        await house.sql("UPDATE users SET role = 'viewer' WHERE id = $1", other)
        await house.resources.users.forget(last)
