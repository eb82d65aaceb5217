"""An older system's tables, in a schema beside ours or in a database of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.servers import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def legacy_url(server_portal: BlockingPortal, postgres_url: str) -> Iterator[str]:
    """A database of the older system's own, empty yet."""
    with fresh_database(server_portal, postgres_url) as url:
        yield url
