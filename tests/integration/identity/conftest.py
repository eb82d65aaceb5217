from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.identity import House, a_house
from tests.support.rig import emptied_ledger, migrated_database
from tests.support.scenes import in_silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["ada", "anyio_backend", "emptied_ledger", "house", "in_silence", "migrated_database", "open_house"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def house(emptied_ledger: str, redis_url: str, redis_prefix: str) -> AsyncIterator[House]:
    """A house where a login ends the earlier ones."""
    async with a_house(emptied_ledger, redis_url, prefix=redis_prefix) as made:
        yield made


@pytest.fixture
async def open_house(emptied_ledger: str, redis_url: str, redis_prefix: str) -> AsyncIterator[House]:
    """A house where a user may be logged in several times."""
    async with a_house(emptied_ledger, redis_url, prefix=redis_prefix, single_session=False) as made:
        yield made


@pytest.fixture
async def ada(house: House) -> int:
    """The id of a user with PASSWORD."""
    return await house.account("ada")
