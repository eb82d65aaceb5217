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


async def test_an_empty_house_gets_an_admin_with_a_password_that_works(house: House) -> None:
    password = await ensure_admin(house.database, None)

    assert password is not None
    assert len(password) == 20
    pair = await house.log_in("admin", password)
    assert (await house.enter(pair.access_token)).role == "admin"


async def test_a_given_password_is_taken_and_not_shown(house: House) -> None:
    shown = await ensure_admin(house.database, SecretStr("from the settings"))

    assert shown is None
    assert await house.log_in("admin", "from the settings")


async def test_a_house_with_any_account_is_left_alone(house: House) -> None:
    await house.account("ada")

    assert await ensure_admin(house.database, SecretStr("from the settings")) is None

    assert await house.sql("SELECT count(*) FROM users") == 1


async def test_a_later_start_does_not_change_the_password(house: House) -> None:
    await ensure_admin(house.database, SecretStr("the first"))

    await ensure_admin(house.database, SecretStr("the second"))

    with pytest.raises(Unauthorized):
        await house.log_in("admin", "the second")
    assert await house.log_in("admin", "the first")


async def test_of_several_that_start_at_once_one_shows_a_password_and_that_one_works(house: House) -> None:
    shown: list[str | None] = []

    async def start() -> None:
        shown.append(await ensure_admin(house.database, None))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(start)

    (password,) = filter(None, shown)
    assert len(shown) == 4
    assert await house.log_in("admin", password)
