"""Fixtures: one running tree for each module of tests, and a client for its API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.servers import fresh_database
from tests.support.tree import House, a_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from anyio.from_thread import BlockingPortal

__all__ = ["anyio_backend", "house", "shared_database"]


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
def shared_database(server_portal: BlockingPortal, postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(server_portal, postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
async def house(shared_database: str, redis_url: str) -> AsyncIterator[House]:
    async with a_tree(shared_database, redis_url, f"test-{uuid.uuid4().hex}:") as made:
        yield made
