"""Logging in and out, and the access token in between."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from argon2 import PasswordHasher

from horarium.errors import NotFound, Unauthorized, Unavailable
from horarium.identity.access_tokens import REFUSED
from horarium.identity.passwords import Passwords
from horarium.keyspace.pool import connect
from horarium.sql.queries import QUERIES
from tests.support.identity import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

OLD_HASH = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
BCRYPT_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


async def test_a_login_lets_its_user_in(house: House, ada: int) -> None:
    pair = await house.log_in()

    user = await house.enter(pair.access_token)

    assert (user.id, user.username, user.role) == (ada, "ada", "viewer")
    assert pair.token_type == "bearer"
    assert timedelta(seconds=890) < pair.expires_at - house.clock() <= timedelta(seconds=900)


@pytest.mark.usefixtures("ada")
async def test_a_user_name_has_no_case(house: House) -> None:
    assert await house.log_in("ADA")


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "wrong"), ("ada", ""), ("ada", PASSWORD + " "), ("eve", PASSWORD), ("a\0da", PASSWORD), ("\ud800", "x")],
)
async def test_every_refused_login_is_refused_in_the_same_words(house: House, username: str, password: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        await house.log_in(username, password)

    assert str(refused.value) == "wrong username or password"


async def test_a_disabled_user_is_refused_in_the_same_words(house: House, ada: int) -> None:
    await disable(house, ada)

    with pytest.raises(Unauthorized, match=r"^wrong username or password$"):
        await house.log_in()


@pytest.mark.parametrize("old", [OLD_HASH, BCRYPT_HASH], ids=["argon2", "bcrypt"])
async def test_a_login_hashes_an_outdated_hash_anew(house: House, old: str) -> None:
    user = await house.account("ada", password_hash=old)

    await house.log_in()

    hashed = await house.sql("SELECT password_hash FROM users WHERE id = $1", user)
    assert hashed.startswith("$argon2id$")
    assert not Passwords()._hasher.check_needs_rehash(hashed)
    assert await house.log_in()


async def test_a_refused_login_hashes_nothing_anew(house: House) -> None:
    user = await house.account("ada", password_hash=OLD_HASH)

    with pytest.raises(Unauthorized):
        await house.log_in(password="wrong")

    assert await house.sql("SELECT password_hash FROM users WHERE id = $1", user) == OLD_HASH


async def test_hashing_anew_never_undoes_a_changed_password(house: House) -> None:
    user = await house.account("ada", password_hash="the new one")

    async with house.database.connection() as connection:
        await QUERIES.user_rehash.run(connection, id=user, known_hash=OLD_HASH, password_hash="the old one anew")

    assert await house.sql("SELECT password_hash FROM users WHERE id = $1", user) == "the new one"


# The end of a session


async def test_logging_out_stops_the_access_token_in_use_at_once(house: House, ada: int) -> None:
    pair = await house.log_in()
    await house.enter(pair.access_token)  # the user is cached now

    await house.log_out(ada)

    with pytest.raises(Unauthorized, match=f"^{REFUSED}$"):
        await house.enter(pair.access_token)
    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def test_logging_out_ends_every_login_of_the_user(open_house: House) -> None:
    user = await open_house.account()
    pairs = [await open_house.log_in() for _ in range(3)]

    await open_house.log_out(user)

    for pair in pairs:
        with pytest.raises(Unauthorized):
            await open_house.refresh(pair.refresh_token)
    assert await open_house.families(user) == []


async def test_one_can_log_in_again_after_logging_out(house: House, ada: int) -> None:
    await house.log_in()
    await house.log_out(ada)

    pair = await house.log_in()

    assert (await house.enter(pair.access_token)).session_version == 2
    assert await house.refresh(pair.refresh_token)


async def test_a_crash_right_after_the_version_rose_leaves_no_token_that_works(
    house: House, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the steps is what this is about: the cache is barred by then, the families need not be ended."""
    pair = await house.log_in()
    await house.enter(pair.access_token)

    async def die(_: int) -> None:
        raise EOFError

    monkeypatch.setattr(house.refresh_tokens, "revoke_user", die)
    with pytest.raises(EOFError):
        await house.log_out(ada)

    with pytest.raises(Unauthorized):
        await house.enter(pair.access_token)
    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def test_ending_the_sessions_of_nobody_is_no_error(house: House) -> None:
    await house.log_out(4711)


async def test_a_disabled_user_is_out(house: House, ada: int) -> None:
    pair = await house.log_in()
    await house.enter(pair.access_token)

    await house.users.forget(ada)
    await disable(house, ada)

    with pytest.raises(Unauthorized):
        await house.enter(pair.access_token)
    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def test_a_deleted_user_is_out(house: House, ada: int) -> None:
    pair = await house.log_in()
    await house.users.forget(ada)
    await house.sql("DELETE FROM users WHERE id = $1", ada)

    with pytest.raises(Unauthorized, match=f"^{REFUSED}$"):
        await house.enter(pair.access_token)
    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def disable(house: House, user: int) -> None:
    await house.sql("UPDATE users SET is_active = false WHERE id = $1", user)


# The header


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    "shape",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "Bearer",
        lambda _: "Bearer ",
        lambda token: token,
        lambda token: f"Basic {token}",
        lambda token: f"Bearer  {token}",
        lambda token: f"Bearer {token} ",
        lambda token: f"Bearer {token}, Bearer {token}",
        lambda token: f"Bearer\t{token}",
    ],
)
async def test_a_header_of_another_shape_is_refused(house: House, shape: Callable[[str], str | None]) -> None:
    pair = await house.log_in()

    with pytest.raises(Unauthorized, match=f"^{REFUSED}$"):
        await house.authenticator.authenticate(shape(pair.access_token))


async def test_the_scheme_has_no_case(house: House, ada: int) -> None:
    pair = await house.log_in()

    assert (await house.authenticator.authenticate(f"bEARER {pair.access_token}")).id == ada


# The cache


async def test_a_user_is_read_from_postgres_once(house: House, ada: int) -> None:
    first = await house.users.get(ada)
    await house.sql("UPDATE users SET full_name = 'Ada L.' WHERE id = $1", ada)

    assert await house.users.get(ada) == first
    assert 0 < await house.redis.ttl(house.keys.user(ada)) <= 300


async def test_a_forgotten_user_is_read_anew(house: House, ada: int) -> None:
    await house.users.get(ada)
    await house.sql("UPDATE users SET full_name = 'Ada L.' WHERE id = $1", ada)

    await house.users.forget(ada)

    assert (await house.users.get(ada)).full_name == "Ada L."


async def test_a_reader_of_an_older_row_cannot_put_it_back(
    house: House, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read before the change and stores after it: without the bar, five minutes of a logout that did not happen."""
    pair = await house.log_in()
    read = house.users.get_fresh

    async def read_and_be_overtaken(user_id: int) -> Any:
        user = await read(user_id)
        monkeypatch.undo()
        await house.log_out(user_id)
        return user

    monkeypatch.setattr(house.users, "get_fresh", read_and_be_overtaken)
    await house.users.get(ada)

    with pytest.raises(Unauthorized):
        await house.enter(pair.access_token)


async def test_a_reader_who_met_the_bar_stores_nothing_though_the_bar_goes(
    house: House, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = house.users.get_fresh

    async def read_until_the_bar_is_gone(user_id: int) -> Any:
        user = await read(user_id)
        await house.redis.delete(house.keys.user(user_id))
        return user

    monkeypatch.setattr(house.users, "get_fresh", read_until_the_bar_is_gone)
    await house.users.forget(ada)

    await house.users.get(ada)

    assert await house.redis.exists(house.keys.user(ada)) == 0


@pytest.mark.parametrize("copy", [b"{}", b"no JSON", b'{"id": 1, "role": "emperor"}'])
async def test_a_copy_that_another_release_wrote_is_passed_over(house: House, ada: int, copy: bytes) -> None:
    await house.redis.set(house.keys.user(ada), copy, ex=60)

    assert (await house.users.get(ada)).username == "ada"


async def test_an_unknown_user_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.users.get(4711)


# Servers that are away


async def test_with_redis_away_nobody_is_let_in_and_nobody_refused(house: House, ada: int) -> None:
    pair = await house.log_in()
    await house.enter(pair.access_token)
    async with away() as redis:
        for part in (house.users, house.refresh_tokens, house.credentials._throttle):
            part.__init__(*((house.database,) if part is house.users else ()), redis, house.keys)  # type: ignore[misc]

        with pytest.raises(Unavailable):
            await house.enter(pair.access_token)
        with pytest.raises(Unavailable):
            await house.refresh(pair.refresh_token)
        with pytest.raises(Unavailable):
            await house.log_in()
        with pytest.raises(Unavailable):
            await house.log_out(ada)

    assert await house.sql("SELECT session_version FROM users WHERE id = $1", ada) == 1


def away() -> Any:
    return connect("redis://127.0.0.1:1/0")


@pytest.mark.usefixtures("ada")
async def test_with_postgres_away_a_refresh_costs_nothing_but_time(house: House) -> None:
    """The token is not changed before it is known that its holder may go on."""
    pair = await house.log_in()
    await house.database.__aexit__(None, None, None)

    with pytest.raises(Unavailable):
        await house.refresh(pair.refresh_token)

    async with house.database:
        assert await house.refresh(pair.refresh_token)
