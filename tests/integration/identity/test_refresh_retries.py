"""A rotation asked for twice: a retry is told from a theft by its key, the clock of Redis, and who moves on first."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from horarium.errors import Unauthorized, Unavailable
from horarium.keyspace.tokens import RETRY_MS, Rotated
from tests.support.identity import House, held, race

if TYPE_CHECKING:
    from horarium.model import TokenPair

pytestmark = pytest.mark.anyio

KEY = "what the caller knows its call by"


async def ends_the_family(house: House, user: int, dead: str, living: TokenPair, key: str | None = KEY) -> bool:
    """Whether presenting a dead token is refused, and the living one is no good afterwards."""
    for token in (dead, living.refresh_token):
        with pytest.raises(Unauthorized):
            await house.refresh(token, key)
    return await house.families(user) == []


async def test_a_retry_after_a_lost_answer_gets_the_same_successor_and_the_login_goes_on(
    house: House, ada: int
) -> None:
    pair = await house.log_in()
    lost = await house.refresh(pair.refresh_token, KEY)

    again = await house.refresh(pair.refresh_token, KEY)

    assert again.refresh_token == lost.refresh_token
    assert (await house.enter(again.access_token)).id == ada
    assert (await house.refresh(again.refresh_token)).refresh_token != again.refresh_token


@pytest.mark.usefixtures("ada")
async def test_a_retry_is_answered_for_ten_seconds_of_redis_own_clock(house: House) -> None:
    """Supervisors' clocks may be apart: none of them is asked."""
    pair = await house.log_in()
    await house.refresh(pair.refresh_token, KEY)

    left = await house.redis.pttl(house.kept_for_a_retry(pair.refresh_token, KEY))

    assert RETRY_MS == 10_000
    assert RETRY_MS - 5000 < left <= RETRY_MS


async def test_a_retry_that_comes_later_is_a_replay(house: House, ada: int) -> None:
    pair = await house.log_in()
    living = await house.refresh(pair.refresh_token, KEY)
    await house.the_retry_ends(pair.refresh_token, KEY)

    assert await ends_the_family(house, ada, pair.refresh_token, living)


@pytest.mark.parametrize(("first", "second"), [(None, None), (KEY, None), (None, KEY), (KEY, "another")])
async def test_a_token_that_comes_again_under_no_key_or_another_is_a_replay(
    house: House, ada: int, first: str | None, second: str | None
) -> None:
    pair = await house.log_in()
    living = await house.refresh(pair.refresh_token, first)

    assert await ends_the_family(house, ada, pair.refresh_token, living, second)


async def test_a_retry_after_the_successor_was_used_is_a_replay(house: House, ada: int) -> None:
    """Whoever moved on had the answer: the one who asks again is another."""
    pair = await house.log_in()
    second = await house.refresh(pair.refresh_token, KEY)
    living = await house.refresh(second.refresh_token, KEY)

    assert await ends_the_family(house, ada, pair.refresh_token, living)


@pytest.mark.usefixtures("ada")
async def test_a_thief_who_knows_the_key_and_is_quick_is_found_out_by_the_next_rotation(house: House) -> None:
    robbed = await house.log_in()
    own = await house.refresh(robbed.refresh_token, KEY)
    stolen = await house.refresh(robbed.refresh_token, KEY)
    thiefs = await house.refresh(stolen.refresh_token)

    with capture_logs() as logs, pytest.raises(Unauthorized):
        await house.refresh(own.refresh_token)

    assert [line["event"] for line in logs] == ["refresh_token.replayed"]
    with pytest.raises(Unauthorized):
        await house.refresh(thiefs.refresh_token)


@pytest.mark.parametrize("_turn", range(3))
async def test_of_500_rotations_at_once_under_one_key_all_get_the_one_successor_and_the_login_goes_on(
    house: House, ada: int, _turn: int
) -> None:
    pair = await house.log_in()

    won = await race(house, pair.refresh_token, 500, KEY)

    assert len(won) == 500
    assert len({each.refresh_token for each in won}) == 1
    assert len(await house.families(ada)) == 1
    assert (await held(house, won[0].refresh_token)).generation == 2
    assert await house.refresh(won[0].refresh_token)


async def test_reuse_ends_the_family_100_times_of_100(open_house: House) -> None:
    user = await open_house.account()
    ended = 0
    for _ in range(100):
        pair = await open_house.sessions.open(user, 1, remember_me=False)
        living = await open_house.refresh(pair.refresh_token)
        ended += await ends_the_family(open_house, user, pair.refresh_token, living)

    assert ended == 100


@pytest.mark.usefixtures("ada")
async def test_a_call_sent_twice_by_the_client_library_is_no_replay(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection may break after the script ran and before its answer came: redis-py then sends it again."""
    pair = await house.log_in()
    presented = await held(house, pair.refresh_token)
    monkeypatch.setattr("secrets.token_bytes", lambda _: b"the same seed")
    now = datetime.now(UTC)

    outcomes = [await house.refresh_tokens.rotate(presented, now=now) for _ in range(2)]

    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], Rotated)
    assert (await held(house, outcomes[0].token)).generation == 2


async def test_a_retry_of_a_user_who_was_disabled_gets_nothing(house: House, ada: int) -> None:
    pair = await house.log_in()
    await house.refresh(pair.refresh_token, KEY)
    await house.sql("UPDATE users SET is_active = false WHERE id = $1", ada)

    with pytest.raises(Unauthorized):
        await house.refresh(pair.refresh_token, KEY)


@pytest.mark.usefixtures("ada")
async def test_a_retry_with_postgres_away_gets_nothing_yet(house: House) -> None:
    pair = await house.log_in()
    await house.refresh(pair.refresh_token, KEY)
    await house.database.__aexit__(None, None, None)

    with pytest.raises(Unavailable):
        await house.refresh(pair.refresh_token, KEY)


@pytest.mark.usefixtures("ada")
async def test_what_redis_keeps_for_a_retry_makes_no_token_without_the_one_presented(house: House) -> None:
    """The half that Redis has is random, is another each time, and is of use to the holder of the other half only."""
    pair = await house.log_in()
    successor = (await house.refresh(pair.refresh_token, KEY)).refresh_token
    seed = await house.redis.get(house.kept_for_a_retry(pair.refresh_token, KEY))

    made = hmac.new(pair.refresh_token.encode(), seed, hashlib.sha256).digest()

    assert len(seed) == 32
    assert urlsafe_b64encode(made).rstrip(b"=").decode() == successor
    assert seed not in successor.encode()
    with pytest.raises(Unauthorized):
        await house.refresh(urlsafe_b64encode(seed).rstrip(b"=").decode())
