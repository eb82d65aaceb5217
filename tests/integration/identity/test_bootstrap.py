from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from pydantic import SecretStr

from horarium.errors import Unauthorized
from horarium.identity.bootstrap import ensure_admin

if TYPE_CHECKING:
    from tests.support.identity import House

pytestmark = pytest.mark.anyio


def nobody(password: str) -> None:
    raise AssertionError(password)


async def test_an_empty_house_gets_an_admin_with_a_password_that_works(house: House) -> None:
    told: list[str] = []

    await ensure_admin(house.database, None, told.append)

    (password,) = told
    assert len(password) == 20
    pair = await house.log_in("admin", password)
    assert (await house.enter(pair.access_token)).role == "admin"


async def test_a_given_password_is_taken_and_not_shown(house: House) -> None:
    told: list[str] = []

    await ensure_admin(house.database, SecretStr("from the settings"), told.append)

    assert told == []
    assert await house.log_in("admin", "from the settings")


async def test_a_house_with_any_account_is_left_alone(house: House) -> None:
    await house.account("ada")

    await ensure_admin(house.database, SecretStr("from the settings"), nobody)

    assert await house.sql("SELECT count(*) FROM users") == 1


async def test_a_later_start_does_not_change_the_password(house: House) -> None:
    await ensure_admin(house.database, SecretStr("the first"), nobody)

    await ensure_admin(house.database, SecretStr("the second"), nobody)

    with pytest.raises(Unauthorized):
        await house.log_in("admin", "the second")
    assert await house.log_in("admin", "the first")


async def test_of_several_that_start_at_once_one_shows_a_password_and_that_one_works(house: House) -> None:
    told: list[str] = []

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ensure_admin, house.database, None, told.append)

    (password,) = told
    assert await house.log_in("admin", password)
