"""Attacks on refresh tokens, against the real service, Postgres and Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from redis import Redis as BlockingRedis
from structlog.testing import capture_logs

from horarium.errors import Unauthorized
from horarium.keyspace.tokens import HeldToken, Refused, Rotated, _digest
from tests.support.identity import HOUR, House, a_house, held

if TYPE_CHECKING:
    from collections.abc import Awaitable

pytestmark = pytest.mark.anyio


async def test_a_rotation_gives_a_pair_that_works_and_rotates_again(house: House, ada: int) -> None:
    first = await house.log_in()

    second = await house.refresh(first.refresh_token)
    third = await house.refresh(second.refresh_token)

    assert (await house.enter(third.access_token)).id == ada
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert (await held(house, third.refresh_token)).generation == 3


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("generation", [0, 1, 2])
async def test_replaying_any_dead_token_ends_its_whole_family(house: House, generation: int) -> None:
    first = await house.log_in()
    second = await house.refresh(first.refresh_token)
    third = await house.refresh(second.refresh_token)
    living = await house.refresh(third.refresh_token)
    dead = [first, second, third][generation].refresh_token

    with capture_logs() as logs, pytest.raises(Unauthorized):
        await house.refresh(dead)

    with pytest.raises(Unauthorized):
        await house.refresh(living.refresh_token)
    assert [line["event"] for line in logs] == ["refresh_token.replayed"]
    assert dead not in str(logs)


async def test_a_replay_ends_no_other_family_of_the_user(open_house: House) -> None:
    await open_house.account()
    other = await open_house.log_in()
    robbed = await open_house.log_in()
    await open_house.refresh(robbed.refresh_token)

    with pytest.raises(Unauthorized):
        await open_house.refresh(robbed.refresh_token)

    assert await open_house.refresh(other.refresh_token)


@pytest.mark.usefixtures("ada")
async def test_a_replay_is_seen_though_postgres_is_away(house: House) -> None:
    first = await house.log_in()
    second = await house.refresh(first.refresh_token)
    await house.database.__aexit__(None, None, None)

    with pytest.raises(Unauthorized):
        await house.refresh(first.refresh_token)

    assert await house.redis.exists(house.keys.family((await held(house, second.refresh_token)).family)) == 0


@pytest.mark.parametrize("token", ["", "unknown", "\ud800", "a\0b", "*", "x" * 500])
async def test_an_unknown_token_is_refused(house: House, token: str) -> None:
    with pytest.raises(Unauthorized):
        await house.refresh(token)


@pytest.mark.usefixtures("ada")
async def test_an_access_token_is_no_refresh_token(house: House) -> None:
    pair = await house.log_in()

    with pytest.raises(Unauthorized):
        await house.refresh(pair.access_token)


@pytest.mark.usefixtures("ada")
async def test_a_refresh_token_is_no_access_token(house: House) -> None:
    pair = await house.log_in()

    with pytest.raises(Unauthorized):
        await house.enter(pair.refresh_token)


@pytest.mark.usefixtures("ada")
async def test_the_hash_that_redis_keeps_is_no_token(house: House) -> None:
    pair = await house.log_in()

    with pytest.raises(Unauthorized):
        await house.refresh(_digest(pair.refresh_token))


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(("remember_me", "days"), [(False, 7), (True, 30)])
async def test_refreshing_never_moves_the_end_of_a_login(house: House, remember_me: bool, days: int) -> None:
    pair = await house.log_in(remember_me=remember_me)
    first = await held(house, pair.refresh_token)
    house.clock.passes(HOUR)

    second = await held(house, (await house.refresh(pair.refresh_token)).refresh_token)

    assert first.expires_at == second.expires_at
    assert abs(first.expires_at - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.usefixtures("ada")
async def test_a_login_ends_at_its_expiry(house: House) -> None:
    pair = await house.log_in()
    house.clock.passes(timedelta(days=7))

    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def test_everything_in_redis_runs_out_by_itself(house: House, ada: int) -> None:
    pair = await house.refresh((await house.log_in()).refresh_token, "mine")
    await house.enter(pair.access_token)

    left = {key: await house.redis.pttl(key) for key in await house.every_key()}

    # two tokens, the retry, the family, the user's index, the cached user, the known address, five counts of guesses
    assert len(left) == 12
    assert house.keys.user_tokens(ada).encode() in left
    assert min(left.values()) > 0
    assert max(left.values()) <= 30 * 86_400_000


async def test_the_index_of_a_user_lives_as_long_as_the_longest_login(open_house: House) -> None:
    user = await open_house.account()
    await open_house.log_in(remember_me=True)

    await open_house.log_in()

    assert await open_house.redis.ttl(open_house.keys.user_tokens(user)) > 29 * 86_400


async def test_a_login_ends_the_earlier_ones_where_one_session_is_the_rule(house: House, ada: int) -> None:
    first = await house.log_in()

    second = await house.log_in()

    assert len(await house.families(ada)) == 1
    with pytest.raises(Unauthorized):
        await house.refresh(first.refresh_token)
    assert await house.refresh(second.refresh_token)


async def test_a_login_leaves_other_users_alone(house: House) -> None:
    await house.account("ada")
    await house.account("bob")
    pair = await house.log_in("ada")

    await house.log_in("bob")

    assert await house.refresh(pair.refresh_token)


async def test_logins_stand_side_by_side_where_that_is_allowed(open_house: House) -> None:
    user = await open_house.account()

    pairs = [await open_house.log_in() for _ in range(3)]

    assert len(await open_house.families(user)) == 3
    assert [await open_house.refresh(pair.refresh_token) for pair in pairs]


@pytest.mark.usefixtures("ada")
async def test_a_family_that_ended_is_not_brought_back(house: House) -> None:
    pair = await house.log_in()
    presented = await held(house, pair.refresh_token)
    await house.refresh_tokens.revoke_user(presented.user_id)

    assert await house.refresh_tokens.rotate(presented, now=datetime.now(UTC)) == Refused("ended")


async def test_after_a_flush_nobody_can_refresh_and_everybody_can_log_in(emptied_ledger: str, redis_db: str) -> None:
    async with a_house(emptied_ledger, redis_db) as house:
        await house.account()
        pair = await house.log_in()
        await house.redis.flushdb()

        with pytest.raises(Unauthorized):
            await house.refresh(pair.refresh_token)

        assert await house.refresh((await house.log_in()).refresh_token)


async def test_a_flush_lets_nobody_in_who_was_out_before(emptied_ledger: str, redis_db: str) -> None:
    """Every login ends, and what ended before stays ended: that is Postgres' to know, and not Redis'."""
    async with a_house(emptied_ledger, redis_db) as house:
        users = [await house.account(f"user {number}", password_hash="!") for number in range(30)]
        pairs = [await house.sessions.open(user, 1, remember_me=True) for user in users]
        for user in users[:10]:
            await house.log_out(user)
        for user in users[10:20]:
            await house.users.forget(user)
            await house.sql("UPDATE users SET is_active = false WHERE id = $1", user)
        await house.redis.flushdb()

        refreshed = [await is_let_in(house.refresh(pair.refresh_token)) for pair in pairs]
        entered = [await is_let_in(house.enter(pair.access_token)) for pair in pairs]

    assert refreshed == [False] * 30
    assert entered == [False] * 20 + [True] * 10  # until their access tokens run out


async def is_let_in(asking: Awaitable[object]) -> bool:
    try:
        await asking
    except Unauthorized:
        return False
    return True


async def test_a_redis_that_comes_back_with_old_data_revives_no_login(house: House, ada: int) -> None:
    """The login was ended, and then Redis forgot its last second: the session version still knows."""
    pair = await house.log_in()
    before = {key: await house.redis.dump(key) or b"" for key in await house.every_key()}
    await house.log_out(ada)
    for key, value in before.items():
        await house.redis.restore(key, 3_600_000, value, replace=True)

    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token)


async def test_redis_never_holds_a_token_or_a_password(emptied_ledger: str, redis_db: str) -> None:
    async with a_house(emptied_ledger, redis_db) as house:
        await house.account()
        first = await house.log_in()
        second = await house.refresh(first.refresh_token)
        await house.enter(second.access_token)

    dump = everything_in(redis_db)

    assert _digest(second.refresh_token).encode() in dump
    assert first.refresh_token.encode() not in dump
    assert second.refresh_token.encode() not in dump
    assert second.access_token.encode() not in dump
    assert b"argon2" not in dump
    assert b"staple" not in dump


def everything_in(url: str) -> bytes:
    """All keys and values as text, whatever their type."""
    readers = {b"string": "GET {}", b"hash": "HGETALL {}", b"zset": "ZRANGE {} 0 -1 WITHSCORES"}
    with BlockingRedis.from_url(url) as client:
        keys = list(client.scan_iter())
        values = [client.execute_command(*readers[client.type(key)].format(key.decode()).split()) for key in keys]
    return b"\n".join([*keys, *(repr(value).encode() for value in values)])


def test_tokens_are_in_no_repr() -> None:
    found = HeldToken("secret", "family", 1, 7, 1, datetime.now(UTC), spent=False)

    assert "secret" not in repr(Rotated("secret"))
    assert "secret" not in repr(found)
