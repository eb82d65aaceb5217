from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rig import emptied_ledger, migrated_database
from tests.support.workbench import Workbench, a_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["anyio_backend", "bench", "emptied_ledger", "migrated_database"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def bench(emptied_ledger: str, redis_url: str, redis_prefix: str) -> AsyncIterator[Workbench]:
    """A worker that listens, and gives running tasks no time when it stops."""
    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as made:
        yield made
