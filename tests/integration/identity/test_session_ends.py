"""How sessions end: unused, one of them, all of a user's; and what is left of them in Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from horarium.errors import Unauthorized
from horarium.keyspace.tokens import Grant
from tests.support.identity import HOUR, House, held

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


async def is_over(house: House, token: str) -> bool:
    with pytest.raises(Unauthorized):
        await house.refresh(token)
    return True


# Unused


async def test_a_login_that_is_not_refreshed_for_two_days_ends(house: House, ada: int) -> None:
    pair = await house.log_in()
    house.clock.passes(2 * DAY)

    assert await is_over(house, pair.refresh_token)
    assert await house.families(ada) == []


@pytest.mark.usefixtures("ada")
async def test_redis_itself_lets_an_unused_login_run_out(house: House) -> None:
    pair = await house.log_in()

    left = await house.redis.pttl(house.keys.family((await held(house, pair.refresh_token)).family))

    assert timedelta(days=1.9) < timedelta(milliseconds=left) <= 2 * DAY


@pytest.mark.usefixtures("ada")
async def test_each_refresh_gives_two_days_more_but_none_beyond_the_end_of_the_login(house: House) -> None:
    pair = await house.log_in()
    for _ in range(4):
        house.clock.passes(1.5 * DAY)
        pair = await house.refresh(pair.refresh_token)

    house.clock.passes(DAY)

    assert await is_over(house, pair.refresh_token)


@pytest.mark.usefixtures("ada")
async def test_a_remembered_login_may_go_unused_until_it_ends(house: House) -> None:
    pair = await house.log_in(remember_me=True)
    house.clock.passes(29 * DAY)

    pair = await house.refresh(pair.refresh_token)

    house.clock.passes(DAY)
    assert await is_over(house, pair.refresh_token)


@pytest.mark.usefixtures("ada")
async def test_a_login_of_the_release_before_has_no_idle_end(house: House) -> None:
    """Its family names neither; a rolling update logs nobody out."""
    pair = await house.log_in()
    family = house.keys.family((await held(house, pair.refresh_token)).family)
    await house.redis.hdel(family, "idle", "ends")
    await house.redis.persist(family)
    house.clock.passes(3 * DAY)

    assert await house.refresh(pair.refresh_token)


# One


async def test_one_session_can_be_ended_and_the_others_go_on(open_house: House) -> None:
    user = await open_house.account()
    ended, other = await open_house.log_in(), await open_house.log_in()

    await open_house.end_session(ended.refresh_token)

    assert await is_over(open_house, ended.refresh_token)
    assert await open_house.refresh(other.refresh_token)
    assert len(await open_house.families(user)) == 1


@pytest.mark.usefixtures("ada")
async def test_a_dead_token_too_ends_its_session(house: House) -> None:
    pair = await house.log_in()
    living = await house.refresh(pair.refresh_token)

    await house.end_session(pair.refresh_token)

    assert await is_over(house, living.refresh_token)


async def test_ending_a_session_that_nobody_knows_is_no_error(house: House) -> None:
    await house.end_session("unknown")


# All


async def test_revoking_says_how_many_logins_ended(open_house: House) -> None:
    user = await open_house.account()
    await open_house.log_in()
    await open_house.log_in()

    assert await open_house.refresh_tokens.revoke_user(user) == 2
    assert await open_house.refresh_tokens.revoke_user(user) == 0


# The index


async def test_the_index_of_a_user_holds_living_logins_only(open_house: House) -> None:
    """Logins that ran out leave it with the next one, those that were ended at once."""
    user = await open_house.account()
    now = datetime.now(UTC)
    for minute in range(5):
        grant = Grant(user, 1, expires_at=now + timedelta(minutes=minute + 1), single_session=False)
        await open_house.refresh_tokens.issue(grant, now=now)
    robbed = await open_house.log_in()
    await open_house.refresh(robbed.refresh_token)
    assert await is_over(open_house, robbed.refresh_token)
    open_house.clock.passes(timedelta(minutes=3))

    await open_house.log_in()

    assert len(await open_house.families(user)) == 3


async def test_a_refresh_drops_logins_that_ran_out(open_house: House) -> None:
    user = await open_house.account()
    pair = await open_house.log_in()
    now = datetime.now(UTC)
    await open_house.refresh_tokens.issue(Grant(user, 1, now + HOUR, single_session=False), now=now)
    open_house.clock.passes(HOUR)

    await open_house.refresh(pair.refresh_token)

    assert len(await open_house.families(user)) == 1


async def test_after_1000_logins_and_their_ends_the_index_holds_the_living_ones_alone(open_house: House) -> None:
    """Unused, expired, ended one by one, replayed: whatever became of them."""
    user = await open_house.account()
    sessions = [await open_house.sessions.open(user, 1, remember_me=number % 2 == 0) for number in range(1000)]
    for number in range(0, 200, 2):
        await open_house.end_session(sessions[number].refresh_token)
    open_house.clock.passes(2 * DAY)  # the end of every second one, which was not to be remembered

    living = await open_house.log_in()

    assert len(await open_house.families(user)) == 400 + 1
    kept = [
        await open_house.redis.exists(open_house.keys.family(each.decode())) for each in await open_house.families(user)
    ]
    assert kept == [1] * 401
    open_house.clock.passes(28 * DAY)
    await is_over(open_house, living.refresh_token)
    await open_house.log_in()
    assert len(await open_house.families(user)) == 1
