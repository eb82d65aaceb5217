"""Guessing passwords: whoever guesses too often waits, longer and longer but never for ever, and nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.errors import TooManyRequests, Unauthorized, Unavailable
from horarium.identity.passwords import Verdict
from horarium.identity.throttle import LoginThrottle
from tests.support.identity import PASSWORD, House

if TYPE_CHECKING:
    from horarium.identity.passwords import Passwords

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("ada")]

HERE = "192.0.2.1"
THERE = "192.0.2.2"
WRONG = "wrong"


class Counted:
    """Stands before the passwords and counts how many argon2 has looked at."""

    def __init__(self, house: House) -> None:
        self._passwords: Passwords = house.credentials._passwords
        self.count = 0
        house.credentials._passwords = self  # type: ignore[assignment]  # the one method that a login calls

    async def verify(self, hashed: str | None, text: str) -> Verdict:
        self.count += 1
        return await self._passwords.verify(hashed, text)


class Quick:
    """As Counted, but takes no time and finds every password wrong but one."""

    def __init__(self, house: House) -> None:
        self.count = 0
        house.credentials._passwords = self  # type: ignore[assignment]  # as above

    async def verify(self, _hashed: str | None, text: str) -> Verdict:
        self.count += 1
        return Verdict.RIGHT if text == PASSWORD else Verdict.WRONG


async def outcome(house: House, password: str = WRONG, *, name: str = "ada", address: str = HERE) -> Any:
    """What a login came to: 200, 401, or the seconds to wait."""
    try:
        await house.log_in(name, password, address=address)
    except Unauthorized:
        return 401
    except TooManyRequests as error:
        return error.retry_after
    return 200


async def guesses(house: House, times: int, **where: str) -> list[Any]:
    return [await outcome(house, **where) for _ in range(times)]


async def a_window_passes(house: House, minutes: int) -> None:
    """As if so many minutes had passed: the counts of windows as long as that, or shorter, run out."""
    for key in await house.every_key():
        *_, multiple, granularity = key.decode().split("/")
        if granularity == "minute" and int(multiple) <= minutes:
            await house.redis.delete(key)


# Who is turned away


async def test_ten_guesses_are_looked_at_and_the_eleventh_is_told_to_wait(house: House) -> None:
    quick = Quick(house)

    *first, eleventh = await guesses(house, 11)

    assert first == [401] * 10
    assert 50 < eleventh <= 60
    assert quick.count == 10


async def test_the_right_password_is_turned_away_as_well(house: House) -> None:
    """Else whoever guesses would see which one it is."""
    Quick(house)
    await guesses(house, 10)

    assert 50 < await outcome(house, PASSWORD) <= 60


async def test_an_unknown_name_is_turned_away_just_the_same(house: House) -> None:
    Quick(house)

    *first, eleventh = await guesses(house, 11, name="nobody")

    assert first == [401] * 10
    assert 50 < eleventh <= 60


async def test_a_crowd_that_comes_at_once_gets_no_more_guesses_than_one_after_the_other(house: House) -> None:
    quick = Quick(house)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(outcome, house)

    assert quick.count == 10


@pytest.mark.parametrize("spelling", ["ADA", "Ada", "adA", "\uff21\uff24\uff21", "\u00e1da"])
async def test_another_spelling_of_a_name_is_no_other_account(house: House, spelling: str) -> None:
    Quick(house)
    await guesses(house, 10)

    assert await outcome(house, name=spelling) > 50


async def test_the_delay_grows_with_the_guesses_and_ends_at_a_quarter_of_an_hour(house: House) -> None:
    Quick(house)
    await guesses(house, 10)
    one = await outcome(house)
    await a_window_passes(house, 1)
    await guesses(house, 10)
    five = await outcome(house)
    await a_window_passes(house, 5)
    await guesses(house, 10)

    fifteen = await outcome(house)

    assert (one // 31, five // 151, fifteen // 451) == (1, 1, 1)
    assert (one <= 60, five <= 300, fifteen <= 900) == (True, True, True)
    await a_window_passes(house, 15)
    assert await outcome(house, PASSWORD) == 200


async def test_trying_while_turned_away_makes_the_delay_no_longer(house: House) -> None:
    Quick(house)
    await guesses(house, 10)
    await guesses(house, 100)

    await a_window_passes(house, 1)

    assert await outcome(house, PASSWORD) == 200


async def test_many_accounts_tried_from_one_address_are_too_many_guesses(house: House) -> None:
    Quick(house)

    outcomes = [await outcome(house, name=f"user {number}") for number in range(61)]

    assert outcomes[:60] == [401] * 60
    assert outcomes[60] > 50
    assert await outcome(house, PASSWORD, address=THERE) == 200


async def test_one_account_tried_from_many_addresses_is_too_many_guesses(house: House) -> None:
    quick = Quick(house)

    outcomes = [await outcome(house, address=f"198.51.100.{number}") for number in range(100)]

    assert quick.count == 20
    assert outcomes[:20] == [401] * 20
    assert min(outcomes[20:]) > 50
    assert max(outcomes[20:]) <= 60


# Who is not


async def test_nobody_locks_a_user_out_of_where_they_have_logged_in_before(house: House) -> None:
    Quick(house)
    assert await outcome(house, PASSWORD, address=THERE) == 200
    for number in range(100):
        await outcome(house, address=f"198.51.100.{number}")

    assert await outcome(house, PASSWORD, address=THERE) == 200
    assert await outcome(house, PASSWORD, address="203.0.113.9") > 50


async def test_a_known_address_has_no_more_guesses_than_any_other(house: House) -> None:
    quick = Quick(house)
    await outcome(house, PASSWORD)

    await guesses(house, 20)

    assert quick.count == 1 + 10


async def test_logging_in_is_no_guess_however_often(house: House) -> None:
    Quick(house)

    assert await guesses(house, 200, password=PASSWORD) == [200] * 200


async def test_an_attempt_that_met_no_postgres_is_no_guess(house: House) -> None:
    await house.database.__aexit__(None, None, None)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await house.log_in()

    async with house.database:
        assert await outcome(house, PASSWORD) == 200


async def test_the_right_password_clears_the_errors_before_it(house: House) -> None:
    Quick(house)
    for _ in range(3):
        assert await guesses(house, 9) == [401] * 9
        assert await outcome(house, PASSWORD) == 200


async def test_a_login_to_an_own_account_buys_no_guesses_at_others(house: House) -> None:
    """Else one who has an account would log in to it after every ten guesses."""
    Quick(house)
    for number in range(6):
        await guesses(house, 10, name=f"user {number}")
        last = await outcome(house, PASSWORD)

    assert last > 50


# What is kept


async def test_what_is_counted_runs_out_and_names_no_account(house: House) -> None:
    Quick(house)
    await guesses(house, 12)

    counts = [key for key in await house.every_key() if b"throttle" in key]

    assert len(counts) == 8
    assert [key for key in counts if b"ada" in key.removeprefix(house.keys.prefix.encode())] == []
    assert all([0 < await house.redis.ttl(key) <= 900 for key in counts])


@pytest.mark.parametrize("name", ["", "\ud800", "a\0b", "x" * 200, "*", "a/b:c"])
async def test_any_name_can_be_counted(house: House, name: str) -> None:
    throttle = LoginThrottle(house.redis, house.keys)

    attempt = await throttle.admit(name, "")

    assert len(attempt.account) == 32


# Argon2


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("ada", PASSWORD)])
async def test_argon2_runs_once_whether_or_not_there_is_such_a_user(house: House, name: str, password: str) -> None:
    """What else a login does is the same for both; bench/auth.py shows the times."""
    counted = Counted(house)

    await outcome(house, password, name=name)

    assert counted.count == 1
